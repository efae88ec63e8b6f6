"""A trip's public page: the same for everybody, fresh for each, with a form that is the visitor's own."""

import re

import httpx

from tests.support.service import Service

HTML = {"Accept": "text/html"}


async def opened(service: Service, trip: dict[str, object], **more: str) -> httpx.Response:
    """The page as a browser opens it that was never here."""
    async with httpx.AsyncClient(base_url=str(service.http.base_url), trust_env=False) as stranger:
        answer = await stranger.get(f"/trips/{trip['code']}", headers=HTML, params=more)
    assert answer.status_code == 200
    return answer


def own_texts(answer: httpx.Response) -> tuple[str, str]:
    """The form's token and key."""
    token, key = re.search(r'name="_csrf_token" value="(\w+)"', answer.text), re.search(r'name="key" value="(\w+)"', answer.text)
    assert token is not None
    assert key is not None
    return token[1], key[1]


async def test_two_strangers_see_the_same_page_with_a_form_each_of_their_own(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=3)
    pages = [await opened(service, trip) for _ in range(2)]
    (token, key), (other_token, other_key) = map(own_texts, pages)
    assert len({token, other_token}) == len({key, other_key}) == 2
    assert pages[0].text.replace(token, other_token).replace(key, other_key) == pages[1].text
    assert token == pages[0].cookies["busload_csrf"], "the token that the browser's cookie has"
    assert pages[0].headers["content-type"] == "text/html; charset=utf-8"
    assert pages[0].headers["cache-control"] == "no-store"


async def test_the_page_is_as_fresh_as_the_database(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=3)
    counts = []
    for _ in range(3):
        counts.append(re.findall(r'data-live="secured">(\d+)<', (await opened(service, trip)).text))
        await service.pledged(trip)
    counts.append(re.findall(r'data-live="secured">(\d+)<', (await opened(service, trip)).text))
    assert counts == [["0"], ["1"], ["2"], ["3"]]
    assert "It runs!" in (await opened(service, trip)).text


async def test_what_one_visitor_brings_along_is_not_shown_to_another(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=3)
    assert (
        'name="back" value="https://partner.example/?q=1"'
        in (await opened(service, trip, **{"return": "https://partner.example/?q=1"})).text
    )
    assert "partner.example" not in (await opened(service, trip)).text
    dark = await service.http.get(f"/trips/{trip['code']}", headers={**HTML, "Cookie": "theme=dark"})
    assert 'data-theme="dark"' in dark.text
    assert 'data-theme="' not in (await opened(service, trip)).text


async def test_who_is_signed_in_finds_their_name_and_nobody_else_does(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=3)
    await opened(service, trip)
    mine = await service.organiser.get(f"/trips/{trip['code']}", headers=HTML)
    assert "Sign out" in mine.text
    assert "Sign out" not in (await opened(service, trip)).text


async def test_what_is_no_code_is_not_found_and_spoils_nothing(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=3)
    answers = [await service.http.get(path, headers=HTML) for path in ("/trips/NOSUCHCODE", "/trips/a%00b", "/trips/%F0%9F%9A%8C/board")]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert (await opened(service, trip)).status_code == 200

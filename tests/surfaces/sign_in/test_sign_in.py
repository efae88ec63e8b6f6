"""Mail links sign in once, in the browser that asked, by a button; the demo's doors exist only where they may."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio

from app.core.clock import Mark
from tests.support.service import Service


class Browser:
    """A browser that keeps cookies and fills the forms it is shown."""

    def __init__(self, base_url: str) -> None:
        self.http = httpx.AsyncClient(base_url=base_url, trust_env=False, timeout=30, headers={"accept": "text/html"})

    async def get(self, path: str) -> httpx.Response:
        return await self.http.get(path)

    async def post(self, path: str, **fields: str) -> httpx.Response:
        token = self.http.cookies.get("busload_csrf") or ""
        return await self.http.post(path, data={"_csrf_token": token, **fields}, headers={"sec-fetch-site": "same-origin"})


@pytest_asyncio.fixture
async def browser(service: Service) -> AsyncIterator[Browser]:
    browser = Browser(str(service.http.base_url))
    yield browser
    await browser.http.aclose()


async def mailed_path(service: Service, browser: Browser, email: str = "ada@example.org", next: str = "/") -> str:
    """Asks for a link and takes it out of the mail."""
    await browser.get("/sign-in")
    answer = await browser.post("/sign-in", email=email, next=next)
    assert answer.status_code == 200, answer.text
    assert email in answer.text
    await service.work("send_mail")
    message = service.postbox.messages[-1]
    assert message["To"] == email
    found = re.search(r"https?://\S+(/sign-in/\S+)", message.get_body(("plain",)).get_content())
    assert found
    return found[1]


async def use(browser: Browser, path: str) -> httpx.Response:
    return await browser.post("/sign-in/use", token=path.rsplit("/", 1)[1])


async def test_the_button_signs_in_and_goes_on_where_one_came_from(service: Service, browser: Browser) -> None:
    path = await mailed_path(service, browser, next="/partner")
    shown = await browser.get(path)
    assert 'action="/sign-in/use"' in shown.text
    assert shown.headers["referrer-policy"] == "no-referrer"
    answer = await use(browser, path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/partner")
    (cookie,) = [row for row in answer.headers.get_list("set-cookie") if row.startswith("busload_session=")]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert (await browser.get("/sign-in?next=/partner")).headers["location"] == "/partner", "signed in"
    async with service.pool.acquire() as conn:
        token = browser.http.cookies["busload_session"]
        stored = await conn.fetchval("SELECT string_agg(s::text, ' ') FROM sessions s")
        assert token not in stored


async def test_looking_at_the_link_uses_nothing_up(service: Service, browser: Browser) -> None:
    path = await mailed_path(service, browser)
    scanner = await service.http.get(path, headers={"accept": "text/html"})
    assert scanner.status_code == 200
    assert "another browser" in scanner.text
    for _ in range(3):
        await browser.get(path)
    assert (await use(browser, path)).status_code == 303


async def test_a_link_works_once(service: Service, browser: Browser) -> None:
    path = await mailed_path(service, browser)
    await use(browser, path)
    again = await use(browser, path)
    assert again.status_code == 410
    assert "used before" in again.text
    assert "busload_session" not in str(again.headers.get("set-cookie"))


async def test_a_link_works_only_in_the_browser_that_asked(service: Service, browser: Browser) -> None:
    path = await mailed_path(service, browser)
    other = Browser(str(service.http.base_url))
    await mailed_path(service, other, email="eve@example.org")
    stolen = await use(other, path)
    assert stolen.status_code == 410
    assert "busload_session" not in other.http.cookies
    assert (await use(browser, path)).status_code == 303, "the theft did not use it up"
    await other.http.aclose()


async def test_a_link_lives_ten_minutes(service: Service, browser: Browser) -> None:
    path = await mailed_path(service, browser)
    await service.jump(timedelta(minutes=10, seconds=1))
    assert (await use(browser, path)).status_code == 410


async def test_neither_table_nor_outbox_holds_a_token(service: Service, browser: Browser) -> None:
    path = await mailed_path(service, browser)
    async with service.pool.acquire() as conn:
        stored = await conn.fetchval(
            "SELECT (SELECT string_agg(l::text, ' ') FROM sign_in_links l) || (SELECT string_agg(m::text, ' ') FROM mails m)"
        )
    assert path.rsplit("/", 1)[1] not in stored
    assert browser.http.cookies["busload_browser"] not in stored


async def test_forms_without_our_token_are_refused(service: Service, browser: Browser) -> None:
    path = await mailed_path(service, browser)
    forged = await browser.http.post("/sign-in/use", data={"token": path.rsplit("/", 1)[1]})
    assert forged.status_code == 403
    assert (await use(browser, path)).status_code == 303


async def test_signing_out_ends_the_session_in_the_database(service: Service, browser: Browser) -> None:
    await use(browser, await mailed_path(service, browser))
    token = browser.http.cookies["busload_session"]
    answer = await browser.post("/sign-out")
    assert answer.status_code == 303
    assert "busload_session" not in browser.http.cookies
    refused = await service.http.get("/api/partner/keys", headers={"Authorization": f"Bearer {token}"})
    assert refused.json()["code"] == "sign_in_needed"


@pytest.mark.parametrize("email", ["", "ada", "ada@", "ada@localhost", "a b@example.org", f"{'a' * 65}@example.org"])
async def test_a_wrong_address_is_named_and_nothing_is_mailed(service: Service, browser: Browser, email: str) -> None:
    await browser.get("/sign-in")
    answer = await browser.post("/sign-in", email=email, next="/partner")
    assert answer.status_code == 422
    assert 'value="/partner"' in answer.text
    assert await service.work("send_mail") == 0


async def test_one_address_gets_five_links_in_ten_minutes(service: Service, browser: Browser) -> None:
    for _ in range(5):
        await mailed_path(service, browser)
    refused = await browser.post("/sign-in", email="ada@example.org")
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "600"


@pytest.mark.parametrize("next", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/a\tb", ""])
async def test_nobody_is_sent_to_another_site_after_signing_in(service: Service, browser: Browser, next: str) -> None:
    path = await mailed_path(service, browser, next=next)
    assert (await use(browser, path)).headers["location"] == "/"


async def test_a_page_that_needs_signing_in_asks_for_it_and_comes_back(service: Service, browser: Browser) -> None:
    answer = await browser.get("/partner")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Fpartner")


@pytest.mark.parametrize("role", ["organiser", "rider"])
async def test_a_demo_door_signs_a_browser_in(service: Service, browser: Browser, role: str) -> None:
    answer = await browser.get(f"/demo/{role}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/" if role == "rider" else f"/{role}")
    assert (await browser.get("/sign-in")).status_code == 303, "signed in"


async def test_a_demo_session_is_a_bearer_token_with_the_role(service: Service) -> None:
    made = await service.http.post("/api/demo/sessions", json={"role": "organiser"})
    assert made.status_code == 201
    event = await service.http.get("/api/partner/keys", headers={"Authorization": f"Bearer {made.json()['token']}"})
    assert event.json()["code"] == "not_allowed", "an organiser, and no partner"
    assert (await service.http.post("/api/demo/sessions", json={"role": "partner", "code": "NOBODY"})).status_code == 404
    assert (await service.http.post("/api/demo/sessions", json={"role": "king"})).status_code == 422


async def test_a_live_database_has_no_demo_doors(service: Service, browser: Browser) -> None:
    assert (await browser.get("/demo/organiser")).status_code == 303
    async with service.pool.acquire() as conn:
        await conn.execute("UPDATE installation SET mark = $1", Mark.LIVE.value)
        before = await conn.fetchval("SELECT count(*) FROM sessions")
    for path in ("/demo/organiser", "/demo/rider", "/demo/operator", "/demo/nobody"):
        assert (await browser.get(path)).status_code == 404
    assert (await service.http.post("/api/demo/sessions", json={"role": "organiser"})).status_code == 404
    async with service.pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM sessions") == before

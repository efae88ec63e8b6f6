"""The event team's pages, form by form."""

from typing import Any

import httpx

from tests.support.receiver import Receiver
from tests.support.service import Service
from tests.surfaces.partner.conftest import SITE, Team

PAGE = {"accept": "text/html", "sec-fetch-site": "same-origin"}


async def show(team: Team, path: str) -> httpx.Response:
    answer = await team.http.get(f"/partner/{team.code}{path}", headers=PAGE)
    assert "StrictUndefined" not in answer.text
    return answer


async def post(team: Team, path: str, **fields: str) -> httpx.Response:
    await show(team, "/keys")
    token = team.http.cookies["busload_csrf"]
    return await team.http.post(f"/partner/{team.code}{path}", data={"_csrf_token": token, **fields}, headers=PAGE)


async def test_the_first_page_lists_events_with_trips_and_share(service: Service, team: Team, event: dict[str, Any]) -> None:
    await service.trip(event)
    assert (await team.http.get("/partner", headers=PAGE)).headers["location"] == f"/partner/{team.code}"
    text = (await show(team, "")).text
    for expected in ("City FC", "Derby &amp; &lt;Cup&gt;", "Baltimore", "Open for pledges"):
        assert expected in text


async def test_an_event_without_a_key_says_what_to_do(team: Team, event: dict[str, Any]) -> None:
    text = (await show(team, f"/events/{event['code']}")).text
    assert "A key first" in text
    assert "/w/v1.js" not in text


async def test_the_snippet_and_the_preview_carry_the_key(team: Team, event: dict[str, Any]) -> None:
    key = await team.key()
    answer = await show(team, f"/events/{event['code']}")
    assert f'<busload-trips event="{event["code"]}" key="{key["key"]}">' in answer.text, "the preview"
    assert "&lt;div data-busload=&#34;" in answer.text, "the snippet for site builders"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert (await show(team, "/events/NOTHING")).status_code == 404


async def test_keys_are_kept_by_forms_and_a_fault_loses_nothing(team: Team) -> None:
    assert (await post(team, "/keys", origins=f"{SITE}\nhttps://b.example")).status_code == 303
    (key,) = (await team.http.get("/api/partner/keys")).json()
    assert key["origins"] == [SITE, "https://b.example"]
    wrong = await post(team, f"/keys/{key['id']}", origins="https://c.example\nftp://d")
    assert wrong.status_code == 422
    assert "ftp://d" in wrong.text
    assert (await post(team, f"/keys/{key['id']}", origins="https://c.example")).status_code == 303
    assert (await post(team, "/keys", origins="")).status_code == 422
    assert (await post(team, f"/keys/{key['id']}/revoke")).status_code == 303
    assert "Revoked" in (await show(team, "/keys")).text


async def test_a_form_without_our_token_changes_nothing(team: Team) -> None:
    answer = await team.http.post(f"/partner/{team.code}/keys", data={"origins": SITE}, headers=PAGE)
    assert answer.status_code == 403
    assert (await team.http.get("/api/partner/keys")).json() == []


async def test_webhooks_are_kept_by_forms_with_log_and_replay(service: Service, team: Team, receiver: Receiver) -> None:
    wrong = await post(team, "/webhooks", url="https://10.0.0.1/")
    assert wrong.status_code == 422
    assert "private" in wrong.text
    made = await post(team, "/webhooks", url=receiver.url)
    page = made.headers["location"].removeprefix(f"/partner/{team.code}")
    assert "whsec_" in (await show(team, page)).text
    receiver.statuses = [500, 200]
    assert (await post(team, f"{page}/test")).status_code == 303
    await service.work("deliver_webhook")
    text = (await show(team, page)).text
    for expected in ("webhook.test", "Pending", "The endpoint answered 500.", "Next try"):
        assert expected in text
    assert "Replay" not in text, "it waits for its next try"
    async with service.pool.acquire() as conn:
        await conn.execute("UPDATE webhook_deliveries SET state = 'failed', next_try_at = NULL")
    (delivery,) = (await team.http.get(f"/api/partner{page}/deliveries")).json()["items"]
    assert "Replay" in (await show(team, page)).text
    assert (await post(team, f"/deliveries/{delivery['id']}/replay")).status_code == 303
    await service.work("deliver_webhook")
    assert "Delivered" in (await show(team, page)).text
    assert (await post(team, f"{page}/disable")).status_code == 303
    assert "Nothing is sent here any more" in (await show(team, page)).text
    assert receiver.url in (await show(team, "/webhooks")).text


async def test_a_partners_page_is_nobody_elses(team: Team, rival: Team) -> None:
    for path in ("", "/keys", "/webhooks"):
        assert (await rival.http.get(f"/partner/{team.code}{path}", headers=PAGE)).status_code == 404
    assert "United &lt;b&gt;FC&lt;/b&gt;" in (await show(rival, "")).text

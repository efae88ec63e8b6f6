"""What a browser and a hostile client rely on: headers, cookies, escaping, redirects, replays, logs."""

import asyncio
import io
import json
import logging
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio

from app.core.log import set_up_logging
from tests.support.fake_stripe import FakeStripe
from tests.support.server import scratch_database
from tests.support.service import running_service
from tests.surfaces.access import ACCESS, ANYBODY, LINK_HOLDER
from tests.surfaces.house import House, open_house
from tests.surfaces.test_authorization import PARAMETER, address, ask

HTML_NAME = '<img src=x onerror="alert(1)">'
ELSEWHERE = ["https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "/\t/evil.example"]


@pytest_asyncio.fixture(scope="module")
async def house(server: tuple[str, str], stripe: FakeStripe) -> AsyncIterator[House]:
    async with (
        scratch_database(server[0], template=server[1], purpose="manners") as dsn,
        running_service(dsn, stripe) as service,
        open_house(service) as opened,
    ):
        yield opened


async def test_every_page_has_its_policy_and_is_kept_by_nobody(house: House) -> None:
    seen = 0
    for route, let_in in ACCESS.items():
        if not route.startswith("GET ") or "/live" in route or (let_in is ANYBODY and PARAMETER.search(route)):
            continue
        token = next((token for prefix, token in house.tokens.items() if route.split(" ", maxsplit=1)[1].startswith(prefix)), "")
        role = "anonymous" if let_in in (ANYBODY, LINK_HOLDER) else min(let_in)
        answer = await ask(house, role, route, token)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy, route
        assert "unsafe-inline" not in policy, route
        assert "unsafe-eval" not in policy, route
        assert answer.headers["x-content-type-options"] == "nosniff", route
        if let_in is not ANYBODY:
            assert answer.headers["cache-control"] == "no-store", route
        if "html" in answer.headers.get("content-type", ""):
            seen += 1
            assert re.search(r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/(ld\+)?json\")[^>]*>", answer.text) is None, route
            assert re.search(r"\son\w+=", answer.text) is None, route
    assert seen > 15


async def test_every_form_needs_its_token(house: House) -> None:
    base = str(house.service.http.base_url)
    for route in [route for route in ACCESS if route.startswith("POST ") and not route.startswith("POST /api/")]:
        token = next((token for prefix, token in house.tokens.items() if route.split(" ", maxsplit=1)[1].startswith(prefix)), "")
        async with httpx.AsyncClient(base_url=base, trust_env=False) as browser:
            answer = await browser.post(address(route, house, token), data={"reason": "Snow"})
            assert answer.status_code == 403, route
            await browser.get("/sign-in/none")
            answer = await browser.post(address(route, house, token), headers={"x-csrf-token": "0" * 64})
            assert answer.status_code == 403, route


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
async def test_nobody_is_led_elsewhere(house: House, elsewhere: str) -> None:
    for path in ("/sign-in", "/", "/pledges"):
        for role in ("anonymous", "rider"):
            answer = await house.clients[role].get(path, params={"next": elsewhere, "return": elsewhere}, headers={"accept": "text/html"})
            assert "evil.example" not in answer.headers.get("location", "")
            assert "javascript:" not in answer.headers.get("location", "")
            assert f'value="{elsewhere}"' not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/static/../main.py",
        "/static/%2e%2e/main.py",
        "/static/..%2f..%2fmain.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/css/..%5c..%5cmain.py",
        "/static/a%00b",
        "/d/static/x/..%2f..%2fapi.py",
        "/w/..%2fshape.py",
        "/w/v1.js/..%2f__init__.py",
        "/w/x/%2e%2e%2fshape.py",
        "/demo/organiser/..%2f..",
    ],
)
async def test_no_path_leads_out_of_its_folder(house: House, path: str) -> None:
    reader, writer = await asyncio.open_connection(house.service.http.base_url.host, house.service.http.base_url.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode(errors="replace")
    writer.close()
    assert answer.split(" ", maxsplit=2)[1] in {"400", "404", "422"}, answer[:300]
    assert "import" not in answer
    assert "root:" not in answer


async def test_bodies_that_are_none_are_refused_with_a_problem(house: House) -> None:
    path = f"/api/trips/{house.paths['trip_id']}/pledges"
    tried = [
        (b"x" * 1_100_000, "application/json", {413}),
        (b"a=b", "application/x-www-form-urlencoded", {400, 415, 422}),
        (b"<a/>", "application/xml", {400, 415, 422}),
        (b"\xff\xfe{}", "application/json", {400, 422}),
        (b'{"name": "\\ud800"}', "application/json", {400, 422}),
        (b"[" * 100_000, "application/json", {400, 422}),
        (b"", "application/json", {400, 422}),
    ]
    for body, kind, statuses in tried:
        answer = await house.service.http.post(path, content=body, headers={"Content-Type": kind, "Idempotency-Key": uuid4().hex})
        assert answer.status_code in statuses, (body[:20], kind, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    no_form = {"Content-Type": "multipart/form-data", "X-CSRF-Token": ""}  # without the token its form is read
    unbounded = await house.service.http.get(f"/open/events/{house.paths['/e/']}/jsonld", headers=no_form)
    assert (unbounded.status_code, unbounded.json()["errors"][0]["field"]) == (422, "Content-Type")


@pytest.mark.parametrize(
    ("method", "path", "sent", "field"),
    [
        ("POST", "/api/trips/{trip_id}/pledges", {"json": {"name": "A", "email": "a@x.example", "needs": "a\x00b", "seats": 1}}, "needs"),
        ("POST", "/api/trips/{trip_id}/pledges", {"content": b'{"name": "\xff"}', "headers": {"Content-Type": "application/json"}}, "body"),
        ("POST", "/organiser/events/{/e/}/cancel", {"data": {"reason": "a\x00b"}}, "reason"),
        ("GET", "/api/organiser/events/{event_id}/ledger?account=a%00b", {}, "account"),
        ("GET", "/e/a%00b", {}, "code"),
    ],
)
async def test_text_that_nobody_can_store_is_refused_by_its_field(
    house: House, method: str, path: str, sent: dict[str, Any], field: str
) -> None:
    if "json" in sent:
        sent = {"json": {"stop_id": house.paths["stop_id"], "legs": ["outbound"], **sent["json"]}}
    headers = {"Idempotency-Key": uuid4().hex, **sent.get("headers", {})}
    client = house.clients["organiser"] if "organiser" in path else house.service.http
    answer = await client.request(method, path.format(**house.paths), **{**sent, "headers": headers})
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field]), answer.text


@pytest.mark.parametrize("charset", ["klingon", "utf-7", "hex"])
async def test_a_form_in_another_charset_is_no_fault_of_ours(house: House, charset: str) -> None:
    lines = [
        "--x",
        'Content-Disposition: form-data; name="email"',
        f"Content-Type: text/plain; charset={charset}",
        "",
        "+2AA-@x.example",
        "--x--",
    ]
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await house.service.http.post("/sign-in", content="\r\n".join(lines).encode(), headers=headers)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"], answer.text


async def test_a_file_in_a_text_field_is_a_fault_of_the_form_and_not_ours(house: House) -> None:
    token = house.service.http.headers["x-csrf-token"]
    for route in [route for route in ACCESS if route.startswith("POST ") and not route.startswith("POST /api/")]:
        link = next((token for prefix, token in house.tokens.items() if route.split(" ", maxsplit=1)[1].startswith(prefix)), "")
        if "/p/" in route or "{answer" in route or "/cancel" in route or "/open" in route or "/dispatch" in route:
            continue  # these take no text, or end what the other tests look at
        role = "anonymous" if ACCESS[route] in (ANYBODY, LINK_HOLDER) else min(ACCESS[route])
        names = ("email", "next", "name", "origins", "url", "note", "zone", "currency", "key", "terms", "reason", "token", "stops", "key")
        files = [(name, ("x.txt", io.BytesIO(b"x"), "text/plain")) for name in names]
        path = address(route, house, link) if "/trips/{code" not in route or "organiser" in route else ""
        if path:
            answer = await house.clients[role].post(path, files=files, headers={"x-csrf-token": token} if role == "anonymous" else {})
            assert answer.status_code < 500, (route, answer.text)


async def test_an_unknown_trip_has_no_stream(house: House) -> None:
    answer = await house.service.http.get(f"/api/trips/{uuid4()}/live")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_trip")


async def test_twenty_at_once_with_one_key_are_one_pledge(house: House, stripe: FakeStripe) -> None:
    service = house.service
    trip = await service.trip(await service.event())
    body = {"stop_id": trip["stops"][0]["id"], "name": "Ada", "email": "ada@example.org", "seats": 2}
    key = {"Idempotency-Key": uuid4().hex}

    async def once() -> httpx.Response:
        async with httpx.AsyncClient(base_url=service.http.base_url, trust_env=False, timeout=60) as http:
            answer = await http.post(f"/api/trips/{trip['id']}/pledges", json=body, headers=key)
            while answer.status_code == 409 and answer.json()["code"] == "idempotency_key_in_flight":
                answer = await http.post(f"/api/trips/{trip['id']}/pledges", json=body, headers=key)
            return answer

    answers = await asyncio.gather(*(once() for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert (
        len({(answer.json()["pledge"]["id"], answer.json()["manage_token"], answer.json()["pledge"]["card_url"]) for answer in answers})
        == 1
    )
    async with service.pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM pledges WHERE trip_id = $1", UUID(trip["id"])) == 1
    other = await service.http.post(f"/api/trips/{trip['id']}/pledges", json={**body, "seats": 3}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_session_that_opens_a_card_page_does_not_stand_in_its_way_back(house: House, stripe: FakeStripe) -> None:
    service = house.service
    trip = await service.trip(await service.event())
    placed = await service.pledged(trip)
    answer = await service.organiser.post(f"/api/pledges/{placed['pledge']['id']}/card")
    assert answer.status_code == 200, answer.text
    page = answer.json()["card_url"].rsplit("/", maxsplit=1)[-1]
    assert page not in placed["pledge"]["card_url"]
    kept = [line for line in stripe.journal.read_text().splitlines() if page in line and "success_url" in line]
    assert kept
    assert all(f"/p/{placed['manage_token']}/card-saved" in line for line in kept)
    assert service.organiser.headers["authorization"].split()[1] not in "".join(kept)


async def test_withdrawing_twice_and_after_confirmation(house: House) -> None:
    service = house.service
    trip = await service.trip(await service.event())
    placed = [await service.pledged(trip) for _ in range(2)]
    path = f"/api/pledges/{placed[0]['pledge']['id']}/withdraw"
    headers = {"Authorization": f"Bearer {placed[0]['manage_token']}"}
    answers = await asyncio.gather(*(service.http.post(path, headers=headers) for _ in range(5)))
    assert 200 in {answer.status_code for answer in answers}
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert (await service.trip_now(trip))["secured"] == 1
    last = await service.pledged(trip, seats=2)
    assert (await service.trip_now(trip))["state"] == "confirmed"
    late = await service.http.post(
        f"/api/pledges/{last['pledge']['id']}/withdraw", headers={"Authorization": f"Bearer {last['manage_token']}"}
    )
    assert (late.status_code, late.json()["state"]) == (200, "withdrawn"), "after the confirmation one leaves by the refund ladder"
    assert [charge["state"] for charge in late.json()["charges"]] == ["void"]
    async with service.pool.acquire() as conn:
        assert await conn.fetchval("SELECT secured FROM trips WHERE id = $1", UUID(trip["id"])) == 1


async def test_a_name_of_tags_is_text_on_every_page_and_in_every_mail(house: House) -> None:
    service = house.service
    event = await service.event(name=f"Cup {HTML_NAME}", venue_name=HTML_NAME, summary=HTML_NAME)
    trip = await service.trip(event, origin=HTML_NAME)
    placed = await service.pledged(trip, name=HTML_NAME, needs=HTML_NAME)
    for path in (
        "/",
        f"/e/{event['code']}",
        f"/trips/{trip['code']}",
        f"/p/{placed['manage_token']}",
        f"/trips/{trip['code']}/propose-stop",
    ):
        answer = await service.http.get(path)
        assert answer.status_code == 200, path
        assert HTML_NAME not in answer.text, path
    for path in ("/organiser", f"/organiser/events/{event['code']}", f"/organiser/trips/{trip['code']}"):
        assert HTML_NAME not in (await service.organiser.get(path)).text, path
    answer = await service.http.get(f"/open/events/{event['code']}/jsonld")
    assert json.loads(answer.text)
    await service.work("send_mail")
    mails = service.postbox.messages
    assert any(HTML_NAME in message.get_body(("plain",)).get_content() for message in mails)
    for message in mails:
        assert HTML_NAME not in message.get_body(("html",)).get_content()
        assert "\n" not in message["Subject"]


async def test_cookies_are_out_of_reach_of_scripts(house: House) -> None:
    async with httpx.AsyncClient(base_url=house.service.http.base_url, trust_env=False) as browser:
        answers = [await browser.get("/demo/organiser"), await browser.get("/sign-in")]
        cookies = [cookie for answer in answers for cookie in answer.headers.get_list("set-cookie")]
    assert {cookie.split("=")[0] for cookie in cookies} >= {"busload_session", "busload_csrf"}
    for cookie in cookies:
        assert "httponly" in cookie.lower(), cookie
        assert "samesite=lax" in cookie.lower(), cookie


async def test_the_log_holds_no_token_and_no_address(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    set_up_logging(level="DEBUG")
    for ours in ("httpx", "httpcore", "asyncio"):
        logging.getLogger(ours).setLevel(logging.WARNING)  # the test's own client
    logging.getLogger("uvicorn.access").disabled = True  # as `serve` has it
    try:
        for prefix, token in house.tokens.items():
            for route in [
                route for route in ACCESS if route.split(" ", maxsplit=1)[1].startswith(prefix + "{") and route.startswith("GET ")
            ]:
                await ask(house, "anonymous", route, token)
                await ask(house, "anonymous", route, token[:-1] + "!")
        for client in house.clients.values():
            await client.get("/pledges")
        await house.service.http.post("/api/trips/x/pledges", json={"email": "leak@example.org"})
        await house.service.http.post("/sign-in", data={"email": "leak@example.org"})
    finally:
        logging.getLogger("uvicorn.access").disabled = False
        set_up_logging(level="WARNING")
    told = "".join(line for line in capfd.readouterr() if line)
    secrets = [
        *house.tokens.values(),
        *(client.headers.get("authorization", "Bearer none").split()[1] for client in house.clients.values()),
    ]
    assert [secret for secret in secrets if secret != "none" and secret in told] == []
    assert "leak@example.org" not in told
    assert "@rider.example" not in told

"""Too much is refused with 429, says when to come again, and is counted by all processes where it matters."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest_asyncio

from app.web.rate_policies import CALLERS, SIGN_IN
from tests.support.server import ScratchDatabase, connect, scratch_database
from tests.support.web_process import web_process

ELSEWHERE = {"x-forwarded-for": "203.0.113.9"}


class Two:
    """Two web processes on one database."""

    def __init__(self, database: ScratchDatabase, one: httpx.AsyncClient, other: httpx.AsyncClient) -> None:
        self.database, self.one, self.other = database, one, other


@pytest_asyncio.fixture(scope="module")
async def two(server: tuple[str, str]) -> AsyncIterator[Two]:
    async with scratch_database(server[0], template=server[1], purpose="limits") as dsn, web_process(dsn) as one, web_process(dsn) as other:
        scratch = ScratchDatabase(dsn)
        yield Two(scratch, one, other)
        scratch.close()


async def try_link(http: httpx.AsyncClient, address: str) -> httpx.Response:
    if "busload_csrf" not in http.cookies:
        await http.get("/sign-in/none")
    headers = {"x-forwarded-for": address, "x-csrf-token": http.cookies["busload_csrf"]}
    return await http.post("/sign-in/use", data={"token": "guess"}, headers=headers)


async def use_up(two: Two, quota: int) -> None:
    async with (await two.database.pool()).acquire() as conn:
        await conn.execute("UPDATE rate_counters SET used = $1", quota)


async def test_sign_in_is_counted_by_all_processes_together(two: Two) -> None:
    first = await try_link(two.one, "203.0.113.7")
    assert first.headers["ratelimit-policy"] == '"sign-in";q=300;w=600'
    assert first.headers["ratelimit"].startswith('"sign-in";r=299;t=')
    await use_up(two, SIGN_IN.quota - 1)
    assert (await try_link(two.one, "203.0.113.7")).status_code == 410
    refused = await try_link(two.other, "203.0.113.7")
    assert refused.status_code == 429
    problem = refused.json()
    assert (problem["type"], problem["status"]) == ("/problems/too_many_requests", 429)
    assert 0 < int(refused.headers["retry-after"]) <= SIGN_IN.window_s
    assert refused.headers["ratelimit"].startswith('"sign-in";r=0;t=')
    assert refused.headers["content-type"].startswith("application/problem+json")
    assert (await try_link(two.other, "203.0.113.8")).status_code == 410, "somebody else"


async def test_a_window_ends(two: Two) -> None:
    await try_link(two.one, "203.0.113.10")
    await use_up(two, SIGN_IN.quota)
    assert (await try_link(two.one, "203.0.113.10")).status_code == 429
    async with (await two.database.pool()).acquire() as conn:
        await conn.execute("UPDATE rate_counters SET window_end = busload_now() - interval '1 second'")
    assert (await try_link(two.one, "203.0.113.10")).status_code == 410


async def test_counters_hold_no_address(two: Two) -> None:
    await try_link(two.one, "203.0.113.11")
    async with (await two.database.pool()).acquire() as conn:
        stored = await conn.fetchval("SELECT string_agg(c::text, ' ') FROM rate_counters c")
    assert stored
    assert "203.0.113" not in stored


async def test_a_client_cannot_choose_its_address(two: Two) -> None:
    for number in range(3):
        await try_link(two.one, f"198.51.100.{number}, 203.0.113.12")
    async with (await two.database.pool()).acquire() as conn:
        assert await conn.fetchval("SELECT max(used) FROM rate_counters") >= 3, "the address the proxy saw, whatever came before it"


async def test_only_trusted_proxies_are_believed(two: Two) -> None:
    async with web_process(two.database.dsn, trusted_proxies="10.0.0.0/8") as http:
        page = await http.get("/", headers=ELSEWHERE)
    assert "ratelimit" not in page.headers, "this machine, whatever it says"


async def test_one_caller_is_limited_and_its_neighbours_are_not(two: Two) -> None:
    path = f"/api/pledges/{uuid4()}/withdraw"
    mine = {**ELSEWHERE, "authorization": "Bearer mine"}
    answer, asked = await two.one.post(path, headers=mine), 1
    while answer.status_code != 429 and asked < CALLERS.quota * 4:  # it refills meanwhile, on a slow machine by more than on a fast one
        assert answer.status_code in {401, 404}
        answer, asked = await two.one.post(path, headers=mine), asked + 1
    assert answer.status_code == 429
    assert asked > CALLERS.quota, "not before the quota"
    assert answer.headers["ratelimit-policy"] == '"caller";q=300;w=60'
    assert (await two.one.post(path, headers={**ELSEWHERE, "authorization": "Bearer other"})).status_code != 429


async def test_this_machine_is_counted_where_it_is_no_stage(two: Two) -> None:
    assert "ratelimit" not in (await two.one.get("/")).headers
    conn = await connect(two.database.dsn)
    await conn.execute("UPDATE installation SET mark = 'live'")
    try:
        async with web_process(two.database.dsn) as http:
            assert '"all"' in (await http.get("/")).headers["ratelimit-policy"]
    finally:
        await conn.execute("UPDATE installation SET mark = 'test'")
        await conn.close()


async def test_metrics_are_for_this_machine_or_for_who_has_the_token(two: Two) -> None:
    await two.one.get("/")
    figures = await two.one.get("/metrics")
    assert figures.status_code == 200
    assert 'busload_requests_total{method="GET",route="/",status="200"}' in figures.text
    assert "process_open_fds " in figures.text, "what runs out first"
    assert (await two.one.get("/metrics", headers=ELSEWHERE)).status_code == 404
    assert (await two.one.get("/metrics", headers={"x-forwarded-for": "127.0.0.1"})).status_code == 404, "a proxy speaks"
    async with web_process(two.database.dsn, metrics_token="secret") as http:
        assert (await http.get("/metrics")).status_code == 404
        assert (await http.get("/metrics", headers={"authorization": "Bearer wrong"})).status_code == 404
        assert (await http.get("/metrics", headers={**ELSEWHERE, "authorization": "Bearer secret"})).status_code == 200


async def test_https_binds_cookies_to_this_host_and_browsers_to_https(two: Two) -> None:
    async with web_process(two.database.dsn, base_url="https://seats.example.org") as http:
        page = await http.get("/sign-in", headers={"accept": "text/html"})
        assert page.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
        cookies = page.headers.get_list("set-cookie")
        token = next(row for row in cookies if row.startswith("__Host-busload_csrf=")).split("=", 1)[1].split(";")[0]
        headers = {"cookie": f"__Host-busload_csrf={token}", "x-csrf-token": token}
        asked = await http.post("/sign-in", data={"email": "ada@example.org"}, headers=headers)
        (browser,) = [row for row in asked.headers.get_list("set-cookie") if "busload_browser" in row]
    assert browser.startswith("__Host-busload_browser=")
    for row in (*cookies, browser):
        assert "Secure" in row, row
        assert "HttpOnly" in row, row
        assert "SameSite=lax" in row, row

"""Stripe's limits are kept by all processes together, sign-ups first."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app.core.database import Connection, open_pool, transaction
from app.domain.payments import budget_store as budget
from app.domain.payments.budget import Limits, SharedPace, endpoint_of
from app.domain.payments.gateway import GatewayRateLimited
from app.domain.payments.stripe_gateway import StripeGateway
from tests.support.fake_stripe import API_KEY, FakeStripe, fake_stripe
from tests.support.server import ScratchDatabase

LIMITS = Limits(account_per_s=20, endpoint_per_s=10)
STRICT = ("--rate-limited", "--account-requests-per-s", "20", "--endpoint-requests-per-s", "10")
FETCH, SESSION = "GET /v1/payment_intents/{intent}", "POST /v1/checkout/sessions"


@pytest_asyncio.fixture
async def strict(tmp_path: Path) -> AsyncIterator[FakeStripe]:
    """A fake Stripe that refuses what is too much."""
    async with fake_stripe(tmp_path, *STRICT) as running:
        yield running


@asynccontextmanager
async def gateway_of(dsn: str, url: str, *, riders_wait: bool) -> AsyncIterator[StripeGateway]:
    """A process of its own as far as the budget goes: a pool, a pace and a gateway that know of no other."""
    async with await open_pool(dsn, min_size=1, max_size=4) as pool:
        gateway = StripeGateway(api_key=API_KEY, base_url=url, timeout_s=10.0, pace=SharedPace(pool, LIMITS, riders_wait=riders_wait))
        yield gateway
        await gateway.aclose()


async def in_turns(call: Callable[[], Awaitable[object]], *, times: int, at_once: int) -> None:
    """So many calls, a few under way at any moment."""
    left = iter(range(times))

    async def one_after_the_other() -> None:
        for _ in left:
            await call()

    for ended in await asyncio.gather(*(one_after_the_other() for _ in range(at_once)), return_exceptions=True):
        if ended is not None:
            raise ended  # once no call is under way any more: its socket would stay open


async def sign_up(gateway: StripeGateway, number: int) -> None:
    await gateway.create_setup_session(
        reference=f"rider-{number}", email="rider@example.org", success_url="http://127.0.0.1:1/", cancel_url="http://127.0.0.1:1/",
        expires_at=datetime.now(UTC) + timedelta(minutes=15), idempotency_key=f"page-{number}",
    )  # fmt: skip


async def asked(strict: FakeStripe, first: int = 0) -> list[tuple[str, int]]:
    """Endpoint and status of the requests the fake has seen."""
    seen: list[dict[str, Any]] = (await strict.http.get("/_stage/requests")).json()
    return [(one["endpoint"], one["status"]) for one in seen][first:]


@pytest.mark.slow
async def test_two_workers_and_a_web_process_stay_within_the_limits_and_riders_do_not_wait_behind_charges(
    database: ScratchDatabase, strict: FakeStripe
) -> None:
    intent = await strict.intent(await strict.saved_card())
    await strict.stage("clock", {"advance_s": 5})  # the gateway above kept no pace: its requests are to count no more
    before = len(await asked(strict))
    async with AsyncExitStack() as closing:
        workers = [await closing.enter_async_context(gateway_of(database.dsn, strict.url, riders_wait=False)) for _ in range(2)]
        web = await closing.enter_async_context(gateway_of(database.dsn, strict.url, riders_wait=True))
        charges = [asyncio.create_task(in_turns(lambda w=w: w.fetch_payment_intent(intent.ref), times=12, at_once=4)) for w in workers]  # type: ignore[misc]
        for number in range(5):
            await sign_up(web, number)
        await asyncio.gather(*charges)
    seen = await asked(strict, before)
    assert [status for _, status in seen if status == 429] == []
    order = [endpoint for endpoint, _ in seen]
    assert order.count(FETCH) == 24
    last_page = len(order) - 1 - order[::-1].index(SESSION)
    assert order[last_page:].count(FETCH) >= 4, "the last rider was served while charges still queued"


async def test_without_a_common_pace_the_same_limits_refuse(strict: FakeStripe) -> None:
    intent = await strict.intent(await strict.saved_card())

    async def fetch() -> None:
        await strict.gateway.fetch_payment_intent(intent.ref)

    with pytest.raises(GatewayRateLimited):
        await in_turns(fetch, times=40, at_once=8)


async def test_a_refusal_that_comes_all_the_same_is_honoured_by_everybody(database: ScratchDatabase, stripe: FakeStripe) -> None:
    intent = await stripe.intent(await stripe.saved_card())
    await stripe.fault(FETCH, "rate_limited")
    async with gateway_of(database.dsn, stripe.url, riders_wait=False) as gateway:
        assert (await gateway.fetch_payment_intent(intent.ref)).ref == intent.ref
    held = await database_value(database, "SELECT held_until IS NOT NULL FROM request_budget WHERE bucket LIKE 'GET /v1/payment_intents/%'")
    assert held


async def database_value(database: ScratchDatabase, sql: str) -> object:
    async with await open_pool(database.dsn, min_size=1, max_size=1) as pool, transaction(pool) as conn:
        return await conn.fetchval(sql)


async def take(conn: Connection, *, wanted: int = 100, for_sign_up: bool = False, endpoint: str = "GET /v1/a") -> budget.Grant:
    return await budget.take_requests(conn, endpoint, wanted=wanted, for_sign_up=for_sign_up, account_per_s=100, endpoint_per_s=25)


@pytest_asyncio.fixture
async def still(conn: Connection) -> Connection:
    """A connection in whose transaction no time passes: a bucket gets nothing new while a busy machine thinks."""
    await conn.execute(
        """
        CREATE OR REPLACE FUNCTION busload_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE AS
        $$ SELECT now() + (SELECT clock_shift FROM installation) $$
        """
    )
    return conn


async def test_charges_leave_a_reserve_that_sign_ups_may_use(still: Connection) -> None:
    assert (await take(still)).granted == 2, "3 of 25 at once, one of them reserved"
    refused = await take(still)
    assert refused.granted == 0
    assert 0 < refused.wait_s < 0.1
    assert (await take(still, for_sign_up=True)).granted == 1


async def test_all_endpoints_together_share_what_the_account_has(still: Connection) -> None:
    given = [(await take(still, for_sign_up=True, endpoint=f"GET /v1/{name}")).granted for name in "abcdefgh"]
    assert sum(given) == 12, "an eighth of 100 at once"


async def test_what_a_bucket_gives_in_a_second_is_its_limit_and_a_clock_set_back_stops_nothing(still: Connection) -> None:
    shifts, given = (*range(0, 1000, 10), *range(500, 600, 10)), []
    await still.execute("UPDATE installation SET clock_shift = interval '1 hour'")
    for shift_ms in shifts:
        await still.execute("UPDATE installation SET clock_shift = make_interval(secs => $1::float8 / 1000)", float(shift_ms))
        given.append((await take(still, for_sign_up=True)).granted)
    assert sum(given[:100]) >= 20
    assert sum(given[100:]) > 0


def test_endpoints_are_told_apart_by_their_words_and_not_by_their_ids() -> None:
    assert endpoint_of("post", "/v1/payment_intents/pi_3Qx/confirm") == "POST /v1/payment_intents/{id}/confirm"
    assert endpoint_of("get", "/v1/balance_transactions") == "GET /v1/balance_transactions"
    assert endpoint_of("post", "/v1/transfers/tr_1/reversals") == "POST /v1/transfers/{id}/reversals"

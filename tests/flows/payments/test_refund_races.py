"""Money that goes back, from two sides at once; and each time the same with its guard switched off, which must go wrong."""

import asyncio
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import cast
from uuid import UUID

import pytest_asyncio

from app.core.database import Pool
from app.domain.payments.gateway import PaymentGateway
from app.domain.payments.model import PaymentState
from app.domain.pledges.model import Pledge
from app.flows.cancel_trip import cancel_trip
from app.flows.card_saved import card_saved
from app.flows.close_booking import close_booking, dispatch_event
from app.flows.send_refund import send_refund
from app.flows.withdraw_pledge import withdraw_pledge
from tests.support.forgetful_bank import ForgetfulBank
from tests.support.paid_pledges import FARE_MINOR, mailed, now, paid, set_clock, settle, violated
from tests.support.races import LOCKS, Race, without
from tests.support.server import ScratchDatabase
from tests.support.service import ARRIVE
from tests.support.threshold import Sale, on_sale, place, read, saved_card

HALF = ARRIVE - timedelta(days=12)  # half of the fare comes back to who leaves now
CLOSES = ARRIVE - timedelta(days=10)
TIER_MINOR = 2800
TIERS = [[4, TIER_MINOR]]
SUM_READ = "SELECT payment_id, sum(amount_minor)::bigint AS amount_minor FROM refunds"
TRIP_LOCK = re.compile(r"(?<=FROM trips WHERE id = \$1) FOR NO KEY UPDATE")
CLAIMABLE = without("AND (state IN ('due', 'unknown') OR (state = 'failed' AND send_again))")


@pytest_asyncio.fixture
async def pool(database: ScratchDatabase) -> Pool:
    return await database.pool()


async def refunds(pool: Pool, reason: str) -> list[int]:
    """What is due back for this reason, minor units, the oldest first."""
    rows = await pool.fetch("SELECT amount_minor FROM refunds WHERE reason = $1 ORDER BY id", reason)
    return [row["amount_minor"] for row in rows]


async def leave_twice(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> Sale:
    sale = await on_sale(pool, minimum=2)
    leaving, *_ = await paid(pool, sale, people=3)
    await set_clock(pool, HALF)
    ends = await Race(pool, at=SUM_READ, off=off).run(
        lambda one: withdraw_pledge(one, leaving.id, actor="rider"), lambda other: withdraw_pledge(other, leaving.id, actor="rider")
    )
    assert [cast("Pledge", end).state for end in ends] == ["refunded", "refunded"]
    return sale


async def test_who_leaves_twice_at_once_gets_the_ladders_share_once(pool: Pool) -> None:
    sale = await leave_twice(pool)
    assert (await refunds(pool, "ladder"), (await read(pool, sale)).secured) == ([FARE_MINOR // 2], 2)
    assert (len(await mailed(pool, "pledge_withdrawn")), await violated(pool)) == (1, set())


async def test_control_without_locks_and_unique_keys_half_a_fare_goes_back_twice_and_two_people_leave(pool: Pool) -> None:
    await pool.execute("ALTER TABLE refunds DROP CONSTRAINT refunds_payment_id_reason_key")
    await pool.execute("ALTER TABLE ladder_exits DROP CONSTRAINT ladder_exits_pkey")
    sale = await leave_twice(pool, [LOCKS, without("ON CONFLICT (payment_id, reason) DO NOTHING")])
    assert (await refunds(pool, "ladder"), (await read(pool, sale)).secured) == ([FARE_MINOR // 2] * 2, 1)
    assert "I06" in await violated(pool)


async def close_twice(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> None:
    """Two paid, then two late joiners at once, who make the tier; booking close waited for their charges, and two workers end it."""
    sale = await on_sale(pool, minimum=2, tiers=TIERS)
    await paid(pool, sale, people=2)
    late = [(await place(pool, sale)).pledge for _ in range(2)]
    await Race(pool, at="FROM trips WHERE id = $1 FOR NO KEY UPDATE").run(
        lambda one: card_saved(one, late[0].id, saved_card(late[0].id)), lambda two: card_saved(two, late[1].id, saved_card(late[1].id))
    )
    await set_clock(pool, CLOSES)
    await close_booking(pool, sale.event_id)
    assert await refunds(pool, "credit_back") == []
    await Race(pool, at="FROM payments WHERE id = $1 FOR NO KEY UPDATE").run(
        lambda one: settle(one, late[0].id, PaymentState.SUCCEEDED), lambda two: settle(two, late[1].id, PaymentState.SUCCEEDED)
    )
    await pool.execute("DELETE FROM timers WHERE kind = 'booking_close'")  # its row would make the second wait, locks or not
    ends = await Race(pool, at=SUM_READ, off=off).run(
        lambda one: close_booking(one, sale.event_id), lambda two: close_booking(two, sale.event_id)
    )  # fmt: skip
    assert ends == (None, None)


async def test_two_late_joiners_bring_everyone_to_the_tier_and_each_cent_goes_back_once(pool: Pool) -> None:
    await close_twice(pool)
    assert await refunds(pool, "credit_back") == [FARE_MINOR - TIER_MINOR] * 4
    assert await violated(pool) == set()


async def test_control_without_locks_and_the_unique_key_everyone_pays_less_than_the_tier(pool: Pool) -> None:
    await pool.execute("ALTER TABLE refunds DROP CONSTRAINT refunds_payment_id_reason_key")
    await close_twice(pool, [LOCKS, without("ON CONFLICT (payment_id, reason) DO NOTHING")])
    assert await refunds(pool, "credit_back") == [FARE_MINOR - TIER_MINOR] * 8


async def joins_as_booking_closes(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> tuple[Pledge, bool]:
    """The joiner, and whether booking close still waits for money."""
    sale = await on_sale(pool, minimum=2)
    await paid(pool, sale, people=2)
    joiner = (await place(pool, sale)).pledge
    _, closed = await Race(pool, at="FROM events WHERE id = $1", off=off).run(
        lambda rider: card_saved(rider, joiner.id, saved_card(joiner.id)),
        lambda staff: dispatch_event(staff, sale.event_id, actor="organiser"),
    )
    assert closed is None
    waits = await pool.fetchval("SELECT EXISTS (SELECT FROM timers WHERE kind = 'booking_close' AND subject_id = $1)", sale.event_id)
    return await now(pool, joiner.id), waits


async def test_who_joins_as_booking_closes_is_charged_before_anything_is_planned(pool: Pool) -> None:
    joiner, waits = await joins_as_booking_closes(pool)
    assert (joiner.state, waits, await violated(pool)) == ("confirmed", True, set())


async def test_control_without_the_trips_lock_a_late_joiner_is_charged_and_in_no_plan(pool: Pool) -> None:
    joiner, waits = await joins_as_booking_closes(pool, [TRIP_LOCK, re.compile(r"(?<=WHERE event_id = \$1 ORDER BY id) FOR NO KEY UPDATE")])
    assert (joiner.state, waits) == ("confirmed", False)


async def only_refund(pool: Pool) -> UUID:
    found: UUID = await pool.fetchval("SELECT id FROM refunds")
    return found


async def sent_by_two_workers(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> ForgetfulBank:
    sale = await on_sale(pool, minimum=1)
    await paid(pool, sale, people=1)
    await cancel_trip(pool, sale.trip_id, actor="organiser", reason="no bus")
    refund_id = await only_refund(pool)
    bank = ForgetfulBank(asyncio.Barrier(2) if off else None)  # with the guard on only one comes to its door
    gateway = cast("PaymentGateway", bank)
    ends = await Race(pool, at="UPDATE refunds SET state = 'submitting'", off=off).run(
        lambda one: send_refund(one, refund_id, gateway=gateway), lambda two: send_refund(two, refund_id, gateway=gateway)
    )
    assert ends == (None, None)
    return bank


async def test_two_workers_send_a_refund_once(pool: Pool) -> None:
    bank = await sent_by_two_workers(pool)
    assert ([one.amount_minor for one in bank.refunds], await violated(pool)) == ([FARE_MINOR], set())


async def test_control_without_the_guarded_claim_two_workers_send_it_twice(pool: Pool) -> None:
    bank = await sent_by_two_workers(pool, [CLAIMABLE])
    assert [one.amount_minor for one in bank.refunds] == [FARE_MINOR] * 2

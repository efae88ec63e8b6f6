"""Money to an operator, from two sides at once; and each time the same with its guard switched off, which must go wrong."""

import asyncio
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import cast
from uuid import UUID

import pytest_asyncio

from app.core.database import Pool, transaction
from app.core.idempotency import KeyedRequest
from app.domain.payments.gateway import PaymentGateway
from app.domain.payments.payouts import store
from app.domain.payments.payouts.model import PayeeKind, PayeeState, Payout, PayoutKind, PayoutState, WaitsFor
from app.flows.cancel_trip import cancel_trip
from app.flows.complete_duty import complete_duty
from app.flows.correct_hire import correct_hire
from app.flows.issue_manifests import issue_manifests_within
from app.flows.send_payout import send_payout
from tests.support.forgetful_bank import ForgetfulBank
from tests.support.paid_pledges import violated
from tests.support.payouts import HIRE_MINOR, charge, come_home, jump, set_off
from tests.support.races import LOCKS, Race, without
from tests.support.server import ScratchDatabase
from tests.support.travel_world import World, add_duty, add_party, add_trip

HIRE_NOW_MINOR = HIRE_MINOR * 9 // 10  # the rest is reserve
TAKEN_OFF_MINOR = 10_000
CLAIMED = "UPDATE payouts SET state = 'submitting'"
COVER_READ = "SELECT left_to_pay_out($1, $2)"
CLAIMABLE = without("AND state IN ('due', 'unknown', 'failed')")


@pytest_asyncio.fixture
async def pool(database: ScratchDatabase) -> Pool:
    return await database.pool()


async def open_account(pool: Pool, world: World) -> None:
    """The operator may be paid."""
    async with transaction(pool) as conn:
        await store.add_payee(conn, payee_id=world.operator_id, kind=PayeeKind.OPERATOR, account_ref="acct_1")
        await store.set_payee_state(conn, world.operator_id, PayeeState.READY)


async def hire_of(pool: Pool, duty: UUID) -> Payout:
    async with pool.acquire() as conn:
        [found] = [one for one in await store.list_payouts(conn, [duty]) if one.kind is PayoutKind.HIRE]
    return found


async def sent_by_two_workers(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> ForgetfulBank:
    world, duty, _ = await set_off(pool)
    await come_home(pool, duty)
    await open_account(pool, world)
    payout = await hire_of(pool, duty)
    bank = ForgetfulBank(asyncio.Barrier(2) if off else None)  # with the guards on only one comes to its door
    gateway = cast("PaymentGateway", bank)
    ends = await Race(pool, at=CLAIMED, off=off).run(
        lambda one: send_payout(one, payout.id, gateway=gateway), lambda two: send_payout(two, payout.id, gateway=gateway)
    )
    assert ends == (None, None)
    return bank


async def test_two_workers_send_a_payout_once(pool: Pool) -> None:
    bank = await sent_by_two_workers(pool)
    assert ([one.amount_minor for one in bank.transfers], await violated(pool)) == ([HIRE_NOW_MINOR], set())


async def test_control_without_locks_and_the_guarded_claim_the_operator_is_paid_twice(pool: Pool) -> None:
    bank = await sent_by_two_workers(pool, [LOCKS, CLAIMABLE])
    assert [one.amount_minor for one in bank.transfers] == [HIRE_NOW_MINOR] * 2


async def two_hires_of_one_book(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> tuple[list[Payout], ForgetfulBank]:
    """Two buses came home, and the fares carry one of them."""
    world, first, _ = await set_off(pool)
    async with transaction(pool) as conn:
        party = await add_party(conn, world, name="Second bus")
        await charge(conn, world, party)
        await conn.execute("UPDATE trips SET secured = 25 WHERE id = $1", world.trip_id)
        second = await add_duty(conn, world, [party], plate="BUS 2")
        await issue_manifests_within(conn, world.event_id, cause="test")
        await conn.execute("DELETE FROM pgqueuer")
        await conn.execute("UPDATE mails SET sent_at = busload_now()")
    await come_home(pool, first, second)
    await open_account(pool, world)
    bank = ForgetfulBank()
    gateway = cast("PaymentGateway", bank)
    one, two = await hire_of(pool, first), await hire_of(pool, second)
    ends = await Race(pool, at=COVER_READ, off=off).run(
        lambda worker: send_payout(worker, one.id, gateway=gateway), lambda worker: send_payout(worker, two.id, gateway=gateway)
    )
    assert ends == (None, None)
    return [await hire_of(pool, duty) for duty in (first, second)], bank


async def test_two_payouts_that_want_the_same_money_go_out_one_after_the_other(pool: Pool) -> None:
    payouts, bank = await two_hires_of_one_book(pool)
    assert [(one.state, one.waits_for) for one in payouts] == [
        (PayoutState.SUCCEEDED, WaitsFor.NOTHING), (PayoutState.DUE, WaitsFor.COVER)
    ]  # fmt: skip
    assert (len(bank.transfers), await violated(pool)) == (1, set())


async def test_control_without_locks_and_the_books_trigger_more_is_paid_than_the_event_has(pool: Pool) -> None:
    await pool.execute("DROP TRIGGER within_held ON payouts")
    _, bank = await two_hires_of_one_book(pool, [LOCKS])
    assert len(bank.transfers) == 2
    assert "I10" in await violated(pool)


async def another_trip(pool: Pool, world: World) -> UUID:
    """A trip of the same event whose only party has paid more than the hire leaves over; it has no bus yet."""
    async with transaction(pool) as conn:
        now = await conn.fetchval("SELECT busload_now()")
        trip_id = await add_trip(conn, world.event_id, list(world.stops.values()), deadline_at=now + timedelta(days=1))
        await charge(conn, world, await add_party(conn, world, seats=8, name="No bus", trip_id=trip_id))
        await conn.execute("UPDATE trips SET secured = 8 WHERE id = $1", trip_id)
    return trip_id


async def paid_as_a_refund_becomes_due(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> tuple[Payout, int]:
    """A bus's hire goes out while another trip is cancelled whose fares it needs; the payout, and what the book has left."""
    world, duty, _ = await set_off(pool)
    dear = await another_trip(pool, world)
    await jump(pool, timedelta(hours=14))
    await complete_duty(pool, duty_id=duty)
    await open_account(pool, world)
    async with transaction(pool) as conn:  # the bus cost more than was thought, so that every fare is needed
        await conn.execute("UPDATE payouts SET owed_minor = 250000 WHERE reference = $1 AND kind = 'hire'", duty)
    payout, bank = await hire_of(pool, duty), ForgetfulBank()
    _, sent = await Race(pool, at="INSERT INTO refunds", off=off).run(
        lambda staff: cancel_trip(staff, dear, actor="organiser", reason="no bus"),
        lambda worker: send_payout(worker, payout.id, gateway=cast("PaymentGateway", bank)),
    )
    assert sent is None
    left: int = await pool.fetchval("SELECT left_to_pay_out($1, 'USD')", payout.book)
    return await hire_of(pool, duty), left


async def test_a_payout_waits_for_cover_when_a_refund_becomes_due_at_the_same_moment(pool: Pool) -> None:
    payout, left_minor = await paid_as_a_refund_becomes_due(pool)
    assert (payout.state, payout.waits_for) == (PayoutState.DUE, WaitsFor.COVER)
    assert left_minor >= 0


async def test_control_without_the_locks_money_goes_out_that_is_on_its_way_back_to_riders(pool: Pool) -> None:
    payout, left_minor = await paid_as_a_refund_becomes_due(pool, [LOCKS])
    assert payout.state is PayoutState.SUCCEEDED
    assert left_minor < 0


async def home_twice(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> int:
    """Two workers end the same duty; what is owed to the operator then, minor units."""
    _, duty, _ = await set_off(pool)
    await jump(pool, timedelta(hours=14))
    ends = await Race(pool, at="INSERT INTO hires", off=off).run(
        lambda one: complete_duty(one, duty_id=duty), lambda two: complete_duty(two, duty_id=duty)
    )  # fmt: skip
    assert ends == (None, None)
    owed: int = await pool.fetchval("SELECT sum(-amount_minor)::bigint FROM ledger_entries WHERE account = 'operators:payable'")
    return owed


async def test_a_duty_that_two_workers_end_is_owed_once(pool: Pool) -> None:
    assert (await home_twice(pool), await violated(pool)) == (HIRE_MINOR, set())


async def test_control_without_locks_and_its_keys_it_is_owed_twice(pool: Pool) -> None:
    await pool.execute("ALTER TABLE hires DROP CONSTRAINT hires_pkey CASCADE")
    await pool.execute("ALTER TABLE ledger_transactions DROP CONSTRAINT ledger_transactions_kind_cause_key")
    assert await home_twice(pool, [LOCKS, without("ON CONFLICT (duty_id) DO NOTHING")]) == 2 * HIRE_MINOR
    assert "I10" in await violated(pool)


async def corrected_twice_under_one_key(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> tuple[object, object, int]:
    """An organiser's one wish to take a part of a hire back, sent twice; both answers, and what was taken off in all, minor units."""
    _, duty, _ = await set_off(pool)
    await come_home(pool, duty)
    wish = KeyedRequest(key="once", body=b"{}")
    first, again = await Race(pool, at="INSERT INTO idempotency_keys", off=off).run(
        lambda one: correct_hire(one, duty, amount_minor=TAKEN_OFF_MINOR, reason="one leg only", actor="organiser", request=wish),
        lambda two: correct_hire(two, duty, amount_minor=TAKEN_OFF_MINOR, reason="one leg only", actor="organiser", request=wish),
    )
    taken: int = await pool.fetchval("SELECT sum(amount_minor)::bigint FROM hire_corrections WHERE duty_id = $1", duty)
    return first, again, taken


async def test_money_moved_by_one_key_sent_twice_at_once_moves_once(pool: Pool) -> None:
    first, again, taken_minor = await corrected_twice_under_one_key(pool)
    assert isinstance(first, UUID)
    assert (again, taken_minor, await violated(pool)) == (first, TAKEN_OFF_MINOR, set())


async def test_control_without_the_keys_primary_key_one_wish_takes_the_money_twice(pool: Pool) -> None:
    await pool.execute("ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_pkey")
    first, again, taken_minor = await corrected_twice_under_one_key(pool, [without("ON CONFLICT (scope, key) DO NOTHING")])
    assert isinstance(first, UUID)
    assert isinstance(again, UUID)
    assert (first != again, taken_minor) == (True, 2 * TAKEN_OFF_MINOR)

"""What is owed once a duty is over: hire, fee, share; and nothing for a trip that was cancelled."""

from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from app.core.database import Pool, transaction
from app.core.errors import Conflict
from app.domain.payments.payouts.model import PayoutKind, PayoutState, WaitsFor
from app.flows.close_book import close_book, cover_payouts
from app.flows.complete_duty import complete_duty
from app.flows.issue_manifests import issue_manifests_within
from app.flows.pull_out import pull_out
from tests.support.fake_stripe import FakeStripe
from tests.support.payouts import FARES_MINOR, HIRE_MINOR, HOME, Yard, build_yard, charge, jump, land, onboard, refund
from tests.support.travel_world import add_duty, add_party

FEE_MINOR, SHARE_MINOR = FARES_MINOR * 8 // 100, FARES_MINOR * 2 // 100


async def first_payment(yard: Yard) -> UUID:
    found: UUID = await yard.pool.fetchval("SELECT id FROM payments ORDER BY id LIMIT 1")
    return found


async def test_a_driven_duty_owes_hire_fee_and_share_once(yard: Yard) -> None:
    await complete_duty(yard.pool, duty_id=yard.duty)  # the timer fires twice
    owed = {account: await yard.balance(account) for account in ("operators:payable", "house:fees", "partners:payable", "riders:fares")}
    assert owed == {
        "operators:payable": HIRE_MINOR,
        "house:fees": FEE_MINOR,
        "partners:payable": SHARE_MINOR,
        "riders:fares": FARES_MINOR - HIRE_MINOR - FEE_MINOR - SHARE_MINOR,
    }
    hire, reserve = await yard.payout(), await yard.payout(PayoutKind.RESERVE)
    assert (hire.owed_minor, reserve.owed_minor) == (162_000, 18_000)
    assert (reserve.not_before_at - hire.not_before_at).days == 14


async def test_fee_and_share_wait_for_the_last_bus(pool: Pool, bank: FakeStripe) -> None:
    yard = await build_yard(pool, bank, home=False)
    async with pool.acquire() as conn:
        party = await add_party(conn, yard.world, name="Second bus")
        await charge(conn, yard.world, party)
        await conn.execute("UPDATE trips SET secured = 25 WHERE id = $1", yard.world.trip_id)
        second = await add_duty(conn, yard.world, [party], plate="BUS 2")
    async with transaction(pool) as conn:
        await issue_manifests_within(conn, yard.world.event_id, cause="test")
        await conn.execute("DELETE FROM pgqueuer")
        await conn.execute("UPDATE mails SET sent_at = busload_now()")
    await jump(pool, HOME)
    await complete_duty(pool, duty_id=yard.duty)
    assert (await yard.balance("operators:payable"), await yard.balance("house:fees")) == (HIRE_MINOR, 0)
    await complete_duty(pool, duty_id=second)
    # Two buses cost more than the fares: nothing is left for share and fee, and the hire is owed all the same.
    assert (await yard.balance("operators:payable"), await yard.balance("house:fees")) == (2 * HIRE_MINOR, 0)
    missing = 2 * HIRE_MINOR - FARES_MINOR - 8900
    await onboard(yard)
    await yard.sweep()
    states = [(await yard.payout(duty=duty)).waits_for for duty in (yard.duty, second)]
    assert sorted(states) == [WaitsFor.NOTHING, WaitsFor.COVER]
    with pytest.raises(Conflict) as other:
        await cover_payouts(pool, yard.world.event_id, missing_minor=1, actor="organiser")
    assert other.value.code == "missing_changed"
    assert await cover_payouts(pool, yard.world.event_id, missing_minor=missing, actor="organiser") == missing
    await yard.sweep()
    assert [(await yard.payout(duty=duty)).state for duty in (yard.duty, second)] == [PayoutState.SUCCEEDED] * 2
    assert [one["amount"] for one in await yard.transfers()] == [162_000, 162_000]


async def test_who_pulls_out_owes_the_ladders_fee_from_that_moment(pool: Pool, bank: FakeStripe) -> None:
    yard = await build_yard(pool, bank, home=False, starts_in=timedelta(days=2))
    offer_id = await pool.fetchval("SELECT id FROM offers WHERE duty_id = $1", yard.duty)
    await pull_out(pool, offer_id, note="engine", actor="operator")
    assert await yard.balance("house:penalties") == HIRE_MINOR // 2
    assert await yard.balance("operators:receivable") == -HIRE_MINOR // 2
    await complete_duty(pool, duty_id=yard.duty)
    assert await pool.fetchval("SELECT count(*) FROM hires") == 0


async def test_nobody_is_paid_for_a_trip_that_was_cancelled(pool: Pool, bank: FakeStripe) -> None:
    yard = await build_yard(pool, bank, home=False)
    async with pool.acquire() as conn:
        await conn.execute("UPDATE trips SET state = 'cancelled', secured = 0 WHERE id = $1", yard.world.trip_id)
        await conn.execute("UPDATE pledges SET state = 'refunded' WHERE state = 'paid'")
        for row in await conn.fetch("SELECT id, amount_minor FROM payments"):
            await refund(conn, yard.world, row["id"], row["amount_minor"])
        await conn.execute("DELETE FROM current_manifests")
    await jump(pool, HOME)
    await complete_duty(pool, duty_id=yard.duty)
    assert await pool.fetchval("SELECT count(*) FROM payouts") == 0
    async with pool.acquire() as conn:  # the database refuses it too
        await conn.execute(
            """
            INSERT INTO payouts (kind, reference, payee_id, book, currency, owed_minor, state, not_before_at)
            VALUES ('hire', $1, $2, $3, 'USD', 1, 'due', busload_now())
            """,
            yard.duty,
            yard.world.operator_id,
            f"event:{yard.world.event_id}",
        )
        attempt = "UPDATE payouts SET state = 'submitting', amount_minor = 1, account_ref = 'acct_1', submitted_at = busload_now()"
        with pytest.raises(asyncpg.CheckViolationError) as over:
            await conn.execute(attempt)
        assert over.value.constraint_name == "payouts_within_held"
        await conn.execute("UPDATE payouts SET owed_minor = 0")
        with pytest.raises(asyncpg.CheckViolationError) as cancelled:
            await conn.execute(attempt.replace("amount_minor = 1", "amount_minor = 0"))
        assert cancelled.value.constraint_name == "payouts_none_cancelled"
        await conn.execute("UPDATE payouts SET state = 'void'")


async def test_the_book_closes_at_the_month_end_with_margin_and_share(yard: Yard) -> None:
    payment = await first_payment(yard)
    async with yard.pool.acquire() as conn:
        on_its_way = await refund(conn, yard.world, payment, 1000, state="submitting")
    await close_book(yard.pool, yard.world.event_id)
    assert await yard.balance("house:margin") == 0  # a refund is under way: not yet
    async with yard.pool.acquire() as conn:
        await land(conn, yard.world, on_its_way)
    await close_book(yard.pool, yard.world.event_id)
    kept = FARES_MINOR - 1000
    assert await yard.balance("house:fees") == kept * 8 // 100
    assert await yard.balance("house:margin") == kept - HIRE_MINOR - kept * 8 // 100 - kept * 2 // 100
    assert await yard.balance("riders:fares") == 0
    share = await yard.payout(PayoutKind.SHARE)
    assert (share.owed_minor, share.payee_id) == (kept * 2 // 100, yard.partner)
    await onboard(yard, yard.partner, country="DE")
    await yard.sweep()
    assert (await yard.payout(PayoutKind.SHARE)).state is PayoutState.SUCCEEDED
    assert await yard.balance("partners:payable") == 0
    with pytest.raises(asyncpg.RestrictViolationError):
        await yard.pool.execute("UPDATE books SET margin_minor = 0")

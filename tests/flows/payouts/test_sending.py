"""A transfer goes out once, whatever happens between its effect and our knowing of it."""

from datetime import timedelta
from typing import Any

import pytest

from app.core.database import transaction
from app.domain.payments.payouts.model import DebtKind, PayeeState, PayoutKind, PayoutState, WaitsFor
from app.domain.payments.payouts.service import owe_us
from app.domain.payments.payouts.store import get_payee
from app.flows.send_payout import send_payout
from app.flows.stripe_news import poll_stripe, work_on_inbox
from tests.support.payouts import Yard, onboard
from tests.support.riders import Between

TRANSFER = "POST /v1/transfers"
A_MINUTE = timedelta(seconds=61)


async def owe(yard: Yard, amount_minor: int) -> None:
    """The operator pulled out of another duty before."""
    async with transaction(yard.pool) as conn:
        await owe_us(
            conn, payee_id=yard.world.operator_id, book=f"event:{yard.world.event_id}", currency="USD", kind=DebtKind.PULL_OUT,
            cause=yard.world.depot_id, amount_minor=amount_minor,
        )  # fmt: skip


async def test_money_waits_for_an_account_and_goes_out_once_it_is_ready(yard: Yard) -> None:
    await yard.sweep()
    assert (await yard.payout()).waits_for is WaitsFor.ACCOUNT
    ref = await onboard(yard, ready=False)
    await yard.sweep(after=timedelta(days=1))
    waiting = await yard.payout()
    assert (waiting.state, waiting.waits_for, waiting.attempts) == (PayoutState.DUE, WaitsFor.ACCOUNT, 0)
    assert 1 <= await yard.mails("payout_account_needed") <= 2  # a new period may have begun with the day
    await yard.stripe.stage(f"accounts/{ref}/enable", {})
    while await poll_stripe(yard.pool, gateway=yard.stripe.gateway):
        await work_on_inbox(yard.pool, gateway=yard.stripe.gateway, limit=100)
    async with yard.pool.acquire() as conn:
        payee = await get_payee(conn, yard.world.operator_id)
    assert payee is not None
    assert payee.state is PayeeState.READY
    await yard.sweep()
    [transfer] = await yard.transfers()
    paid = await yard.payout()
    assert (paid.state, paid.transfer_ref, transfer["amount"]) == (PayoutState.SUCCEEDED, transfer["id"], 162_000)
    assert await yard.balance("operators:payable") == 18_000
    assert await yard.mails("payout_sent") == 1


@pytest.mark.parametrize("fault", ["lost_reply", "cut_before_effect", "server_error", "server_error_after_effect", "rate_limited"])
async def test_an_answer_that_does_not_come_is_looked_up_and_money_goes_once(yard: Yard, fault: str) -> None:
    await onboard(yard)
    await yard.stripe.fault(TRANSFER, fault)
    await yard.sweep()
    if fault in {"lost_reply", "cut_before_effect"}:
        assert (await yard.payout()).state is PayoutState.UNKNOWN
    await yard.sweep()  # too early: nothing is asked again within the minute
    await yard.sweep(after=A_MINUTE)
    assert (await yard.payout()).state is PayoutState.SUCCEEDED
    assert [one["amount"] for one in await yard.transfers()] == [162_000]
    assert await yard.balance("operators:payable") == 18_000


async def test_a_worker_that_dies_between_effect_and_answer_pays_once(yard: Yard) -> None:
    await onboard(yard)

    async def die() -> None:
        raise ConnectionAbortedError("kill -9")

    dying: Any = Between(yard.stripe.gateway, "create_transfer", die)
    with pytest.raises(ConnectionAbortedError):
        await send_payout(yard.pool, (await yard.payout()).id, gateway=dying)
    assert (await yard.payout()).state is PayoutState.SUBMITTING
    assert len(await yard.transfers()) == 1
    await yard.sweep(after=A_MINUTE)
    paid = await yard.payout()
    assert (paid.state, paid.attempts, len(await yard.transfers())) == (PayoutState.SUCCEEDED, 2, 1)
    outcomes = await yard.pool.fetch("SELECT idempotency_key, outcome FROM transfer_attempts ORDER BY number")
    assert len({row["idempotency_key"] for row in outcomes}) == 1
    assert [row["outcome"] for row in outcomes] == ["unknown", "succeeded"]


async def test_a_refused_transfer_is_tried_again_under_another_key(yard: Yard) -> None:
    await onboard(yard)
    books = await yard.stripe.books()
    available = books["balance"]["usd"]["available"]
    async with yard.pool.acquire() as conn:
        payee = await get_payee(conn, yard.world.operator_id)
    assert payee is not None
    drained = await yard.stripe.gateway.create_transfer(
        payout_id="drain", account_ref=payee.account_ref, amount_minor=available, currency="usd", metadata={},
        idempotency_key=f"drain-{payee.id}",
    )  # fmt: skip
    await yard.sweep()
    refused = await yard.payout()
    assert (refused.state, refused.waits_for, refused.error_code) == (PayoutState.FAILED, WaitsFor.FUNDS, "balance_insufficient")
    await yard.stripe.gateway.reverse_transfer(
        reversal_id="refill", transfer_ref=drained.ref, amount_minor=available, metadata={}, idempotency_key=f"refill-{payee.id}"
    )
    await yard.sweep(after=timedelta(days=1))
    assert (await yard.payout()).state is PayoutState.SUCCEEDED
    keys = await yard.pool.fetchval("SELECT count(DISTINCT idempotency_key) FROM transfer_attempts")
    assert keys == 2


async def test_the_reserve_is_released_two_weeks_later(yard: Yard) -> None:
    await onboard(yard)
    await yard.sweep()
    assert (await yard.payout(PayoutKind.RESERVE)).state is PayoutState.DUE
    await yard.sweep(after=timedelta(days=13))
    assert (await yard.payout(PayoutKind.RESERVE)).state is PayoutState.DUE
    await yard.sweep(after=timedelta(days=1, minutes=1))
    assert (await yard.payout(PayoutKind.RESERVE)).state is PayoutState.SUCCEEDED
    assert [one["amount"] for one in await yard.transfers()] == [162_000, 18_000]
    assert await yard.balance("operators:payable") == 0


async def test_what_an_operator_owes_is_netted_off_its_payouts(yard: Yard) -> None:
    await onboard(yard)
    await owe(yard, 170_000)
    await yard.sweep()
    hire = await yard.payout()
    assert (hire.state, hire.amount_minor, hire.transfer_ref) == (PayoutState.SUCCEEDED, 0, None)
    assert await yard.balance("operators:receivable") == -8_000
    await yard.sweep(after=timedelta(days=15))
    assert [one["amount"] for one in await yard.transfers()] == [10_000]
    assert await yard.balance("operators:receivable") == 0
    assert await yard.balance("house:penalties") == 170_000

"""A hire that was not earned: not paid, taken back, or owed."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from app.core.errors import Conflict, Invalid, NotFound
from app.core.idempotency import KeyedRequest, KeyReused
from app.domain.payments.payouts.model import PayoutKind, PayoutState, ReversalState
from app.flows.close_book import close_book
from app.flows.correct_hire import correct_hire
from tests.support.payouts import HIRE_MINOR, Yard, onboard

REVERSE = "POST /v1/transfers/{transfer}/reversals"
A_MINUTE = timedelta(seconds=61)


async def correct(yard: Yard, amount_minor: int, *, reason: str = "The second bus never came.", key: str | None = None) -> UUID:
    request = KeyedRequest(key=key, body=f"{amount_minor}{reason}".encode()) if key else None
    return await correct_hire(yard.pool, yard.duty, amount_minor=amount_minor, reason=reason, actor="organiser:1", request=request)


async def reversals(yard: Yard) -> list[tuple[str, int]]:
    rows = await yard.pool.fetch("SELECT state, amount_minor FROM payout_reversals ORDER BY id")
    return [(row["state"], row["amount_minor"]) for row in rows]


async def test_before_anything_is_paid_less_is_paid(yard: Yard) -> None:
    before = await yard.balance("riders:fares")
    await correct(yard, 50_000)
    assert (await yard.payout(PayoutKind.RESERVE)).state is PayoutState.VOID
    assert (await yard.payout()).owed_minor == 130_000
    assert await yard.balance("riders:fares") == before + 50_000
    await onboard(yard)
    await yard.sweep(after=timedelta(days=15))
    assert [one["amount"] for one in await yard.transfers()] == [130_000]
    assert await yard.mails("hire_corrected") == 1


async def test_what_was_paid_is_taken_back_once_even_when_the_answer_is_lost(yard: Yard) -> None:
    await onboard(yard)
    await yard.sweep()
    await correct(yard, HIRE_MINOR)
    await yard.stripe.fault(REVERSE, "lost_reply")
    await yard.sweep()
    assert await reversals(yard) == [(ReversalState.UNKNOWN, 162_000)]
    await yard.sweep(after=A_MINUTE)
    assert await reversals(yard) == [(ReversalState.SUCCEEDED, 162_000)]
    [transfer] = await yard.transfers()
    assert transfer["amount_reversed"] == 162_000
    assert await yard.balance("operators:payable") == 0
    assert await yard.balance("operators:receivable") == 0


async def test_what_cannot_be_taken_back_is_owed_and_comes_off_the_reserve(yard: Yard) -> None:
    ref = await onboard(yard)
    await yard.sweep()
    [transfer] = await yard.transfers()
    await yard.stripe.gateway.reverse_transfer(  # the operator has spent it
        reversal_id=uuid4().hex, transfer_ref=transfer["id"], amount_minor=160_000, metadata={}, idempotency_key=uuid4().hex
    )
    await correct(yard, 30_000)  # 18,000 of it is reserve not paid yet
    await yard.sweep()
    assert await reversals(yard) == [(ReversalState.FAILED, 12_000)]
    assert await yard.balance("operators:receivable") == -12_000
    assert await yard.mails("payout_owed_back") == 1
    assert ref


async def test_a_correction_after_the_month_end_goes_to_the_margin(yard: Yard) -> None:
    await onboard(yard)
    await yard.sweep()
    await close_book(yard.pool, yard.world.event_id)
    margin = await yard.balance("house:margin")
    await correct(yard, 20_000)
    await yard.sweep()
    assert await yard.balance("house:margin") == margin + 20_000
    assert await yard.balance("riders:fares") == 0


async def test_a_correction_needs_a_reason_and_stays_within_the_hire_and_happens_once(yard: Yard) -> None:
    key = uuid4().hex
    first = await correct(yard, 1_000, key=key)
    assert await correct(yard, 1_000, key=key) == first
    with pytest.raises(KeyReused):
        await correct(yard, 2_000, key=key)
    with pytest.raises(Invalid):
        await correct(yard, HIRE_MINOR - 999)
    with pytest.raises(Invalid):
        await correct(yard, 1, reason=" ")
    with pytest.raises(NotFound):
        await correct_hire(yard.pool, uuid4(), amount_minor=1, reason="x", actor="organiser:1")
    await onboard(yard)
    await yard.stripe.fault("POST /v1/transfers", "lost_reply")
    await yard.sweep()
    with pytest.raises(Conflict) as flying:
        await correct(yard, 1)
    assert flying.value.code == "payout_in_flight"
    await yard.sweep(after=A_MINUTE)

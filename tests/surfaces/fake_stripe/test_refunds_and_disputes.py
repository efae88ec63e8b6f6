"""Money that leaves again: refunds, bounced refunds, disputes."""

import pytest

from app.domain.payments.gateway import GatewayRefused, IntentState
from tests.support.fake_stripe import FakeStripe
from tests.support.waiting import wait_until_async


async def refund(stripe: FakeStripe, paid: IntentState, amount_minor: int, refund_id: str = "refund-1") -> str:
    made = await stripe.gateway.create_refund(
        refund_id=refund_id, intent_ref=paid.ref, amount_minor=amount_minor, metadata={}, idempotency_key=f"{paid.ref}-{refund_id}"
    )
    assert (made.status, made.amount_minor, made.refund_id) == ("succeeded", amount_minor, refund_id)
    return made.ref


async def test_a_charge_is_refunded_in_parts_and_never_beyond_itself(stripe: FakeStripe) -> None:
    paid = await stripe.charge(await stripe.saved_card(), amount_minor=3200)
    await refund(stripe, paid, 1200, "refund-1")
    with pytest.raises(GatewayRefused, match="greater than unrefunded"):
        await refund(stripe, paid, 2001, "refund-2")
    await refund(stripe, paid, 2000, "refund-3")
    with pytest.raises(GatewayRefused) as refused:
        await refund(stripe, paid, 1, "refund-4")
    assert refused.value.code == "charge_already_refunded"


async def test_refunds_are_found_by_our_id(stripe: FakeStripe) -> None:
    paid = await stripe.charge(await stripe.saved_card())
    ref = await refund(stripe, paid, 100, "refund-a")
    await refund(stripe, paid, 200, "refund-b")
    found = await stripe.gateway.find_refunds(intent_ref=paid.ref, refund_id="refund-a")
    assert [one.ref for one in found] == [ref]
    assert found == [await stripe.gateway.fetch_refund(ref)]


async def test_what_was_never_paid_is_not_refunded(stripe: FakeStripe) -> None:
    intent = await stripe.intent(await stripe.saved_card())
    with pytest.raises(GatewayRefused, match="successful charge"):
        await refund(stripe, intent, 100)


async def test_a_refund_may_bounce_and_the_money_is_ours_again(stripe: FakeStripe) -> None:
    paid = await stripe.charge(await stripe.saved_card("4000000000005126"), amount_minor=3200)
    ref = await refund(stripe, paid, 3200)
    await stripe.stage("clock", {"advance_s": 6})
    assert (await stripe.gateway.fetch_refund(ref)).status == "failed"
    books = await stripe.books()
    moved = [one["amount"] for one in books["balance_transactions"] if one["source"] == ref]
    assert moved == [-3200, 3200]


async def test_a_dispute_takes_the_charge_and_a_fee_and_a_won_one_gives_the_charge_back(stripe: FakeStripe) -> None:
    paid = await stripe.charge(await stripe.saved_card(), amount_minor=3200)
    opened = await stripe.stage("disputes", {"charge": paid.charge_ref, "reason": "product_not_received"})
    dispute = await stripe.gateway.fetch_dispute(opened["id"])
    assert (dispute.status, dispute.amount_minor, dispute.intent_ref) == ("open", 3200, paid.ref)
    assert dispute.evidence_due_at is not None
    with pytest.raises(GatewayRefused) as refused:
        await refund(stripe, paid, 100)
    assert refused.value.code == "charge_disputed"
    answered = await stripe.gateway.submit_dispute_evidence(
        dispute.ref,
        evidence={"access_activity_log": "checked in at stop 4", "uncategorized_text": "terms shown"},
        idempotency_key="evidence-1",
    )
    assert answered.status == "under_review"
    await stripe.stage(f"disputes/{dispute.ref}/close", {"won": True})
    assert (await stripe.gateway.fetch_dispute(dispute.ref)).status == "won"
    books = await stripe.books()
    nets = [one["amount"] - one["fee"] for one in books["balance_transactions"] if one["source"] == dispute.ref]
    assert nets == [-5200, 3200]


async def test_a_disputed_card_is_disputed_by_itself(stripe: FakeStripe) -> None:
    paid = await stripe.charge(await stripe.saved_card("4000000000000259"))
    await stripe.stage("clock", {"advance_s": 4})

    async def disputed() -> bool:
        return any(one["payment_intent"] == paid.ref for one in (await stripe.books())["disputes"])

    await wait_until_async(disputed, "the dispute")

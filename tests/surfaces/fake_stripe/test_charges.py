"""Saving cards and charging them, through the real SDK."""

from typing import Any
from uuid import uuid4

import pytest

from app.domain.payments.gateway import GatewayRefused, IntentState, NotFound
from tests.support.fake_stripe import FakeStripe


async def test_a_saved_card_shows_what_the_rider_and_the_fraud_caps_need(stripe: FakeStripe) -> None:
    card = await stripe.saved_card()
    assert (card.status, card.setup_status, card.reference) == ("complete", "succeeded", "pledge-1")
    assert (card.brand, card.last4, card.exp_month) == ("visa", "4242", 12)
    assert card.fingerprint == (await stripe.saved_card()).fingerprint
    assert card.fingerprint != (await stripe.saved_card(fingerprint_seed="another")).fingerprint


async def test_a_good_card_is_charged_with_its_fee_known(stripe: FakeStripe) -> None:
    paid = await stripe.charge(await stripe.saved_card(), amount_minor=3200)
    assert (paid.status, paid.amount_received_minor, paid.payment_id) == ("succeeded", 3200, "pay-1")
    assert paid.fee_minor == 73  # 1.5 % of 32.00 and 0.25
    assert paid == await stripe.gateway.fetch_payment_intent(paid.ref)


async def test_a_crowd_gets_saved_cards_in_one_call_that_charge_as_others_do(stripe: FakeStripe) -> None:
    cards = [{"card": "4242424242424242", "fingerprint_seed": "a"}, {"card": "4242424242424242", "fingerprint_seed": "b"}]
    good, other, declining = (await stripe.stage("wallets", {"wallets": [*cards, {"card": "4000000000009995"}]}))["wallets"]
    assert good["fingerprint"] != other["fingerprint"]

    async def charge(wallet: dict[str, Any]) -> IntentState:
        intent = await stripe.gateway.create_payment_intent(
            payment_id="pay-wallet", customer_ref=wallet["customer"], payment_method_ref=wallet["payment_method"], amount_minor=3200,
            currency="eur", description="Seat", metadata={}, idempotency_key=uuid4().hex,
        )  # fmt: skip
        return await stripe.gateway.confirm_payment_intent(
            intent.ref, payment_method_ref=wallet["payment_method"], off_session=True, return_url=None, idempotency_key=uuid4().hex
        )

    assert (await charge(good)).status == "succeeded"
    with pytest.raises(GatewayRefused, match="insufficient"):
        await charge(declining)


async def test_an_unconfirmed_payment_moves_no_money(stripe: FakeStripe) -> None:
    intent = await stripe.intent(await stripe.saved_card())
    assert (intent.status, intent.amount_received_minor, intent.charge_ref) == ("requires_confirmation", 0, None)


@pytest.mark.parametrize(("number", "decline_code"), [("4000000000000341", "generic_decline"), ("4000000000009995", "insufficient_funds")])
async def test_a_card_that_saves_may_decline_when_charged(stripe: FakeStripe, number: str, decline_code: str) -> None:
    card = await stripe.saved_card(number)
    with pytest.raises(GatewayRefused) as refused:
        await stripe.charge(card)
    assert (refused.value.code, refused.value.decline_code) == ("card_declined", decline_code)
    intent = refused.value.intent
    assert intent is not None
    assert (intent.status, intent.error_code, intent.decline_code) == ("requires_payment_method", "card_declined", decline_code)
    assert await stripe.gateway.fetch_payment_intent(intent.ref) == intent


async def test_a_card_declined_when_saved_leaves_the_page_open(stripe: FakeStripe) -> None:
    card = await stripe.saved_card("4000000000000002")
    assert (card.status, card.setup_status, card.payment_method_ref) == ("open", "requires_payment_method", None)


async def test_a_bank_that_asks_refuses_off_session_and_approves_on_session(stripe: FakeStripe) -> None:
    card = await stripe.saved_card("4000002760003184")
    intent = await stripe.intent(card)
    with pytest.raises(GatewayRefused) as refused:
        await stripe.confirm(intent, card)
    assert refused.value.code == "authentication_required"
    waiting = await stripe.confirm(intent, card, off_session=False)
    assert waiting.status == "requires_action"
    assert waiting.action_url is not None
    assert waiting.action_url.startswith(stripe.url)
    await stripe.stage(f"intents/{intent.ref}/decide", {"approve": True})
    assert (await stripe.gateway.fetch_payment_intent(intent.ref)).status == "succeeded"


async def test_a_rider_who_refuses_at_the_bank_pays_nothing(stripe: FakeStripe) -> None:
    card = await stripe.saved_card("4000002760003184")
    intent = await stripe.intent(card)
    await stripe.confirm(intent, card, off_session=False)
    await stripe.stage(f"intents/{intent.ref}/decide", {"approve": False})
    failed = await stripe.gateway.fetch_payment_intent(intent.ref)
    assert (failed.status, failed.error_code) == ("requires_payment_method", "payment_intent_authentication_failure")


async def test_a_card_approved_once_is_charged_off_session_afterwards(stripe: FakeStripe) -> None:
    card = await stripe.saved_card("4000002500003155")
    first = await stripe.intent(card)
    with pytest.raises(GatewayRefused, match="authentication"):
        await stripe.confirm(first, card)
    await stripe.confirm(first, card, off_session=False)
    await stripe.stage(f"intents/{first.ref}/decide", {"approve": True})
    assert (await stripe.charge(card, payment_id="pay-2")).status == "succeeded"


async def test_a_second_confirmation_is_refused_and_shows_the_payment(stripe: FakeStripe) -> None:
    card = await stripe.saved_card()
    paid = await stripe.charge(card)
    with pytest.raises(GatewayRefused) as refused:
        await stripe.confirm(paid, card)
    assert refused.value.code == "payment_intent_unexpected_state"
    assert refused.value.intent is not None
    assert refused.value.intent.status == "succeeded"


async def test_payments_are_found_by_our_id_among_those_of_the_customer(stripe: FakeStripe) -> None:
    card = await stripe.saved_card()
    assert card.customer_ref is not None
    wanted = await stripe.charge(card, payment_id="pay-a")
    await stripe.charge(card, payment_id="pay-b")
    assert await stripe.gateway.find_payment_intents(customer_ref=card.customer_ref, payment_id="pay-a") == [wanted]
    assert await stripe.gateway.find_payment_intents(customer_ref=card.customer_ref, payment_id="pay-c") == []


async def test_more_payments_than_one_page_holds_are_all_found(stripe: FakeStripe) -> None:
    card = await stripe.saved_card()
    assert card.customer_ref is not None
    made = [await stripe.intent(card, payment_id=f"pay-{number}") for number in range(105)]
    found = await stripe.gateway.find_payment_intents(customer_ref=card.customer_ref, payment_id="pay-0")
    assert found == [made[0]]


async def test_a_cancelled_payment_cannot_be_confirmed(stripe: FakeStripe) -> None:
    card = await stripe.saved_card()
    intent = await stripe.intent(card)
    assert (await stripe.gateway.cancel_payment_intent(intent.ref)).status == "canceled"
    with pytest.raises(GatewayRefused, match="canceled"):
        await stripe.confirm(intent, card)


async def test_a_paid_payment_cannot_be_cancelled(stripe: FakeStripe) -> None:
    paid = await stripe.charge(await stripe.saved_card())
    with pytest.raises(GatewayRefused) as refused:
        await stripe.gateway.cancel_payment_intent(paid.ref)
    assert refused.value.intent == paid or refused.value.intent is not None


async def test_a_detached_card_cannot_be_charged_and_detaching_again_is_no_error(stripe: FakeStripe) -> None:
    card = await stripe.saved_card()
    assert card.payment_method_ref is not None
    await stripe.gateway.detach_payment_method(card.payment_method_ref)
    await stripe.gateway.detach_payment_method(card.payment_method_ref)
    with pytest.raises(GatewayRefused) as refused:
        await stripe.charge(card)
    assert refused.value.code == "payment_method_unexpected_state"


async def test_what_nobody_knows_is_not_found(stripe: FakeStripe) -> None:
    with pytest.raises(NotFound):
        await stripe.gateway.fetch_payment_intent("pi_unknown")
    with pytest.raises(NotFound):
        await stripe.gateway.fetch_refund("re_unknown")
    with pytest.raises(NotFound):
        await stripe.gateway.fetch_setup_session("cs_test_unknown")
    with pytest.raises(NotFound):
        await stripe.gateway.fetch_event("evt_unknown")

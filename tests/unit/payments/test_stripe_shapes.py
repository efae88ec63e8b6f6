"""Stripe's answers read into our Structs, also the odd ones."""

from typing import Any

import msgspec
import pytest

from app.domain.payments import stripe_shapes
from app.domain.payments.gateway import PaymentGateway
from app.domain.payments.stripe_gateway import StripeGateway

INTENT: dict[str, Any] = {"id": "pi_1", "status": "succeeded", "amount": 3200, "amount_received": 3200, "currency": "eur", "metadata": {}}


def test_the_gateway_is_one() -> None:
    gateway: PaymentGateway = StripeGateway(api_key="sk_test_x", base_url="http://127.0.0.1:1")  # mypy holds it to the protocol
    assert isinstance(gateway, StripeGateway)


def test_a_charge_may_come_as_a_reference_or_whole_and_its_fee_only_with_its_movement() -> None:
    assert stripe_shapes.intent_state({**INTENT, "latest_charge": "ch_1"}).charge_ref == "ch_1"
    whole = {"id": "ch_1", "balance_transaction": "txn_1"}
    assert stripe_shapes.intent_state({**INTENT, "latest_charge": whole}).fee_minor is None
    movement = {"id": "txn_1", "fee": 73, "net": 3127}
    state = stripe_shapes.intent_state({**INTENT, "latest_charge": {**whole, "balance_transaction": movement}})
    assert (state.charge_ref, state.fee_minor) == ("ch_1", 73)


def test_an_intent_of_somebody_elses_has_no_payment_id() -> None:
    assert stripe_shapes.intent_state(INTENT).payment_id is None


def test_fields_added_by_a_newer_version_are_ignored_and_missing_ones_are_not() -> None:
    assert stripe_shapes.intent_state({**INTENT, "hooks": {"new": True}}).ref == "pi_1"
    with pytest.raises(msgspec.ValidationError):
        stripe_shapes.intent_state({name: value for name, value in INTENT.items() if name != "amount"})


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("needs_response", "open"),
        ("warning_needs_response", "open"),
        ("under_review", "under_review"),
        ("warning_closed", "won"),
        ("lost", "lost"),
    ],
)
def test_an_inquiry_counts_as_a_dispute(theirs: str, ours: str) -> None:
    raw = {"id": "du_1", "status": theirs, "amount": 1, "currency": "eur", "reason": "general", "charge": "ch_1", "payment_intent": None}
    assert stripe_shapes.dispute_state(raw).status == ours


def test_an_event_about_an_object_without_id_or_metadata_is_still_a_hint() -> None:
    raw = {"id": "evt_1", "type": "balance.available", "created": 1, "data": {"object": {"object": "balance"}}}
    event = stripe_shapes.stripe_event(raw)
    assert (event.object_ref, event.object_type, event.reference) == ("", "balance", None)


def test_a_session_without_a_card_yet_has_no_card_fields() -> None:
    raw = {"id": "cs_1", "status": "open", "customer": "cus_1", "setup_intent": {"id": "seti_1", "status": "requires_payment_method"}}
    outcome = stripe_shapes.setup_outcome(raw)
    assert (outcome.status, outcome.setup_status, outcome.payment_method_ref, outcome.reference) == (
        "open",
        "requires_payment_method",
        None,
        None,
    )

"""Payment intents, charges, refunds, disputes."""

# ruff: noqa: RUF012 - msgspec copies empty defaults for each instance

from typing import Literal

import msgspec

from app.stage.fake_stripe import charging, refunding
from app.stage.fake_stripe.call import Call, ListParams, Page, Params, checked_metadata, refuse_method_types
from app.stage.fake_stripe.model import Charge, Customer, Dispute, PaymentIntent, PaymentMethod, Refund
from app.stage.fake_stripe.refusals import Refusal, missing, unexpected_state
from app.stage.fake_stripe.render_money import EVIDENCE
from app.stage.fake_stripe.world import World

SMALLEST_CHARGE = 50
LARGEST_CHARGE = 99_999_999
CONFIRMABLE = {"requires_confirmation", "requires_payment_method", "requires_action"}
CANCELLATIONS = Literal["duplicate", "fraudulent", "requested_by_customer", "abandoned"]


class NewPaymentIntent(Params, frozen=True, kw_only=True, forbid_unknown_fields=True):
    amount: int
    currency: str
    confirm: bool = False
    customer: str | None = None
    description: str | None = None
    metadata: dict[str, str] = {}
    off_session: bool = False
    payment_method: str | None = None
    allowed_payment_method_types: list[Literal["card"]] = []
    payment_method_types: list[str] = []
    capture_method: Literal["automatic", "automatic_async"] = "automatic_async"
    receipt_email: str | None = None
    return_url: str | None = None
    setup_future_usage: Literal["off_session", "on_session"] | None = None
    statement_descriptor_suffix: str | None = None
    transfer_group: str | None = None


def create_payment_intent(call: Call, params: NewPaymentIntent) -> PaymentIntent:
    world = call.world
    refuse_method_types(params.payment_method_types)
    _require_amount(params.amount, params.currency)
    if params.off_session and not params.confirm:
        raise Refusal(400, "You cannot set `off_session` unless you also set `confirm` to true.", param="off_session")
    if params.customer is not None and world.need(Customer, params.customer, "customer", param="customer").deleted:
        raise missing("customer", params.customer, "customer", in_path=False)
    if params.payment_method is not None:
        _usable_method(world, params.payment_method, params.customer)
    row = world.books.put(
        PaymentIntent(
            id=world.new_id("pi"),
            created=world.clock.now(),
            amount=params.amount,
            currency=params.currency.lower(),
            customer=params.customer,
            payment_method=params.payment_method,
            status="requires_confirmation" if params.payment_method else "requires_payment_method",
            description=params.description,
            metadata=checked_metadata(params.metadata),
            receipt_email=params.receipt_email,
            transfer_group=params.transfer_group,
            statement_descriptor_suffix=params.statement_descriptor_suffix,
            setup_future_usage=params.setup_future_usage,
            capture_method=params.capture_method,
        )
    )
    world.announce("payment_intent.created", row)
    return _confirmed(world, row, None, off_session=params.off_session, return_url=params.return_url) if params.confirm else row


def _require_amount(amount: int, currency: str) -> None:
    if len(currency) != 3 or not currency.isalpha():  # noqa: PLR2004 - ISO 4217
        raise Refusal(400, f"Invalid currency: {currency}.", param="currency")
    if amount < SMALLEST_CHARGE:
        raise Refusal(400, f"Amount must be at least {SMALLEST_CHARGE} {currency}.", code="amount_too_small", param="amount")
    if amount > LARGEST_CHARGE:
        raise Refusal(400, f"Amount must be no more than {LARGEST_CHARGE} {currency}.", code="amount_too_large", param="amount")


def _usable_method(world: World, method_id: str, customer: str | None) -> PaymentMethod:
    method = world.need(PaymentMethod, method_id, "PaymentMethod", param="payment_method")
    if method.customer is None:
        raise Refusal(
            400,
            "The provided PaymentMethod was previously detached from a Customer or never attached. It may not be used again.",
            code="payment_method_unexpected_state",
            param="payment_method",
        )
    if method.customer != customer:
        raise Refusal(400, "The PaymentMethod does not belong to the Customer of this PaymentIntent.", param="payment_method")
    return method


class Confirm(Params, frozen=True, kw_only=True, forbid_unknown_fields=True):
    off_session: bool = False
    payment_method: str | None = None
    return_url: str | None = None
    error_on_requires_action: bool = False


def confirm_payment_intent(call: Call, params: Confirm) -> PaymentIntent:
    row = call.named(PaymentIntent, "payment_intent", "intent")
    return _confirmed(call.world, row, params.payment_method, off_session=params.off_session, return_url=params.return_url)


def _confirmed(world: World, row: PaymentIntent, method_id: str | None, *, off_session: bool, return_url: str | None) -> PaymentIntent:
    if row.status not in CONFIRMABLE:
        done = "you already confirmed it and it has" if row.status == "succeeded" else "its status is"
        raise unexpected_state(f"You cannot confirm this PaymentIntent because {done} {row.status}.", intent_id=row.id)
    method_id = method_id or row.payment_method
    if method_id is None:
        raise unexpected_state("You cannot confirm this PaymentIntent because it's missing a payment method.", intent_id=row.id)
    method = _usable_method(world, method_id, row.customer)
    return charging.attempt(world, row, method, off_session=off_session, return_url=return_url)


class Cancel(Params, frozen=True, kw_only=True, forbid_unknown_fields=True):
    cancellation_reason: CANCELLATIONS | None = None


def cancel_payment_intent(call: Call, params: Cancel) -> PaymentIntent:
    world, row = call.world, call.named(PaymentIntent, "payment_intent", "intent")
    if row.status not in CONFIRMABLE:
        raise unexpected_state(f"You cannot cancel this PaymentIntent because it has a status of {row.status}.", intent_id=row.id)
    gone = world.books.put(
        msgspec.structs.replace(
            row,
            status="canceled",
            canceled_at=world.clock.now(),
            cancellation_reason=params.cancellation_reason,
            next_action_return_url=None,
        )
    )
    world.announce("payment_intent.canceled", gone)
    return gone


def fetch_payment_intent(call: Call, _params: Params) -> PaymentIntent:
    return call.named(PaymentIntent, "payment_intent", "intent")


class PaymentIntentList(ListParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    customer: str | None = None


def list_payment_intents(call: Call, params: PaymentIntentList) -> Page:
    return call.page(PaymentIntent, params, customer=params.customer)


def fetch_charge(call: Call, _params: Params) -> Charge:
    return call.named(Charge, "charge", "charge")


class ChargeList(ListParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    customer: str | None = None
    payment_intent: str | None = None
    transfer_group: str | None = None


def list_charges(call: Call, params: ChargeList) -> Page:
    return call.page(
        Charge,
        params,
        keep=lambda row: params.transfer_group in (None, row.transfer_group),
        customer=params.customer,
        payment_intent=params.payment_intent,
    )


class NewRefund(Params, frozen=True, kw_only=True, forbid_unknown_fields=True):
    amount: int | None = None
    charge: str | None = None
    payment_intent: str | None = None
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = None
    metadata: dict[str, str] = {}


def create_refund(call: Call, params: NewRefund) -> Refund:
    charge = _refunded_charge(call.world, params)
    return refunding.refund(call.world, charge, amount=params.amount, reason=params.reason, metadata=checked_metadata(params.metadata))


def _refunded_charge(world: World, params: NewRefund) -> Charge:
    if params.charge is not None:
        return world.need(Charge, params.charge, "charge", param="charge")
    if params.payment_intent is None:
        raise Refusal(400, "One of the following params should be provided for this request: payment_intent or charge.")
    intent = world.need(PaymentIntent, params.payment_intent, "payment_intent", param="payment_intent")
    charge = world.books.get(Charge, intent.latest_charge or "")
    if intent.status != "succeeded" or charge is None:
        raise Refusal(400, f"This PaymentIntent ({intent.id}) does not have a successful charge to refund.", param="payment_intent")
    return charge


def fetch_refund(call: Call, _params: Params) -> Refund:
    return call.named(Refund, "refund", "refund")


class RefundList(ListParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    charge: str | None = None
    payment_intent: str | None = None


def list_refunds(call: Call, params: RefundList) -> Page:
    return call.page(Refund, params, payment_intent=params.payment_intent, charge=params.charge)


def fetch_dispute(call: Call, _params: Params) -> Dispute:
    return call.named(Dispute, "dispute", "dispute")


class DisputeList(ListParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    charge: str | None = None
    payment_intent: str | None = None


def list_disputes(call: Call, params: DisputeList) -> Page:
    return call.page(Dispute, params, payment_intent=params.payment_intent, charge=params.charge)


class DisputeUpdate(Params, frozen=True, kw_only=True, forbid_unknown_fields=True):
    evidence: dict[str, str] = {}
    metadata: dict[str, str] = {}
    submit: bool = True


def update_dispute(call: Call, params: DisputeUpdate) -> Dispute:
    """Answer a dispute. As in Stripe's test mode, `uncategorized_text` of `winning_evidence` or `losing_evidence` decides it at once."""
    world, row = call.world, call.named(Dispute, "dispute", "dispute")
    if row.status not in ("needs_response", "under_review") or world.clock.now() > row.due_by:
        raise Refusal(400, "This dispute is already closed.", code="dispute_closed")
    if unknown := sorted(set(params.evidence) - set(EVIDENCE)):
        raise Refusal(400, f"Received unknown parameter: evidence[{unknown[0]}]", code="parameter_unknown", param=f"evidence[{unknown[0]}]")
    answered = world.books.put(
        msgspec.structs.replace(
            row,
            evidence={**row.evidence, **params.evidence},
            metadata={**row.metadata, **checked_metadata(params.metadata)},
            status="under_review" if params.submit else row.status,
            submission_count=row.submission_count + int(params.submit),
        )
    )
    world.announce("charge.dispute.updated", answered)
    verdict = answered.evidence.get("uncategorized_text")
    if params.submit and verdict in ("winning_evidence", "losing_evidence"):
        return refunding.close_dispute(world, answered, won=verdict == "winning_evidence")
    return answered


def close_dispute(call: Call, _params: Params) -> Dispute:
    """Give in: the dispute is lost."""
    return refunding.close_dispute(call.world, call.named(Dispute, "dispute", "dispute"), won=False)

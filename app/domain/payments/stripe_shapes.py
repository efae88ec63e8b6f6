"""The few fields we read of Stripe's answers and webhooks, and their reading into our Structs. Imports no `stripe`."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from app.domain.payments.gateway import (
    BalanceTransaction,
    ConnectAccount,
    DisputeState,
    DisputeStatus,
    IntentState,
    IntentStatus,
    RefundState,
    RefundStatus,
    ReversalState,
    SessionStatus,
    SetupOutcome,
    StripeEvent,
    TransferState,
)

REFERENCE = "busload_reference"
PAYMENT_ID = "busload_payment_id"
REFUND_ID = "busload_refund_id"
PAYOUT_ID = "busload_payout_id"
REVERSAL_ID = "busload_reversal_id"
OPERATOR_ID = "busload_operator_id"
OUR_IDS = (PAYMENT_ID, REFUND_ID, REFERENCE, PAYOUT_ID, REVERSAL_ID, OPERATOR_ID)
DISPUTE_STATUSES: dict[str, DisputeStatus] = {
    "needs_response": "open",
    "warning_needs_response": "open",
    "under_review": "under_review",
    "warning_under_review": "under_review",
    "won": "won",
    "warning_closed": "won",
    "lost": "lost",
    "prevented": "won",
}


class _Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Unknown fields are ignored: Stripe adds some with every version."""


class _Ref(_Shape, frozen=True, kw_only=True):
    id: str


class _Card(_Shape, frozen=True, kw_only=True):
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    fingerprint: str | None = None


class _Method(_Ref, frozen=True, kw_only=True):
    card: _Card | None = None


class _Setup(_Ref, frozen=True, kw_only=True):
    status: str
    payment_method: _Method | str | None = None


class _Session(_Ref, frozen=True, kw_only=True):
    status: SessionStatus
    customer: str | None = None
    setup_intent: _Setup | None = None
    metadata: dict[str, str] | None = None


class _Source(_Ref, frozen=True, kw_only=True):
    metadata: dict[str, str] | None = None
    charge: str | None = None


class _Movement(_Ref, frozen=True, kw_only=True):
    type: str
    amount: int
    fee: int
    net: int
    currency: str
    created: int
    source: _Source | str | None = None


class _Fee(_Ref, frozen=True, kw_only=True):
    fee: int


class _Charge(_Ref, frozen=True, kw_only=True):
    balance_transaction: _Fee | str | None = None


class _Failure(_Shape, frozen=True, kw_only=True):
    code: str | None = None
    decline_code: str | None = None


class _Redirect(_Shape, frozen=True, kw_only=True):
    url: str | None = None


class _NextAction(_Shape, frozen=True, kw_only=True):
    redirect_to_url: _Redirect | None = None


class _Intent(_Ref, frozen=True, kw_only=True):
    status: IntentStatus
    amount: int
    currency: str
    amount_received: int = 0
    latest_charge: _Charge | str | None = None
    last_payment_error: _Failure | None = None
    next_action: _NextAction | None = None
    metadata: dict[str, str] = {}


class _Refund(_Ref, frozen=True, kw_only=True):
    status: RefundStatus
    amount: int
    failure_reason: str | None = None
    metadata: dict[str, str] | None = None


class _Account(_Ref, frozen=True, kw_only=True):
    capabilities: dict[str, str] | None = None
    payouts_enabled: bool = False
    metadata: dict[str, str] | None = None


class _Transfer(_Ref, frozen=True, kw_only=True):
    amount: int
    amount_reversed: int
    currency: str
    destination: str
    metadata: dict[str, str] | None = None


class _Reversal(_Ref, frozen=True, kw_only=True):
    amount: int
    transfer: str
    metadata: dict[str, str] | None = None


class _EvidenceDetails(_Shape, frozen=True, kw_only=True):
    due_by: int | None = None
    submission_count: int = 0


class _Dispute(_Ref, frozen=True, kw_only=True):
    status: str
    amount: int
    currency: str
    reason: str
    charge: str
    payment_intent: str | None = None
    evidence_details: _EvidenceDetails | None = None
    balance_transactions: list[_Movement] = []


class _EventObject(_Shape, frozen=True, kw_only=True):
    object: str
    id: str | None = None
    metadata: dict[str, str] | None = None


class _EventData(_Shape, frozen=True, kw_only=True):
    object: _EventObject


class _Event(_Ref, frozen=True, kw_only=True):
    type: str
    created: int
    data: _EventData


def setup_outcome(raw: dict[str, Any]) -> SetupOutcome:
    """From a Checkout session with `setup_intent.payment_method` expanded."""
    session = msgspec.convert(raw, _Session)
    setup = session.setup_intent
    method = setup.payment_method if setup is not None and isinstance(setup.payment_method, _Method) else None
    card = method.card if method is not None else None
    return SetupOutcome(
        status=session.status,
        setup_status=setup.status if setup else None,
        customer_ref=session.customer,
        payment_method_ref=method.id if method else None,
        fingerprint=card.fingerprint if card else None,
        brand=card.brand if card else None,
        last4=card.last4 if card else None,
        exp_month=card.exp_month if card else None,
        exp_year=card.exp_year if card else None,
        reference=(session.metadata or {}).get(REFERENCE),
    )


def intent_state(raw: dict[str, Any]) -> IntentState:
    """From a PaymentIntent; the fee is read when `latest_charge.balance_transaction` is expanded."""
    intent = msgspec.convert(raw, _Intent)
    charge, failure = intent.latest_charge, intent.last_payment_error
    movement = charge.balance_transaction if isinstance(charge, _Charge) else None
    redirect = intent.next_action.redirect_to_url if intent.next_action else None
    return IntentState(
        ref=intent.id,
        status=intent.status,
        amount_minor=intent.amount,
        amount_received_minor=intent.amount_received,
        currency=intent.currency,
        charge_ref=charge.id if isinstance(charge, _Charge) else charge,
        fee_minor=movement.fee if isinstance(movement, _Fee) else None,
        decline_code=failure.decline_code if failure else None,
        error_code=failure.code if failure else None,
        action_url=redirect.url if redirect else None,
        payment_id=intent.metadata.get(PAYMENT_ID),
    )


def refund_state(raw: dict[str, Any]) -> RefundState:
    refund = msgspec.convert(raw, _Refund)
    return RefundState(
        ref=refund.id,
        status=refund.status,
        amount_minor=refund.amount,
        refund_id=(refund.metadata or {}).get(REFUND_ID),
        failure_reason=refund.failure_reason,
    )


def balance_transaction(raw: dict[str, Any]) -> BalanceTransaction:
    """From a balance transaction; of its source more than the id is read when `source` is expanded."""
    return _movement(msgspec.convert(raw, _Movement))


def _movement(movement: _Movement) -> BalanceTransaction:
    source = movement.source if isinstance(movement.source, _Source) else None
    return BalanceTransaction(
        ref=movement.id,
        type=movement.type,
        amount_minor=movement.amount,
        fee_minor=movement.fee,
        net_minor=movement.net,
        currency=movement.currency,
        source_ref=movement.source.id if isinstance(movement.source, _Source) else movement.source or None,
        source_reference=_our_id((source.metadata if source else None) or {}),
        charge_ref=source.charge if source else None,
        created_at=_time(movement.created),
    )


def connect_account(raw: dict[str, Any]) -> ConnectAccount:
    account = msgspec.convert(raw, _Account)
    return ConnectAccount(
        ref=account.id,
        transfers_enabled=(account.capabilities or {}).get("transfers") == "active",
        payouts_enabled=account.payouts_enabled,
        operator_id=(account.metadata or {}).get(OPERATOR_ID),
    )


def transfer_state(raw: dict[str, Any]) -> TransferState:
    transfer = msgspec.convert(raw, _Transfer)
    return TransferState(
        ref=transfer.id,
        amount_minor=transfer.amount,
        reversed_minor=transfer.amount_reversed,
        currency=transfer.currency,
        account_ref=transfer.destination,
        payout_id=(transfer.metadata or {}).get(PAYOUT_ID),
    )


def reversal_state(raw: dict[str, Any]) -> ReversalState:
    reversal = msgspec.convert(raw, _Reversal)
    return ReversalState(
        ref=reversal.id,
        amount_minor=reversal.amount,
        transfer_ref=reversal.transfer,
        reversal_id=(reversal.metadata or {}).get(REVERSAL_ID),
    )


def dispute_state(raw: dict[str, Any]) -> DisputeState:
    """An inquiry counts as a dispute: `warning_closed` is one that came to nothing, so it is won."""
    dispute = msgspec.convert(raw, _Dispute)
    details = dispute.evidence_details or _EvidenceDetails()
    due_by = details.due_by
    return DisputeState(
        ref=dispute.id,
        status=DISPUTE_STATUSES[dispute.status],
        amount_minor=dispute.amount,
        currency=dispute.currency,
        reason=dispute.reason,
        intent_ref=dispute.payment_intent,
        charge_ref=dispute.charge,
        evidence_due_at=_time(due_by) if due_by else None,
        submissions=details.submission_count,
        movements=[_movement(one) for one in dispute.balance_transactions],
    )


def stripe_event(raw: dict[str, Any] | bytes) -> StripeEvent:
    """From an event object or a webhook's body. Raises msgspec.ValidationError or DecodeError for anything else."""
    event = msgspec.json.decode(raw, type=_Event) if isinstance(raw, bytes) else msgspec.convert(raw, _Event)
    metadata = event.data.object.metadata or {}
    return StripeEvent(
        id=event.id,
        type=event.type,
        created_at=_time(event.created),
        object_ref=event.data.object.id or "",
        object_type=event.data.object.object,
        reference=_our_id(metadata),
    )


def _our_id(metadata: dict[str, str]) -> str | None:
    """Our id in an object's metadata."""
    return next((metadata[name] for name in OUR_IDS if name in metadata), None)


def _time(unix_s: int) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)

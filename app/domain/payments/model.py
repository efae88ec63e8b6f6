"""Payments and refunds: states, and what a gateway's answer means for them."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import msgspec

from app.core.machine import Machine
from app.domain.payments.gateway import GatewayRefused, IntentState

LOOKUP_AFTER = timedelta(seconds=60)
ALARM_AFTER = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(hours=1)  # a stadium's charges take 37 minutes
AUTHENTICATION = frozenset({"authentication_required", "payment_intent_authentication_failure"})


class PaymentState(StrEnum):
    """DOMAIN section 5. `unknown`: asked, and nobody answered; looked up before anything else is done."""

    DUE = "due"
    SUBMITTING = "submitting"
    SUCCEEDED = "succeeded"
    NEEDS_ACTION = "needs_action"
    RETRYABLE = "retryable"
    UNKNOWN = "unknown"
    ABANDONED = "abandoned"
    VOID = "void"
    DISPUTED = "disputed"
    WON = "won"
    LOST = "lost"


S = PaymentState
PAYMENT_MACHINE = Machine(
    "payment",
    births=frozenset({S.DUE}),
    arrows={
        S.DUE: frozenset({S.SUBMITTING, S.VOID}),
        S.SUBMITTING: frozenset({S.SUCCEEDED, S.NEEDS_ACTION, S.RETRYABLE, S.UNKNOWN}),
        S.UNKNOWN: frozenset({S.SUCCEEDED, S.NEEDS_ACTION, S.RETRYABLE, S.SUBMITTING}),
        S.NEEDS_ACTION: frozenset({S.SUBMITTING, S.SUCCEEDED, S.ABANDONED, S.VOID}),
        S.RETRYABLE: frozenset({S.SUBMITTING, S.SUCCEEDED, S.ABANDONED, S.VOID}),
        S.SUCCEEDED: frozenset({S.DISPUTED}),
        S.WON: frozenset({S.DISPUTED}),  # a bank may contest once more what it lost: another dispute of the same charge
        S.DISPUTED: frozenset({S.WON, S.LOST}),
    },
)
UNSETTLED = frozenset({S.DUE, S.SUBMITTING, S.NEEDS_ACTION, S.RETRYABLE, S.UNKNOWN})
WAITING = frozenset({S.DUE, S.NEEDS_ACTION, S.RETRYABLE})
CLOSED = "closed"  # the error code of a charge that we closed ourselves
IN_FLIGHT = frozenset({S.SUBMITTING, S.UNKNOWN})
CHARGED = frozenset({S.SUCCEEDED, S.DISPUTED, S.WON, S.LOST})


class RefundReason(StrEnum):
    """Why money goes back; one refund per payment and reason (changes of a party are numbered: `change-1`)."""

    CREDIT_BACK = "credit_back"
    LADDER = "ladder"
    CANCELLATION = "cancellation"
    UNSEATED = "unseated"
    FREE_EXIT = "free_exit"


class RefundState(StrEnum):
    """DOMAIN section 5."""

    DUE = "due"
    SUBMITTING = "submitting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


R = RefundState
REFUND_MACHINE = Machine(
    "refund",
    births=frozenset({R.DUE}),
    arrows={
        R.DUE: frozenset({R.SUBMITTING}),
        R.SUBMITTING: frozenset({R.SUCCEEDED, R.FAILED, R.UNKNOWN}),
        R.UNKNOWN: frozenset({R.SUCCEEDED, R.FAILED, R.SUBMITTING}),
        R.SUCCEEDED: frozenset({R.FAILED}),  # days later, when the rider's bank sends the money back
        R.FAILED: frozenset({R.SUBMITTING}),
    },
)


IN_DOUBT = frozenset({R.SUBMITTING, R.UNKNOWN})


class DisputeState(StrEnum):
    """A dispute's own way; its payment is `disputed` from the first to the last. `unknown`: evidence sent, and nobody answered."""

    OPEN = "open"
    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    UNDER_REVIEW = "under_review"
    WON = "won"
    LOST = "lost"


D = DisputeState
DISPUTE_MACHINE = Machine(
    "dispute",
    births=frozenset({D.OPEN}),
    arrows={
        D.OPEN: frozenset({D.SUBMITTING, D.UNDER_REVIEW, D.WON, D.LOST}),
        D.SUBMITTING: frozenset({D.UNDER_REVIEW, D.UNKNOWN, D.OPEN, D.WON, D.LOST}),
        D.UNKNOWN: frozenset({D.UNDER_REVIEW, D.SUBMITTING, D.OPEN, D.WON, D.LOST}),
        D.UNDER_REVIEW: frozenset({D.WON, D.LOST}),
    },
)
ANSWERABLE = frozenset({D.OPEN})
DECIDED = frozenset({D.WON, D.LOST})


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """One charge, once: (reference, purpose) is unique and its intent is for ever. `reference` is opaque here."""

    id: UUID
    reference: UUID
    purpose: str
    book: str
    amount_minor: int
    currency: str
    description: str
    state: PaymentState
    customer_ref: str
    payment_method_ref: str
    intent_ref: str | None
    charge_ref: str | None
    attempts: int
    next_attempt_at: datetime | None
    collect_until: datetime
    submitted_at: datetime | None
    settled_at: datetime | None
    error_code: str
    decline_code: str
    created_at: datetime


class NewPayment(msgspec.Struct, frozen=True, kw_only=True):
    """A charge that has become due."""

    id: UUID
    reference: UUID
    purpose: str
    book: str
    amount_minor: int
    currency: str
    description: str
    customer_ref: str
    payment_method_ref: str
    collect_until: datetime


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """Money going back for one payment and one reason.

    `sending` counts up when a failed one is sent again; one that is `held_by` a dispute is not sent. From `elsewhere_at` on the rider has
    the money by another way, and it is never sent any more.
    """

    id: UUID
    payment_id: UUID
    reason: str
    amount_minor: int
    currency: str
    state: RefundState
    refund_ref: str | None
    attempts: int
    sending: int
    held_by: UUID | None
    elsewhere_at: datetime | None
    submitted_at: datetime | None
    settled_at: datetime | None
    error_code: str
    created_at: datetime

    @property
    def given_back_at(self) -> datetime | None:
        """Since when the rider has the money, through Stripe or another way; None as long as it is owed."""
        return self.elsewhere_at or (self.settled_at if self.state is RefundState.SUCCEEDED else None)


class Dispute(msgspec.Struct, frozen=True, kw_only=True):
    """A charge contested at the rider's bank. `note` is the organiser's own text, `evidence` what was sent, by Stripe's field names."""

    id: UUID
    payment_id: UUID
    dispute_ref: str
    charge_ref: str
    amount_minor: int
    currency: str
    reason: str
    state: DisputeState
    evidence_due_at: datetime | None
    note: str
    evidence: dict[str, str]
    attempts: int
    submitted_at: datetime | None
    submitted_by: str
    error_code: str
    closed_at: datetime | None
    opened_at: datetime


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt or a look-up has shown: the state the payment goes to and what is remembered of it."""

    state: PaymentState
    intent_ref: str | None
    charge_ref: str | None
    fee_minor: int | None
    error_code: str
    decline_code: str


def at_the_bank(payment: Payment) -> bool:
    """Whether the rider's bank may still take the money without another word from us."""
    return payment.state is PaymentState.NEEDS_ACTION and payment.intent_ref is not None


def outcome_of(intent: IntentState) -> Outcome:
    """What an intent's state means. A `processing` one is unknown still; an unconfirmed one has moved no money and may be tried again."""
    states = {
        "succeeded": S.SUCCEEDED,
        "requires_action": S.NEEDS_ACTION,
        "processing": S.UNKNOWN,
        "requires_payment_method": S.NEEDS_ACTION if intent.error_code in AUTHENTICATION else S.RETRYABLE,
        "requires_confirmation": S.SUBMITTING,
        "canceled": S.RETRYABLE,
    }
    return Outcome(
        state=states[intent.status], intent_ref=intent.ref, charge_ref=intent.charge_ref, fee_minor=intent.fee_minor,
        error_code=intent.error_code or "", decline_code=intent.decline_code or "",
    )  # fmt: skip


def outcome_of_refusal(refused: GatewayRefused, intent_ref: str | None) -> Outcome:
    """What a definite no means: the rider's bank wants the rider, the card did not work, or the intent is elsewhere already."""
    if refused.code == "payment_intent_unexpected_state" and refused.intent is not None:
        return outcome_of(refused.intent)
    state = S.NEEDS_ACTION if refused.code in AUTHENTICATION else S.RETRYABLE
    return Outcome(
        state=state, intent_ref=refused.intent.ref if refused.intent else intent_ref, charge_ref=None, fee_minor=None,
        error_code=refused.code or "refused", decline_code=refused.decline_code or "",
    )  # fmt: skip

"""An event's money as pages and API show it. Amounts are minor units; ledger amounts are signed, debit positive."""

from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

import msgspec

from app.domain.payments.reconciling import Finding


class TripMoney(msgspec.Struct, frozen=True, kw_only=True):
    """One trip: taken from cards, still owed by riders, on its way back, gone back, and its part of what operators were paid."""

    trip_id: UUID
    code: str
    origin: str
    state: str
    taken_minor: int
    owed_minor: int
    failing: int
    going_back_minor: int
    refunded_minor: int
    paid_out_minor: int


class DayMoney(msgspec.Struct, frozen=True, kw_only=True):
    """One day on the event's clock; `owed_minor` is what was owed to riders, operators and partner at its end."""

    day: date
    taken_minor: int
    refunded_minor: int
    fees_minor: int
    disputed_minor: int
    paid_out_minor: int
    owed_minor: int


class FailedCard(msgspec.Struct, frozen=True, kw_only=True):
    """A charge that did not work and where it is in its collection window; `through` is the part of the window gone, 0 to 100."""

    payment_id: UUID
    pledge_id: UUID
    code: str
    state: str
    why: str
    amount_minor: int
    currency: str
    attempts: int
    since: datetime
    next_attempt_at: datetime | None
    collect_until: datetime
    through: int


class HeldRefund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund that waits for a person or a bank: failed ones may be sent again, held ones may not.

    `may_settle`: an organiser may note down that the rider has the money another way. `why` says what to do.
    """

    id: UUID
    code: str
    event_code: str
    reason: str
    state: str
    held: bool
    may_settle: bool
    came_back: int
    amount_minor: int
    currency: str
    why: str


class DisputeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A dispute in a list."""

    id: UUID
    dispute_ref: str
    code: str
    event_code: str
    event: str
    zone: str
    state: str
    reason: str
    amount_minor: int
    currency: str
    opened_at: datetime
    evidence_due_at: datetime | None
    submitted_at: datetime | None


class DisputeView(msgspec.Struct, frozen=True, kw_only=True):
    """A dispute whole: `evidence` is what was sent, or what would be sent now."""

    dispute: DisputeRow
    payment_id: UUID
    payment_state: str
    charge_ref: str
    may_answer: bool
    note: str
    evidence: Mapping[str, str]
    submitted_by: str
    error_code: str
    closed_at: datetime | None
    refunds: list[HeldRefund]


class BalanceRow(msgspec.Struct, frozen=True, kw_only=True):
    """What an account holds."""

    account: str
    title: str
    currency: str
    amount_minor: int


class EventMoney(msgspec.Struct, frozen=True, kw_only=True):
    """An event's money. `owed_out_minor` is owed to operators and the partner."""

    event_id: UUID
    code: str
    name: str
    currency: str
    zone: str
    taken_minor: int
    owed_minor: int
    going_back_minor: int
    refunded_minor: int
    paid_out_minor: int
    owed_out_minor: int
    disputed_minor: int
    in_flight: int
    trips: list[TripMoney]
    days: list[DayMoney]
    failed_cards: list[FailedCard]
    refunds: list[HeldRefund]
    disputes: list[DisputeRow]
    balances: list[BalanceRow]


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry."""

    id: int
    transaction_id: UUID
    posted_at: datetime
    kind: str
    account: str
    book: str
    amount_minor: int
    currency: str
    external_ref: str | None


class LedgerPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of entries, the newest first; `next` is the cursor of the page after."""

    items: list[LedgerEntry]
    next: str | None


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a trail."""

    at: datetime
    actor: str
    machine: str
    subject_id: UUID
    from_state: str
    to_state: str
    reason: str


class Companion(msgspec.Struct, frozen=True, kw_only=True):
    """Another movement of the same Stripe object."""

    id: UUID
    kind: str
    posted_at: datetime


class TransactionView(msgspec.Struct, frozen=True, kw_only=True):
    """One movement whole: its entries, what caused it, the object at Stripe, everything written down about the cause."""

    id: UUID
    posted_at: datetime
    kind: str
    cause: UUID
    external_ref: str | None
    event_code: str | None
    event: str | None
    zone: str
    payment_id: UUID | None
    pledge_code: str | None
    trip_code: str | None
    duty_id: UUID | None
    dispute_id: UUID | None
    entries: list[LedgerEntry]
    companions: list[Companion]
    trail: list[AuditRow]


class ReconciliationView(msgspec.Struct, frozen=True, kw_only=True):
    """The last comparison of the ledger with Stripe; all None and empty before the first. `is_running`: another is under way."""

    id: UUID | None
    started_at: datetime | None
    finished_at: datetime | None
    since: datetime | None
    movements: int
    matched: int
    is_clean: bool
    is_running: bool
    findings: list[Finding]
    in_flight: list[Finding]


class EventLine(msgspec.Struct, frozen=True, kw_only=True):
    """One event in the house's overview."""

    code: str
    name: str
    currency: str
    starts_at: datetime
    zone: str
    taken_minor: int
    refunded_minor: int
    paid_out_minor: int
    held_minor: int


class HouseMoney(msgspec.Struct, frozen=True, kw_only=True):
    """The money of the whole house."""

    events: list[EventLine]
    balances: list[BalanceRow]
    disputes: list[DisputeRow]
    refunds: list[HeldRefund]
    reconciliation: ReconciliationView

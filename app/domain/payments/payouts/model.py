"""Payouts: states, and how an event's fares are shared out to the last minor unit."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from app.core.machine import Machine
from app.core.money import basis_points, split_by_weight

RESERVE_HELD = timedelta(days=14)
LOOK_UP_AFTER = timedelta(seconds=60)
TRY_AGAIN_AFTER = timedelta(days=1)
REMIND_EVERY_DAYS = 3
BOOK_REST = timedelta(days=7)
"""A book is closed with the first month that begins at least this long after the last bus is home."""


class PayeeKind(StrEnum):
    """Whom we pay."""

    OPERATOR = "operator"
    PARTNER = "partner"


class PayeeState(StrEnum):
    """How far an account at Stripe is; nobody without a ready one gets a transfer. A payee without a row has not started."""

    INFORMATION_NEEDED = "information_needed"
    READY = "ready"


PAYEE_MACHINE = Machine(
    "payee",
    births=frozenset({PayeeState.INFORMATION_NEEDED}),
    arrows={
        PayeeState.INFORMATION_NEEDED: frozenset({PayeeState.READY}),
        PayeeState.READY: frozenset({PayeeState.INFORMATION_NEEDED}),
    },
)


class PayoutKind(StrEnum):
    """What a transfer pays."""

    HIRE = "hire"
    RESERVE = "reserve"
    SHARE = "share"


class PayoutState(StrEnum):
    """As a refund's. `void`: nothing is left to pay. A `failed` one was refused, no money moved, and is tried again."""

    DUE = "due"
    SUBMITTING = "submitting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"
    VOID = "void"


P = PayoutState
PAYOUT_MACHINE = Machine(
    "payout",
    births=frozenset({P.DUE}),
    arrows={
        P.DUE: frozenset({P.SUBMITTING, P.SUCCEEDED, P.VOID}),
        P.SUBMITTING: frozenset({P.SUCCEEDED, P.FAILED, P.UNKNOWN}),
        P.UNKNOWN: frozenset({P.SUCCEEDED, P.FAILED, P.SUBMITTING}),
        P.FAILED: frozenset({P.SUBMITTING, P.VOID}),
    },
)
WAITING = frozenset({P.DUE, P.FAILED})
IN_FLIGHT = frozenset({P.SUBMITTING, P.UNKNOWN})


class WaitsFor(StrEnum):
    """Why a payout that is due has not gone out."""

    NOTHING = ""
    ACCOUNT = "account"
    COVER = "cover"
    FUNDS = "funds"


class ReversalState(StrEnum):
    """As a refund's; `failed` is final: what could not be taken back is a debt."""

    DUE = "due"
    SUBMITTING = "submitting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


V = ReversalState
REVERSAL_MACHINE = Machine(
    "reversal",
    births=frozenset({V.DUE}),
    arrows={
        V.DUE: frozenset({V.SUBMITTING}),
        V.SUBMITTING: frozenset({V.SUCCEEDED, V.FAILED, V.UNKNOWN}),
        V.UNKNOWN: frozenset({V.SUCCEEDED, V.FAILED, V.SUBMITTING}),
    },
)


class DebtKind(StrEnum):
    """Why an operator owes us."""

    PULL_OUT = "pull_out"
    OVERPAID = "overpaid"


class Payee(msgspec.Struct, frozen=True, kw_only=True):
    """An operator or partner with an account at Stripe; `id` is its own."""

    id: UUID
    kind: PayeeKind
    state: PayeeState
    account_ref: str
    opened_at: datetime
    checked_at: datetime


class Hire(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator earned with a duty: gross includes the tax, the reserve is part of gross."""

    duty_id: UUID
    payee_id: UUID
    book: str
    currency: str
    gross_minor: int
    vat_bp: int
    tax_minor: int
    reserve_minor: int
    accrued_at: datetime

    @property
    def net_minor(self) -> int:
        """Gross without the tax."""
        return self.gross_minor - self.tax_minor


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """An event's book once its last bus is home: fares kept, our fee, the partner's share; `margin_minor` is left when it is closed."""

    book: str
    event_id: UUID
    partner_id: UUID | None
    currency: str
    kept_minor: int
    fee_minor: int
    share_minor: int
    accrued_at: datetime
    closes_at: datetime
    closed_at: datetime | None
    margin_minor: int | None


class Payout(msgspec.Struct, frozen=True, kw_only=True):
    """One transfer. `amount_minor` is `owed_minor` less debts, fixed at the first attempt."""

    id: UUID
    kind: PayoutKind
    reference: UUID
    payee_id: UUID
    book: str
    currency: str
    owed_minor: int
    amount_minor: int | None
    state: PayoutState
    waits_for: WaitsFor
    account_ref: str | None
    transfer_ref: str | None
    not_before_at: datetime
    attempts: int
    submitted_at: datetime | None
    settled_at: datetime | None
    error_code: str
    created_at: datetime

    @property
    def unpaid_minor(self) -> int:
        """What it would move now."""
        return self.owed_minor if self.amount_minor is None else self.amount_minor


class Reversal(msgspec.Struct, frozen=True, kw_only=True):
    """Part of a transfer taken back."""

    id: UUID
    payout_id: UUID
    correction_id: UUID
    amount_minor: int
    currency: str
    state: ReversalState
    reversal_ref: str | None
    attempts: int
    submitted_at: datetime | None
    settled_at: datetime | None
    error_code: str
    created_at: datetime


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """An organiser's word that a hire was not earned, or not all of it."""

    id: UUID
    duty_id: UUID
    amount_minor: int
    reason: str
    actor: str
    created_at: datetime


class Debt(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator owes; `open_minor` has not been netted off yet."""

    id: UUID
    payee_id: UUID
    book: str
    kind: DebtKind
    cause: UUID
    currency: str
    amount_minor: int
    open_minor: int
    created_at: datetime


class Shares(msgspec.Struct, frozen=True, kw_only=True):
    """An event's money shared out; the four parts sum to what was held."""

    hire_minor: int
    fee_minor: int
    share_minor: int
    rest_minor: int


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """What a correction takes from one payout."""

    payout: Payout
    amount_minor: int


class Cuts(msgspec.Struct, frozen=True, kw_only=True):
    """How a correction is carried: less is paid, transfers are taken back, the rest is owed to us. All sum to its amount."""

    less: list[Cut]
    back: list[Cut]
    debt_minor: int


def tax_within(gross_minor: int, vat_bp: int) -> int:
    """The tax contained in a gross amount, rounded half up: gross * rate / (1 + rate)."""
    whole = 10_000 + vat_bp
    return (2 * gross_minor * vat_bp + whole) // (2 * whole)


def reserve_of(gross_minor: int, reserve_bp: int) -> int:
    """What is held back of a hire for a while, rounded down."""
    return basis_points(gross_minor, reserve_bp)


def share_out(*, kept_minor: int, subsidy_minor: int, hire_minor: int, fee_bp: int, share_bp: int) -> Shares:
    """Fee and share are basis points of the fares kept, by largest remainder; hire comes first, then the share, then our fee.

    The rest is negative only when not even the hire is carried.
    """
    kept = max(0, kept_minor)
    fee, share, _ = split_by_weight(kept, [fee_bp, share_bp, 10_000 - fee_bp - share_bp])
    left = kept_minor + subsidy_minor - hire_minor
    share = min(share, max(0, left))
    fee = min(fee, max(0, left - share))
    return Shares(hire_minor=hire_minor, fee_minor=fee, share_minor=share, rest_minor=left - share - fee)


def net_off(owed_minor: int, open_debts_minor: Sequence[int]) -> list[int]:
    """How much of each debt, the oldest first, a payout settles."""
    taken = []
    for open_minor in open_debts_minor:
        part = min(open_minor, owed_minor)
        taken.append(part)
        owed_minor -= part
    return taken


def cut_hire(amount_minor: int, payouts: Sequence[Payout], *, reversed_minor: dict[UUID, int]) -> Cuts:
    """Takes an amount from what was not paid yet (the reserve first), then from transfers, then leaves it as a debt."""
    less, back = [], []
    order = {PayoutKind.RESERVE: 0, PayoutKind.HIRE: 1, PayoutKind.SHARE: 2}
    for payout in sorted((p for p in payouts if p.state in WAITING), key=lambda p: order[p.kind]):
        part = min(amount_minor, payout.unpaid_minor)
        if part:
            less.append(Cut(payout=payout, amount_minor=part))
        amount_minor -= part
    for payout in sorted((p for p in payouts if p.state is P.SUCCEEDED), key=lambda p: -order[p.kind]):
        part = min(amount_minor, (payout.amount_minor or 0) - reversed_minor.get(payout.id, 0))
        if part:
            back.append(Cut(payout=payout, amount_minor=part))
        amount_minor -= part
    return Cuts(less=less, back=back, debt_minor=amount_minor)


def book_closes_at(home_at: datetime, zone: str) -> datetime:
    """Midnight (of the venue) that begins the first month at least a week after the last bus is home."""
    local = (home_at + BOOK_REST).astimezone(ZoneInfo(zone))
    first = date(local.year + local.month // 12, local.month % 12 + 1, 1)
    return datetime(first.year, first.month, first.day, tzinfo=ZoneInfo(zone))

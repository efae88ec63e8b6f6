"""What statements show; also the shapes of the JSON APIs. Amounts are minor units of `currency`, tax included unless named net."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.domain.dispatch.model import Duty
from app.domain.events.model import Event
from app.domain.fleet.model import Operator, Vehicle
from app.domain.payments.payouts.debt_store import Settlement
from app.domain.payments.payouts.model import Book, Correction, Debt, Hire, Payee, Payout, PayoutState, Reversal, ReversalState


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """A payee's account at Stripe: `not_started`, `information_needed` or `ready`. `owed_us` is netted off the next payouts."""

    payee_id: UUID
    name: str
    state: str
    checked_at: datetime | None
    owed_us: list["OwedView"]


class OwedView(msgspec.Struct, frozen=True, kw_only=True):
    """What is still owed to us, by currency."""

    currency: str
    amount_minor: int


class OnboardingView(msgspec.Struct, frozen=True, kw_only=True):
    """Where the account's owner tells Stripe what it wants to know; valid for minutes."""

    url: str


class TransferView(msgspec.Struct, frozen=True, kw_only=True):
    """One transfer: `owed_minor` less `netted_minor` (what was owed to us) is `amount_minor`; `back_minor` of it was taken back."""

    kind: str
    state: str
    waits_for: str
    owed_minor: int
    netted_minor: int
    amount_minor: int
    back_minor: int
    not_before_at: datetime
    transfer_id: str | None
    paid_at: datetime | None


class CorrectionView(msgspec.Struct, frozen=True, kw_only=True):
    """Part of a hire that was taken back."""

    amount_minor: int
    reason: str
    at: datetime


class StatementView(msgspec.Struct, frozen=True, kw_only=True):
    """What a duty earned and what became of it. gross = net + tax; fee is what was netted off; paid is what was transferred and kept."""

    duty_id: UUID
    duty_code: str
    event: str
    event_code: str
    starts_at: datetime
    zone: str
    operator_id: UUID
    operator: str
    vehicle: str
    plate: str
    currency: str
    gross_minor: int
    net_minor: int
    tax_minor: int
    vat_bp: int
    corrected_minor: int
    reserve_minor: int
    fee_minor: int
    paid_minor: int
    accrued_at: datetime
    corrections: list[CorrectionView]
    transfers: list[TransferView]

    @property
    def last(self) -> TransferView | None:
        """The hire's own transfer, which a list shows."""
        return next((one for one in self.transfers if one.kind == "hire"), None)


class ShareView(msgspec.Struct, frozen=True, kw_only=True):
    """A partner's share of an event: basis points of the fares kept; final and paid once the event's book is closed."""

    event: str
    event_code: str
    starts_at: datetime
    zone: str
    partner: str
    currency: str
    kept_minor: int
    share_bp: int
    share_minor: int
    closes_at: datetime
    closed_at: datetime | None
    transfer: TransferView | None


def view_account(payee_id: UUID, name: str, payee: Payee | None, debts: Sequence[Debt]) -> AccountView:
    """How far an account is."""
    owed: dict[str, int] = {}
    for debt in debts:
        if debt.payee_id == payee_id:
            owed[debt.currency] = owed.get(debt.currency, 0) + debt.open_minor
    return AccountView(
        payee_id=payee_id, name=name, state=payee.state.value if payee else "not_started", checked_at=payee.checked_at if payee else None,
        owed_us=[OwedView(currency=currency, amount_minor=amount) for currency, amount in sorted(owed.items())],
    )  # fmt: skip


def view_transfer(payout: Payout, settlements: Sequence[Settlement], reversals: Sequence[Reversal]) -> TransferView:
    """A payout as its payee sees it."""
    return TransferView(
        kind=payout.kind.value, state=payout.state.value, waits_for=payout.waits_for.value, owed_minor=payout.owed_minor,
        netted_minor=sum(one.amount_minor for one in settlements if one.payout_id == payout.id), amount_minor=payout.unpaid_minor,
        back_minor=sum(one.amount_minor for one in reversals if one.payout_id == payout.id and one.state is ReversalState.SUCCEEDED),
        not_before_at=payout.not_before_at, transfer_id=payout.transfer_ref,
        paid_at=payout.settled_at if payout.state is PayoutState.SUCCEEDED else None,
    )  # fmt: skip


def view_statement(
    hire: Hire, duty: Duty, *, event: Event, operator: Operator, vehicle: Vehicle, transfers: list[TransferView],
    corrections: Sequence[Correction],
) -> StatementView:  # fmt: skip
    """A duty's statement."""
    return StatementView(
        duty_id=hire.duty_id, duty_code=duty.public_code, event=event.name, event_code=event.public_code, starts_at=duty.starts_at,
        zone=event.zone, operator_id=operator.id, operator=operator.name, vehicle=vehicle.name, plate=vehicle.plate,
        currency=hire.currency, gross_minor=hire.gross_minor, net_minor=hire.net_minor, tax_minor=hire.tax_minor, vat_bp=hire.vat_bp,
        corrected_minor=sum(one.amount_minor for one in corrections), reserve_minor=hire.reserve_minor,
        fee_minor=sum(one.netted_minor for one in transfers),
        paid_minor=sum(one.amount_minor - one.back_minor for one in transfers if one.paid_at is not None), accrued_at=hire.accrued_at,
        corrections=[CorrectionView(amount_minor=one.amount_minor, reason=one.reason, at=one.created_at) for one in corrections],
        transfers=transfers,
    )  # fmt: skip


def view_share(book: Book, event: Event, partner: str, transfer: TransferView | None) -> ShareView:
    """A partner's share of one event."""
    return ShareView(
        event=event.name, event_code=event.public_code, starts_at=event.starts_at, zone=event.zone, partner=partner,
        currency=book.currency, kept_minor=book.kept_minor, share_bp=event.partner_share_bp, share_minor=book.share_minor,
        closes_at=book.closes_at, closed_at=book.closed_at, transfer=transfer,
    )  # fmt: skip

"""What payouts do to their own rows, inside a transaction they are given; every movement posts to the ledger at once."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app.core.clock import busload_now
from app.core.database import Connection
from app.core.ids import new_id
from app.core.timers import clear_timer, set_timer
from app.domain.payments import ledger
from app.domain.payments.payouts import book_store, debt_store, store
from app.domain.payments.payouts.model import (
    LOOK_UP_AFTER,
    RESERVE_HELD,
    TRY_AGAIN_AFTER,
    Book,
    DebtKind,
    Hire,
    Payout,
    PayoutKind,
    PayoutState,
    Reversal,
    ReversalState,
    Shares,
    WaitsFor,
    net_off,
)

PAYOUT_TIMER, REVERSAL_TIMER, BOOK_TIMER = "payout", "reversal", "book_close"


async def owe_hire(conn: Connection, hire: Hire, *, is_closed: bool) -> bool:
    """A duty has been driven: its hire is owed, less the reserve now and the reserve later. False when that was written before."""
    if not await store.add_hire(conn, hire):
        return False
    if hire.gross_minor:
        await ledger.post(
            conn, kind="hire", cause=hire.duty_id, book=hire.book, currency=hire.currency, external_ref=None,
            entries=[(_fares(is_closed=is_closed), hire.gross_minor), (ledger.OPERATORS_PAYABLE, -hire.gross_minor)],
        )  # fmt: skip
    parts = ((PayoutKind.HIRE, hire.gross_minor - hire.reserve_minor, hire.accrued_at),
             (PayoutKind.RESERVE, hire.reserve_minor, hire.accrued_at + RESERVE_HELD))  # fmt: skip
    for kind, owed_minor, not_before_at in parts:
        await _owe(
            conn, kind=kind, reference=hire.duty_id, payee_id=hire.payee_id, book=hire.book, currency=hire.currency,
            owed_minor=owed_minor, not_before_at=not_before_at,
        )  # fmt: skip
    return True


async def _owe(
    conn: Connection, *, kind: PayoutKind, reference: UUID, payee_id: UUID, book: str, currency: str, owed_minor: int,
    not_before_at: datetime,
) -> None:  # fmt: skip
    payout_id = new_id()
    if owed_minor and await store.add_payout(
        conn, payout_id=payout_id, kind=kind, reference=reference, payee_id=payee_id, book=book, currency=currency,
        owed_minor=owed_minor, not_before_at=not_before_at,
    ):  # fmt: skip
        await set_timer(conn, PAYOUT_TIMER, payout_id, not_before_at)


def _fares(*, is_closed: bool) -> str:
    """Where a book's fares are: once it is closed they are margin."""
    return ledger.MARGIN if is_closed else ledger.FARES


async def open_book(conn: Connection, book: Book) -> None:
    """The last bus is home: our fee and the partner's share are taken from the fares. Again changes nothing."""
    if await book_store.add_book(conn, book):
        await _post_earnings(conn, book, kind="earnings", fee_minor=book.fee_minor, share_minor=book.share_minor)
        await set_timer(conn, BOOK_TIMER, book.event_id, book.closes_at)


async def close_book(conn: Connection, book: Book, shares: Shares, *, kept_minor: int) -> None:
    """The month's end: fee and share as they are now, the rest is margin, the partner's share is due."""
    if not await book_store.close_book(
        conn, book.event_id, kept_minor=kept_minor, fee_minor=shares.fee_minor, share_minor=shares.share_minor,
        margin_minor=shares.rest_minor,
    ):  # fmt: skip
        return
    await _post_earnings(
        conn, book, kind="earnings_adjusted",
        fee_minor=shares.fee_minor - book.fee_minor, share_minor=shares.share_minor - book.share_minor,
    )  # fmt: skip
    if shares.rest_minor:
        await ledger.post(
            conn, kind="margin", cause=book.event_id, book=book.book, currency=book.currency, external_ref=None,
            entries=[(ledger.FARES, shares.rest_minor), (ledger.MARGIN, -shares.rest_minor)],
        )  # fmt: skip
    if book.partner_id is not None:
        await _owe(
            conn, kind=PayoutKind.SHARE, reference=book.event_id, payee_id=book.partner_id, book=book.book, currency=book.currency,
            owed_minor=shares.share_minor, not_before_at=await busload_now(conn),
        )  # fmt: skip


async def _post_earnings(conn: Connection, book: Book, *, kind: str, fee_minor: int, share_minor: int) -> None:
    if fee_minor or share_minor:
        await ledger.post(
            conn, kind=kind, cause=book.event_id, book=book.book, currency=book.currency, external_ref=None,
            entries=[(ledger.FARES, fee_minor + share_minor), (ledger.FEES, -fee_minor), (ledger.PARTNERS_PAYABLE, -share_minor)],
        )  # fmt: skip


async def owe_us(
    conn: Connection, *, payee_id: UUID, book: str, currency: str, kind: DebtKind, cause: UUID, amount_minor: int
) -> bool:  # fmt: skip
    """An operator owes us: a pull-out fee is income, hire that cannot be taken back settles its payable. False for a known cause."""
    debt_id = new_id()
    if not amount_minor or not await debt_store.add_debt(
        conn, debt_id=debt_id, payee_id=payee_id, book=book, kind=kind, cause=cause, currency=currency, amount_minor=amount_minor
    ):
        return False
    other = ledger.PENALTIES if kind is DebtKind.PULL_OUT else ledger.OPERATORS_PAYABLE
    await ledger.post(
        conn, kind="debt", cause=debt_id, book=book, currency=currency, external_ref=None,
        entries=[(ledger.OPERATORS_RECEIVABLE, amount_minor), (other, -amount_minor)],
    )  # fmt: skip
    return True


async def net_debts(conn: Connection, payout: Payout) -> int:
    """Takes the payee's open debts off a payout that is tried for the first time; returns what is left to send."""
    debts = await debt_store.lock_open_debts(conn, payout.payee_id, payout.currency)
    parts = net_off(payout.owed_minor, [debt.open_minor for debt in debts])
    taken = [(debt.id, part) for debt, part in zip(debts, parts, strict=True) if part]
    netted_minor = sum(part for _, part in taken)
    if netted_minor:
        await debt_store.settle_debts(conn, payout.id, taken)
        await ledger.post(
            conn, kind="netting", cause=payout.id, book=payout.book, currency=payout.currency, external_ref=None,
            entries=[(ledger.OPERATORS_PAYABLE, netted_minor), (ledger.OPERATORS_RECEIVABLE, -netted_minor)],
        )  # fmt: skip
    return payout.owed_minor - netted_minor


async def claim(conn: Connection, payout: Payout, *, amount_minor: int, account_ref: str) -> tuple[Payout, str]:
    """Takes a locked payout for an attempt, stored with its key before any call, and has it looked up should nobody answer.

    Returns the payout as it is now and the attempt's idempotency key.
    """
    claimed = await store.claim_payout(conn, payout.id, amount_minor=amount_minor, account_ref=account_ref)
    assert claimed is not None, "a locked payout that may be tried is claimed"
    key = await transfer_key(conn, "payout", payout.id)
    await store.add_attempt(conn, subject_id=payout.id, number=claimed.attempts, idempotency_key=key)
    await set_timer(conn, PAYOUT_TIMER, payout.id, await busload_now(conn) + LOOK_UP_AFTER)
    return claimed, key


async def transfer_key(conn: Connection, what: str, subject_id: UUID) -> str:
    """The idempotency key of the next attempt: the same after silence, another one after a refusal."""
    return f"{what}-{subject_id}-{await store.count_refusals(conn, subject_id)}"


async def wait_for(conn: Connection, payout: Payout, reason: WaitsFor) -> None:
    """A payout stays due and is looked at again tomorrow."""
    await store.let_wait(conn, payout.id, reason)
    await set_timer(conn, PAYOUT_TIMER, payout.id, await busload_now(conn) + TRY_AGAIN_AFTER)


async def settle(conn: Connection, payout: Payout, *, state: PayoutState, transfer_ref: str | None, error_code: str) -> bool:
    """What became of an attempt; a transfer that went through is posted once. False when it had been settled already."""
    if not await store.settle_payout(conn, payout.id, state=state, transfer_ref=transfer_ref, error_code=error_code):
        return False
    await store.finish_attempt(conn, subject_id=payout.id, number=payout.attempts, outcome=state.value)
    if state is not PayoutState.SUCCEEDED:
        pause = TRY_AGAIN_AFTER if state is PayoutState.FAILED else LOOK_UP_AFTER
        await set_timer(conn, PAYOUT_TIMER, payout.id, await busload_now(conn) + pause)
        return True
    await clear_timer(conn, PAYOUT_TIMER, payout.id)
    amount_minor = payout.amount_minor or 0
    await ledger.post(
        conn, kind="payout", cause=payout.id, book=payout.book, currency=payout.currency, external_ref=transfer_ref,
        entries=[(_payable(payout), amount_minor), (ledger.CLEARING, -amount_minor)],
    )  # fmt: skip
    return True


def _payable(payout: Payout) -> str:
    return ledger.PARTNERS_PAYABLE if payout.kind is PayoutKind.SHARE else ledger.OPERATORS_PAYABLE


async def take_back(conn: Connection, payout: Payout, *, correction_id: UUID, amount_minor: int) -> None:
    """Part of a transfer is to come back, at once."""
    reversal_id = new_id()
    await debt_store.add_reversal(
        conn, reversal_id=reversal_id, payout_id=payout.id, correction_id=correction_id, amount_minor=amount_minor, currency=payout.currency
    )
    await set_timer(conn, REVERSAL_TIMER, reversal_id, await busload_now(conn))


async def claim_reversal(conn: Connection, reversal_id: UUID) -> tuple[Reversal, str] | None:
    """Takes a reversal for an attempt, stored with its key before any call; None when it is settled or taken."""
    claimed = await debt_store.claim_reversal(conn, reversal_id)
    if claimed is None:
        return None
    key = await transfer_key(conn, "reversal", reversal_id)
    await store.add_attempt(conn, subject_id=reversal_id, number=claimed.attempts, idempotency_key=key)
    await set_timer(conn, REVERSAL_TIMER, reversal_id, await busload_now(conn) + LOOK_UP_AFTER)
    return claimed, key


async def settle_reversal(
    conn: Connection, reversal: Reversal, payout: Payout, *, state: ReversalState, reversal_ref: str | None, error_code: str
) -> bool:
    """What became of an attempt: money that is back is posted; what cannot come back is a debt. False when it was settled before."""
    if not await debt_store.settle_reversal(conn, reversal.id, state=state, reversal_ref=reversal_ref, error_code=error_code):
        return False
    await store.finish_attempt(conn, subject_id=reversal.id, number=reversal.attempts, outcome=state.value)
    if state is ReversalState.UNKNOWN:
        await set_timer(conn, REVERSAL_TIMER, reversal.id, await busload_now(conn) + LOOK_UP_AFTER)
        return True
    await clear_timer(conn, REVERSAL_TIMER, reversal.id)
    if state is ReversalState.SUCCEEDED:
        await ledger.post(
            conn, kind="payout_reversal", cause=reversal.id, book=payout.book, currency=payout.currency, external_ref=reversal_ref,
            entries=[(ledger.CLEARING, reversal.amount_minor), (ledger.OPERATORS_PAYABLE, -reversal.amount_minor)],
        )  # fmt: skip
    else:
        await owe_us(
            conn, payee_id=payout.payee_id, book=payout.book, currency=payout.currency, kind=DebtKind.OVERPAID, cause=reversal.id,
            amount_minor=reversal.amount_minor,
        )  # fmt: skip
    return True


async def take_off_hire(conn: Connection, hire: Hire, *, correction_id: UUID, amount_minor: int, is_closed: bool) -> None:
    """A hire that was not earned goes back to the fares (to the margin once the book is closed)."""
    await ledger.post(
        conn, kind="hire_correction", cause=correction_id, book=hire.book, currency=hire.currency, external_ref=None,
        entries=[(ledger.OPERATORS_PAYABLE, amount_minor), (_fares(is_closed=is_closed), -amount_minor)],
    )  # fmt: skip


def reversed_by_payout(reversals: Sequence[Reversal]) -> dict[UUID, int]:
    """What is on its way back, or back, by payout."""
    sums: dict[UUID, int] = {}
    for reversal in reversals:
        if reversal.state is not ReversalState.FAILED:
            sums[reversal.payout_id] = sums.get(reversal.payout_id, 0) + reversal.amount_minor
    return sums

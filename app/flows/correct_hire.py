"""An organiser takes a hire back, or part of it: the duty was not driven, or was paid too high."""

from uuid import UUID

from app.core.audit import act_as
from app.core.database import Connection, Pool, transaction
from app.core.errors import Conflict, Invalid, NotFound
from app.core.idempotency import KeyedRequest, claim_key
from app.core.ids import new_id
from app.core.live import tell
from app.core.timers import clear_timer
from app.domain.events import store as events
from app.domain.notifications.service import queue_mail
from app.domain.payments.payouts import book_store, debt_store, service, store
from app.domain.payments.payouts.model import IN_FLIGHT, Cuts, DebtKind, Hire, cut_hire
from app.flows.payee_contact import find_contact

LONGEST_REASON = 500


async def correct_hire(
    pool: Pool, duty_id: UUID, *, amount_minor: int, reason: str, actor: str, request: KeyedRequest | None = None
) -> UUID:  # fmt: skip
    """Takes an amount off a duty's hire; returns the correction. The same request again changes nothing and returns it again.

    What was not paid yet is not paid; what was is taken back from its transfers; what then is missing the operator owes.
    Raises NotFound, Invalid (no reason, nothing, more than is left of the hire), Conflict `payout_in_flight`, KeyReused.
    """
    correction_id = new_id()
    async with transaction(pool) as conn:
        await act_as(conn, actor, "hire corrected")
        if request is not None and (
            before := await claim_key(conn, scope=f"correction:{duty_id}", key=request.key, body=request.body, effect_id=correction_id)
        ):
            return before
        hire = await _lock_hire(conn, duty_id)
        await _check(conn, hire, amount_minor=amount_minor, reason=reason)
        payouts = await store.lock_payouts(conn, [duty_id])
        if any(payout.state in IN_FLIGHT for payout in payouts):
            raise Conflict("A transfer for this duty is under way. Try again in a minute.", code="payout_in_flight", retry_after_s=60)
        reversals = await debt_store.list_reversals(conn, [payout.id for payout in payouts])
        cuts = cut_hire(amount_minor, payouts, reversed_minor=service.reversed_by_payout(reversals))
        await debt_store.add_correction(
            conn, correction_id=correction_id, duty_id=duty_id, amount_minor=amount_minor, reason=reason.strip(), actor=actor
        )
        await _apply(conn, hire, cuts, correction_id=correction_id, amount_minor=amount_minor)
        await _tell(conn, hire, cuts, correction_id=correction_id, amount_minor=amount_minor, reason=reason.strip())
    return correction_id


async def _lock_hire(conn: Connection, duty_id: UUID) -> Hire:
    hire = await store.get_hire(conn, duty_id)
    if hire is None:
        raise NotFound("No hire was written down for this duty: it is not over, or it was never driven.", code="unknown_hire")
    await events.lock_event(conn, UUID(hire.book.removeprefix("event:")))
    return hire


async def _check(conn: Connection, hire: Hire, *, amount_minor: int, reason: str) -> None:
    taken_minor = sum(one.amount_minor for one in await debt_store.list_corrections(conn, [hire.duty_id]))
    left_minor = hire.gross_minor - taken_minor
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise Invalid.field("reason", f"Say why, in up to {LONGEST_REASON} characters: the operator reads it.", code="reason_needed")
    if not 1 <= amount_minor <= left_minor:
        raise Invalid.field("amount_minor", f"From 1 to {left_minor} (minor units) is left of this hire.", code="beyond_hire")


async def _apply(conn: Connection, hire: Hire, cuts: Cuts, *, correction_id: UUID, amount_minor: int) -> None:
    book = await book_store.get_book(conn, UUID(hire.book.removeprefix("event:")))
    is_closed = book is not None and book.closed_at is not None
    await service.take_off_hire(conn, hire, correction_id=correction_id, amount_minor=amount_minor, is_closed=is_closed)
    for cut in cuts.less:
        await store.cut_payout(conn, cut.payout.id, cut.amount_minor)
        if cut.amount_minor == cut.payout.unpaid_minor:
            await clear_timer(conn, service.PAYOUT_TIMER, cut.payout.id)
    for cut in cuts.back:
        await service.take_back(conn, cut.payout, correction_id=correction_id, amount_minor=cut.amount_minor)
    await service.owe_us(
        conn, payee_id=hire.payee_id, book=hire.book, currency=hire.currency, kind=DebtKind.OVERPAID, cause=correction_id,
        amount_minor=cuts.debt_minor,
    )  # fmt: skip


async def _tell(conn: Connection, hire: Hire, cuts: Cuts, *, correction_id: UUID, amount_minor: int, reason: str) -> None:
    await tell(conn, "event", UUID(hire.book.removeprefix("event:")))
    contact = await find_contact(conn, hire.payee_id)
    if contact is None:
        return
    await queue_mail(
        conn, dedupe_key=f"hire-corrected:{correction_id}", recipient=contact.email, template="hire_corrected", locale="en",
        subject_id=correction_id,
        data={
            "name": contact.name, "amount_minor": amount_minor, "currency": hire.currency, "reason": reason,
            "less_minor": sum(cut.amount_minor for cut in cuts.less), "back_minor": sum(cut.amount_minor for cut in cuts.back),
            "debt_minor": cuts.debt_minor, "path": f"{contact.path}/{hire.duty_id}",
        },
    )  # fmt: skip

"""A refund that no card takes any more: the rider gets the money another way, or has it by a dispute we lost. Recorded once."""

from uuid import UUID

from app.core.audit import act_as, record_change
from app.core.database import Connection, Pool, transaction
from app.core.errors import Conflict, Invalid, NotFound
from app.core.idempotency import KeyedRequest, claim_key
from app.core.ids import new_id
from app.core.live import tell
from app.domain.notifications.service import queue_mail
from app.domain.payments import dispute_store as disputes
from app.domain.payments import refund_store
from app.domain.payments import store as payments
from app.domain.payments.dispute_service import record_elsewhere
from app.domain.payments.model import Payment, Refund
from app.domain.pledges import store as pledges
from app.domain.pledges.transfer_store import find_payer

MIN_NOTE, MAX_NOTE = 3, 300


async def settle_elsewhere(pool: Pool, refund_id: UUID, *, note: str, actor: str, request: KeyedRequest | None = None) -> Refund:
    """An organiser has paid a failed refund by another way; `note` says how, and the rider reads it.

    Raises Invalid, NotFound, Conflict `refund_held` while a bank decides, `refund_not_failed` when it is under way, done or settled.
    """
    note = " ".join(note.split())
    if not MIN_NOTE <= len(note) <= MAX_NOTE:
        raise Invalid.field("note", f"Say how the rider got the money, in {MIN_NOTE} to {MAX_NOTE} characters: the rider reads it.")
    async with transaction(pool) as conn:
        await act_as(conn, actor, "refund settled another way")
        seen = await refund_store.get_refund(conn, refund_id)
        if seen is None:
            raise NotFound("There is no such refund.", code="unknown_refund")
        scope = f"refund-elsewhere:{refund_id}"
        if request is not None and await claim_key(conn, scope=scope, key=request.key, body=request.body, effect_id=new_id()) is not None:
            return seen
        payment = await payments.lock_payment(conn, seen.payment_id)
        assert payment is not None
        settled = await settle_elsewhere_within(conn, payment, refund_id, note=note)
        if settled is None:
            holder = await disputes.get_dispute(conn, seen.held_by) if seen.held_by else None
            if holder is not None and holder.closed_at is None:
                raise Conflict("The charge is disputed: the rider's bank decides about this money.", code="refund_held")
            raise Conflict("Only a refund that failed, and was not settled before, is settled another way.", code="refund_not_failed")
        await tell_rider(conn, payment, settled, note)
        return settled


async def settle_elsewhere_within(conn: Connection, payment: Payment, refund_id: UUID, *, note: str) -> Refund | None:
    """Marks, posts and audits it; None when it may not be settled (any more). Its payment is locked."""
    if not await disputes.mark_elsewhere(conn, refund_id, note=note):
        return None
    refund = await refund_store.get_refund(conn, refund_id)
    assert refund is not None
    await record_elsewhere(conn, payment, refund)
    await record_change(conn, "refund", refund.id, refund.state.value, {"settled_another_way": note})
    await tell(conn, "pledge", payment.reference)
    return refund


async def tell_rider(conn: Connection, payment: Payment, refund: Refund, note: str) -> None:
    """Who paid hears how the money came back, in the organiser's words."""
    pledge = await pledges.get_pledge(conn, payment.reference)
    if pledge is None:
        return
    payer = await find_payer(conn, pledge.id, payment.payment_method_ref)
    await queue_mail(
        conn, dedupe_key=f"refund-elsewhere:{refund.id}", recipient=payer.email if payer else pledge.email, template="refund_elsewhere",
        locale=pledge.locale, subject_id=pledge.id,
        data={
            "name": payer.name if payer else pledge.name, "code": pledge.public_code, "amount_minor": refund.amount_minor,
            "currency": refund.currency, "note": note,
        },
    )  # fmt: skip

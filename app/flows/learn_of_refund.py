"""A hint (webhook, poller) about a refund: fetch it, and settle what it shows. Refunds may fail days after they went through."""

from uuid import UUID

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Pool, transaction
from app.core.errors import Conflict, NotFound
from app.core.idempotency import KeyedRequest, claim_key
from app.core.ids import new_id
from app.core.jobs import enqueue_for
from app.core.timers import set_timer
from app.domain.payments import dispute_store as disputes
from app.domain.payments import refund_store
from app.domain.payments import store as payments
from app.domain.payments.gateway import PaymentGateway
from app.domain.payments.gateway import RefundState as GatewayRefund
from app.domain.payments.model import IN_DOUBT, LOOKUP_AFTER, Refund, RefundState
from app.flows.fail_refund import fail_later_within
from app.flows.send_refund import STATES, settle_refund


async def learn_of_refund(pool: Pool, refund_ref: str, *, gateway: PaymentGateway) -> None:
    """Fetches the refund and settles it. A stale hint, or one about a refund that is not ours, changes nothing."""
    found = await gateway.fetch_refund(refund_ref)
    async with transaction(pool) as conn:
        refund_id = await disputes.find_refund(conn, refund_ref=refund_ref, refund_id=our_id(found))
        refund = await refund_store.get_refund(conn, refund_id) if refund_id else None
        payment = await payments.get_payment(conn, refund.payment_id) if refund else None
        bounced = {failure.refund_ref for failure in await disputes.list_refund_failures(conn, [refund.id])} if refund else set()
    if refund is None or payment is None or found.status not in STATES or found.ref in bounced:
        return
    state = STATES[found.status]
    if refund.state in IN_DOUBT:
        await settle_refund(pool, refund, payment, state, found.ref, found.failure_reason or "")
    elif refund.state is RefundState.SUCCEEDED and state is RefundState.FAILED and refund.refund_ref == found.ref:
        await fail_later(pool, refund, found)


def our_id(found: GatewayRefund) -> UUID | None:
    """The refund id in its metadata."""
    try:
        return UUID(found.refund_id) if found.refund_id else None
    except ValueError:
        return None


async def fail_later(pool: Pool, refund: Refund, found: GatewayRefund) -> None:
    """The transaction of a refund that came back."""
    async with transaction(pool) as conn:
        await act_as(conn, "stripe", f"refund came back: {found.failure_reason or 'no reason given'}")
        payment = await payments.lock_payment(conn, refund.payment_id)
        assert payment is not None
        await fail_later_within(conn, refund, payment, refund_ref=found.ref, reason=found.failure_reason or "")


async def send_refund_again(pool: Pool, refund_id: UUID, *, actor: str, request: KeyedRequest | None = None) -> Refund:
    """An organiser sends a failed refund once more. Raises Conflict when it has not failed or a dispute holds it; NotFound."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "refund wanted again")
        refund = await refund_store.get_refund(conn, refund_id)
        if refund is None:
            raise NotFound("There is no such refund.", code="unknown_refund")
        scope = f"refund-again:{refund_id}"
        if request is not None and await claim_key(conn, scope=scope, key=request.key, body=request.body, effect_id=new_id()) is not None:
            return refund
        if refund.held_by is not None:
            raise Conflict("The charge is disputed: the rider's bank decides about this money.", code="refund_held")
        if not await disputes.want_refund_again(conn, refund_id):
            raise Conflict("Only a refund that failed is sent again.", code="refund_not_failed")
        await enqueue_for(conn, "send_refund", [refund_id])
        await set_timer(conn, "refund_lookup", refund_id, await busload_now(conn) + LOOKUP_AFTER)
        return refund

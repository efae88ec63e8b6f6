"""Money back to a rider, exactly once: claimed, sent, looked up when nobody answers."""

from uuid import UUID

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.live import tell
from app.core.log import logger
from app.core.timers import clear_timer, set_timer
from app.domain.notifications.service import queue_mail
from app.domain.payments import dispute_store as disputes
from app.domain.payments import refund_store
from app.domain.payments import store as payments
from app.domain.payments.gateway import GatewayError, GatewayRefused, PaymentGateway
from app.domain.payments.gateway import RefundState as GatewayRefund
from app.domain.payments.model import LOOKUP_AFTER, Payment, Refund, RefundState
from app.domain.payments.service import record_refund
from app.domain.pledges import store as pledges
from app.flows.fail_refund import fail_later_within
from app.flows.refuse_refund import hold_refused_within
from app.flows.tell_money import arrival_of, card_of
from app.flows.tell_payer import tell_payer_within

log = logger(__name__)
STATES = {"succeeded": RefundState.SUCCEEDED, "failed": RefundState.FAILED, "canceled": RefundState.FAILED}


async def send_refund(pool: Pool, refund_id: UUID, *, gateway: PaymentGateway) -> None:
    """Sends a refund that is due, was never answered, or failed and is wanted again. Any number of workers may be asked.

    One whose charge is disputed is held: the bank may give the money back, and the rider must not get it twice.
    """
    async with transaction(pool) as conn:
        await act_as(conn, "worker", "refund")
        refund = await refund_store.claim_refund(conn, refund_id)
        if refund is None:
            return
        await set_timer(conn, "refund_lookup", refund.id, await busload_now(conn) + LOOKUP_AFTER)
        payment = await payments.get_payment(conn, refund.payment_id)
        assert payment is not None
        bounced = frozenset(failure.refund_ref for failure in await disputes.list_refund_failures(conn, [refund.id]))
    await settle_refund(pool, refund, payment, *await ask(refund, payment, bounced, gateway=gateway))


async def ask(refund: Refund, payment: Payment, bounced: frozenset[str], *, gateway: PaymentGateway) -> tuple[RefundState, str | None, str]:
    """The refund at Stripe: the one an earlier attempt left there, else a new one. Never raises a gateway's error.

    `bounced` are those that a bank sent back before: each sending is an object of its own at Stripe, under a key of its own.
    """
    assert payment.intent_ref is not None, "only what was charged is refunded"
    key = f"refund-{refund.id}" if refund.sending == 1 else f"refund-{refund.id}-{refund.sending}"
    try:
        at_stripe = await gateway.find_refunds(intent_ref=payment.intent_ref, refund_id=str(refund.id)) if refund.attempts > 1 else []
        found = [one for one in at_stripe if one.ref not in bounced]
        answer: GatewayRefund = found[0] if found else await gateway.create_refund(
            refund_id=str(refund.id), intent_ref=payment.intent_ref, amount_minor=refund.amount_minor,
            metadata={"busload_reason": refund.reason}, idempotency_key=key,
        )  # fmt: skip
    except GatewayRefused as refused:
        log.exception("refund.refused", refund_id=str(refund.id), code=refused.code)
        return RefundState.FAILED, None, refused.code or "refused"
    except GatewayError as lost:
        log.warning("refund.unknown", refund_id=str(refund.id), error=type(lost).__name__)
        return RefundState.UNKNOWN, None, type(lost).__name__
    return STATES.get(answer.status, RefundState.UNKNOWN), answer.ref, answer.failure_reason or ""


async def settle_refund(pool: Pool, refund: Refund, payment: Payment, state: RefundState, refund_ref: str | None, error_code: str) -> None:
    """Stores what became of it; a refund that went through is posted once and told.

    One that Stripe made and a bank has sent back already moved money both ways: both movements are posted.
    """
    async with transaction(pool) as conn:
        came_back = state is RefundState.FAILED and refund_ref is not None
        state = RefundState.SUCCEEDED if came_back else state
        await act_as(conn, "worker", f"refund {state.value}")
        if state is RefundState.FAILED:
            await payments.lock_payment(conn, payment.id)  # before the refund, as who learns of a dispute does
        if not await refund_store.settle_refund(conn, refund.id, state=state.value, refund_ref=refund_ref, error_code=error_code):
            return
        if state is RefundState.UNKNOWN:
            await set_timer(conn, "refund_lookup", refund.id, await busload_now(conn) + LOOKUP_AFTER)
            return
        await clear_timer(conn, "refund_lookup", refund.id)
        if state is not RefundState.SUCCEEDED:
            await hold_refused_within(conn, payment)
            return
        await record_refund(conn, payment, await cause_of(conn, refund), refund.amount_minor, refund_ref)
        pledge = await pledges.get_pledge(conn, payment.reference)
        if came_back:
            assert refund_ref is not None
            await fail_later_within(conn, refund, payment, refund_ref=refund_ref, reason=error_code)
        elif pledge is not None:
            await tell(conn, "pledge", pledge.id)
            once = f"{refund.id}:{refund.sending}"
            if await tell_payer_within(conn, pledge, payment, template="payer_refunded", amount_minor=refund.amount_minor, once=once):
                return
            await queue_mail(
                conn, dedupe_key=f"refund:{refund.id}:{refund.sending}", recipient=pledge.email, template="refund_sent",
                locale=pledge.locale, subject_id=pledge.id,
                data={
                    "pledge_id": str(pledge.id), "name": pledge.name, "code": pledge.public_code, "amount_minor": refund.amount_minor,
                    "currency": refund.currency, "card": await card_of(conn, pledge, payment), "reason": refund.reason,
                    **await arrival_of(conn, pledge),
                },
            )  # fmt: skip


async def cause_of(conn: Connection, refund: Refund) -> UUID:
    """What the movement of this sending is posted under: the refund itself, or the failure that it is sent again after."""
    failures = await disputes.list_refund_failures(conn, [refund.id])
    return failures[-1].id if failures else refund.id


async def look_up_refund(pool: Pool, refund_id: UUID, *, gateway: PaymentGateway) -> None:
    """A refund nobody answered for, or whose job was lost: `submitting` becomes `unknown`, then it is sent again (found first)."""
    async with transaction(pool) as conn:
        await act_as(conn, "timer", "nobody answered")
        refund = await refund_store.get_refund(conn, refund_id)
        if refund is None or refund.state in {RefundState.SUCCEEDED, RefundState.FAILED}:
            return
        if refund.state is RefundState.SUBMITTING:
            await refund_store.settle_refund(conn, refund_id, state=RefundState.UNKNOWN.value, refund_ref=None, error_code="no_answer")
    await send_refund(pool, refund_id, gateway=gateway)

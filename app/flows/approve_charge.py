"""The rider's bank wants the rider: the same intent is confirmed on-session, one tap from the pledge page."""

from uuid import UUID

from app.core.audit import act_as
from app.core.database import Pool, transaction
from app.core.errors import Conflict, Unavailable
from app.domain.payments import store as payments
from app.domain.payments.gateway import GatewayError, GatewayRefused, PaymentGateway
from app.domain.payments.model import PaymentState, outcome_of, outcome_of_refusal
from app.domain.payments.service import attempt_key, claim_attempt
from app.flows.charge_payment import unknown
from app.flows.settle_payment import settle_payment

APPROVABLE = frozenset({PaymentState.NEEDS_ACTION, PaymentState.RETRYABLE})


async def approve_charge(pool: Pool, pledge_id: UUID, *, gateway: PaymentGateway, return_url: str) -> str:
    """Where to send the rider: the bank's page, or back to `return_url` when it needed no more. Raises Conflict when nothing waits."""
    async with transaction(pool) as conn:
        await act_as(conn, "rider", "approves the charge")
        waiting = [p for p in await payments.list_payments_of(conn, [pledge_id]) if p.state in APPROVABLE and p.intent_ref is not None]
        payment = await claim_attempt(conn, waiting[0].id, [waiting[0].state]) if waiting else None
    if payment is None or payment.intent_ref is None:
        raise Conflict("No charge of this pledge waits for your approval.", code="nothing_to_approve")
    try:
        intent = await gateway.confirm_payment_intent(
            payment.intent_ref, payment_method_ref=payment.payment_method_ref, off_session=False, return_url=return_url,
            idempotency_key=attempt_key(payment),
        )  # fmt: skip
    except GatewayRefused as refused:
        await settle_payment(pool, payment.id, outcome_of_refusal(refused, payment.intent_ref), attempt=payment.attempts)
        return return_url
    except GatewayError as lost:
        await settle_payment(pool, payment.id, unknown(payment, type(lost).__name__), attempt=payment.attempts)
        raise Unavailable(
            "Your bank cannot be reached right now. Nothing was charged twice; try again in a minute.", retry_after_s=60
        ) from lost
    await settle_payment(pool, payment.id, outcome_of(intent), at_bank=intent.action_url is not None, attempt=payment.attempts)
    return intent.action_url or return_url


async def look_at_charge(pool: Pool, pledge_id: UUID, *, gateway: PaymentGateway) -> None:
    """The rider is back from the bank: what became of it (the webhook may be slower)."""
    async with transaction(pool) as conn:
        open_ones = [p for p in await payments.list_payments_of(conn, [pledge_id]) if p.intent_ref and p.state is PaymentState.NEEDS_ACTION]
    for payment in open_ones:
        assert payment.intent_ref is not None
        intent = await gateway.fetch_payment_intent(payment.intent_ref)
        if intent.status == "succeeded":
            await settle_payment(pool, payment.id, outcome_of(intent))

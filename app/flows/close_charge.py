"""A charge that nobody wants any more is closed at Stripe, so that no late approval at a bank takes money that nobody knows of."""

from uuid import UUID

from app.core.database import Pool, transaction
from app.core.log import logger
from app.domain.payments import store as payments
from app.domain.payments.gateway import GatewayError, GatewayRefused, IntentState, PaymentGateway
from app.domain.payments.model import CLOSED, IN_FLIGHT, Outcome, Payment, PaymentState, outcome_of
from app.flows.settle_payment import settle_payment

log = logger(__name__)


async def close_payment(pool: Pool, payment_id: UUID, *, gateway: PaymentGateway) -> None:
    """Job `close_charge`: closes a payment that was let go or given up and may still take money. Repeatable."""
    async with transaction(pool) as conn:
        payment = await payments.get_payment(conn, payment_id)
    if payment is None or payment.state not in IN_FLIGHT or payment.intent_ref is None:
        return
    try:
        intent = await gateway.fetch_payment_intent(payment.intent_ref)
        await close_charge(pool, payment, intent, gateway=gateway)
    except GatewayError as error:  # its look-up comes within a minute
        log.warning("close.no_answer", payment_id=str(payment_id), error=type(error).__name__)


async def close_charge(pool: Pool, payment: Payment, intent: IntentState | None, *, gateway: PaymentGateway) -> None:
    """Cancels the intent and settles what it shows then: the bank may have been faster. `intent` is None when there is none at Stripe.

    That says nothing of an attempt that has taken over since `payment` was read: it may have made one.
    """
    if intent is not None and intent.status not in {"succeeded", "canceled"}:
        intent = await cancelled(intent, gateway=gateway)
    if intent is not None and intent.status != "canceled":
        await settle_payment(pool, payment.id, outcome_of(intent), attempt=payment.attempts)
        return
    closed = Outcome(
        state=PaymentState.RETRYABLE, intent_ref=intent.ref if intent else None, charge_ref=None, fee_minor=None, error_code=CLOSED,
        decline_code="",
    )  # fmt: skip
    await settle_payment(pool, payment.id, closed, attempt=payment.attempts)


async def cancelled(intent: IntentState, *, gateway: PaymentGateway) -> IntentState:
    """The intent after cancelling it, or as it is because it cannot be cancelled any more."""
    try:
        return await gateway.cancel_payment_intent(intent.ref)
    except GatewayRefused:
        return await gateway.fetch_payment_intent(intent.ref)

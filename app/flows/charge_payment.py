"""One attempt to charge: stored before the call, one PaymentIntent for ever, created unconfirmed, its id stored, then confirmed."""

from uuid import UUID

from app.core.audit import act_as
from app.core.database import Pool, transaction
from app.core.log import logger
from app.domain.payments import store as payments
from app.domain.payments.gateway import GatewayError, GatewayRateLimited, GatewayRefused, GatewayUnreachable, IntentState, PaymentGateway
from app.domain.payments.model import WAITING, Outcome, Payment, PaymentState, outcome_of, outcome_of_refusal
from app.domain.payments.service import attempt_key, claim_attempt
from app.flows.settle_payment import settle_payment

log = logger(__name__)
IDLE = frozenset({"requires_confirmation", "requires_payment_method"})


async def charge_payment(pool: Pool, payment_id: UUID, *, gateway: PaymentGateway) -> None:
    """Charges a payment that is due. Does nothing to one tried again later, under way or settled: any number of workers may be asked."""
    async with transaction(pool) as conn:
        await act_as(conn, "worker", "charge")
        payment = await claim_attempt(conn, payment_id, sorted(WAITING), only_when_due=True)
    if payment is not None:
        await try_and_settle(pool, payment, gateway=gateway)


async def try_and_settle(pool: Pool, payment: Payment, *, gateway: PaymentGateway) -> None:
    """One attempt on a claimed payment, and what comes of it."""
    outcome = await attempt(pool, payment, gateway=gateway)
    if outcome is not None:
        await settle_payment(pool, payment.id, outcome, attempt=payment.attempts)


async def attempt(pool: Pool, payment: Payment, *, gateway: PaymentGateway) -> Outcome | None:
    """The calls of one attempt and what they have shown; never raises a gateway's error.

    None when it was so slow that somebody else has taken the payment over, or let it go: it has confirmed nothing.
    """
    try:
        intent = await ensure_intent(pool, payment, gateway=gateway)
        if intent is None:
            log.warning("charge.overtaken", payment_id=str(payment.id), attempt=payment.attempts)
            return None
        if intent.status not in IDLE:
            return outcome_of(intent)
        confirmed = await gateway.confirm_payment_intent(
            intent.ref,
            payment_method_ref=payment.payment_method_ref,
            off_session=True,
            return_url=None,
            idempotency_key=attempt_key(payment),
        )
        return outcome_of(confirmed)
    except GatewayRefused as refused:
        return outcome_of_refusal(refused, payment.intent_ref)
    except (GatewayUnreachable, GatewayRateLimited) as lost:
        log.warning("charge.unknown", payment_id=str(payment.id), error=type(lost).__name__)
        return unknown(payment, type(lost).__name__)
    except GatewayError as fault:
        log.exception("charge.misconfigured", payment_id=str(payment.id), error=type(fault).__name__, code=fault.code)
        return unknown(payment, fault.code or "gateway_error")


def unknown(payment: Payment, error_code: str) -> Outcome:
    """Nobody knows: it is looked up before anything else is done."""
    return Outcome(
        state=PaymentState.UNKNOWN, intent_ref=payment.intent_ref, charge_ref=None, fee_minor=None, error_code=error_code, decline_code=""
    )


async def ensure_intent(pool: Pool, payment: Payment, *, gateway: PaymentGateway) -> IntentState | None:
    """The payment's one intent: the one it has, the one a lost answer has left at Stripe, or a new one. Its id is stored first.

    None when this attempt may not go on with it: an intent that is not confirmed moves no money.
    """
    intent = await find_or_make_intent(payment, gateway=gateway)
    async with transaction(pool) as conn:
        kept = await payments.set_intent(conn, payment.id, intent.ref, attempt=payment.attempts)
    if kept is None:
        return None
    return intent if kept == intent.ref else await gateway.fetch_payment_intent(kept)


async def find_or_make_intent(payment: Payment, *, gateway: PaymentGateway) -> IntentState:
    """The intent as Stripe holds it."""
    if payment.intent_ref is not None:
        return await gateway.fetch_payment_intent(payment.intent_ref)
    found = (
        await gateway.find_payment_intents(customer_ref=payment.customer_ref, payment_id=str(payment.id)) if payment.attempts > 1 else []
    )
    return found[0] if found else await gateway.create_payment_intent(
        payment_id=str(payment.id), customer_ref=payment.customer_ref, payment_method_ref=payment.payment_method_ref,
        amount_minor=payment.amount_minor, currency=payment.currency.lower(), description=payment.description,
        metadata={"busload_reference": str(payment.reference), "busload_purpose": payment.purpose}, idempotency_key=f"intent-{payment.id}",
    )  # fmt: skip

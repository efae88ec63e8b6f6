"""A charge nobody answered for: ask Stripe what became of it, then settle it or try again on the same intent."""

from uuid import UUID

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Pool, transaction
from app.core.log import logger
from app.core.timers import set_timer
from app.domain.payments import store as payments
from app.domain.payments.gateway import GatewayError, IntentState, NotFound, PaymentGateway
from app.domain.payments.model import CHARGED, LOOKUP_AFTER, Payment, PaymentState, outcome_of
from app.domain.payments.service import apply_outcome, claim_attempt
from app.domain.pledges import store as pledges
from app.flows.charge_payment import try_and_settle, unknown
from app.flows.close_charge import close_charge
from app.flows.settle_payment import KEEPS, settle_payment

log = logger(__name__)


async def look_up_payment(pool: Pool, payment_id: UUID, *, gateway: PaymentGateway) -> None:
    """`submitting` for over a minute (its worker died) or `unknown`: settled by what Stripe holds. Does nothing to any other."""
    payment = await take_for_look_up(pool, payment_id)
    if payment is None:
        return
    try:
        intent = await find_intent(payment, gateway=gateway)
    except GatewayError as error:
        log.warning("lookup.no_answer", payment_id=str(payment_id), error=type(error).__name__)
        await look_again(pool, payment_id)
        return
    if not await is_wanted(pool, payment):
        await close_charge(pool, payment, intent, gateway=gateway)
    elif intent is not None and intent.status == "processing":
        await look_again(pool, payment_id)
    elif intent is not None and intent.status not in {"requires_confirmation", "canceled"}:
        await settle_payment(pool, payment_id, outcome_of(intent), attempt=payment.attempts)
    else:
        await try_again(pool, payment_id, gateway=gateway)


async def is_wanted(pool: Pool, payment: Payment) -> bool:
    """Whether the pledge still stands; a charge under way whose pledge has gone is not tried again."""
    async with transaction(pool) as conn:
        pledge = await pledges.get_pledge(conn, payment.reference)
    return pledge is not None and pledge.state in KEEPS


async def take_for_look_up(pool: Pool, payment_id: UUID) -> Payment | None:
    """The payment when it is to be looked up, as `unknown`."""
    async with transaction(pool) as conn:
        await act_as(conn, "timer", "nobody answered")
        payment = await payments.lock_payment(conn, payment_id)
        if payment is None or payment.state not in {PaymentState.SUBMITTING, PaymentState.UNKNOWN}:
            return None
        if payment.state is PaymentState.UNKNOWN:
            return payment
        if payment.submitted_at is not None and payment.submitted_at + LOOKUP_AFTER > await busload_now(conn):
            await set_timer(conn, "payment_lookup", payment.id, payment.submitted_at + LOOKUP_AFTER)
            return None
        return await apply_outcome(conn, payment, unknown(payment, "no_answer"))


async def find_intent(payment: Payment, *, gateway: PaymentGateway) -> IntentState | None:
    """What Stripe holds for this payment: by its id, else by our mark among the customer's."""
    if payment.intent_ref is not None:
        try:
            return await gateway.fetch_payment_intent(payment.intent_ref)
        except NotFound:
            return None
    found = await gateway.find_payment_intents(customer_ref=payment.customer_ref, payment_id=str(payment.id))
    return found[0] if found else None


async def look_again(pool: Pool, payment_id: UUID) -> None:
    """Stripe does not answer, or does not know yet."""
    async with transaction(pool) as conn:
        await set_timer(conn, "payment_lookup", payment_id, await busload_now(conn) + LOOKUP_AFTER)


async def try_again(pool: Pool, payment_id: UUID, *, gateway: PaymentGateway) -> None:
    """No money has moved: another attempt on the payment's own intent."""
    async with transaction(pool) as conn:
        await act_as(conn, "timer", "no money had moved")
        payment = await claim_attempt(conn, payment_id, [PaymentState.UNKNOWN])
    if payment is not None:
        await try_and_settle(pool, payment, gateway=gateway)


async def learn_of_intent(pool: Pool, intent_ref: str, *, gateway: PaymentGateway) -> None:
    """A hint (webhook, poller) about an intent: fetch it and settle what it shows. A stale hint changes nothing.

    Of a charge that is known to have gone through an intent has nothing new to tell: that request is left to others.
    """
    async with transaction(pool) as conn:
        payment_id = await payments.find_payment_by_intent(conn, intent_ref)
        known = await payments.get_payment(conn, payment_id) if payment_id else None
    if known is not None and known.state in CHARGED:
        return
    intent = await gateway.fetch_payment_intent(intent_ref)
    async with transaction(pool) as conn:
        payment_id = await payments.find_payment_by_intent(conn, intent_ref) or our_id(intent)
        payment = await payments.get_payment(conn, payment_id) if payment_id else None
    if payment is None or intent.status in {"requires_confirmation", "processing"}:
        return
    await settle_payment(pool, payment.id, outcome_of(intent), by_hint=True)


def our_id(intent: IntentState) -> UUID | None:
    """The payment id in an intent's metadata."""
    try:
        return UUID(intent.payment_id) if intent.payment_id else None
    except ValueError:
        return None

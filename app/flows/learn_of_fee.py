"""Stripe's fee of a charge, where it was not known yet when the charge was posted."""

from uuid import UUID

from app.core.audit import act_as
from app.core.database import Pool, transaction
from app.core.log import logger
from app.domain.payments import reconcile_store
from app.domain.payments import store as payments
from app.domain.payments.gateway import PaymentGateway
from app.domain.payments.service import record_fee

log = logger(__name__)
AT_ONCE = 200


async def learn_of_fee(pool: Pool, charge_ref: str, *, gateway: PaymentGateway) -> None:
    """A hint about a charge: posts its fee, once. Does nothing to one whose fee is posted or that we have not settled."""
    async with transaction(pool) as conn:
        waiting = await reconcile_store.list_charges_without_fee(conn, charge_ref=charge_ref, limit=1)
    for payment_id in waiting:
        await ask_for_fee(pool, payment_id, gateway=gateway)


async def learn_of_fees(pool: Pool, *, gateway: PaymentGateway) -> None:
    """The same for the newest charges without a fee; a reconciliation begins with it."""
    async with transaction(pool) as conn:
        waiting = await reconcile_store.list_charges_without_fee(conn, charge_ref=None, limit=AT_ONCE)
    for payment_id in waiting:
        await ask_for_fee(pool, payment_id, gateway=gateway)


async def ask_for_fee(pool: Pool, payment_id: UUID, *, gateway: PaymentGateway) -> None:
    """Asks for the charge's balance transaction and posts the fee it shows."""
    async with transaction(pool) as conn:
        payment = await payments.get_payment(conn, payment_id)
    assert payment is not None
    assert payment.intent_ref is not None
    intent = await gateway.fetch_payment_intent(payment.intent_ref)
    if not intent.fee_minor:
        return
    async with transaction(pool) as conn:
        await act_as(conn, "worker", "fee learnt later")
        locked = await payments.lock_payment(conn, payment_id)
        assert locked is not None
        if await reconcile_store.list_charges_without_fee(conn, charge_ref=locked.charge_ref, limit=1):
            await record_fee(conn, locked, intent.fee_minor)
            log.info("charge.fee_posted", payment_id=str(payment_id))

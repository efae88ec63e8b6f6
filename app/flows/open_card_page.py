"""The hosted page where a rider saves a card. The page is opened outside any transaction; its address is kept for the next visit."""

from datetime import timedelta
from uuid import UUID

from app.core.clock import busload_now
from app.core.database import Pool, transaction
from app.core.errors import Conflict, NotFound, Unavailable
from app.core.log import logger
from app.domain.payments import store as payments
from app.domain.payments.gateway import GatewayError, PaymentGateway
from app.domain.payments.model import WAITING
from app.domain.pledges import store as pledges
from app.domain.pledges.model import HELD, SECURED, Pledge, PledgeState

log = logger(__name__)
PAGE_LIFETIME = timedelta(minutes=31)  # Stripe keeps a page open for at least 30 minutes


async def open_card_page(pool: Pool, pledge_id: UUID, *, gateway: PaymentGateway, base_url: str, manage_token: str) -> str:
    """The address of the pledge's card page, opened when it has none yet (a pending pledge) or needs a new one (another card).

    Raises Conflict when the pledge takes no card any more, Unavailable when the payment provider does not answer.
    """
    async with transaction(pool) as conn:
        pledge = await pledges.get_pledge(conn, pledge_id)
        if pledge is None:
            raise NotFound("There is no such pledge.", code="unknown_pledge")
        now = await busload_now(conn)
        waiting = [payment for payment in await payments.list_payments_of(conn, [pledge_id]) if payment.state in WAITING]
    if pledge.state not in HELD | SECURED or (pledge.state is PledgeState.PAID and not waiting):
        raise Conflict(f"This pledge is {pledge.state.value.replace('_', ' ')}; it needs no card now.", code="no_card_needed")
    if pledge.card_url is not None and pledge.state is PledgeState.PENDING_CARD:
        return pledge.card_url
    manage_url = f"{base_url}/p/{manage_token}"
    try:
        session = await gateway.create_setup_session(
            reference=str(pledge.id), email=pledge.email, success_url=f"{manage_url}/card-saved?session={{CHECKOUT_SESSION_ID}}",
            cancel_url=manage_url, expires_at=max(now + PAGE_LIFETIME, pledge.hold_expires_at or now),
            idempotency_key=card_page_key(pledge), customer_ref=pledge.customer_ref,
        )  # fmt: skip
    except GatewayError as error:
        log.warning("card_page.unavailable", pledge_id=str(pledge_id), error=type(error).__name__)
        raise Unavailable(
            "The card page cannot be opened right now. Your seats stay held; try again in a minute.", retry_after_s=30
        ) from error
    async with transaction(pool) as conn:
        await pledges.set_card_page(conn, pledge_id, session_ref=session.id, card_url=session.url, customer_ref=session.customer_ref)
    return session.url


def card_page_key(pledge: Pledge) -> str:
    """The same first page for a pledge however often it is asked for; another one for each further card."""
    return f"card-page-{pledge.id}-{pledge.setup_session_ref or 'first'}"

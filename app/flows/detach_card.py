"""A card nobody needs any more is forgotten at Stripe."""

from uuid import UUID

from app.core.database import Pool, transaction
from app.domain.payments.gateway import NotFound, PaymentGateway
from app.domain.pledges import store as pledges
from app.domain.pledges.model import LIVE


async def detach_card(pool: Pool, pledge_id: UUID, *, gateway: PaymentGateway) -> None:
    """Detaches the pledge's card unless a live pledge or an account still uses it. Closes its card page if that is open."""
    async with transaction(pool) as conn:
        pledge = await pledges.get_pledge(conn, pledge_id)
        if pledge is None or pledge.state in LIVE:
            return
        card = pledge.payment_method_ref
        needed = card is not None and await pledges.card_is_needed(conn, card)
    if card is not None and not needed:
        await gateway.detach_payment_method(card)
    elif card is None and pledge.setup_session_ref is not None:
        try:
            late = await gateway.expire_session(pledge.setup_session_ref)
        except NotFound:
            return
        if late.payment_method_ref is not None:
            await gateway.detach_payment_method(late.payment_method_ref)

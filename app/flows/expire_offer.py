"""An offer nobody answered."""

from uuid import UUID

from app.core.audit import act_as
from app.core.database import Pool, transaction
from app.domain.dispatch.model import Cause
from app.domain.dispatch.store import offers
from app.flows.answer_offer import lock_offer_within, tell_answer
from app.flows.want_plan import want_plan_within


async def expire_offer(pool: Pool, offer_id: UUID) -> bool:
    """Timer `offer_expiry`: `sent -> expired` once its time is over, and the rest is planned again. Repeatable."""
    async with transaction(pool) as conn:
        await act_as(conn, "timer", "offer expired unanswered")
        event, offer = await lock_offer_within(conn, offer_id)
        if not await offers.expire_offer(conn, offer.id):
            return False
        await want_plan_within(conn, event.id, Cause.EXPIRED)
        await tell_answer(conn, offer)
        return True

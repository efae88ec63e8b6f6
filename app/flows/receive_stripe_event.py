"""A Stripe webhook has come in: stored by its event id, so that the answer may be 2xx; worked on by a job."""

from uuid import NAMESPACE_URL, UUID, uuid5

from app.core.database import Pool, transaction
from app.core.jobs import Job, enqueue
from app.domain.payments.gateway import StripeEvent
from app.domain.payments.store import store_stripe_event


def event_subject(event_id: str) -> UUID:
    """A Stripe event's id as a job's subject."""
    return uuid5(NAMESPACE_URL, f"stripe-event:{event_id}")


async def receive_stripe_event(pool: Pool, event: StripeEvent) -> bool:
    """Stores an event and queues its work; False, and no second job, when it was there."""
    async with transaction(pool) as conn:
        is_new = await store_stripe_event(conn, event, polled=False)
        if is_new:
            await enqueue(conn, [Job(entrypoint="settle_stripe_event", subject_id=event_subject(event.id))])
        return is_new

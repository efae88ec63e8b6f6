"""Delivering webhooks outside transactions. The next try is written down before this one is made, so a killed worker loses none."""

import time
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from app.core.clock import Mark, busload_now, read_mark
from app.core.database import Connection, Pool, transaction
from app.core.log import logger
from app.core.timers import clear_timer, set_timer
from app.domain.partners import webhook_store as store
from app.domain.partners.model import MAX_TRIES, DeliveryState, Outgoing, sign, wait_after
from app.domain.partners.sending import Answer

log = logger(__name__)
GONE = 410
LEASE = timedelta(seconds=60)  # longer than a try may take: nobody else tries meanwhile


class Post(Protocol):
    """Posts a body to an address."""

    async def post(self, url: str, *, headers: dict[str, str], body: str, loopback_allowed: bool) -> Answer:
        """One try; never raises for what the other side does."""
        ...


async def deliver_webhook(pool: Pool, delivery_id: UUID, *, client: Post) -> None:
    """Makes one try of a delivery that is due; anything else is no work. Repeatable: receivers see the same `webhook-id`."""
    async with transaction(pool) as conn:
        outgoing = await store.claim_try(conn, delivery_id)
        if outgoing is None:
            return
        loopback_allowed = await read_mark(conn) is not Mark.LIVE
        await plan_next_try(conn, outgoing, at_least=LEASE)
    if outgoing.tries > MAX_TRIES:  # the last try's worker died before it could say so
        answer = Answer(status=None, error="The last try was cut off.")
    else:
        answer = await client.post(outgoing.url, headers=headers_of(outgoing), body=outgoing.body, loopback_allowed=loopback_allowed)
    async with transaction(pool) as conn:
        await settle_try(conn, outgoing, answer)


def headers_of(outgoing: Outgoing) -> dict[str, str]:
    """The three headers of Standard Webhooks. Real time, not domain time: receivers compare it with their own clocks."""
    now_s = int(time.time())
    return {
        "webhook-id": outgoing.message_id,
        "webhook-timestamp": str(now_s),
        "webhook-signature": sign(outgoing.secret, outgoing.message_id, now_s, outgoing.body),
    }


async def plan_next_try(conn: Connection, outgoing: Outgoing, *, at_least: timedelta = timedelta(0)) -> None:
    """Sets the time of the next try; after the last one, only the look that finds out what became of it."""
    due_at = await busload_now(conn) + max(wait_after(outgoing.tries) or LEASE, at_least)
    await store.set_next_try(conn, outgoing.id, due_at)
    await set_timer(conn, "webhook_try", outgoing.id, due_at)


async def settle_try(conn: Connection, outgoing: Outgoing, answer: Answer) -> None:
    """Writes down what came of a try: taken, to be tried again, or given up. 410 also disables the endpoint."""
    is_over = answer.status == GONE or outgoing.tries >= MAX_TRIES
    state = DeliveryState.DELIVERED if answer.taken else DeliveryState.FAILED if is_over else DeliveryState.PENDING
    if not await store.record_answer(conn, outgoing.id, tries=outgoing.tries, state=state, status=answer.status, error=answer.error):
        return
    log.info("webhook.tried", delivery_id=str(outgoing.id), tries=outgoing.tries, status=answer.status, state=state.value)
    if state is DeliveryState.PENDING:
        await plan_next_try(conn, outgoing)
        return
    await clear_timer(conn, "webhook_try", outgoing.id)
    if answer.status == GONE:
        await store.disable_endpoint(conn, outgoing.endpoint_id, "The endpoint answered 410 Gone.")

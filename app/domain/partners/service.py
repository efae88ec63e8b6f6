"""Queueing news for a partner's webhooks in the transaction that makes it."""

from collections.abc import Mapping
from uuid import UUID

import msgspec

from app.core.clock import busload_now
from app.core.database import Connection
from app.core.jobs import enqueue_for
from app.domain.partners import store


async def queue_news(conn: Connection, partner_id: UUID, type: str, *, subject_id: UUID, data: Mapping[str, object]) -> None:
    """Queues `type` ('trip.confirmed', ...) about a subject for every endpoint of the partner, once."""
    body = {"type": type, "timestamp": (await busload_now(conn)).isoformat(), "data": dict(data)}
    deliveries = await store.add_deliveries(
        conn, partner_id=partner_id, message_id=f"msg_{type}_{subject_id}", type=type, body=msgspec.json.encode(body).decode()
    )
    await enqueue_for(conn, "deliver_webhook", deliveries)

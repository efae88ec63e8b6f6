"""Queueing news for a partner's webhooks in the transaction that makes it."""

import secrets
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from app.core.clock import busload_now
from app.core.database import Connection
from app.core.errors import Conflict, NotFound
from app.core.ids import new_id, public_code
from app.core.jobs import Job, enqueue, enqueue_for
from app.core.timers import set_timers
from app.domain.partners import store, webhook_store
from app.domain.partners.model import (
    COUNT_WINDOW,
    SECRET_BYTES,
    SECRET_PREFIX,
    ApiKey,
    Delivery,
    Endpoint,
    check_endpoint_url,
    message_id,
    read_origins,
)

MAX_ENDPOINTS = 10
KEY_LENGTH = 20


def body_of(type: str, at: datetime, data: Mapping[str, object]) -> str:
    """The body of a message: type, when it happened, and the data."""
    return msgspec.json.encode({"type": type, "timestamp": at.astimezone(UTC).isoformat(), "data": dict(data)}).decode()


async def queue_news(
    conn: Connection, partner_id: UUID, type: str, *, subject_id: UUID, data: Mapping[str, object], occurrence: str = ""
) -> None:
    """Queues `type` ('trip.confirmed', ...) about a subject for every endpoint of the partner, once per occurrence."""
    body = body_of(type, await busload_now(conn), data)
    deliveries = await webhook_store.add_deliveries(
        conn, partner_id=partner_id, message_id=message_id(type, subject_id, occurrence), type=type, body=body
    )
    await enqueue_for(conn, "deliver_webhook", deliveries)


async def queue_counts(conn: Connection, partner_id: UUID, *, subject_id: UUID, data: Mapping[str, object]) -> None:
    """Queues `trip.progress`, at most one per trip and minute: the newest counts go out when the minute is over."""
    now = await busload_now(conn)
    window = int(now.timestamp()) // int(COUNT_WINDOW.total_seconds())
    due_at = datetime.fromtimestamp((window + 1) * COUNT_WINDOW.total_seconds(), UTC)
    name = "trip.progress"
    new = await webhook_store.fold_deliveries(
        conn,
        partner_id=partner_id,
        message_id=message_id(name, subject_id, str(window)),
        type=name,
        body=body_of(name, now, data),
        due_at=due_at,
    )
    if new:
        await set_timers(conn, "webhook_try", new, due_at)


async def create_key(conn: Connection, partner_id: UUID, *, origins: list[str]) -> ApiKey:
    """A new key for these origins; Invalid (`bad_origin`) for a wrong one."""
    return await store.add_key(
        conn, partner_id=partner_id, public_key=f"bk_{public_code(KEY_LENGTH).lower()}", origins=read_origins(origins)
    )


async def change_origins(conn: Connection, key_id: UUID, *, partner_ids: list[UUID], origins: list[str]) -> ApiKey:
    """Other origins for a live key; NotFound when it is revoked or another's."""
    changed = await store.set_origins(conn, key_id, partner_ids=partner_ids, origins=read_origins(origins))
    if changed is None:
        raise NotFound("There is no such key, or it has been revoked.", code="unknown_key")
    return changed


async def revoke_key(conn: Connection, key_id: UUID, *, partner_ids: list[UUID]) -> ApiKey:
    """Ends a key at once; again is no error."""
    revoked = await store.revoke_key(conn, key_id, partner_ids=partner_ids)
    if revoked is None:
        raise NotFound("There is no such key.", code="unknown_key")
    return revoked


async def add_endpoint(conn: Connection, partner_id: UUID, *, url: str, loopback_allowed: bool) -> Endpoint:
    """A new endpoint with its own secret; Invalid (`bad_webhook_url`), Conflict (`too_many_endpoints`)."""
    address = check_endpoint_url(url, loopback_allowed=loopback_allowed)
    if await webhook_store.count_live_endpoints(conn, partner_id) >= MAX_ENDPOINTS:
        raise Conflict(f"There are {MAX_ENDPOINTS} endpoints already. Disable one first.", code="too_many_endpoints")
    secret = SECRET_PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    return await webhook_store.add_endpoint(conn, partner_id=partner_id, url=address, secret=secret)


async def get_endpoint(conn: Connection, endpoint_id: UUID, *, partner_ids: list[UUID]) -> Endpoint:
    """An endpoint, or NotFound when it is another's."""
    endpoint = await webhook_store.get_endpoint(conn, endpoint_id, partner_ids=partner_ids)
    if endpoint is None:
        raise NotFound("There is no such webhook endpoint.", code="unknown_endpoint")
    return endpoint


async def disable_endpoint(conn: Connection, endpoint_id: UUID, *, partner_ids: list[UUID]) -> Endpoint:
    """Stops an endpoint and gives up what still waits for it; again is no error."""
    endpoint = await get_endpoint(conn, endpoint_id, partner_ids=partner_ids)
    await webhook_store.disable_endpoint(conn, endpoint.id, "Disabled by the partner.")
    return await get_endpoint(conn, endpoint_id, partner_ids=partner_ids)


async def send_test(conn: Connection, endpoint_id: UUID, *, partner_ids: list[UUID]) -> UUID:
    """Queues a `webhook.test` message; returns the delivery's id."""
    endpoint = await get_live_endpoint(conn, endpoint_id, partner_ids=partner_ids)
    name = "webhook.test"
    body = body_of(name, await busload_now(conn), {"endpoint": str(endpoint.id)})
    delivery_id = await webhook_store.add_test_delivery(conn, endpoint_id=endpoint.id, message_id=message_id(name, new_id()), body=body)
    await enqueue(conn, [Job(entrypoint="deliver_webhook", subject_id=delivery_id)])
    return delivery_id


async def replay_delivery(conn: Connection, delivery_id: UUID, *, partner_ids: list[UUID]) -> Delivery:
    """Sends a settled message again under its own id; NotFound when it is another's, Conflict while it still waits for a try."""
    delivery = await webhook_store.get_delivery(conn, delivery_id)
    if delivery is None or await webhook_store.get_endpoint(conn, delivery.endpoint_id, partner_ids=partner_ids) is None:
        raise NotFound("There is no such delivery.", code="unknown_delivery")
    await get_live_endpoint(conn, delivery.endpoint_id, partner_ids=partner_ids)
    if not await webhook_store.reopen_delivery(conn, delivery.id):
        raise Conflict("This message still waits for its next try; it need not be replayed.", code="delivery_pending")
    await enqueue(conn, [Job(entrypoint="deliver_webhook", subject_id=delivery.id)])
    reopened = await webhook_store.get_delivery(conn, delivery.id)
    assert reopened is not None
    return reopened


async def get_live_endpoint(conn: Connection, endpoint_id: UUID, *, partner_ids: list[UUID]) -> Endpoint:
    """An endpoint that takes messages, or Conflict (`endpoint_disabled`)."""
    endpoint = await get_endpoint(conn, endpoint_id, partner_ids=partner_ids)
    if endpoint.disabled_at is not None:
        raise Conflict("This endpoint is disabled; add it anew to send to it again.", code="endpoint_disabled")
    return endpoint

"""A partner's webhook endpoints: added, tested, disabled; what was sent may be sent again."""

from collections.abc import Collection
from uuid import UUID

from app.core.audit import act_as, record_change
from app.core.clock import Mark, read_mark
from app.core.database import Pool, transaction
from app.domain.partners import service
from app.domain.partners.model import Delivery, Endpoint


async def add_endpoint(pool: Pool, *, partner_id: UUID, url: str, actor: str) -> Endpoint:
    """A new endpoint; Invalid (`bad_webhook_url`), Conflict (`too_many_endpoints`). Demo and test databases may name this machine."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "webhook endpoint added")
        loopback_allowed = await read_mark(conn) is not Mark.LIVE
        endpoint = await service.add_endpoint(conn, partner_id, url=url, loopback_allowed=loopback_allowed)
        await record_change(conn, "webhook_endpoint", endpoint.id, "live", {"url": endpoint.url})
        return endpoint


async def disable_endpoint(pool: Pool, endpoint_id: UUID, *, partner_ids: Collection[UUID], actor: str) -> Endpoint:
    """Stops an endpoint; NotFound (`unknown_endpoint`)."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "webhook endpoint disabled")
        endpoint = await service.disable_endpoint(conn, endpoint_id, partner_ids=list(partner_ids))
        await record_change(conn, "webhook_endpoint", endpoint.id, "disabled", {})
        return endpoint


async def send_test_webhook(pool: Pool, endpoint_id: UUID, *, partner_ids: Collection[UUID]) -> UUID:
    """Queues a test message; returns the delivery's id. NotFound, Conflict (`endpoint_disabled`)."""
    async with transaction(pool) as conn:
        return await service.send_test(conn, endpoint_id, partner_ids=list(partner_ids))


async def replay_delivery(pool: Pool, delivery_id: UUID, *, partner_ids: Collection[UUID], actor: str) -> Delivery:
    """Sends a message again; NotFound (`unknown_delivery`), Conflict (`delivery_pending`, `endpoint_disabled`)."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "webhook replayed")
        delivery = await service.replay_delivery(conn, delivery_id, partner_ids=list(partner_ids))
        await record_change(conn, "webhook_delivery", delivery.id, "pending", {"endpoint": str(delivery.endpoint_id)})
        return delivery

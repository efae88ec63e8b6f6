"""The partners' JSON API: events with share, keys, webhook endpoints, deliveries."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from app.core.database import Pool
from app.domain.partners import service, store, webhook_store
from app.flows.keep_keys import change_origins, choose_partner, create_key, revoke_key
from app.flows.keep_webhooks import add_endpoint, disable_endpoint, replay_delivery, send_test_webhook
from app.settings import Settings
from app.surfaces.partner.reading import read_events
from app.surfaces.partner.views import (
    DeliveryPage,
    DeliveryView,
    EndpointView,
    KeyView,
    NewEndpointView,
    PartnerEventView,
    view_delivery,
    view_endpoint,
    view_key,
)
from app.web.actors import CurrentActor
from app.web.cursors import check_limit, read_cursor, write_cursor

Limit = Annotated[int, QueryParameter(name="limit", required=False, description="1 to 100.")]


class CreateKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to make. Origins are scheme and host such as `https://www.example.org`; `partner_id` only if you act for several."""

    origins: list[str]
    partner_id: UUID | None = None


class ChangeOrigins(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Other origins for a key."""

    origins: list[str]


class CreateEndpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A webhook endpoint to add: an https address on the public internet."""

    url: str
    partner_id: UUID | None = None


class DeliveryPosition(msgspec.Struct, frozen=True, kw_only=True):
    """Where a delivery log goes on."""

    id: UUID


class QueuedTest(msgspec.Struct, frozen=True, kw_only=True):
    """A test message on its way; its outcome stands in the delivery log."""

    delivery_id: UUID


@get("/api/partner/events", tags=["partner"])
async def list_events(pool: NamedDependency[Pool], settings: NamedDependency[Settings], actor: CurrentActor) -> list[PartnerEventView]:
    """Your events with their trips, fares and share."""
    partner_ids = actor.require_partners()
    async with pool.acquire() as conn:
        return await read_events(conn, sorted(partner_ids), settings.base_url)


@get("/api/partner/keys", tags=["partner"])
async def list_keys(pool: NamedDependency[Pool], actor: CurrentActor) -> list[KeyView]:
    """Your keys, live ones first."""
    partner_ids = actor.require_partners()
    async with pool.acquire() as conn:
        return [view_key(key) for key in await store.list_keys(conn, sorted(partner_ids))]


@post("/api/partner/keys", tags=["partner"])
async def make_key(data: JSONBody[CreateKey], pool: NamedDependency[Pool], actor: CurrentActor) -> KeyView:
    """Makes a key that works from these origins."""
    partner_id = choose_partner(actor.require_partners(), data.partner_id)
    return view_key(await create_key(pool, partner_id=partner_id, origins=data.origins, actor=actor.audit_name))


@patch("/api/partner/keys/{key_id:uuid}", tags=["partner"])
async def move_key(key_id: FromPath[UUID], data: JSONBody[ChangeOrigins], pool: NamedDependency[Pool], actor: CurrentActor) -> KeyView:
    """Lets a key work from other origins."""
    changed = await change_origins(pool, key_id, partner_ids=actor.require_partners(), origins=data.origins, actor=actor.audit_name)
    return view_key(changed)


@post("/api/partner/keys/{key_id:uuid}/revoke", tags=["partner"], status_code=200)
async def end_key(key_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> KeyView:
    """Ends a key at once."""
    return view_key(await revoke_key(pool, key_id, partner_ids=actor.require_partners(), actor=actor.audit_name))


@get("/api/partner/webhooks", tags=["partner"])
async def list_endpoints(pool: NamedDependency[Pool], actor: CurrentActor) -> list[EndpointView]:
    """Your webhook endpoints, live ones first."""
    partner_ids = actor.require_partners()
    async with pool.acquire() as conn:
        return [view_endpoint(endpoint) for endpoint in await webhook_store.list_endpoints(conn, sorted(partner_ids))]


@post("/api/partner/webhooks", tags=["partner"])
async def make_endpoint(data: JSONBody[CreateEndpoint], pool: NamedDependency[Pool], actor: CurrentActor) -> NewEndpointView:
    """Adds an endpoint. The secret signs every message (Standard Webhooks); keep it."""
    partner_id = choose_partner(actor.require_partners(), data.partner_id)
    endpoint = await add_endpoint(pool, partner_id=partner_id, url=data.url, actor=actor.audit_name)
    return NewEndpointView(endpoint=view_endpoint(endpoint), secret=endpoint.secret)


@post("/api/partner/webhooks/{endpoint_id:uuid}/disable", tags=["partner"], status_code=200)
async def end_endpoint(endpoint_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> EndpointView:
    """Stops an endpoint and gives up what waits for it."""
    return view_endpoint(await disable_endpoint(pool, endpoint_id, partner_ids=actor.require_partners(), actor=actor.audit_name))


@post("/api/partner/webhooks/{endpoint_id:uuid}/test", tags=["partner"], status_code=202)
async def test_endpoint(endpoint_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> QueuedTest:
    """Sends a `webhook.test` message."""
    return QueuedTest(delivery_id=await send_test_webhook(pool, endpoint_id, partner_ids=actor.require_partners()))


@get("/api/partner/webhooks/{endpoint_id:uuid}/deliveries", tags=["partner"])
async def list_deliveries(
    endpoint_id: FromPath[UUID],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
    limit: Limit = 50,
    cursor: FromQuery[str | None] = None,
) -> Response[DeliveryPage]:
    """The delivery log of an endpoint, newest first."""
    partner_ids = sorted(actor.require_partners())
    before = read_cursor(cursor, DeliveryPosition)
    async with pool.acquire() as conn:
        await service.get_endpoint(conn, endpoint_id, partner_ids=partner_ids)
        found = await webhook_store.list_deliveries(conn, endpoint_id, before=before.id if before else None, limit=check_limit(limit) + 1)
    shown = found[:limit]
    next_cursor = write_cursor(DeliveryPosition(id=shown[-1].id)) if len(found) > limit else None
    link = f"{settings.base_url}/api/partner/webhooks/{endpoint_id}/deliveries?limit={limit}&cursor={next_cursor}"
    headers = {"Link": f'<{link}>; rel="next"'} if next_cursor else {}
    return Response(DeliveryPage(items=[view_delivery(delivery) for delivery in shown], next_cursor=next_cursor), headers=headers)


@post("/api/partner/deliveries/{delivery_id:uuid}/replay", tags=["partner"], status_code=202)
async def send_again(delivery_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> DeliveryView:
    """Sends a message again under its own `webhook-id`."""
    return view_delivery(await replay_delivery(pool, delivery_id, partner_ids=actor.require_partners(), actor=actor.audit_name))


ROUTES = [
    list_events,
    list_keys,
    make_key,
    move_key,
    end_key,
    list_endpoints,
    make_endpoint,
    end_endpoint,
    test_endpoint,
    list_deliveries,
    send_again,
]

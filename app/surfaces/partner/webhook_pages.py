"""The event team's pages about webhooks: endpoints, their secret, the delivery log with replay."""

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from app.core.database import Pool
from app.core.errors import Invalid
from app.domain.partners import service, webhook_store
from app.domain.partners.model import Partner
from app.flows.keep_webhooks import add_endpoint, disable_endpoint, replay_delivery, send_test_webhook
from app.surfaces.partner.api import DeliveryPosition
from app.surfaces.partner.pages import frame_of
from app.surfaces.partner.reading import read_partner
from app.surfaces.partner.views import view_delivery, view_endpoint
from app.web.actors import Actor, CurrentActor
from app.web.cursors import read_cursor, write_cursor
from app.web.forms import read_form
from app.web.pages import errors_by_field, page, see_other

LOG_ROWS = 50


class EndpointForm(msgspec.Struct, frozen=True, kw_only=True):
    """Where webhooks shall go."""

    url: str


async def partner_of(pool: Pool, actor: Actor, code: str) -> Partner:
    """The partner a page is about."""
    async with pool.acquire() as conn:
        return await read_partner(conn, actor, code)


@get("/partner/{code:str}/webhooks", include_in_schema=False)
async def show_endpoints(
    request: Request[Any, Any, Any], code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor
) -> Response[Any]:
    """A partner's endpoints."""
    return await endpoints_page(request, await partner_of(pool, actor, code), pool, actor)


async def endpoints_page(
    request: Request[Any, Any, Any], partner: Partner, pool: Pool, actor: Actor, *, refused: Invalid | None = None, given: str = ""
) -> Response[Any]:
    """The endpoints, and the form that was refused with what was typed."""
    async with pool.acquire() as conn:
        found = await webhook_store.list_endpoints(conn, [partner.id])
    return page(
        request,
        "partner/webhooks.html",
        status=refused.status if refused else 200,
        **frame_of(actor, partner, "/webhooks"),
        endpoints=[view_endpoint(endpoint) for endpoint in found],
        errors=errors_by_field(refused) if refused else {},
        given=given,
    )


@post("/partner/{code:str}/webhooks", include_in_schema=False, status_code=200)
async def make_endpoint(
    request: Request[Any, Any, Any], code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor
) -> Response[Any]:
    """Adds an endpoint and shows it with its secret."""
    partner = await partner_of(pool, actor, code)
    typed = str((await request.form()).get("url") or "")
    try:
        form = await read_form(request, EndpointForm)
        endpoint = await add_endpoint(pool, partner_id=partner.id, url=form.url, actor=actor.audit_name)
    except Invalid as invalid:
        return await endpoints_page(request, partner, pool, actor, refused=invalid, given=typed)
    return see_other(f"/partner/{code}/webhooks/{endpoint.id}", flash="saved")


@get("/partner/{code:str}/webhooks/{endpoint_id:uuid}", include_in_schema=False)
async def show_endpoint(
    request: Request[Any, Any, Any],
    code: FromPath[str],
    endpoint_id: FromPath[UUID],
    pool: NamedDependency[Pool],
    actor: CurrentActor,
    cursor: FromQuery[str | None] = None,
) -> Response[Any]:
    """An endpoint with its secret and its delivery log."""
    before = read_cursor(cursor, DeliveryPosition)
    async with pool.acquire() as conn:
        partner = await read_partner(conn, actor, code)
        endpoint = await service.get_endpoint(conn, endpoint_id, partner_ids=[partner.id])
        found = await webhook_store.list_deliveries(conn, endpoint.id, before=before.id if before else None, limit=LOG_ROWS + 1)
    shown = found[:LOG_ROWS]
    return page(
        request,
        "partner/endpoint.html",
        **frame_of(actor, partner, "/webhooks"),
        endpoint=view_endpoint(endpoint),
        secret=endpoint.secret,
        deliveries=[view_delivery(delivery) for delivery in shown],
        next_cursor=write_cursor(DeliveryPosition(id=shown[-1].id)) if len(found) > LOG_ROWS else None,
        is_first=cursor is None,
    )


@post("/partner/{code:str}/webhooks/{endpoint_id:uuid}/test", include_in_schema=False)
async def test_endpoint(
    code: FromPath[str], endpoint_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor
) -> Response[Any]:
    """Sends a test message."""
    partner = await partner_of(pool, actor, code)
    await send_test_webhook(pool, endpoint_id, partner_ids=[partner.id])
    return see_other(f"/partner/{code}/webhooks/{endpoint_id}", flash="saved")


@post("/partner/{code:str}/webhooks/{endpoint_id:uuid}/disable", include_in_schema=False)
async def end_endpoint(code: FromPath[str], endpoint_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Stops an endpoint."""
    partner = await partner_of(pool, actor, code)
    await disable_endpoint(pool, endpoint_id, partner_ids=[partner.id], actor=actor.audit_name)
    return see_other(f"/partner/{code}/webhooks/{endpoint_id}", flash="saved")


@post("/partner/{code:str}/deliveries/{delivery_id:uuid}/replay", include_in_schema=False)
async def send_again(code: FromPath[str], delivery_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Sends a message again."""
    partner = await partner_of(pool, actor, code)
    delivery = await replay_delivery(pool, delivery_id, partner_ids=[partner.id], actor=actor.audit_name)
    return see_other(f"/partner/{code}/webhooks/{delivery.endpoint_id}", flash="saved")


ROUTES = [show_endpoints, make_endpoint, show_endpoint, test_endpoint, end_endpoint, send_again]

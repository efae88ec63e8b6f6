"""The organisers' JSON API of dispatch: close and plan an event, watch it, approve what fares do not carry."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody

from app.core.database import Pool
from app.core.idempotency import KeyedRequest, check_key
from app.flows.approve_shortfall import approve_shortfall
from app.flows.close_booking import dispatch_event
from app.surfaces.organiser.dispatch_reading import read_dispatch
from app.surfaces.organiser.dispatch_views import DispatchView
from app.web.actors import CurrentActor

IdempotencyKey = Annotated[
    str | None, HeaderParameter(name="Idempotency-Key", required=False, description="Your own id of this request; the same on a retry.")
]


class ApproveShortfall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The shortfall as it was shown, minor units: another figure is not approved by accident."""

    shortfall_minor: int


@post("/api/events/{event_id:uuid}/dispatch", tags=["organiser"], status_code=202)
async def post_dispatch(event_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> DispatchView:
    """Closes booking and has the event planned; again on a closed event, has it planned once more."""
    actor.require_organiser()
    await dispatch_event(pool, event_id, actor=actor.audit_name)
    async with pool.acquire() as conn:
        return await read_dispatch(conn, event_id)


@get("/api/events/{event_id:uuid}/dispatch", tags=["organiser"])
async def show_dispatch(event_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> DispatchView:
    """How far an event's dispatch is."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        return await read_dispatch(conn, event_id)


@post("/api/events/{event_id:uuid}/shortfall/approve", tags=["organiser"], status_code=200)
async def post_approve(
    event_id: FromPath[UUID],
    data: JSONBody[ApproveShortfall],
    pool: NamedDependency[Pool],
    actor: CurrentActor,
    idempotency_key: IdempotencyKey = None,
) -> DispatchView:
    """Lets the house pay what fares do not carry; the offers go out. Needs an Idempotency-Key, because money moves."""
    account_id = actor.require_organiser()
    request = KeyedRequest(key=check_key(idempotency_key), body=msgspec.json.encode(data))
    await approve_shortfall(
        pool, event_id, shortfall_minor=data.shortfall_minor, account_id=account_id, actor=actor.audit_name, request=request
    )
    async with pool.acquire() as conn:
        return await read_dispatch(conn, event_id)


ROUTES = [post_dispatch, show_dispatch, post_approve]

"""The organisers' dispatch page of an event: the plan on a map, duties with their offers, who stays behind, what waits for a decision."""

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Template

from app.core.clock import busload_now
from app.core.database import Pool
from app.core.errors import NotFound
from app.domain.dispatch.plan_map import operators_of
from app.domain.dispatch.store import plans
from app.domain.manifests.paper import print_manifest
from app.domain.manifests.service import require_manifest
from app.flows.approve_shortfall import approve_shortfall
from app.flows.close_booking import dispatch_event
from app.surfaces.operator.views import duty_geojson, timetable_rows
from app.surfaces.organiser.dispatch_maps import (
    Choice,
    drawings_of,
    duties_of,
    plan_picture,
    read_solving,
    read_solving_map,
    shown_duties,
    solving_picture,
)
from app.surfaces.organiser.dispatch_reading import is_planning, read_dispatch
from app.surfaces.organiser.dispatch_views import DispatchDuty
from app.surfaces.organiser.reading import event_by_code
from app.web.actors import CurrentActor
from app.web.forms import read_form
from app.web.live_hub import LiveHub
from app.web.pages import page, see_other

STAGES: dict[str, tuple[str, str, str]] = {
    "selling": ("Selling", "wait", "Booking is open. Closing it freezes the paid demand and has it planned."),
    "closing": ("Closing", "info", "Charges under way settle first; then the demand is frozen."),
    "planning": ("Planning", "info", "The solver is at work, or declines of the last seconds are being gathered."),
    "needs_organiser": ("Your decision", "bad", "Five rounds are used up and operators still decline. Plan once more, or cancel trips."),
    "needs_approval": ("Your approval", "wait", "Fares do not carry this plan. Offers go out once you approve the shortfall."),
    "offering": ("Offers out", "wait", "Operators are answering. A decline plans the rest again."),
    "settled": ("Settled", "good", "Every duty is accepted; manifests and passes are out."),
    "no_plan": ("No plan", "bad", "Nobody has paid, or no vehicle can carry anybody. Reasons stand below."),
}
REASONS = {
    "party_larger_than_any_bus": "No bus has that many seats",
    "no_wheelchair_place": "No bus has the wheelchair places",
    "ride_too_long": "Even the direct ride is too long",
    "driver_hours": "No crew may drive that long",
    "no_vehicle_available": "No vehicle is free then",
    "not_enough_seats": "All seats are taken",
}


class ApproveForm(msgspec.Struct, frozen=True, kw_only=True):
    """The shortfall as it was shown, minor units."""

    shortfall_minor: int


@get("/organiser/events/{code:str}/dispatch", include_in_schema=False)
async def show_page(
    request: Request[Any, Any, Any],
    code: FromPath[str],
    pool: NamedDependency[Pool],
    live: NamedDependency[LiveHub],
    actor: CurrentActor,
    operator: FromQuery[int | None] = None,
    waiting: FromQuery[int] = 0,
) -> Template | Response[None]:
    """Where an event's dispatch stands; 204 to a page that is `waiting` for the end of a search while that runs."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
        solving = read_solving(live, event.id)
        if waiting and solving is not None and await is_planning(conn, event):
            return Response(None, status_code=204)
        view = await read_dispatch(conn, event.id)
        now = await busload_now(conn)
    choice = Choice(operator=operator)
    duties = shown_duties(view, choice)
    return page(
        request,
        "organiser/dispatch.html",
        actor=actor,
        event=event,
        dispatch=view,
        stage=STAGES[view.stage],
        reasons=REASONS,
        solving=solving,
        solving_map=solving_picture(read_solving_map(live, event.id), choice),
        plan_map=plan_picture(view, choice),
        duties=duties,
        operators=operators_of(drawings_of(view)),
        timetables={duty.id: timetable_rows(duty.calls) for duty in duties},
        now=now,
    )


@get("/organiser/events/{code:str}/dispatch/map.json", include_in_schema=False)
async def show_map(
    code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor, operator: FromQuery[int | None] = None
) -> Response[dict[str, object]]:
    """The whole plan for the map, or one operator's duties, each in a colour of its own."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
        view = await read_dispatch(conn, event.id)
    return Response(plan_geojson(duties_of(view, operator)), media_type="application/geo+json")


def plan_geojson(duties: Sequence[DispatchDuty]) -> dict[str, object]:
    """Every duty's places and ways; a place several duties serve is drawn once."""
    features: list[Any] = []
    seen: set[object] = set()
    for duty in duties:
        found: Any = duty_geojson(duty.calls, route=duty.route)["features"]
        for feature in found:
            place = tuple(feature["geometry"]["coordinates"]) if feature["geometry"]["type"] == "Point" else None
            if place is None or place not in seen:
                features.append(feature)
            seen.add(place)
    return {"type": "FeatureCollection", "features": features}


@get("/organiser/events/{code:str}/dispatch/duties/{duty:str}/sheet.pdf", include_in_schema=False)
async def show_paper(code: FromPath[str], duty: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[bytes]:
    """A duty's manifest on paper, as its driver has it."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
        found = next((row for row in await plans.list_current_duties(conn, event.id) if row.public_code == duty), None)
        if found is None:
            raise NotFound("There is no such duty in this event's plan.", code="unknown_duty")
        manifest = await require_manifest(conn, found.id)
    headers = {"content-disposition": f'inline; filename="duty-{duty}-v{manifest.version}.pdf"', "cache-control": "no-store"}
    return Response(print_manifest(manifest), media_type="application/pdf", headers=headers)


@post("/organiser/events/{code:str}/dispatch", include_in_schema=False)
async def start(code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Closes booking and has the event planned, or planned once more."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
    await dispatch_event(pool, event.id, actor=actor.audit_name)
    return see_other(f"/organiser/events/{code}/dispatch", flash="dispatched")


@post("/organiser/events/{code:str}/dispatch/approve", include_in_schema=False)
async def approve(request: Request[Any, Any, Any], code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Lets the house pay the shortfall that was shown."""
    account_id = actor.require_organiser()
    form = await read_form(request, ApproveForm)
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
    await approve_shortfall(pool, event.id, shortfall_minor=form.shortfall_minor, account_id=account_id, actor=actor.audit_name)
    return see_other(f"/organiser/events/{code}/dispatch", flash="approved")


ROUTES = [show_page, show_map, show_paper, start, approve]

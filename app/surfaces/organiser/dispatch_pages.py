"""The organisers' dispatch page of an event: the plan on a map, duties with their offers, who stays behind, what waits for a decision."""

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Template
from markupsafe import Markup

from app.core.clock import busload_now
from app.core.database import Pool
from app.domain.dispatch.solving import Solving
from app.domain.dispatch.solving_map import MapOperator, SolvingMap, draw, legend_of, put_together
from app.flows.approve_shortfall import approve_shortfall
from app.flows.close_booking import dispatch_event
from app.flows.tell_solving import SOLVING, map_kind
from app.surfaces.operator.views import duty_geojson, timetable_rows
from app.surfaces.organiser.dispatch_reading import read_dispatch
from app.surfaces.organiser.dispatch_views import DispatchView
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
STALE_S = 5.0  # after so long without news a search is over
MOST_NAMES = 12
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
) -> Template:
    """Where an event's dispatch stands."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
        view = await read_dispatch(conn, event.id)
        now = await busload_now(conn)
    return page(
        request,
        "organiser/dispatch.html",
        actor=actor,
        event=event,
        dispatch=view,
        stage=STAGES[view.stage],
        reasons=REASONS,
        solving=read_solving(live, event.id),
        solving_map=picture_of(read_solving_map(live, event.id)),
        timetables={duty.id: timetable_rows(duty.calls) for duty in view.duties},
        now=now,
    )


@get("/organiser/events/{code:str}/dispatch/solving", include_in_schema=False)
async def show_solving(
    request: Request[Any, Any, Any],
    code: FromPath[str],
    pool: NamedDependency[Pool],
    live: NamedDependency[LiveHub],
    actor: CurrentActor,
) -> Template:
    """The part of the page that says how the search is getting on; empty when none is."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
    return page(request, "organiser/_solving.html", actor=actor, event=event, solving=read_solving(live, event.id))


def read_solving(live: LiveHub, event_id: UUID) -> Solving | None:
    """What the solver told last, if that is news."""
    note = live.note(SOLVING, event_id, at_most_s=STALE_S)
    return msgspec.json.decode(note, type=Solving) if note else None


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """The best plan so far as the page draws it; the legend holds the operators with most buses."""

    version: int
    seconds: float
    buses: int
    people: int
    people_left: int
    svg: Markup
    legend: list[MapOperator]
    more_operators: int


@get("/organiser/events/{code:str}/dispatch/solving/map", include_in_schema=False)
async def show_solving_map(
    request: Request[Any, Any, Any],
    code: FromPath[str],
    pool: NamedDependency[Pool],
    live: NamedDependency[LiveHub],
    actor: CurrentActor,
    drawn: FromQuery[int] = 0,
) -> Template | Response[None]:
    """The best plan so far as a drawing; 204 when it is the one numbered `drawn`, or none was heard of: what is shown then stays."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
    found = read_solving_map(live, event.id)
    if found is None or found.version == drawn:
        return Response(None, status_code=204)
    return page(request, "organiser/_solving_map.html", actor=actor, event=event, solving_map=picture_of(found))


def read_solving_map(live: LiveHub, event_id: UUID) -> SolvingMap | None:
    """The picture that was told last, if that is news."""
    return put_together(lambda number: live.note(map_kind(number), event_id, at_most_s=STALE_S))


def picture_of(found: SolvingMap | None) -> Picture | None:
    """A picture for the page."""
    if found is None:
        return None
    legend = legend_of(found)
    return Picture(
        version=found.version,
        seconds=found.seconds,
        buses=len(found.sketch.duties),
        people=found.people,
        people_left=found.people_left,
        svg=Markup(draw(found)),  # noqa: S704  numbers, and names the drawing escapes # nosec B704
        legend=legend[:MOST_NAMES],
        more_operators=max(0, len(legend) - MOST_NAMES),
    )


@get("/organiser/events/{code:str}/dispatch/map.json", include_in_schema=False)
async def show_map(code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[dict[str, object]]:
    """The whole plan for the map, each duty in a colour of its own."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
        view = await read_dispatch(conn, event.id)
    return Response(plan_geojson(view), media_type="application/geo+json")


def plan_geojson(view: DispatchView) -> dict[str, object]:
    """Every duty's places and ways; a place several duties serve is drawn once."""
    features: list[Any] = []
    seen: set[object] = set()
    for duty in view.duties:
        found: Any = duty_geojson(duty.calls, route=duty.route)["features"]
        for feature in found:
            place = tuple(feature["geometry"]["coordinates"]) if feature["geometry"]["type"] == "Point" else None
            if place is None or place not in seen:
                features.append(feature)
            seen.add(place)
    return {"type": "FeatureCollection", "features": features}


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


ROUTES = [show_page, show_solving, show_solving_map, show_map, start, approve]

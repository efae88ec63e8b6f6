"""Organiser pages: events, trips with their terms and trail, stops to approve."""

from typing import Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from app.core.database import Pool
from app.core.errors import Invalid, Refusal
from app.domain.events import store as events
from app.domain.events.model import DEFAULT_LADDER, StopState
from app.domain.partners import store as partners
from app.domain.trips import store as trips
from app.flows.cancel_trip import cancel_trip
from app.flows.change_event import cancel_event
from app.flows.plan_event import create_event, create_trip, ease_trip, open_trip, set_refund_ladder
from app.flows.propose_stop import decide_stop
from app.surfaces.organiser import words
from app.surfaces.organiser.forms import (
    EaseForm,
    EventForm,
    LadderForm,
    ReasonForm,
    TripForm,
    event_wish,
    moment,
    read_ladder,
    trip_wish,
    write_ladder,
)
from app.surfaces.organiser.reading import event_by_code, read_trip_sheet, trip_by_code
from app.web.actors import CurrentActor
from app.web.forms import read_form
from app.web.pages import errors_by_field, page, see_other


@get("/organiser", include_in_schema=False)
async def home(request: Request[Any, Any, Any], pool: NamedDependency[Pool], actor: CurrentActor) -> Template:
    """Every event with its trips at a glance."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        found = await events.list_all_events(conn)
        all_trips = await trips.list_trips(conn, [event.id for event in found])
    by_event = {event.id: [trip for trip in all_trips if trip.event_id == event.id] for event in found}
    return page(request, "organiser/home.html", actor=actor, events=found, trips=by_event)


@get("/organiser/events/new", include_in_schema=False)
async def new_event(request: Request[Any, Any, Any], pool: NamedDependency[Pool], actor: CurrentActor) -> Template:
    """The form of a new event."""
    actor.require_organiser()
    return await show_event_form(request, pool, actor, values={}, errors={})


async def show_event_form(
    request: Request[Any, Any, Any], pool: Pool, actor: CurrentActor, *, values: dict[str, str], errors: dict[str, str], status: int = 200
) -> Template:
    """The form, keeping what was typed."""
    async with pool.acquire() as conn:
        known = await partners.list_all_partners(conn)
    return page(
        request,
        "organiser/event_form.html",
        actor=actor,
        status=status,
        values=values,
        errors=errors,
        partners=known,
        default_ladder=write_ladder(DEFAULT_LADDER),
    )


@post("/organiser/events/new", include_in_schema=False, status_code=200)
async def add_event(request: Request[Any, Any, Any], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Makes the event."""
    actor.require_organiser()
    typed = {name: str(value) for name, value in (await request.form()).items()}
    try:
        event = await create_event(pool, event_wish(await read_form(request, EventForm)), actor=actor.audit_name)
    except Invalid as invalid:
        return await show_event_form(request, pool, actor, values=typed, errors=errors_by_field(invalid), status=422)
    return see_other(f"/organiser/events/{event.public_code}", flash="saved")


@get("/organiser/events/{code:str}", include_in_schema=False)
async def event_page(request: Request[Any, Any, Any], code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor) -> Template:
    """An event: its trips, the stops that wait for approval, a form for another trip."""
    actor.require_organiser()
    return await show_event(request, pool, actor, code, values={}, errors={})


async def show_event(
    request: Request[Any, Any, Any],
    pool: Pool,
    actor: CurrentActor,
    code: str,
    *,
    values: dict[str, str],
    errors: dict[str, str],
    status: int = 200,
) -> Template:
    """The event's page, keeping what was typed into its trip form."""
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
        found = await trips.list_trips(conn, [event.id])
        stops = await events.list_stops(conn, event.id)
    proposed = [stop for stop in stops if stop.state is StopState.PROPOSED]
    return page(
        request,
        "organiser/event.html",
        actor=actor,
        status=status,
        event=event,
        trips=found,
        proposed=proposed,
        ladder=write_ladder(event.refund_ladder),
        values=values,
        errors=errors,
    )


@post("/organiser/events/{code:str}/trips", include_in_schema=False, status_code=200)
async def add_trip(request: Request[Any, Any, Any], code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Makes a trip, as a draft."""
    actor.require_organiser()
    typed = {name: str(value) for name, value in (await request.form()).items()}
    try:
        async with pool.acquire() as conn:
            event = await event_by_code(conn, code)
        trip = await create_trip(pool, event.id, trip_wish(await read_form(request, TripForm)), actor=actor.audit_name)
    except Invalid as invalid:
        return await show_event(request, pool, actor, code, values=typed, errors=errors_by_field(invalid), status=422)
    return see_other(f"/organiser/trips/{trip.public_code}", flash="saved")


@post("/organiser/events/{code:str}/refund-ladder", include_in_schema=False, status_code=200)
async def set_ladder(
    request: Request[Any, Any, Any], code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor
) -> Response[Any]:
    """Another refund ladder, before the first trip opens."""
    actor.require_organiser()
    typed = {name: str(value) for name, value in (await request.form()).items()}
    try:
        async with pool.acquire() as conn:
            event = await event_by_code(conn, code)
        ladder = read_ladder((await read_form(request, LadderForm)).refund_ladder)
        await set_refund_ladder(pool, event.id, ladder, actor=actor.audit_name)
    except Invalid as invalid:
        return await show_event(request, pool, actor, code, values=typed, errors=errors_by_field(invalid), status=422)
    return see_other(f"/organiser/events/{code}", flash="saved")


@post("/organiser/events/{code:str}/cancel", include_in_schema=False, status_code=200)
async def end_event(
    request: Request[Any, Any, Any], code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor
) -> Response[Any]:
    """Cancels the event with all of its trips."""
    actor.require_organiser()
    form = await read_form(request, ReasonForm)
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
    await cancel_event(pool, event.id, actor=actor.audit_name, reason=form.reason)
    return see_other(f"/organiser/events/{code}", flash="cancelled")


@post("/organiser/stops/{stop_id:uuid}/decide", include_in_schema=False, status_code=200)
async def decide(
    request: Request[Any, Any, Any], stop_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor
) -> Response[Any]:
    """Approves or rejects a proposed stop."""
    actor.require_organiser()
    form = await request.form()
    stop = await decide_stop(pool, stop_id, approve=form.get("approve") == "yes", actor=actor.audit_name)
    async with pool.acquire() as conn:
        event = await events.get_event(conn, stop.event_id)
    assert event is not None
    return see_other(f"/organiser/events/{event.public_code}", flash="saved")


@get("/organiser/trips/{code:str}", include_in_schema=False)
async def trip_page(request: Request[Any, Any, Any], code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor) -> Template:
    """A trip: terms, stops, pledges, and the trail of everything that happened to it."""
    actor.require_organiser()
    return await show_trip(request, pool, actor, code, errors={})


async def show_trip(
    request: Request[Any, Any, Any], pool: Pool, actor: CurrentActor, code: str, *, errors: dict[str, str], status: int = 200
) -> Template:
    """The trip's page; refusals of its forms on top."""
    async with pool.acquire() as conn:
        trip, event = await trip_by_code(conn, code)
        stops, found, trail = await read_trip_sheet(conn, trip)
    names = {trip.id: "The trip", **{pledge.id: f"Pledge {pledge.public_code}" for pledge in found}}
    return page(
        request,
        "organiser/trip.html",
        actor=actor,
        status=status,
        trip=trip,
        event=event,
        stops=stops,
        pledges=found,
        trail=trail[::-1],
        names=names,
        words=words,
        errors=errors,
    )


@post("/organiser/trips/{code:str}/open", include_in_schema=False, status_code=200)
async def open_it(request: Request[Any, Any, Any], code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Puts the trip on sale."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        trip, _ = await trip_by_code(conn, code)
    try:
        await open_trip(pool, trip.id, actor=actor.audit_name)
    except Refusal as refused:
        return await show_trip(request, pool, actor, code, errors={"": refused.detail}, status=refused.status)
    return see_other(f"/organiser/trips/{code}", flash="opened")


@post("/organiser/trips/{code:str}/ease", include_in_schema=False, status_code=200)
async def ease(request: Request[Any, Any, Any], code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Lowers the minimum or moves the deadline later."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        trip, _ = await trip_by_code(conn, code)
    try:
        form = await read_form(request, EaseForm)
        later = moment("deadline_at", form.deadline_at, trip.zone) if form.deadline_at else None
        await ease_trip(pool, trip.id, minimum=form.minimum, deadline_at=later, actor=actor.audit_name)
    except Invalid as invalid:
        return await show_trip(request, pool, actor, code, errors=errors_by_field(invalid), status=422)
    except Refusal as refused:
        return await show_trip(request, pool, actor, code, errors={"": refused.detail}, status=refused.status)
    return see_other(f"/organiser/trips/{code}", flash="saved")


@post("/organiser/trips/{code:str}/cancel", include_in_schema=False, status_code=200)
async def end_trip(request: Request[Any, Any, Any], code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Cancels the trip; everything goes back."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        trip, _ = await trip_by_code(conn, code)
    try:
        form = await read_form(request, ReasonForm)
        await cancel_trip(pool, trip.id, actor=actor.audit_name, reason=form.reason)
    except Invalid as invalid:
        return await show_trip(request, pool, actor, code, errors=errors_by_field(invalid), status=422)
    except Refusal as refused:
        return await show_trip(request, pool, actor, code, errors={"": refused.detail}, status=refused.status)
    return see_other(f"/organiser/trips/{code}", flash="cancelled")


ROUTES = [home, new_event, add_event, event_page, add_trip, set_ladder, end_event, decide, trip_page, open_it, ease, end_trip]

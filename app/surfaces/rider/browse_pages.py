"""Pages for finding a trip: the first page, an event, a trip with its pledge form, proposing a stop."""

from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID, uuid4

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Template

from app.core.database import Connection, Pool
from app.core.errors import Conflict, Invalid, NotFound, Refusal, Unavailable, WaitingRoom
from app.core.together import Together
from app.domain.events import store as events
from app.domain.events.model import Event, StopState
from app.domain.partners import store as partners
from app.domain.payments.gateway import PaymentGateway
from app.domain.pledges import store as pledges
from app.domain.pledges.model import MAX_PEOPLE, PledgeState
from app.domain.trips.model import SELLING, Trip
from app.flows.hold_for_review import note_network
from app.flows.open_card_page import open_card_page
from app.flows.pledge_queue import PledgeQueue
from app.flows.pledge_wish import PledgeWish, request_pledge
from app.flows.propose_stop import propose_stop
from app.flows.trip_sheet_store import TripSheet
from app.settings import Settings
from app.surfaces.open_data.structured import event_data, script_tag
from app.surfaces.rider.in_line import forget_place, go_on, kept_key, place_token, show_line
from app.surfaces.rider.reading import NO_EVENT, NO_TRIP, read_event, read_public_trips, trip_detail
from app.surfaces.rider.views import EventView, TripDetail, TripView, legs_chosen, view_event, view_trip
from app.surfaces.rider.way_back import remember_way_back
from app.web.actors import Actor, CurrentActor, find_actor
from app.web.forms import read_form
from app.web.pages import errors_by_field, page, same_page, see_other
from app.web.rate_limits import network_hash

NEAR_M = 150_000.0
EVENTS_SHOWN = 60


class EventCard(msgspec.Struct, frozen=True, kw_only=True):
    """An event on the first page with its trips at a glance."""

    event: EventView
    trips: list[TripView]
    from_minor: int
    selling: int


class PledgeForm(msgspec.Struct, frozen=True, kw_only=True):
    """The pledge form as it is sent."""

    key: str
    stop_id: UUID
    name: str
    email: str
    terms: str
    legs: str = "both"
    seats: int = 0
    wheelchairs: int = 0
    phone: str = ""
    needs: str = ""
    card: str = "new"
    via: str = ""
    back: str = ""


EMPTY_FORM = {
    "stop_id": "",
    "name": "",
    "email": "",
    "legs": "both",
    "seats": 1,
    "wheelchairs": 0,
    "phone": "",
    "needs": "",
    "card": "new",
    "via": "",
    "back": "",
}
AGREE = "Please agree to the terms: without them no card may be charged."
ASKS = {
    "stop_id": "Please choose where you get on.",
    "name": "Please give your name: the driver looks for it.",
    "email": "Please give your e-mail address: the link to your pledge goes there.",
    "terms": AGREE,
}


class ProposeForm(msgspec.Struct, frozen=True, kw_only=True):
    """The form that proposes a stop."""

    name: str
    lat: float
    lon: float
    address: str = ""
    insist: str = ""


@get("/", include_in_schema=False)
async def home(
    request: Request[Any, Any, Any],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
    q: FromQuery[str | None] = None,
    lat: FromQuery[str | None] = None,
    lon: FromQuery[str | None] = None,
) -> Template:
    """Coming events, by search or near me."""
    near = place_of(lat, lon)
    async with pool.acquire() as conn:
        found = await events.list_events(conn, search=q or None, near=near, radius_m=NEAR_M, after=None, limit=EVENTS_SHOWN)
        cards = await event_cards(conn, found, settings.base_url)
    return page(request, "rider/home.html", actor=actor, cards=cards, q=q or "", near=near is not None)


def place_of(lat: str | None, lon: str | None) -> tuple[float, float] | None:
    """The position a form carries; None when it carries none."""
    try:
        return (float(lat), float(lon)) if lat and lon else None
    except ValueError:
        return None


async def event_cards(conn: Connection, found: list[Event], base_url: str) -> list[EventCard]:
    """Events with their public trips, those on sale first."""
    by_event: dict[UUID, list[Trip]] = {event.id: [] for event in found}
    for trip in await read_public_trips(conn, list(by_event)):
        by_event[trip.event_id].append(trip)
    cards = []
    for event in found:
        on_sale_first = sorted(by_event[event.id], key=lambda trip: (trip.state not in SELLING, trip.origin))
        views = [view_trip(trip, event.currency, base_url) for trip in on_sale_first]
        cards.append(
            EventCard(
                event=view_event(event, base_url),
                trips=views,
                from_minor=min((view.price_both_minor for view in views if view.state in SELLING), default=0),
                selling=sum(view.state in SELLING for view in views),
            )
        )
    return cards


@get("/e/{code:str}", include_in_schema=False)
async def event_page(
    request: Request[Any, Any, Any],
    code: FromPath[str],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
) -> Template:
    """An event with its departure board."""
    async with pool.acquire() as conn:
        event_id = await events.find_event_id(conn, code)
        if event_id is None:
            raise NotFound(NO_EVENT, code="unknown_event")
        event = await read_event(conn, event_id)
        card = (await event_cards(conn, [event], settings.base_url))[0]
        structured = script_tag(event_data(event, await read_public_trips(conn, [event_id]), settings.base_url))
    return page(request, "rider/event.html", actor=actor, event=card.event, trips=card.trips, structured=structured)


@get("/trips/{code:str}", include_in_schema=False)
async def trip_page(
    request: Request[Any, Any, Any],
    code: FromPath[str],
    via: FromQuery[str | None] = None,
    back: Annotated[str | None, QueryParameter(name="return", required=False)] = None,
) -> Response[Any]:
    """A trip, live, with the form that pledges to it; a widget says which key (`via`) and page (`return`) the rider comes from."""
    actor, detail = await find_actor(request), await detail_by_code(request, code)
    values = {"via": via or "", "back": back or ""}
    if actor.account_id is None:
        return show_trip_to_anybody(request, detail, values=values)
    return await show_trip(request, actor, detail, values=values, errors={})


@get("/trips/{code:str}/board", include_in_schema=False)
async def trip_board(request: Request[Any, Any, Any], code: FromPath[str]) -> Response[Any]:
    """The part of the trip's page that follows its state."""
    return same_page(request, "rider/_trip_board.html", own={}, **detail_views(await detail_by_code(request, code)))


async def detail_by_code(request: Request[Any, Any, Any], code: str) -> TripDetail:
    """A public trip by its code, or NotFound."""
    sheets: Together[str, TripSheet] = request.app.state.trip_sheets
    sheet = await sheets.look_up(code) if code.isprintable() else None  # what cannot be a code must not spoil the look-up of others
    if sheet is None:
        raise NotFound(NO_TRIP, code="unknown_trip")
    return trip_detail(sheet, request.app.state.settings.base_url)


def detail_views(detail: TripDetail) -> dict[str, Any]:
    """What the trip's templates need."""
    return {
        "trip": detail.trip,
        "event": detail.event,
        "stops": detail.stops,
        "selling": detail.trip.state in SELLING,
        "ladder": detail.refund_ladder,
    }


def page_views(detail: TripDetail, values: dict[str, Any]) -> dict[str, Any]:
    """What the trip's page needs beside the form's state."""
    approved = [stop for stop in detail.stops if stop.state is StopState.APPROVED]
    return {"values": {**EMPTY_FORM, **values}, "max_people": MAX_PEOPLE, "approved": approved, **detail_views(detail)}


def show_trip_to_anybody(request: Request[Any, Any, Any], detail: TripDetail, *, values: dict[str, Any]) -> Response[Any]:
    """The trip's page for who is not signed in: the same for all but for the form's key."""
    marked = {"key": request.app.state.same_pages.mark("key"), **values}
    own = {"key": kept_key(request) or uuid4().hex}
    return same_page(request, "rider/trip.html", own=own, saved_card=None, **page_views(detail, marked))


async def show_trip(
    request: Request[Any, Any, Any],
    actor: Actor,
    detail: TripDetail,
    *,
    values: dict[str, Any],
    errors: dict[str, str],
    status: int = 200,
) -> Template:
    """The trip's page with a pledge form that keeps what was typed."""
    card = None
    if actor.account_id:
        async with request.app.state.pool.acquire() as conn:
            card = await pledges.find_saved_card(conn, actor.account_id)
    known = {
        "key": kept_key(request) or uuid4().hex,
        "name": actor.name,
        "email": actor.email,
        "card": "saved" if card else "new",
        **values,
    }
    return page(
        request,
        "rider/trip.html",
        actor=actor,
        status=status,
        errors=errors,
        saved_card=card.card_label if card else None,
        **page_views(detail, known),
    )


@post("/trips/{code:str}/pledge", include_in_schema=False, status_code=200)
async def pledge_form(
    request: Request[Any, Any, Any],
    code: FromPath[str],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    gateway: NamedDependency[PaymentGateway],
    pledge_queue: NamedDependency[PledgeQueue],
    actor: CurrentActor,
) -> Response[Any]:
    """Places the pledge and goes on to the card page; faults come back with everything that was typed."""
    detail = await detail_by_code(request, code)
    typed = {name: str(value) for name, value in (await request.form()).items()}
    try:
        form = await read_form(request, PledgeForm, asks=ASKS)
        if form.terms != "yes":
            raise Invalid.field("terms", AGREE)
        async with pool.acquire() as conn:
            via = await partners.find_key(conn, form.via) if form.via else None
        wish = request_pledge(
            wish_of(form), key=form.key, body=msgspec.json.encode(form), secret=settings.secret, account_id=actor.account_id,
            partner_key_id=via.id if via else None,
        )  # fmt: skip
        placed = await pledge_queue.place(detail.trip.id, wish, token=place_token(request))
    except WaitingRoom as waiting:
        return show_line(request, actor, detail, waiting, typed=typed, settings=settings)
    except Invalid as invalid:
        return await show_trip(request, actor, detail, values=typed, errors=errors_by_field(invalid), status=422)
    except Refusal as refused:
        return await show_trip(
            request, actor, detail, values={**typed, "key": uuid4().hex}, errors={"": refused.detail}, status=refused.status
        )
    manage_path = f"/p/{placed.manage_token}"
    url = manage_path
    if placed.pledge.state is PledgeState.PENDING_CARD:
        await note_network(pool, placed.pledge.id, network_hash(request, settings.secret))
        with suppress(Unavailable, Conflict):
            url = await open_card_page(
                pool, placed.pledge.id, gateway=gateway, base_url=settings.base_url, manage_token=placed.manage_token
            )
    answer = go_on(request, url)
    answer.cookies.extend(forget_place(request, detail.trip.code))
    answer.cookies.extend(remember_way_back(via, form.back, trip_code=detail.trip.code, settings=settings))
    return answer


def wish_of(form: PledgeForm) -> PledgeWish:
    """The form in the flow's words."""
    legs = legs_chosen(form.legs)
    return PledgeWish(
        stop_id=form.stop_id,
        name=form.name,
        email=form.email,
        phone=form.phone,
        needs=form.needs,
        locale="en",
        seats=form.seats,
        wheelchairs=form.wheelchairs,
        legs=legs,
        payment_method="saved" if form.card == "saved" else None,
    )


@get("/trips/{code:str}/propose-stop", include_in_schema=False)
async def propose_page(request: Request[Any, Any, Any], code: FromPath[str], actor: CurrentActor) -> Template:
    """The form that proposes a stop."""
    detail = await detail_by_code(request, code)
    return page(request, "rider/propose_stop.html", actor=actor, values={}, near=[], **detail_views(detail))


@post("/trips/{code:str}/propose-stop", include_in_schema=False, status_code=200)
async def propose_form(
    request: Request[Any, Any, Any],
    code: FromPath[str],
    pool: NamedDependency[Pool],
    actor: CurrentActor,
) -> Response[Any]:
    """Offers stops near by first; adds the new one when the rider insists."""
    detail = await detail_by_code(request, code)
    typed = {name: str(value) for name, value in (await request.form()).items()}
    views = {"values": typed, "near": [], **detail_views(detail)}
    try:
        form = await read_form(request, ProposeForm)
        found = await propose_stop(
            pool, detail.trip.id, name=form.name, address=form.address, lat=form.lat, lon=form.lon, insist=form.insist == "yes"
        )
    except Invalid as invalid:
        return page(request, "rider/propose_stop.html", actor=actor, status=422, **{**views, "errors": errors_by_field(invalid)})
    if found.stop is None:
        return page(request, "rider/propose_stop.html", actor=actor, **{**views, "near": found.near})
    return see_other(f"/trips/{code}", flash="proposed")


@get("/trips/{code:str}/map.json", include_in_schema=False)
async def trip_map(request: Request[Any, Any, Any], code: FromPath[str]) -> dict[str, Any]:
    """The trip's stops and venue as GeoJSON."""
    detail = await detail_by_code(request, code)
    points = [("venue", detail.event.venue, detail.event.lon, detail.event.lat)]
    points += [("stop", stop.name, stop.lon, stop.lat) for stop in detail.stops if stop.state is StopState.APPROVED]
    return {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "properties": {"kind": kind, "name": name}, "geometry": {"type": "Point", "coordinates": [lon, lat]}}
            for kind, name, lon, lat in points
        ],
    }


ROUTES = [home, event_page, trip_page, trip_board, pledge_form, propose_page, propose_form, trip_map]

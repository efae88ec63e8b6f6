"""The public JSON API: events, trips, stops and pledges."""

import time
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter
from litestar.response import Stream

from app.core.database import Pool
from app.core.errors import Gone, Invalid, Unavailable
from app.core.idempotency import check_key
from app.core.ids import derived_token, link_subject, token_hash
from app.domain.events import store as events
from app.domain.events.ladder import event_steps
from app.domain.payments.gateway import PaymentGateway
from app.domain.pledges import store as pledges
from app.domain.pledges.model import PledgeState
from app.domain.pledges.transfer_store import read_holders
from app.flows.change_pledge import PledgeChange, change_pledge
from app.flows.hold_for_review import note_network
from app.flows.open_card_page import open_card_page
from app.flows.pledge_wish import PlacedPledge, PledgeWish, request_pledge
from app.flows.propose_stop import propose_stop
from app.flows.withdraw_pledge import withdraw_pledge
from app.settings import Settings
from app.surfaces.rider.desk import open_desk
from app.surfaces.rider.ladder import ladder_of
from app.surfaces.rider.reading import open_pledge, read_event, read_pledge_view, read_public_trips, read_trip, read_trip_detail
from app.surfaces.rider.views import (
    EventDetail,
    EventPage,
    NearView,
    PlacedPledgeView,
    PledgeView,
    ProposalView,
    TripDetail,
    TripView,
    view_event,
    view_pledge,
    view_stop,
    view_trip,
)
from app.web.actors import Actor, CurrentActor, bearer_token
from app.web.cursors import check_limit, read_cursor, write_cursor
from app.web.live_hub import LiveHub
from app.web.rate_limits import network_hash

DEFAULT_RADIUS_M = 150_000.0
IdempotencyKey = Annotated[
    str | None, HeaderParameter(name="Idempotency-Key", required=False, description="Your own id of this request; the same on a retry.")
]
WaitingPlace = Annotated[
    str | None,
    HeaderParameter(name="Waiting-Place", required=False, description="The token of a place in line, from a 429 `waiting_room`."),
]
ManageToken = Annotated[
    str | None, QueryParameter(name="token", required=False, description="The pledge's manage token, unless sent as bearer.")
]


class EventPosition(msgspec.Struct, frozen=True, kw_only=True):
    """Where a listing of events goes on."""

    starts_at: datetime
    id: UUID


class PlacePledge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pledge to place. People are seats + wheelchairs, 1 to 8; a wheelchair rider takes a wheelchair place and no seat."""

    stop_id: UUID
    name: str
    email: str
    seats: int
    wheelchairs: int = 0
    legs: list[str] = msgspec.field(default_factory=lambda: ["outbound", "return"])
    phone: str = ""
    needs: str = ""
    locale: str = "en"
    payment_method: str | None = None


class ProposeStop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place where coaches might pick up. `insist` adds it although others are within 2 km."""

    name: str
    lat: float
    lon: float
    address: str = ""
    insist: bool = False


class ChangePledge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is left out stays."""

    stop_id: UUID | None = None
    seats: int | None = None
    wheelchairs: int | None = None
    legs: list[str] | None = None
    needs: str | None = None


@get("/api/events", tags=["events"])
async def list_events(
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    search: FromQuery[str | None] = None,
    lat: FromQuery[float | None] = None,
    lon: FromQuery[float | None] = None,
    radius_m: FromQuery[float] = DEFAULT_RADIUS_M,
    limit: FromQuery[int] = 50,
    cursor: FromQuery[str | None] = None,
) -> Response[EventPage]:
    """Coming events with public trips, by start; `search` in names and places, or `lat` and `lon` for what is near."""
    if (lat is None) != (lon is None):
        raise Invalid.field("lat" if lat is None else "lon", "Send lat and lon together.")
    after = read_cursor(cursor, EventPosition)
    async with pool.acquire() as conn:
        found = await events.list_events(
            conn,
            search=search or None,
            near=(lat, lon) if lat is not None and lon is not None else None,
            radius_m=radius_m,
            after=(after.starts_at, after.id) if after else None,
            limit=check_limit(limit) + 1,
        )
    shown = found[:limit]
    next_cursor = write_cursor(EventPosition(starts_at=shown[-1].starts_at, id=shown[-1].id)) if len(found) > limit else None
    headers = {"Link": f'<{settings.base_url}/api/events?limit={limit}&cursor={next_cursor}>; rel="next"'} if next_cursor else {}
    return Response(EventPage(items=[view_event(event, settings.base_url) for event in shown], next_cursor=next_cursor), headers=headers)


@get("/api/events/{event_id:uuid}", tags=["events"])
async def show_event(event_id: FromPath[UUID], pool: NamedDependency[Pool], settings: NamedDependency[Settings]) -> EventDetail:
    """An event with its trips."""
    async with pool.acquire() as conn:
        event = await read_event(conn, event_id)
        found = await read_public_trips(conn, [event_id])
    return EventDetail(
        event=view_event(event, settings.base_url), trips=[view_trip(trip, event.currency, settings.base_url) for trip in found]
    )


@get("/api/trips/{trip_id:uuid}", tags=["trips"])
async def show_trip(trip_id: FromPath[UUID], pool: NamedDependency[Pool], settings: NamedDependency[Settings]) -> TripDetail:
    """A trip with its event and stops."""
    return await read_trip_detail(pool, trip_id, settings.base_url)


@get("/api/trips/{trip_id:uuid}/live", tags=["trips"], media_type="text/event-stream")
async def watch_trip(
    trip_id: FromPath[UUID], pool: NamedDependency[Pool], settings: NamedDependency[Settings], live: NamedDependency[LiveHub]
) -> Stream:
    """Server-sent events: the trip now and after each change, as JSON; at most four a second. An id is when it was read (Unix ms)."""
    live.require_room()
    async with pool.acquire() as conn:
        await read_trip(conn, trip_id)

    async def read() -> bytes:
        async with pool.acquire() as conn:
            trip, event = await read_trip(conn, trip_id)
        view: TripView = view_trip(trip, event.currency, settings.base_url)
        return b"id: %d\nevent: trip\nretry: 2000\ndata: %b\n\n" % (time.time() * 1000, msgspec.json.encode(view))

    headers = {"X-Accel-Buffering": "no", "Access-Control-Allow-Origin": "*", "Cache-Control": "no-cache"}
    return Stream(live.messages("trip", trip_id, read), media_type="text/event-stream", headers=headers)


@post("/api/trips/{trip_id:uuid}/stops", tags=["trips"], status_code=200)
async def propose(trip_id: FromPath[UUID], data: JSONBody[ProposeStop], pool: NamedDependency[Pool]) -> ProposalView:
    """Proposes a stop; existing ones within 2 km are offered first."""
    found = await propose_stop(pool, trip_id, name=data.name, address=data.address, lat=data.lat, lon=data.lon, insist=data.insist)
    near = [
        NearView(id=s.id, code=s.public_code, name=s.name, address=s.address, state=s.state, distance_m=round(s.distance_m))
        for s in found.near
    ]
    return ProposalView(near=near, stop=view_stop(found.stop) if found.stop else None)


@post("/api/trips/{trip_id:uuid}/pledges", tags=["pledges"])
async def place(
    request: Request[Any, Any, Any],
    trip_id: FromPath[UUID],
    data: JSONBody[PlacePledge],
    idempotency_key: IdempotencyKey = None,
    waiting_place: WaitingPlace = None,
) -> PlacedPledgeView:
    """Pledges seats. Nothing is charged unless the trip is confirmed; the card is saved at `card_url` within 15 minutes.

    When more people pledge at once than the trip can take, 429 `waiting_room` gives a place in line: send the same again after
    `Retry-After`, with the place's token.
    """
    desk = await open_desk(request)
    settings = desk.settings
    wanted = request_pledge(
        wish_of(data), key=check_key(idempotency_key), body=msgspec.json.encode(data), secret=settings.secret,
        account_id=desk.actor.account_id, partner_key_id=None,
    )  # fmt: skip
    placed = await desk.queue.place(trip_id, wanted, token=waiting_place)
    if placed.pledge.state is PledgeState.PENDING_CARD:
        await note_network(desk.pool, placed.pledge.id, network_hash(request, settings.secret))
        with suppress(Unavailable):  # the pledge stands; its page offers the card again
            await open_card_page(
                desk.pool, placed.pledge.id, gateway=desk.gateway, base_url=settings.base_url, manage_token=placed.manage_token
            )
    view = await view_placed(desk.pool, placed)
    return PlacedPledgeView(pledge=view, manage_url=f"{settings.base_url}/p/{placed.manage_token}", manage_token=placed.manage_token)


async def view_placed(pool: Pool, placed: PlacedPledge) -> PledgeView:
    """A pledge as it was just stored; one that has a card page by now or was placed before is read anew."""
    if not placed.replayed and placed.pledge.state is not PledgeState.PENDING_CARD:
        ladder = ladder_of(event_steps(placed.event), placed.pledge, placed.charges, [], now=placed.pledge.created_at)
        return view_pledge(placed.pledge, placed.charges, [], ladder)
    async with pool.acquire() as conn:
        pledge = await pledges.find_by_token(conn, token_hash(placed.manage_token))
        if pledge is None:
            raise Gone("This pledge was passed on to another person; their link opens it now.", code="pledge_passed_on")
        return await read_pledge_view(conn, pledge)


def acting(actor: Actor) -> str:
    """Who the audit trail names: the rider, however the pledge was opened, or the organiser who does it for them."""
    return actor.audit_name if actor.is_organiser else "rider"


def wish_of(data: PlacePledge) -> PledgeWish:
    """The request in the flow's words."""
    return PledgeWish(
        stop_id=data.stop_id,
        name=data.name,
        email=data.email,
        phone=data.phone,
        needs=data.needs,
        locale=data.locale,
        seats=data.seats,
        wheelchairs=data.wheelchairs,
        legs=tuple(data.legs),
        payment_method=data.payment_method,
    )


@get("/api/pledges/{pledge_id:uuid}", tags=["pledges"])
async def show_pledge(
    request: Request[Any, Any, Any], pledge_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor, token: ManageToken = None
) -> PledgeView:
    """One's own pledge."""
    async with pool.acquire() as conn:
        pledge = await open_pledge(conn, pledge_id, actor=actor, token=token or bearer_token(request))
        return await read_pledge_view(conn, pledge)


@post("/api/pledges/{pledge_id:uuid}/withdraw", tags=["pledges"], status_code=200)
async def withdraw(
    request: Request[Any, Any, Any], pledge_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor, token: ManageToken = None
) -> PledgeView:
    """Withdraws a pledge: free until its trip is confirmed."""
    async with pool.acquire() as conn:
        await open_pledge(conn, pledge_id, actor=actor, token=token or bearer_token(request))
    pledge = await withdraw_pledge(pool, pledge_id, actor=acting(actor))
    async with pool.acquire() as conn:
        return await read_pledge_view(conn, pledge)


@post("/api/pledges/{pledge_id:uuid}/change", tags=["pledges"], status_code=200)
async def change(
    request: Request[Any, Any, Any],
    pledge_id: FromPath[UUID],
    data: JSONBody[ChangePledge],
    pool: NamedDependency[Pool],
    actor: CurrentActor,
    token: ManageToken = None,
) -> PledgeView:
    """Changes stop, seats, wheelchair places, legs or needs until booking closes."""
    async with pool.acquire() as conn:
        await open_pledge(conn, pledge_id, actor=actor, token=token or bearer_token(request))
    wish = PledgeChange(
        stop_id=data.stop_id,
        seats=data.seats,
        wheelchairs=data.wheelchairs,
        legs=tuple(data.legs) if data.legs is not None else None,
        needs=data.needs,
    )
    pledge = await change_pledge(pool, pledge_id, wish, actor=acting(actor))
    async with pool.acquire() as conn:
        return await read_pledge_view(conn, pledge)


class CardPage(msgspec.Struct, frozen=True, kw_only=True):
    """Where to save a card."""

    card_url: str


@post("/api/pledges/{pledge_id:uuid}/card", tags=["pledges"], status_code=200)
async def new_card(
    request: Request[Any, Any, Any],
    pledge_id: FromPath[UUID],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    gateway: NamedDependency[PaymentGateway],
    actor: CurrentActor,
    token: ManageToken = None,
) -> CardPage:
    """Opens the page where the card (or another one) is saved."""
    async with pool.acquire() as conn:
        await open_pledge(conn, pledge_id, actor=actor, token=token or bearer_token(request))
        holder = (await read_holders(conn, [pledge_id]))[pledge_id]
    # the way back; a session's token must not stand in an address
    manage_token = derived_token(settings.secret, "manage", link_subject(pledge_id, holder))
    url = await open_card_page(pool, pledge_id, gateway=gateway, base_url=settings.base_url, manage_token=manage_token)
    return CardPage(card_url=url)


ROUTES = [list_events, show_event, show_trip, watch_trip, propose, place, show_pledge, withdraw, change, new_card]

"""The organisers' JSON API: put events and trips on sale, ease, move and cancel them, decide stops."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody

from app.core.database import Pool
from app.core.errors import NotFound
from app.core.idempotency import KeyedRequest, check_key
from app.domain.events import store as events
from app.domain.events.model import DEFAULT_LADDER
from app.domain.trips import store as trips
from app.domain.trips.model import Trip
from app.flows.cancel_trip import cancel_trip
from app.flows.change_event import EventMove, cancel_event, move_event
from app.flows.plan_event import (
    MAX_RIDE_S,
    EventWish,
    StopWish,
    TripWish,
    create_event,
    create_trip,
    ease_trip,
    open_trip,
    set_refund_ladder,
)
from app.flows.propose_stop import decide_stop
from app.settings import Settings
from app.surfaces.rider.views import EventView, StopView, TripView, view_event, view_stop, view_trip
from app.web.actors import CurrentActor

IdempotencyKey = Annotated[
    str | None, HeaderParameter(name="Idempotency-Key", required=False, description="Your own id of this request; the same on a retry.")
]


Moment = Annotated[datetime, msgspec.Meta(tz=True, description="With its offset, such as 2030-06-01T18:00:00+02:00.")]


class CreateEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new event. Times carry an offset; `zone` is the venue's IANA zone; fee and share are basis points."""

    name: str
    kind: str
    venue_name: str
    address: str
    lat: float
    lon: float
    zone: str
    currency: str
    starts_at: Moment
    ends_at: Moment
    arrive_by_at: Moment
    return_departs_at: Moment
    booking_closes_at: Moment
    capacity_deadline_at: Moment
    contact_phone: str
    summary: str = ""
    fee_bp: int = 1000
    partner_share_bp: int = 0
    max_stops: int = 6
    rider_minute_minor: int = 0
    partner_id: UUID | None = None
    refund_ladder: list[tuple[int, int]] = msgspec.field(default_factory=lambda: list(DEFAULT_LADDER))


class SetLadder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What comes back after the confirmation: [hours before buses are due at the venue, basis points], both falling; 0 is booking close."""

    refund_ladder: list[tuple[int, int]]


class NewStop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stop the trip is sold from. `max_ride_s` bounds the ride to or from the venue in seconds."""

    name: str
    lat: float
    lon: float
    zone: str
    address: str = ""
    max_ride_s: int = MAX_RIDE_S


class CreateTrip(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new trip, as a draft. Prices are per person in minor units; `tiers` are [people, price] with falling prices."""

    origin: str
    origin_lat: float
    origin_lon: float
    zone: str
    price_both_minor: int
    minimum: int
    cap: int
    deadline_at: Moment
    price_one_way_minor: int | None = None
    tiers: list[tuple[int, int]] = []
    stops: list[NewStop] = []


class EaseTrip(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A lower minimum, a later deadline, or both."""

    minimum: int | None = None
    deadline_at: Moment | None = None


class Because(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why; it is told to everyone concerned."""

    reason: str


class DecideStop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Approve a stop, or reject it."""

    approve: bool


@post("/api/events", tags=["organiser"])
async def post_event(
    data: JSONBody[CreateEvent], pool: NamedDependency[Pool], settings: NamedDependency[Settings], actor: CurrentActor
) -> EventView:
    """A new event."""
    actor.require_organiser()
    event = await create_event(pool, EventWish(**msgspec.structs.asdict(data)), actor=actor.audit_name)
    return view_event(event, settings.base_url)


@post("/api/events/{event_id:uuid}/refund-ladder", tags=["organiser"], status_code=200)
async def post_ladder(
    event_id: FromPath[UUID],
    data: JSONBody[SetLadder],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
) -> EventView:
    """Another refund ladder, before the event's first trip opens."""
    actor.require_organiser()
    return view_event(await set_refund_ladder(pool, event_id, data.refund_ladder, actor=actor.audit_name), settings.base_url)


@post("/api/events/{event_id:uuid}/trips", tags=["organiser"])
async def post_trip(
    event_id: FromPath[UUID],
    data: JSONBody[CreateTrip],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
) -> TripView:
    """A new trip of an event, as a draft."""
    actor.require_organiser()
    wish = TripWish(**{**msgspec.structs.asdict(data), "stops": [StopWish(**msgspec.structs.asdict(stop)) for stop in data.stops]})
    return await show(pool, settings, await create_trip(pool, event_id, wish, actor=actor.audit_name))


async def show(pool: Pool, settings: Settings, trip: Trip) -> TripView:
    """A trip with its event's currency."""
    async with pool.acquire() as conn:
        event = await events.get_event(conn, trip.event_id)
    assert event is not None
    return view_trip(trip, event.currency, settings.base_url)


@post("/api/trips/{trip_id:uuid}/open", tags=["organiser"], status_code=200)
async def post_open(
    trip_id: FromPath[UUID], pool: NamedDependency[Pool], settings: NamedDependency[Settings], actor: CurrentActor
) -> TripView:
    """Puts a draft on sale; its terms are frozen from then on."""
    actor.require_organiser()
    return await show(pool, settings, await open_trip(pool, trip_id, actor=actor.audit_name))


@patch("/api/trips/{trip_id:uuid}", tags=["organiser"])
async def patch_trip(
    trip_id: FromPath[UUID], data: JSONBody[EaseTrip], pool: NamedDependency[Pool], settings: NamedDependency[Settings], actor: CurrentActor
) -> TripView:
    """Extends a deadline or lowers a minimum; every rider is told."""
    actor.require_organiser()
    trip = await ease_trip(pool, trip_id, minimum=data.minimum, deadline_at=data.deadline_at, actor=actor.audit_name)
    return await show(pool, settings, trip)


@post("/api/trips/{trip_id:uuid}/cancel", tags=["organiser"], status_code=200)
async def post_cancel(
    trip_id: FromPath[UUID],
    data: JSONBody[Because],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
    idempotency_key: IdempotencyKey = None,
) -> TripView:
    """Cancels a trip: every charge goes back, everyone is told. Needs an Idempotency-Key, because money moves."""
    actor.require_organiser()
    request = KeyedRequest(key=check_key(idempotency_key), body=msgspec.json.encode(data))
    return await show(pool, settings, await cancel_trip(pool, trip_id, actor=actor.audit_name, reason=data.reason, request=request))


@post("/api/events/{event_id:uuid}/cancel", tags=["organiser"], status_code=200)
async def post_cancel_event(
    event_id: FromPath[UUID],
    data: JSONBody[Because],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
    idempotency_key: IdempotencyKey = None,
) -> EventView:
    """Cancels an event with all of its trips; every charge goes back."""
    actor.require_organiser()
    request = KeyedRequest(key=check_key(idempotency_key), body=msgspec.json.encode(data))
    return view_event(await cancel_event(pool, event_id, actor=actor.audit_name, reason=data.reason, request=request), settings.base_url)


class MoveEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An event's new times and place; what is left out stays."""

    starts_at: Moment | None = None
    ends_at: Moment | None = None
    arrive_by_at: Moment | None = None
    return_departs_at: Moment | None = None
    booking_closes_at: Moment | None = None
    capacity_deadline_at: Moment | None = None
    venue_name: str | None = None
    address: str | None = None
    lat: float | None = None
    lon: float | None = None


@post("/api/events/{event_id:uuid}/move", tags=["organiser"], status_code=200)
async def post_move(
    event_id: FromPath[UUID],
    data: JSONBody[MoveEvent],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
) -> EventView:
    """Moves an event in time or place; every rider is told and may leave in full."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        event = await events.get_event(conn, event_id)
    if event is None:
        raise NotFound("There is no such event.", code="unknown_event")
    given = {name: value for name, value in msgspec.structs.asdict(data).items() if value is not None}
    move = EventMove(**{name: given.get(name, getattr(event, name)) for name in EventMove.__struct_fields__})
    return view_event(await move_event(pool, event_id, move, actor=actor.audit_name), settings.base_url)


@post("/api/stops/{stop_id:uuid}/decide", tags=["organiser"], status_code=200)
async def post_decide(stop_id: FromPath[UUID], data: JSONBody[DecideStop], pool: NamedDependency[Pool], actor: CurrentActor) -> StopView:
    """Approves or rejects a proposed stop."""
    actor.require_organiser()
    return view_stop(await decide_stop(pool, stop_id, approve=data.approve, actor=actor.audit_name))


@get("/api/organiser/events/{event_id:uuid}/trips", tags=["organiser"])
async def list_trips(
    event_id: FromPath[UUID], pool: NamedDependency[Pool], settings: NamedDependency[Settings], actor: CurrentActor
) -> list[TripView]:
    """Every trip of an event, drafts included."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        event = await events.get_event(conn, event_id)
        if event is None:
            raise NotFound("There is no such event.", code="unknown_event")
        found = await trips.list_trips(conn, [event_id])
    return [view_trip(trip, event.currency, settings.base_url) for trip in found]


ROUTES = [post_event, post_ladder, post_trip, post_open, patch_trip, post_cancel, post_cancel_event, post_move, post_decide, list_trips]

"""Organisers put events and trips on sale: create, open, ease the terms, propose and approve stops."""

import re
from datetime import datetime
from itertools import pairwise
from uuid import UUID

import asyncpg
import msgspec

from app.core.audit import act_as, record_change
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.errors import Conflict, FieldError, Invalid, NotFound
from app.core.ids import new_id, public_code
from app.core.inputs import LARGEST, LONGEST_ADDRESS, LONGEST_NAME, LONGEST_PHONE, LONGEST_SUMMARY, is_line, is_moment
from app.core.live import tell
from app.core.timers import set_timer
from app.core.zones import ZoneUnknown, read_zone
from app.domain.events import store as events
from app.domain.events.ladder import ladder_faults
from app.domain.events.model import DEFAULT_LADDER, Event, EventState, Stop, StopState
from app.domain.notifications.model import NewMail
from app.domain.notifications.service import queue_mails
from app.domain.pledges import store as pledges
from app.domain.pledges.model import LIVE
from app.domain.trips import store as trips
from app.domain.trips.model import TRIP_MACHINE, Trip, TripState, tips
from app.flows.confirm_trip import confirm_within

MAX_RIDE_S = 4 * 3600
LONGEST_RIDE_S = 2 * 86_400
MAX_LATITUDE, MAX_LONGITUDE = 90, 180
CURRENCY = re.compile(r"[A-Z]{3}")
WHOLE_BP = 10_000
MOST_STOPS = 100
SAME_PLACE_DEG = 1e-5


class EventWish(msgspec.Struct, frozen=True, kw_only=True):
    """What an organiser says of a new event; times aware, zone an IANA name, fee and share in basis points."""

    name: str
    kind: str
    summary: str
    venue_name: str
    address: str
    lat: float
    lon: float
    zone: str
    currency: str
    starts_at: datetime
    ends_at: datetime
    arrive_by_at: datetime
    return_departs_at: datetime
    booking_closes_at: datetime
    capacity_deadline_at: datetime
    fee_bp: int
    partner_share_bp: int
    max_stops: int
    rider_minute_minor: int
    contact_phone: str
    partner_id: UUID | None
    refund_ladder: list[tuple[int, int]] = msgspec.field(default_factory=lambda: list(DEFAULT_LADDER))


class StopWish(msgspec.Struct, frozen=True, kw_only=True):
    """A place where coaches may pick up."""

    name: str
    address: str
    lat: float
    lon: float
    zone: str
    max_ride_s: int


class TripWish(msgspec.Struct, frozen=True, kw_only=True):
    """What an organiser says of a new trip; prices per person in minor units."""

    origin: str
    origin_lat: float
    origin_lon: float
    zone: str
    price_both_minor: int
    price_one_way_minor: int | None
    tiers: list[tuple[int, int]]
    minimum: int
    cap: int
    deadline_at: datetime
    stops: list[StopWish]


def zone_fault(field: str, zone: str) -> list[FieldError]:
    """A fault when there is no such time zone."""
    try:
        read_zone(zone)
    except ZoneUnknown as unknown:
        return [FieldError(field=field, message=str(unknown))]
    return []


def place_faults(prefix: str, lat: float, lon: float) -> list[FieldError]:
    """Faults of a coordinate pair in degrees."""
    faults = []
    if not -MAX_LATITUDE <= lat <= MAX_LATITUDE:
        faults.append(FieldError(field=f"{prefix}lat", message="A latitude lies between -90 and 90."))
    if not -MAX_LONGITUDE <= lon <= MAX_LONGITUDE:
        faults.append(FieldError(field=f"{prefix}lon", message="A longitude lies between -180 and 180."))
    return faults


def line_faults(lines: dict[str, tuple[str, int]]) -> list[FieldError]:
    """Faults of names and the like: field by what was given and the most characters."""
    return [
        FieldError(field=field, message=f"Please fill this in: one line of at most {longest} characters.")
        for field, (text, longest) in lines.items()
        if not is_line(text, longest)
    ]


def moment_faults(**moments: datetime) -> list[FieldError]:
    """Faults of times by their field, before any of them is compared."""
    message = "Send the time with its offset, such as 2027-01-16T05:40:00Z."
    return [FieldError(field=field, message=message) for field, moment in moments.items() if not is_moment(moment)]


def event_text_faults(wish: EventWish) -> list[FieldError]:
    """Faults of what is read by people."""
    faults = line_faults(
        {
            "name": (wish.name, LONGEST_NAME),
            "venue_name": (wish.venue_name, LONGEST_NAME),
            "contact_phone": (wish.contact_phone, LONGEST_PHONE),
            **({"address": (wish.address, LONGEST_ADDRESS)} if wish.address else {}),
        }
    )
    if len(wish.summary) > LONGEST_SUMMARY or "\0" in wish.summary:
        faults.append(FieldError(field="summary", message=f"A summary has at most {LONGEST_SUMMARY} characters."))
    return faults


def order_faults(wish: EventWish, now: datetime) -> list[FieldError]:
    """Faults of times that do not follow each other."""
    faults = []
    order = ["booking_closes_at", "capacity_deadline_at", "arrive_by_at", "starts_at", "ends_at"]
    for earlier, later in pairwise(order):
        if getattr(wish, earlier) > getattr(wish, later):
            faults.append(FieldError(field=later, message=f"{later} must not come before {earlier}."))
    if wish.return_departs_at <= wish.arrive_by_at:
        faults.append(FieldError(field="return_departs_at", message="The way back must leave after the arrival."))
    if wish.capacity_deadline_at >= wish.arrive_by_at:
        faults.append(FieldError(field="capacity_deadline_at", message="The capacity deadline must come before the first departure."))
    if wish.booking_closes_at <= now:
        faults.append(FieldError(field="booking_closes_at", message="Booking must close in the future."))
    return faults


def event_faults(wish: EventWish, now: datetime) -> list[FieldError]:
    """Everything that is wrong with a new event, each with its remedy."""
    times = ("starts_at", "ends_at", "arrive_by_at", "return_departs_at", "booking_closes_at", "capacity_deadline_at")
    if faults := moment_faults(**{name: getattr(wish, name) for name in times}):
        return faults
    faults = event_text_faults(wish) + zone_fault("zone", wish.zone) + place_faults("", wish.lat, wish.lon)
    if wish.kind not in {"match", "concert", "festival", "march", "other"}:
        faults.append(FieldError(field="kind", message="Choose match, concert, festival, march or other."))
    if not CURRENCY.fullmatch(wish.currency):
        faults.append(FieldError(field="currency", message="Use a three-letter currency code such as EUR."))
    faults += order_faults(wish, now)
    if not (wish.fee_bp >= 0 and wish.partner_share_bp >= 0 and wish.fee_bp + wish.partner_share_bp <= WHOLE_BP):
        faults.append(FieldError(field="fee_bp", message="Fee and partner share are basis points and at most 10000 together."))
    if not 0 <= wish.rider_minute_minor <= LARGEST:
        faults.append(FieldError(field="rider_minute_minor", message="A rider's minute is worth 0 or more minor units."))
    if not 1 <= wish.max_stops <= MOST_STOPS:
        faults.append(FieldError(field="max_stops", message="A bus makes 1 to 100 stops on a leg."))
    faults += [FieldError(field="refund_ladder", message=message) for message in ladder_faults(wish.refund_ladder)]
    return faults


async def create_event(pool: Pool, wish: EventWish, *, actor: str) -> Event:
    """A new event; Invalid names every field that is wrong."""
    event_id = new_id()
    async with transaction(pool) as conn:
        await act_as(conn, actor, "event created")
        if faults := event_faults(wish, await busload_now(conn)):
            raise Invalid("The event needs a correction.", fields=tuple(faults))
        event = Event(
            id=event_id, public_code=public_code(6), state=EventState.SCHEDULED, terms_frozen_at=None, booking_closed_at=None, sequence=0,
            created_at=await busload_now(conn), **msgspec.structs.asdict(wish),
        )  # fmt: skip
        try:
            await events.add_event(conn, event)
        except asyncpg.ForeignKeyViolationError:
            raise Invalid.field("partner_id", "There is no such partner.", code="unknown_partner") from None
        return event


async def set_refund_ladder(pool: Pool, event_id: UUID, ladder: list[tuple[int, int]], *, actor: str) -> Event:
    """Another refund ladder, before the event's first trip opens; Invalid says what is wrong, Conflict `terms_frozen` that it is late."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "refund ladder set")
        event = await events.lock_event(conn, event_id)
        if event is None:
            raise NotFound("There is no such event.", code="unknown_event")
        if event.terms_frozen_at is not None:
            raise Conflict("The refund ladder is frozen: a trip of this event has opened, and riders were shown it.", code="terms_frozen")
        if faults := ladder_faults(ladder):
            raise Invalid(faults[0], fields=tuple(FieldError(field="refund_ladder", message=message) for message in faults))
        await events.set_refund_ladder(conn, event_id, ladder)
        await record_change(conn, "event", event_id, event.state.value, {"refund_ladder": [event.refund_ladder, ladder]})
        changed = await events.get_event(conn, event_id)
        assert changed is not None
        return changed


async def create_trip(pool: Pool, event_id: UUID, wish: TripWish, *, actor: str) -> Trip:
    """A draft trip with its stops, approved as the organiser names them; Invalid names every field that is wrong."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "trip created")
        event = await events.lock_event(conn, event_id)
        if event is None:
            raise NotFound("There is no such event.", code="unknown_event")
        if event.state is not EventState.SCHEDULED:
            raise Conflict("This event is cancelled; it takes no new trips.", code="event_cancelled")
        if faults := trip_faults(wish, event):
            raise Invalid("The trip needs a correction.", fields=tuple(faults))
        trip = Trip(
            id=new_id(), public_code=public_code(6), event_id=event_id, origin=wish.origin.strip(), origin_lat=wish.origin_lat,
            origin_lon=wish.origin_lon, zone=wish.zone, price_both_minor=wish.price_both_minor, tiers=wish.tiers,
            price_one_way_minor=wish.price_one_way_minor, minimum=wish.minimum, cap=wish.cap, deadline_at=wish.deadline_at,
            state=TripState.DRAFT, secured=0, held=0, opened_at=None, created_at=await busload_now(conn),
        )  # fmt: skip
        await trips.add_trip(conn, trip)
        for stop in wish.stops:
            await add_stop_within(conn, trip, stop, state=StopState.APPROVED)
        return trip


def trip_faults(wish: TripWish, event: Event) -> list[FieldError]:
    """Everything that is wrong with a new trip, each with its remedy."""
    if faults := moment_faults(deadline_at=wish.deadline_at):
        return faults
    faults = zone_fault("zone", wish.zone) + place_faults("origin_", wish.origin_lat, wish.origin_lon)
    faults += line_faults({"origin": (wish.origin, LONGEST_NAME)})
    if not 0 < wish.price_both_minor <= LARGEST or not 0 < (1 if wish.price_one_way_minor is None else wish.price_one_way_minor) <= LARGEST:
        faults.append(FieldError(field="price_both_minor", message="Prices are minor units above 0 (3200 is 32.00)."))
    if not 1 <= wish.minimum <= wish.cap <= LARGEST:
        faults.append(FieldError(field="minimum", message="The minimum is at least 1 and at most the cap."))
    if wish.deadline_at > event.booking_closes_at:
        faults.append(FieldError(field="deadline_at", message="The deadline must not come after booking closes."))
    steps = [(0, wish.price_both_minor), *wish.tiers]
    if any(people >= more or price <= less for (people, price), (more, less) in pairwise(steps)) or any(p <= 0 for _, p in steps):
        faults.append(FieldError(field="tiers", message="Tiers are [people, price] with more people and a lower price at each step."))
    for number, stop in enumerate(wish.stops):
        faults += zone_fault(f"stops[{number}].zone", stop.zone) + place_faults(f"stops[{number}].", stop.lat, stop.lon)
        faults += line_faults({f"stops[{number}].name": (stop.name, LONGEST_NAME)})
        if stop.address:
            faults += line_faults({f"stops[{number}].address": (stop.address, LONGEST_ADDRESS)})
        if not 0 < stop.max_ride_s <= LONGEST_RIDE_S:
            faults.append(FieldError(field=f"stops[{number}].max_ride_s", message="A ride takes more than 0 seconds and at most two days."))
    return faults


async def add_stop_within(conn: Connection, trip: Trip, wish: StopWish, *, state: StopState) -> Stop:
    """A stop of the trip's event, sold by this trip; one of the same name and place is shared."""
    for known in await events.list_stops(conn, trip.event_id):
        if known.name == wish.name.strip() and max(abs(known.lat - wish.lat), abs(known.lon - wish.lon)) < SAME_PLACE_DEG:
            await trips.add_trip_stop(conn, trip_id=trip.id, stop_id=known.id, event_id=trip.event_id)
            return known
    stop = Stop(
        id=new_id(), public_code=public_code(6), event_id=trip.event_id, name=wish.name.strip(), address=wish.address.strip(), lat=wish.lat,
        lon=wish.lon, zone=wish.zone, dwell_s=300, max_ride_s=wish.max_ride_s, state=state,
    )  # fmt: skip
    await events.add_stop(conn, stop)
    await trips.add_trip_stop(conn, trip_id=trip.id, stop_id=stop.id, event_id=trip.event_id)
    return stop


async def open_trip(pool: Pool, trip_id: UUID, *, actor: str) -> Trip:
    """`draft -> open`: its terms and the event's fee are frozen. Refuses one without an approved stop or past its deadline."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "opened")
        trip = await trips.lock_trip(conn, trip_id)
        if trip is None:
            raise NotFound("There is no such trip.", code="unknown_trip")
        TRIP_MACHINE.check(trip.state, TripState.OPEN)
        event = await events.get_event(conn, trip.event_id)
        assert event is not None
        now = await busload_now(conn)
        if event.state is not EventState.SCHEDULED or event.booking_closes_at <= now:
            raise Conflict("The event is cancelled or its booking has closed; its trips cannot open any more.", code="booking_closed")
        if trip.deadline_at <= now:
            raise Conflict("The deadline has passed; set a later one first.", code="deadline_passed")
        if not any(stop.state is StopState.APPROVED for stop in await events.list_stops_of_trip(conn, trip_id)):
            raise Conflict("A trip needs at least one approved stop before it can open.", code="no_stop")
        await trips.set_trip_state(conn, trip_id, come_from=TripState.DRAFT, go_to=TripState.OPEN)
        await events.freeze_terms(conn, trip.event_id)
        await set_timer(conn, "trip_deadline", trip.id, trip.deadline_at)
        await set_timer(conn, "booking_close", event.id, event.booking_closes_at)
        await set_timer(conn, "capacity_deadline", event.id, event.capacity_deadline_at)
        await tell(conn, "event", trip.event_id)
        opened = await trips.get_trip(conn, trip_id)
        assert opened is not None
        return opened


async def ease_trip(pool: Pool, trip_id: UUID, *, minimum: int | None, deadline_at: datetime | None, actor: str) -> Trip:
    """A later deadline or a lower minimum, audited and told to every rider; a lower minimum may tip the trip at once."""
    if deadline_at is not None and (faults := moment_faults(deadline_at=deadline_at)):
        raise Invalid(faults[0].message, fields=tuple(faults))
    async with transaction(pool) as conn:
        await act_as(conn, actor, "terms eased")
        trip = await trips.lock_trip(conn, trip_id)
        if trip is None:
            raise NotFound("There is no such trip.", code="unknown_trip")
        if trip.state not in {TripState.DRAFT, TripState.OPEN}:
            raise Conflict(f"This trip is {trip.state.value}; its minimum and deadline are settled.", code="trip_closed")
        event = await events.get_event(conn, trip.event_id)
        assert event is not None
        new_minimum, new_deadline = trip.minimum if minimum is None else minimum, deadline_at or trip.deadline_at
        if not 1 <= new_minimum <= trip.cap:
            raise Invalid.field("minimum", f"The minimum is at least 1 and at most the cap of {trip.cap}.")
        if trip.state is TripState.OPEN and (new_minimum > trip.minimum or new_deadline < trip.deadline_at):
            raise Invalid.field(
                "minimum" if new_minimum > trip.minimum else "deadline_at",
                "An open trip's minimum may only fall and its deadline only move later.",
                code="terms_only_ease",
            )
        if new_deadline > event.booking_closes_at:
            raise Invalid.field("deadline_at", "The deadline must not come after booking closes.")
        now = await busload_now(conn)
        if trip.state is TripState.OPEN and trip.deadline_at < now:
            raise Conflict("The deadline of this trip has passed.", code="deadline_passed")
        await trips.ease_terms(conn, trip_id, minimum=new_minimum, deadline_at=new_deadline)
        await record_change(
            conn,
            "trip",
            trip_id,
            trip.state.value,
            {"minimum": [trip.minimum, new_minimum], "deadline_at": [trip.deadline_at, new_deadline]},
        )
        if trip.state is TripState.OPEN:
            await set_timer(conn, "trip_deadline", trip.id, new_deadline)
            await tell_eased(conn, trip, event, minimum=new_minimum, deadline_at=new_deadline)
        eased = await trips.get_trip(conn, trip_id)
        assert eased is not None
        if tips(eased, now):
            await confirm_within(conn, eased, tipped_by=None, now=now)
        await tell(conn, "trip", trip_id)
        final = await trips.get_trip(conn, trip_id)
        assert final is not None
        return final


async def tell_eased(conn: Connection, trip: Trip, event: Event, *, minimum: int, deadline_at: datetime) -> None:
    """Old and new terms to everyone who pledged."""
    live = await pledges.lock_pledges_of_trip(conn, trip.id, sorted(LIVE))
    await queue_mails(
        conn,
        [
            NewMail(
                dedupe_key=f"terms-eased:{pledge.id}:{minimum}:{deadline_at.isoformat()}",
                recipient=pledge.email,
                template="terms_eased",
                locale=pledge.locale,
                subject_id=pledge.id,
                data={
                    "pledge_id": str(pledge.id),
                    "name": pledge.name,
                    "origin": trip.origin,
                    "event": event.name,
                    "old_minimum": trip.minimum,
                    "minimum": minimum,
                    "old_deadline_at": trip.deadline_at.isoformat(),
                    "deadline_at": deadline_at.isoformat(),
                    "zone": trip.zone,
                },
            )
            for pledge in live
        ],
    )

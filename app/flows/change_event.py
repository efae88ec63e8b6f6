"""An event that moves or is cancelled reaches every rider, with a free exit."""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from app.core.audit import act_as, record_change
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.errors import Conflict, Invalid, NotFound
from app.core.idempotency import KeyedRequest, claim_key
from app.core.ids import new_id
from app.core.inputs import LONGEST_ADDRESS, LONGEST_NAME
from app.core.live import tell
from app.core.timers import set_timer
from app.domain.events import store as events
from app.domain.events.model import EVENT_MACHINE, Event, EventState
from app.domain.notifications.model import NewMail
from app.domain.notifications.service import queue_mails
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge
from app.domain.trips import store as trips
from app.domain.trips.model import TRIP_MACHINE, Trip, TripState
from app.flows.cancel_trip import cancel_trip_within
from app.flows.plan_event import line_faults, moment_faults, place_faults
from app.flows.seats_freed import call_off_event_within

FREE_EXIT = timedelta(days=7)


class EventMove(msgspec.Struct, frozen=True, kw_only=True):
    """The event's new times and place, complete."""

    starts_at: datetime
    ends_at: datetime
    arrive_by_at: datetime
    return_departs_at: datetime
    booking_closes_at: datetime
    capacity_deadline_at: datetime
    venue_name: str
    address: str
    lat: float
    lon: float


async def move_event(pool: Pool, event_id: UUID, move: EventMove, *, actor: str) -> Event:
    """Moves an event whose booking is open: every rider is told old and new, and may leave in full for a week or until booking closes."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "event moved")
        event = await lock_scheduled(conn, event_id)
        now = await busload_now(conn)
        check_move(event, move, now)
        check_deadlines(await trips.lock_trips_of_event(conn, event_id), move)
        await events.move_event(conn, event_id, **msgspec.structs.asdict(move))
        await record_change(
            conn,
            "event",
            event_id,
            event.state.value,
            {"starts_at": [event.starts_at, move.starts_at], "venue": [event.venue_name, move.venue_name]},
        )
        await set_timer(conn, "booking_close", event_id, move.booking_closes_at)
        await set_timer(conn, "capacity_deadline", event_id, move.capacity_deadline_at)
        until = min(now + FREE_EXIT, move.booking_closes_at)
        told = await pledges.list_pledges_by_id(conn, await pledges.grant_free_exit(conn, event_id, until))
        await queue_mails(conn, [moved_mail(pledge, event, move, until) for pledge in told])
        await tell(conn, "event", event_id)
        moved = await events.get_event(conn, event_id)
        assert moved is not None
        return moved


async def lock_scheduled(conn: Connection, event_id: UUID) -> Event:
    """The event, locked; refuses one that does not exist or is cancelled."""
    event = await events.lock_event(conn, event_id)
    if event is None:
        raise NotFound("There is no such event.", code="unknown_event")
    if event.state is not EventState.SCHEDULED:
        raise Conflict("This event is cancelled.", code="event_cancelled")
    return event


def check_move(event: Event, move: EventMove, now: datetime) -> None:
    """Refuses a move after booking closed or one whose times do not follow each other."""
    if event.booking_closed_at is not None:
        raise Conflict(
            "Booking has closed and buses are being routed. Cancel the event's trips, or open a new event.", code="booking_closed"
        )
    faults = moment_faults(
        starts_at=move.starts_at,
        ends_at=move.ends_at,
        arrive_by_at=move.arrive_by_at,
        return_departs_at=move.return_departs_at,
        booking_closes_at=move.booking_closes_at,
        capacity_deadline_at=move.capacity_deadline_at,
    )
    faults += line_faults({"venue_name": (move.venue_name, LONGEST_NAME)}) + place_faults("", move.lat, move.lon)
    faults += line_faults({"address": (move.address, LONGEST_ADDRESS)}) if move.address else []
    if faults:
        raise Invalid(faults[0].message, fields=tuple(faults))
    order = [now, move.booking_closes_at, move.capacity_deadline_at, move.arrive_by_at, move.return_departs_at]
    if (
        order != sorted(order)
        or move.starts_at >= move.ends_at
        or move.arrive_by_at > move.starts_at
        or move.capacity_deadline_at == move.arrive_by_at
    ):
        raise Invalid.field(
            "starts_at",
            "Times must follow each other: booking closes, capacity deadline, arrival, start, end, and the way back after the arrival.",
        )


def check_deadlines(of_event: list[Trip], move: EventMove) -> None:
    """Refuses a booking close before the deadline of a trip that still collects pledges: a deadline is promised and only moves later."""
    late = [
        trip.origin for trip in of_event if trip.state in {TripState.DRAFT, TripState.OPEN} and trip.deadline_at > move.booking_closes_at
    ]
    if late:
        raise Invalid.field(
            "booking_closes_at",
            f"Booking must not close before the deadline of a trip ({', '.join(late)}). Close it later, or cancel those trips first.",
            code="deadline_after_booking_close",
        )


def moved_mail(pledge: Pledge, event: Event, move: EventMove, until: datetime) -> NewMail:
    """Old and new time and place, and the free exit."""
    return NewMail(
        dedupe_key=f"event-moved:{pledge.id}:{event.sequence + 1}", recipient=pledge.email, template="event_moved", locale=pledge.locale,
        subject_id=pledge.id,
        data={
            "pledge_id": str(pledge.id), "name": pledge.name, "event": event.name, "old_starts_at": event.starts_at.isoformat(),
            "starts_at": move.starts_at.isoformat(), "old_venue": event.venue_name, "venue": move.venue_name, "zone": event.zone,
            "free_exit_until": until.isoformat(),
        },
    )  # fmt: skip


async def cancel_event(pool: Pool, event_id: UUID, *, actor: str, reason: str, request: KeyedRequest | None = None) -> Event:
    """Cancels an event and every trip that can still be; all money goes back. Again is no error; KeyReused for a key of another request."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, reason)
        if request is not None:
            await claim_key(conn, scope=f"cancel:{event_id}", key=request.key, body=request.body, effect_id=new_id())
        event = await events.lock_event(conn, event_id)
        if event is None:
            raise NotFound("There is no such event.", code="unknown_event")
        if event.state is EventState.CANCELLED:
            return event
        EVENT_MACHINE.check(event.state, EventState.CANCELLED)
        await events.set_event_state(conn, event_id, come_from=event.state, go_to=EventState.CANCELLED)
        for trip in await trips.lock_trips_of_event(conn, event_id):
            if TRIP_MACHINE.allows(trip.state, TripState.CANCELLED):
                await cancel_trip_within(conn, trip.id, reason=reason)
        await call_off_event_within(conn, event)
        await tell(conn, "event", event_id)
        cancelled = await events.get_event(conn, event_id)
        assert cancelled is not None
        return cancelled

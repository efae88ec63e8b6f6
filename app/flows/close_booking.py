"""Booking close: selling and collection end, credits become due, and the paid demand of the event is to be planned."""

from datetime import timedelta
from uuid import UUID

from app.core.audit import act_as, record_change
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.errors import Conflict, NotFound
from app.core.jobs import enqueue_for
from app.core.live import tell
from app.core.timers import clear_timer, set_timer
from app.domain.dispatch.model import Cause
from app.domain.dispatch.service import resolve
from app.domain.dispatch.store import demand as paid
from app.domain.dispatch.store import snapshots
from app.domain.events import store as events
from app.domain.events.model import Event, EventState
from app.domain.trips import store as trips
from app.domain.trips.model import TripState
from app.flows.allocate_event import unseated_of
from app.flows.collect_payment import end_collection_within
from app.flows.credit_back import credit_back_within
from app.flows.want_plan import want_plan_within

SETTLING = timedelta(seconds=10)
PLANNED = frozenset({TripState.CONFIRMED, TripState.ALLOCATED})


async def close_booking(pool: Pool, event_id: UUID) -> None:
    """Timer `booking_close`. Charges under way settle first: the timer comes back for them. Repeatable."""
    async with transaction(pool) as conn:
        await act_as(conn, "timer", "booking close")
        event = await events.lock_event(conn, event_id)
        if event is None or event.state is EventState.CANCELLED:
            return
        if event.booking_closed_at is None and await busload_now(conn) < event.booking_closes_at:
            return  # it was moved to a later day
        await close_within(conn, event, cause=Cause.BOOKING_CLOSE)


async def dispatch_event(pool: Pool, event_id: UUID, *, actor: str) -> None:
    """The organiser closes booking now, or has an event planned again that is closed already (also after the fifth round).

    Raises NotFound, or Conflict `event_cancelled`, `trips_still_open`, `nothing_to_dispatch`, `capacity_deadline_passed`.
    """
    async with transaction(pool) as conn:
        await act_as(conn, actor, "dispatch")
        event = await events.lock_event(conn, event_id)
        if event is None:
            raise NotFound("There is no such event.", code="unknown_event")
        await check_dispatchable(conn, event)
        await record_change(conn, "event", event.id, event.state.value, {"dispatch": "requested"})
        await close_within(conn, event, cause=Cause.ORGANISER if event.booking_closed_at else Cause.BOOKING_CLOSE)


async def check_dispatchable(conn: Connection, event: Event) -> None:
    """Refuses what cannot be planned, each with its own code."""
    stranded = await unseated_of(conn, event, await paid.list_paid_parties(conn, event.id))
    if event.state is EventState.CANCELLED and not stranded:
        raise Conflict("This event is cancelled and nobody waits for a way home; there is nothing to plan.", code="event_cancelled")
    if await busload_now(conn) >= await snapshots.read_seating_deadline(conn, event.id):
        raise Conflict("The capacity deadline has passed: whoever had no seat by then has been refunded.", code="capacity_deadline_passed")
    states = [trip.state for trip in await trips.list_trips(conn, [event.id])]
    if still := states.count(TripState.OPEN):
        raise Conflict(
            f"{still} trip(s) of this event still collect pledges. Wait for their deadlines, or cancel them first.", code="trips_still_open"
        )
    if not PLANNED & set(states) and not stranded:
        raise Conflict("No trip of this event is confirmed, so there is nobody to plan for.", code="nothing_to_dispatch")


async def close_within(conn: Connection, event: Event, *, cause: Cause) -> None:
    """Ends selling; once no charge is under way any more, ends collection and wishes for a plan."""
    await trips.lock_trips_of_event(conn, event.id)
    await events.close_bookings(conn, event.id)
    await tell(conn, "event", event.id)
    if not await end_collection_within(conn, event.id):
        await set_timer(conn, "booking_close", event.id, await busload_now(conn) + SETTLING)
        return
    await clear_timer(conn, "booking_close", event.id)
    await credit_back_within(conn, event.id)
    await set_timer(conn, "capacity_deadline", event.id, await snapshots.read_seating_deadline(conn, event.id))
    if cause is Cause.ORGANISER:
        await resolve(conn, event.id, ["no_plan"])
        await enqueue_for(conn, "solve_event", await snapshots.list_unsolved(conn, event.id))
    await want_plan_within(conn, event.id, cause, at_once=True)

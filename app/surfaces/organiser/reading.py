"""What organiser pages read: events, their trips and stops, their money, the trail of anything."""

from app.core.audit import AuditEntry, read_trail
from app.core.database import Connection
from app.core.errors import NotFound
from app.domain.events import store as events
from app.domain.events.model import Event, Stop
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge, PledgeState
from app.domain.trips import store as trips
from app.domain.trips.model import Trip


async def event_by_code(conn: Connection, code: str) -> Event:
    """An event by its public code, or NotFound."""
    event_id = await events.find_event_id(conn, code)
    event = await events.get_event(conn, event_id) if event_id else None
    if event is None:
        raise NotFound("There is no such event.", code="unknown_event")
    return event


async def trip_by_code(conn: Connection, code: str) -> tuple[Trip, Event]:
    """A trip by its public code with its event, or NotFound."""
    trip_id = await trips.find_trip_id(conn, code)
    trip = await trips.get_trip(conn, trip_id) if trip_id else None
    event = await events.get_event(conn, trip.event_id) if trip else None
    if trip is None or event is None:
        raise NotFound("There is no such trip.", code="unknown_trip")
    return trip, event


async def read_trip_sheet(conn: Connection, trip: Trip) -> tuple[list[Stop], list[Pledge], list[AuditEntry]]:
    """A trip's stops, its pledges, and the trail of it and of its newest pledges."""
    stops = await events.list_stops_of_trip(conn, trip.id)
    found = [p for p in await pledges.list_pledges_of_event(conn, trip.event_id, sorted(PledgeState)) if p.trip_id == trip.id]
    return stops, found, await read_trail(conn, [trip.id, *(pledge.id for pledge in found)])

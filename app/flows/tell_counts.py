"""A partner hears how its trips fill: at most one message a minute and trip, with the newest counts."""

from app.core.database import Connection
from app.domain.events import store as events
from app.domain.partners.service import queue_counts
from app.domain.trips.model import Trip


async def tell_counts_within(conn: Connection, trip: Trip) -> None:
    """Queues the counts of a trip as it is now for the partner of its event, if it has one."""
    event = await events.get_event(conn, trip.event_id)
    if event is None or event.partner_id is None:
        return
    counts = {
        "trip": trip.public_code,
        "event": event.public_code,
        "secured": trip.secured,
        "minimum": trip.minimum,
        "cap": trip.cap,
        "to_go": trip.to_go,
    }
    await queue_counts(conn, event.partner_id, subject_id=trip.id, data=counts)

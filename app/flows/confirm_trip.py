"""The promise to run: made once, never taken back because some cards fail later."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app.core.clock import busload_now
from app.core.database import Connection
from app.core.jobs import enqueue_for
from app.core.live import tell
from app.core.timers import clear_timer
from app.domain.events import store as events
from app.domain.partners.service import queue_news
from app.domain.payments.dates import COLLECTION_WINDOW
from app.domain.payments.service import BEFORE_MAILS
from app.domain.trips import store as trips
from app.domain.trips.model import Trip, TripState
from app.flows.confirm_store import add_confirmed_mails, add_fares, confirm_active


async def confirm_within(conn: Connection, trip: Trip, *, tipped_by: UUID | None, now: datetime) -> None:
    """Confirms a locked trip that tips at `now`: confirmation row, pledges, payment rows, jobs, news, all in the caller's transaction."""
    await trips.add_confirmation(
        conn, trip_id=trip.id, pledge_id=tipped_by, secured=trip.secured, minimum=trip.minimum, deadline_at=trip.deadline_at, decided_at=now
    )
    if not await trips.set_trip_state(conn, trip.id, come_from=TripState.OPEN, go_to=TripState.CONFIRMED):
        raise LookupError("a locked open trip was not open")
    await clear_timer(conn, "trip_deadline", trip.id)
    await collect_fares(conn, trip, await confirm_active(conn, trip.id))
    await tell_partner(conn, trip)
    await tell(conn, "trip", trip.id)
    await tell(conn, "event", trip.event_id)


async def tell_partner(conn: Connection, trip: Trip) -> None:
    """The event's partner hears that the trip runs."""
    event = await events.get_event(conn, trip.event_id)
    if event is not None and event.partner_id is not None:
        data = {"trip": trip.public_code, "event": event.public_code}
        await queue_news(conn, event.partner_id, "trip.confirmed", subject_id=trip.id, data=data)


async def collect_fares(conn: Connection, trip: Trip, pledge_ids: Sequence[UUID]) -> None:
    """One payment row per confirmed pledge, due at once, and the good news to its rider: a few statements, however many there are."""
    if not pledge_ids:
        return
    event = await events.get_event(conn, trip.event_id)
    assert event is not None
    now = await busload_now(conn)
    collect_until = max(now, min(now + COLLECTION_WINDOW, event.booking_closes_at))
    payment_ids = await add_fares(conn, pledge_ids, book=event.book, origin=trip.origin, event_name=event.name, collect_until=collect_until)
    await enqueue_for(conn, "charge_payment", payment_ids, priority=BEFORE_MAILS)
    mail_ids = await add_confirmed_mails(conn, pledge_ids, origin=trip.origin, event_name=event.name)
    await enqueue_for(conn, "send_mail", mail_ids)

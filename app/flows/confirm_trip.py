"""The promise to run: made once, never taken back because some cards fail later."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app.core.clock import busload_now
from app.core.database import Connection
from app.core.ids import new_id
from app.core.live import tell
from app.core.timers import clear_timer
from app.domain.events import store as events
from app.domain.events.model import Event
from app.domain.notifications.model import NewMail
from app.domain.notifications.service import queue_mails
from app.domain.partners.service import queue_news
from app.domain.payments.dates import COLLECTION_WINDOW
from app.domain.payments.model import NewPayment
from app.domain.payments.service import make_due
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge, PledgeState
from app.domain.trips import store as trips
from app.domain.trips.model import Trip, TripState


async def confirm_within(conn: Connection, trip: Trip, *, tipped_by: UUID | None, now: datetime) -> None:
    """Confirms a locked trip that tips at `now`: confirmation row, pledges, payment rows, jobs, news, all in the caller's transaction."""
    await trips.add_confirmation(
        conn, trip_id=trip.id, pledge_id=tipped_by, secured=trip.secured, minimum=trip.minimum, deadline_at=trip.deadline_at, decided_at=now
    )
    if not await trips.set_trip_state(conn, trip.id, come_from=TripState.OPEN, go_to=TripState.CONFIRMED):
        raise LookupError("a locked open trip was not open")
    await clear_timer(conn, "trip_deadline", trip.id)
    active = await pledges.lock_pledges_of_trip(conn, trip.id, [PledgeState.ACTIVE])
    await pledges.set_pledge_states(conn, [pledge.id for pledge in active], come_from=[PledgeState.ACTIVE], go_to=PledgeState.CONFIRMED)
    await collect_fares(conn, trip, active)
    await tell_partner(conn, trip)
    await tell(conn, "trip", trip.id)
    await tell(conn, "event", trip.event_id)


async def tell_partner(conn: Connection, trip: Trip) -> None:
    """The event's partner hears that the trip runs."""
    event = await events.get_event(conn, trip.event_id)
    if event is not None and event.partner_id is not None:
        data = {"trip": trip.public_code, "event": event.public_code}
        await queue_news(conn, event.partner_id, "trip.confirmed", subject_id=trip.id, data=data)


async def collect_fares(conn: Connection, trip: Trip, confirmed: Sequence[Pledge]) -> None:
    """One payment row per confirmed pledge, due at once, and the good news to its rider."""
    event = await events.get_event(conn, trip.event_id)
    assert event is not None
    now = await busload_now(conn)
    collect_until = max(now, min(now + COLLECTION_WINDOW, event.booking_closes_at))
    await make_due(conn, [fare_of(pledge, trip, event, collect_until) for pledge in confirmed])
    await queue_mails(conn, [confirmed_mail(pledge, trip, event) for pledge in confirmed])


def fare_of(pledge: Pledge, trip: Trip, event: Event, collect_until: datetime) -> NewPayment:
    """The charge of a confirmed pledge."""
    assert pledge.customer_ref is not None
    assert pledge.payment_method_ref is not None, "only verified cards are confirmed"
    return NewPayment(
        id=new_id(), reference=pledge.id, purpose="fare", book=event.book, amount_minor=pledge.amount_minor, currency=pledge.currency,
        description=f"Busload {pledge.public_code}: {trip.origin} to {event.name}", customer_ref=pledge.customer_ref,
        payment_method_ref=pledge.payment_method_ref, collect_until=collect_until,
    )  # fmt: skip


def confirmed_mail(pledge: Pledge, trip: Trip, event: Event) -> NewMail:
    """The trip runs, and what is charged."""
    return NewMail(
        dedupe_key=f"trip-confirmed:{pledge.id}", recipient=pledge.email, template="trip_confirmed", locale=pledge.locale,
        subject_id=pledge.id,
        data={
            "pledge_id": str(pledge.id), "name": pledge.name, "code": pledge.public_code, "origin": trip.origin, "event": event.name,
            "people": pledge.people, "amount_minor": pledge.amount_minor, "currency": pledge.currency, "card": pledge.card_label,
        },
    )  # fmt: skip

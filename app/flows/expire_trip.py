"""The deadline: a trip below its minimum expires and nobody pays."""

from uuid import UUID

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Pool, transaction
from app.core.live import tell
from app.domain.events import store as events
from app.domain.notifications.model import NewMail
from app.domain.notifications.service import queue_mails
from app.domain.partners.service import queue_news
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge, PledgeState
from app.domain.trips import store as trips
from app.domain.trips.model import Trip, TripState, expires
from app.flows.give_back import give_back_within


async def expire_trip(pool: Pool, trip_id: UUID) -> bool:
    """`open -> expired` past the deadline and under the minimum: pledges released, cards forgotten, riders told. Repeatable."""
    async with transaction(pool) as conn:
        await act_as(conn, "timer", "deadline passed below the minimum")
        trip = await trips.lock_trip(conn, trip_id)
        if trip is None or not expires(trip, await busload_now(conn)):
            return False
        event = await events.get_event(conn, trip.event_id)
        assert event is not None
        await trips.set_trip_state(conn, trip.id, come_from=TripState.OPEN, go_to=TripState.EXPIRED)
        gone = await pledges.lock_pledges_of_trip(conn, trip.id, [PledgeState.PENDING_CARD, PledgeState.ACTIVE])
        await give_back_within(conn, gone, reason="cancellation")
        await queue_mails(conn, [expired_mail(pledge, trip, event.name) for pledge in gone])
        if event.partner_id is not None:
            news = {"trip": trip.public_code, "event": event.public_code}
            await queue_news(conn, event.partner_id, "trip.expired", subject_id=trip.id, data=news)
        await tell(conn, "trip", trip.id)
        return True


def expired_mail(pledge: Pledge, trip: Trip, event_name: str) -> NewMail:
    """The trip does not run, nothing was charged."""
    return NewMail(
        dedupe_key=f"trip-expired:{pledge.id}", recipient=pledge.email, template="trip_expired", locale=pledge.locale, subject_id=pledge.id,
        data={
            "name": pledge.name, "code": pledge.public_code, "origin": trip.origin, "event": event_name, "minimum": trip.minimum,
            "secured": trip.secured,
        },
    )  # fmt: skip

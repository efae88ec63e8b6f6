"""A trip does not run after all: everything paid goes back, offers are withdrawn, everyone is told."""

from uuid import UUID

from app.core.audit import act_as
from app.core.database import Connection, Pool, transaction
from app.core.errors import NotFound
from app.core.idempotency import KeyedRequest, claim_key
from app.core.ids import new_id
from app.core.live import tell
from app.core.timers import clear_timer
from app.domain.events import store as events
from app.domain.notifications.model import NewMail
from app.domain.notifications.service import queue_mails
from app.domain.partners.service import queue_news
from app.domain.payments.model import RefundReason
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge, PledgeState
from app.domain.trips import store as trips
from app.domain.trips.model import TRIP_MACHINE, Trip, TripState
from app.flows.give_back import give_back_within
from app.flows.leave_by_ladder import give_back_kept_within
from app.flows.seats_freed import free_seats_within

LIVE = (PledgeState.PENDING_CARD, PledgeState.ACTIVE, PledgeState.CONFIRMED, PledgeState.PAID)


async def cancel_trip(pool: Pool, trip_id: UUID, *, actor: str, reason: str, request: KeyedRequest | None = None) -> Trip:
    """Cancels a trip; again is no error. Raises Conflict once it has departed or expired, KeyReused for a key of another request."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, reason)
        if request is not None:
            await claim_key(conn, scope=f"cancel:{trip_id}", key=request.key, body=request.body, effect_id=new_id())
        seen = await trips.get_trip(conn, trip_id)
        event = await events.lock_event(conn, seen.event_id) if seen is not None else None
        gone = await cancel_trip_within(conn, trip_id, reason=reason)
        assert event is not None, "a trip that does not exist is refused above"
        await free_seats_within(conn, event, gone, cause="trip cancelled")
        cancelled = await trips.get_trip(conn, trip_id)
        assert cancelled is not None
        return cancelled


async def cancel_trip_within(conn: Connection, trip_id: UUID, *, reason: str) -> list[UUID]:
    """The same inside a transaction whose actor is set; returns the pledges that left. Their places in a plan are the caller's to free."""
    trip = await trips.lock_trip(conn, trip_id)
    if trip is None:
        raise NotFound("There is no such trip.", code="unknown_trip")
    if trip.state is TripState.CANCELLED:
        return []
    TRIP_MACHINE.check(trip.state, TripState.CANCELLED)
    event = await events.get_event(conn, trip.event_id)
    assert event is not None
    await trips.set_trip_state(conn, trip.id, come_from=trip.state, go_to=TripState.CANCELLED)
    await clear_timer(conn, "trip_deadline", trip.id)
    gone = await pledges.lock_pledges_of_trip(conn, trip.id, LIVE)
    refunded = await give_back_within(conn, gone, reason=RefundReason.CANCELLATION)
    await queue_mails(conn, [cancelled_mail(pledge, trip, event.name, reason, refunded.get(pledge.id, 0)) for pledge in gone])
    kept = await give_back_kept_within(conn, trip.id, reason=RefundReason.CANCELLATION)
    await queue_mails(conn, [cancelled_mail(pledge, trip, event.name, reason, back_minor) for pledge, back_minor in kept])
    if event.partner_id is not None:
        await queue_news(
            conn, event.partner_id, "trip.cancelled", subject_id=trip.id, data={"trip": trip.public_code, "event": event.public_code}
        )
    await tell(conn, "trip", trip.id)
    return [pledge.id for pledge in gone]


def cancelled_mail(pledge: Pledge, trip: Trip, event_name: str, reason: str, refund_minor: int) -> NewMail:
    """What happened, why, and what comes back."""
    return NewMail(
        dedupe_key=f"trip-cancelled:{pledge.id}", recipient=pledge.email, template="trip_cancelled", locale=pledge.locale,
        subject_id=pledge.id,
        data={
            "name": pledge.name, "code": pledge.public_code, "origin": trip.origin, "event": event_name, "reason": reason,
            "refund_minor": refund_minor, "currency": pledge.currency,
        },
    )  # fmt: skip

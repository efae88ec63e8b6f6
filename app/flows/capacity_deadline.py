"""The capacity deadline: whoever has no seat by now is refunded in full and told why; trips without anybody seated do not run."""

from collections.abc import Sequence
from uuid import UUID

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.timers import clear_timer
from app.domain.dispatch.model import OfferState, Party
from app.domain.dispatch.service import resolve, withdraw
from app.domain.dispatch.store import demand as paid
from app.domain.dispatch.store import offers, plans, snapshots
from app.domain.events import store as events
from app.domain.events.model import Event
from app.domain.notifications.model import NewMail
from app.domain.notifications.service import queue_mails
from app.domain.payments.model import RefundReason
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge, PledgeState
from app.domain.trips import store as trips
from app.domain.trips.model import TripState
from app.flows.allocate_event import allocate_within, unseated_of
from app.flows.cancel_trip import cancel_trip_within
from app.flows.give_back import give_back_within
from app.flows.send_offers import tell_withdrawn

WHY = "By the last day for it no bus with a seat for you had been found."


async def end_capacity(pool: Pool, event_id: UUID) -> None:
    """Timer `capacity_deadline`. Offers withdrawn, the unseated refunded, empty trips cancelled, the rest allocated. Repeatable.

    Of an event cancelled since, only trips that had departed are left: who lost the way back is refunded like everybody.
    """
    async with transaction(pool) as conn:
        await act_as(conn, "timer", "capacity deadline")
        event = await events.lock_event(conn, event_id)
        if event is None:
            return
        if await busload_now(conn) < await snapshots.read_seating_deadline(conn, event.id):
            return
        await trips.lock_trips_of_event(conn, event.id)
        await stop_planning(conn, event)
        parties = await paid.list_paid_parties(conn, event.id)
        unseated = await unseated_of(conn, event, parties)
        await cancel_empty_trips(conn, event, parties, unseated)
        await refund_unseated(conn, event, unseated)
        await resolve(conn, event.id, ["unseated", "no_plan", "operator_pulled_out"])
        await allocate_within(conn, event, cause="capacity deadline")


async def stop_planning(conn: Connection, event: Event) -> None:
    """Nothing more is asked or planned."""
    await snapshots.drop_wish(conn, event.id)
    await clear_timer(conn, "replan", event.id)
    waiting = [o for o in await offers.list_offers_of_event(conn, event.id) if o.state in {OfferState.PROPOSED, OfferState.SENT}]
    await tell_withdrawn(conn, event, await withdraw(conn, waiting))


async def cancel_empty_trips(conn: Connection, event: Event, parties: Sequence[Party], unseated: Sequence[Party]) -> None:
    """A trip is cancelled only when none of its people is seated, and no bus is out for it."""
    lacking = {party.pledge_id for party in unseated}
    running = {party.trip_id for party in parties if party.pledge_id not in lacking} | await plans.list_begun_trips(conn, event.id)
    for trip in await trips.list_trips(conn, [event.id]):
        if trip.state in {TripState.CONFIRMED, TripState.ALLOCATED} and trip.id not in running:
            await cancel_trip_within(conn, trip.id, reason=WHY)
            await plans.leave_duties(conn, [party.pledge_id for party in parties if party.trip_id == trip.id])


async def refund_unseated(conn: Connection, event: Event, unseated: Sequence[Party]) -> None:
    """Everything back, for all legs, and the reason; those of a trip just cancelled have been refunded with it."""
    found = await pledges.list_pledges_by_id(conn, [party.pledge_id for party in unseated])
    left = [pledge for pledge in found if pledge.state is PledgeState.PAID]
    refunded = await give_back_within(conn, left, reason=RefundReason.UNSEATED)
    await plans.leave_duties(conn, [pledge.id for pledge in left])
    await queue_mails(conn, [unseated_mail(event, pledge, refunded.get(pledge.id, 0)) for pledge in left])


def unseated_mail(event: Event, pledge: Pledge, refund_minor: int) -> NewMail:
    """Why there is no seat, and what comes back."""
    return NewMail(
        dedupe_key=f"unseated:{pledge.id}",
        recipient=pledge.email,
        template="unseated",
        locale=pledge.locale,
        subject_id=pledge.id,
        data={
            "name": pledge.name,
            "code": pledge.public_code,
            "event": event.name,
            "reason": WHY,
            "refund_minor": refund_minor,
            "currency": pledge.currency,
            "phone": event.contact_phone,
        },
    )

"""People who had a place leave (their trip is cancelled, they take a free exit): duties follow."""

from collections.abc import Sequence
from uuid import UUID

from app.core.clock import busload_now
from app.core.database import Connection
from app.core.live import tell
from app.core.timers import set_timer
from app.domain.dispatch.model import Cause, Offer, OfferState, Scope
from app.domain.dispatch.service import withdraw
from app.domain.dispatch.store import demand as paid
from app.domain.dispatch.store import offers, plans, snapshots
from app.domain.events.model import Event
from app.domain.manifests import store as manifests
from app.domain.manifests.day_store import list_closed_duties
from app.domain.trips import store as trips
from app.domain.trips.model import TripState
from app.flows.issue_manifests import issue_manifests_within
from app.flows.seats_lost import relieve_drivers
from app.flows.send_offers import tell_withdrawn
from app.flows.want_plan import want_plan_within

STANDING = frozenset({TripState.CONFIRMED, TripState.ALLOCATED})


async def free_seats_within(conn: Connection, event: Event, pledge_ids: Sequence[UUID], *, cause: str) -> None:
    """Takes parties off their duties. Duties nobody rides any more are called off, open ones are planned again, manifests follow.

    The event is locked, then its trips; the pledges have left their trip already. Before booking close there is nothing to do.
    """
    if event.booking_closed_at is None or not pledge_ids:
        return
    await plans.leave_duties(conn, pledge_ids)
    history = await offers.list_offers_of_event(conn, event.id)
    await call_off(
        conn, event, [o for o in history if o.state is OfferState.ACCEPTED and not await paid.list_parties_of_duty(conn, o.duty_id)]
    )
    if any(offer.state in {OfferState.PROPOSED, OfferState.SENT} for offer in history):
        await want_plan_within(conn, event.id, Cause.SUPERSEDED)
    if await manifests.read_current_manifests(conn, event.id):
        await issue_manifests_within(conn, event.id, cause=cause)
    await end_empty_trips(conn, event)


async def end_empty_trips(conn: Connection, event: Event) -> None:
    """After the capacity deadline nobody joins a trip that the last of its people have left: it is looked at once more, and cancelled.

    One whose bus is out already departs and ends with it.
    """
    now = await busload_now(conn)
    if now < await snapshots.read_seating_deadline(conn, event.id):
        return
    empty = {trip.id for trip in await trips.list_trips(conn, [event.id]) if trip.state in STANDING and not trip.secured}
    if empty - await plans.list_begun_trips(conn, event.id):
        await set_timer(conn, "capacity_deadline", event.id, now)


async def call_off(conn: Connection, event: Event, unwanted: Sequence[Offer]) -> None:
    """`accepted -> withdrawn` for duties that nobody needs any more: the operator and the drivers are told.

    A duty that has begun goes on: somebody drives it, and its hire is owed.
    """
    empty = await not_begun(conn, unwanted)
    await offers.withdraw_offers(conn, [offer.id for offer in empty], states=[OfferState.ACCEPTED])
    await tell_withdrawn(conn, event, empty)
    for duty in await plans.list_duties_by_id(conn, [offer.duty_id for offer in empty]):
        await relieve_drivers(conn, event, duty)
        await tell(conn, "duty", duty.id)


async def not_begun(conn: Connection, accepted: Sequence[Offer]) -> list[Offer]:
    """The offers whose bus is still to leave its depot, and whose driver has closed nothing."""
    now = await busload_now(conn)
    closed = await list_closed_duties(conn, [offer.duty_id for offer in accepted])
    return [offer for offer in accepted if now < offer.starts_at and offer.duty_id not in closed]


async def call_off_event_within(conn: Connection, event: Event) -> None:
    """The event does not take place: every offer is withdrawn, accepted ones whose duty has not begun too. The event is locked.

    Buses that bring people home who have set out already go on, or are still asked for; whoever of them has lost theirs is planned for.
    """
    history = await offers.list_offers_of_event(conn, event.id)
    needed = await plans.list_duties_of_departed(conn, event.id)
    homeward = {duty.id for duty in await plans.list_duties_by_id(conn, list(needed)) if duty.scope is Scope.RETURN}
    waiting = [offer for offer in history if offer.state in {OfferState.PROPOSED, OfferState.SENT} and offer.duty_id not in homeward]
    await tell_withdrawn(conn, event, await withdraw(conn, waiting))
    await call_off(conn, event, [offer for offer in history if offer.state is OfferState.ACCEPTED and offer.duty_id not in needed])
    if await manifests.read_current_manifests(conn, event.id):
        await issue_manifests_within(conn, event.id, cause="event cancelled")
    await snapshots.drop_unsolved(conn, event.id)
    if needed:
        await want_plan_within(conn, event.id, Cause.SUPERSEDED, at_once=True)

"""A rider leaves: free until the trip is confirmed, and free again when the event moves."""

from uuid import UUID

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.errors import Conflict, NotFound
from app.core.jobs import enqueue_for
from app.core.live import tell
from app.core.timers import clear_timer
from app.domain.events import store as events
from app.domain.events.model import Event
from app.domain.notifications.service import queue_mail
from app.domain.payments.model import RefundReason
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge, PledgeState
from app.domain.trips import store as trips
from app.domain.trips.model import Trip
from app.flows.give_back import free_people, give_back_within
from app.flows.seats_freed import free_seats_within
from app.flows.tell_counts import tell_counts_within

LEAVES_FREELY = (PledgeState.PENDING_CARD, PledgeState.ACTIVE)
ALREADY_OUT = frozenset(
    {PledgeState.WITHDRAWN, PledgeState.LAPSED, PledgeState.RELEASED, PledgeState.REFUNDED, PledgeState.REFUSED, PledgeState.DROPPED}
)


async def withdraw_pledge(pool: Pool, pledge_id: UUID, *, actor: str) -> Pledge:
    """Withdraws a pledge; again is no error. Raises Conflict `pledge_confirmed` once the trip runs and no free exit is open."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "withdrawn by the rider")
        event, trip, pledge = await lock_for_leaving(conn, pledge_id)
        if pledge.state in ALREADY_OUT:
            return pledge
        if pledge.state in LEAVES_FREELY:
            await leave(conn, pledge)
        elif pledge.free_exit_until is not None and await busload_now(conn) <= pledge.free_exit_until:
            await give_back_within(conn, [pledge], reason=RefundReason.FREE_EXIT)
            await free_seats_within(conn, event, [pledge.id], cause="free exit")
        else:
            raise Conflict(
                "This trip is confirmed, so the pledge is binding. You may pass your seats on to somebody else, or write to us.",
                code="pledge_confirmed",
            )
        await tell_withdrawal(conn, pledge, trip)
        if pledge.state is not PledgeState.PENDING_CARD:
            emptier = await trips.get_trip(conn, trip.id)
            assert emptier is not None
            await tell_counts_within(conn, emptier)
        return await pledges.lock_pledge(conn, pledge_id)


async def lock_for_leaving(conn: Connection, pledge_id: UUID) -> tuple[Event, Trip, Pledge]:
    """The pledge with its trip, locked; its event, locked too when leaving may empty a bus that is planned already."""
    seen = await pledges.get_pledge(conn, pledge_id)
    if seen is None:
        raise NotFound("There is no such pledge.", code="unknown_pledge")
    event = await (events.get_event if seen.free_exit_until is None else events.lock_event)(conn, seen.event_id)
    trip = await trips.lock_trip(conn, seen.trip_id)
    assert event is not None
    assert trip is not None
    return event, trip, await pledges.lock_pledge(conn, pledge_id)


async def leave(conn: Connection, pledge: Pledge) -> None:
    """Nothing was charged: the seats are free and the card is forgotten."""
    await pledges.set_pledge_states(conn, [pledge.id], come_from=LEAVES_FREELY, go_to=PledgeState.WITHDRAWN)
    await clear_timer(conn, "pledge_hold", pledge.id)
    await free_people(conn, [pledge])
    await enqueue_for(conn, "detach_card", [pledge.id])
    await tell(conn, "pledge", pledge.id)


async def tell_withdrawal(conn: Connection, pledge: Pledge, trip: Trip) -> None:
    """A receipt for leaving."""
    await queue_mail(
        conn, dedupe_key=f"pledge-withdrawn:{pledge.id}", recipient=pledge.email, template="pledge_withdrawn", locale=pledge.locale,
        subject_id=pledge.id,
        data={"name": pledge.name, "code": pledge.public_code, "origin": trip.origin, "trip": trip.public_code,
            "paid": pledge.state is PledgeState.PAID},
    )  # fmt: skip

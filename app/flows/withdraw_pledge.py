"""A rider leaves: free until the trip is confirmed and when the event moves, by the refund ladder after the confirmation."""

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
from app.flows.leave_by_ladder import leave_by_ladder_within
from app.flows.same_holder import check_holder
from app.flows.seats_freed import free_seats_within
from app.flows.tell_counts import tell_counts_within

LEAVES_FREELY = (PledgeState.PENDING_CARD, PledgeState.ACTIVE)
ALREADY_OUT = frozenset(
    {PledgeState.WITHDRAWN, PledgeState.LAPSED, PledgeState.RELEASED, PledgeState.REFUNDED, PledgeState.REFUSED, PledgeState.DROPPED}
)


async def withdraw_pledge(pool: Pool, pledge_id: UUID, *, actor: str, at_least_minor: int | None = None) -> Pledge:
    """Withdraws a pledge; again is no error. Free before the confirmation and while a free exit is open, by the refund ladder else.

    `at_least_minor`: what the rider was shown to get back. Raises Conflict `refund_changed` when it would be less by now,
    `trip_just_confirmed` when the trip was confirmed this very moment, `trip_under_way` once the bus has left.
    """
    async with transaction(pool) as conn:
        await act_as(conn, actor, "withdrawn by the rider")
        event, trip, pledge = await lock_for_leaving(conn, pledge_id)
        if pledge.state in ALREADY_OUT:
            return pledge
        now = await busload_now(conn)
        back_minor: int | None = None
        if pledge.state in LEAVES_FREELY:
            await leave(conn, pledge)
        elif pledge.free_exit_until is not None and now <= pledge.free_exit_until:
            back_minor = sum((await give_back_within(conn, [pledge], reason=RefundReason.FREE_EXIT)).values())
            await free_seats_within(conn, event, [pledge.id], cause="free exit")
        else:
            back_minor = await leave_by_ladder_within(conn, event, trip, pledge, now=now, at_least_minor=at_least_minor)
        await tell_withdrawal(conn, pledge, trip, back_minor)
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
    freely = seen.state in LEAVES_FREELY and seen.free_exit_until is None
    event = await (events.get_event if freely else events.lock_event)(conn, seen.event_id)
    trip = await trips.lock_trip(conn, seen.trip_id)
    assert event is not None
    assert trip is not None
    pledge = await pledges.lock_pledge(conn, pledge_id)
    check_holder(seen, pledge)
    if freely and pledge.state not in {*LEAVES_FREELY, *ALREADY_OUT}:
        raise Conflict(
            "Your trip was confirmed this very moment, so its refund ladder applies now. Look at what comes back, and decide again.",
            code="trip_just_confirmed",
        )
    return event, trip, pledge


async def leave(conn: Connection, pledge: Pledge) -> None:
    """Nothing was charged: the seats are free and the card is forgotten."""
    await pledges.set_pledge_states(conn, [pledge.id], come_from=LEAVES_FREELY, go_to=PledgeState.WITHDRAWN)
    await clear_timer(conn, "pledge_hold", pledge.id)
    await free_people(conn, [pledge])
    await enqueue_for(conn, "detach_card", [pledge.id])
    await tell(conn, "pledge", pledge.id)


async def tell_withdrawal(conn: Connection, pledge: Pledge, trip: Trip, back_minor: int | None) -> None:
    """A receipt for leaving; `back_minor` is what goes back, None when the trip was not confirmed yet."""
    await queue_mail(
        conn, dedupe_key=f"pledge-withdrawn:{pledge.id}", recipient=pledge.email, template="pledge_withdrawn", locale=pledge.locale,
        subject_id=pledge.id,
        data={"name": pledge.name, "code": pledge.public_code, "origin": trip.origin, "trip": trip.public_code,
            "paid": pledge.state is PledgeState.PAID, "back_minor": back_minor or 0, "currency": pledge.currency,
            "confirmed": back_minor is not None},
    )  # fmt: skip

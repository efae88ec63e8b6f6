"""A rider leaves after the confirmation: the trip's refund ladder says what comes back, what stays is part of the fares."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.audit import record_change
from app.core.database import Connection
from app.core.errors import Conflict
from app.core.jobs import enqueue_for
from app.domain.events.ladder import RefundStep, TermsShown, share_at, steps_for
from app.domain.events.model import Event
from app.domain.payments import refund_store
from app.domain.payments import store as payments
from app.domain.payments.model import CHARGED, WAITING, Payment, Refund, RefundReason
from app.domain.payments.service import let_go, make_refund_due, refund_rest, refund_share
from app.domain.payments.shares import back_of
from app.domain.pledges import ladder_store, store
from app.domain.pledges.model import Pledge, PledgeState
from app.domain.trips.model import Trip, TripState
from app.flows.give_back import free_people
from app.flows.seats_freed import free_seats_within

ON_THE_LADDER = (PledgeState.CONFIRMED, PledgeState.PAID)
BEFORE_DEPARTURE = frozenset({TripState.CONFIRMED, TripState.ALLOCATED})


async def read_steps(conn: Connection, event: Event, pledge_id: UUID) -> list[RefundStep]:
    """The ladder of one pledge with its dates: what it was shown, or better."""
    shown = await ladder_store.read_terms_shown(conn, pledge_id)
    return steps_for(event, msgspec.convert(shown, TermsShown) if shown else None)


def held_of(charges: Sequence[Payment], refunds: Sequence[Refund]) -> list[int]:
    """What charges that went through still hold, minor units, in their order."""
    back: dict[UUID, int] = {}
    for refund in refunds:
        back[refund.payment_id] = back.get(refund.payment_id, 0) + refund.amount_minor
    return [charge.amount_minor - back.get(charge.id, 0) for charge in charges if charge.state in CHARGED]


async def leave_by_ladder_within(
    conn: Connection, event: Event, trip: Trip, pledge: Pledge, *, now: datetime, at_least_minor: int | None
) -> int:
    """`paid -> refunded` or `confirmed -> withdrawn`; returns what goes back now. Event (after booking close), trip and pledge are locked.

    Charges that wait are let go: who has not paid leaves as freely as who cannot. One under way settles first and then gives the same
    share back (`refund_late_charge`). Raises Conflict `trip_under_way`, or `refund_changed` when less would come back than was shown.
    """
    if trip.state not in BEFORE_DEPARTURE:
        raise Conflict("This trip is on its way or over; there is nothing to withdraw from any more.", code="trip_under_way")
    refund_bp = share_at(await read_steps(conn, event, pledge.id), now)
    charges = await payments.lock_payments_of(conn, [pledge.id])
    held = held_of(charges, await refund_store.list_refunds_of(conn, [charge.id for charge in charges]))
    if back_of(held, refund_bp) < (at_least_minor or 0):
        raise Conflict(
            "A step of the refund ladder has passed: less comes back now than was shown. Look again and decide.", code="refund_changed"
        )
    await let_go(conn, [charge for charge in charges if charge.state in WAITING])
    back_minor, kept_minor = await refund_share(conn, charges, refund_bp, reason=RefundReason.LADDER)
    await ladder_store.add_exit(conn, pledge.id, refund_bp=refund_bp, kept_minor=kept_minor)
    go_to = PledgeState.REFUNDED if pledge.state is PledgeState.PAID else PledgeState.WITHDRAWN
    await store.set_pledge_states(conn, [pledge.id], come_from=ON_THE_LADDER, go_to=go_to)
    await record_change(
        conn, "pledge", pledge.id, go_to.value, {"refund_bp": refund_bp, "back_minor": back_minor, "kept_minor": kept_minor}
    )
    await free_people(conn, [pledge])
    await enqueue_for(conn, "detach_card", [pledge.id])
    await free_seats_within(conn, event, [pledge.id], cause="rider withdrew")
    return back_minor


async def refund_late_charge(conn: Connection, pledge: Pledge, payment: Payment) -> None:
    """A charge has gone through although its pledge had left: by the ladder its share goes back, in every other way all of it."""
    left = await ladder_store.find_exit(conn, pledge.id)
    if left is None:
        await make_refund_due(conn, payment, reason=RefundReason.CANCELLATION, amount_minor=payment.amount_minor)
        return
    _, kept_minor = await refund_share(conn, [payment], left.refund_bp, reason=RefundReason.LADDER)
    await ladder_store.keep_more(conn, pledge.id, kept_minor)


async def give_back_kept_within(conn: Connection, trip_id: UUID, *, reason: str) -> list[tuple[Pledge, int]]:
    """The trip does not run: what stayed of those who left by the ladder goes back too. Returns (pledge, minor units)."""
    gone = [left.pledge_id for left in await ladder_store.list_exits_of_trip(conn, trip_id)]
    if not gone:
        return []
    charges = await payments.lock_payments_of(conn, gone)
    refunded = await refund_rest(conn, charges, reason)
    await ladder_store.keep_nothing(conn, gone)
    by_pledge = {pledge_id: sum(refunded.get(c.id, 0) for c in charges if c.reference == pledge_id) for pledge_id in gone}
    return [(pledge, by_pledge[pledge.id]) for pledge in await store.list_pledges_by_id(conn, gone) if by_pledge[pledge.id]]

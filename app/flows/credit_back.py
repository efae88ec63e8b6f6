"""Booking close: everyone pays the tier that paid people reached; who agreed to more gets the difference back."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from app.core.database import Connection
from app.domain.payments import refund_store
from app.domain.payments import store as payments
from app.domain.payments.model import CHARGED, Payment, RefundReason
from app.domain.payments.service import make_refund_due
from app.domain.payments.shares import spread_over
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge, PledgeState
from app.domain.trips import store as trips
from app.domain.trips.model import Trip, price_for


def credit_of(trip: Trip, pledge: Pledge, paid_people: int) -> int:
    """What a paid party gets back, minor units: its agreed price less the price at the tier reached, for all of its people."""
    price_minor = price_for(trip, pledge.legs, paid_people)
    return 0 if price_minor is None else max(0, pledge.price_minor - price_minor) * pledge.people


async def credit_back_within(conn: Connection, event_id: UUID) -> int:
    """Makes the credits of an event's paid pledges due; returns their sum. Its trips are locked; a second call adds nothing."""
    paid = await pledges.list_pledges_of_event(conn, event_id, [PledgeState.PAID])
    by_id = {trip.id: trip for trip in await trips.list_trips(conn, [event_id])}
    people: dict[UUID, int] = {}
    for pledge in paid:
        people[pledge.trip_id] = people.get(pledge.trip_id, 0) + pledge.people
    credits_minor = {pledge.id: credit_of(by_id[pledge.trip_id], pledge, people[pledge.trip_id]) for pledge in paid}
    charges = await payments.list_payments_of(conn, [pledge_id for pledge_id, credit in credits_minor.items() if credit])
    ids = [charge.id for charge in charges]
    done = {refund.payment_id for refund in await refund_store.list_refunds_of(conn, ids) if refund.reason == RefundReason.CREDIT_BACK}
    before = await refund_store.refunded_minor(conn, ids)
    left = {charge.id: charge.amount_minor - before.get(charge.id, 0) for charge in charges}
    of_pledge: dict[UUID, list[Payment]] = defaultdict(list)
    for charge in charges:
        if charge.state in CHARGED:
            of_pledge[charge.reference].append(charge)
    return sum(
        [
            await spread(conn, credits_minor[pledge_id], mine, left)
            for pledge_id, mine in of_pledge.items()
            if done.isdisjoint(charge.id for charge in mine)
        ]
    )


async def spread(conn: Connection, credit_minor: int, charges: Sequence[Payment], left: Mapping[UUID, int]) -> int:
    """Makes a credit due on a pledge's charges, each for no more than it still holds: a party that changed has several. Returns the sum."""
    due = 0
    for charge, part in zip(charges, spread_over(credit_minor, [left[charge.id] for charge in charges]), strict=True):
        if part > 0 and await make_refund_due(conn, charge, reason=RefundReason.CREDIT_BACK, amount_minor=part):
            due += part
    return due

"""A rider changes stop, seats, wheelchair places or legs until booking closes; money follows the party."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.audit import act_as, record_change
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.errors import Conflict, Invalid, NotFound
from app.core.ids import new_id
from app.core.live import tell
from app.domain.events import store as events
from app.domain.events.model import Event, check_stop
from app.domain.notifications.service import queue_mail
from app.domain.payments import refund_store
from app.domain.payments import store as payments
from app.domain.payments.dates import COLLECTION_WINDOW
from app.domain.payments.model import CHARGED, UNSETTLED, NewPayment, Payment
from app.domain.payments.service import make_due, make_refund_due
from app.domain.pledges import store as pledges
from app.domain.pledges.model import HELD, LIVE, MAX_PEOPLE, MAX_PEOPLE_PER_CARD, Pledge, PledgeState
from app.domain.pledges.waiting import check_line
from app.domain.trips import store as trips
from app.domain.trips.model import BOTH_LEGS, Trip, check_room, check_selling, price_for, tips
from app.flows.confirm_trip import confirm_within
from app.flows.same_holder import check_holder
from app.flows.secure_pledge import over_card_cap
from app.flows.wait_for_seats import read_kept_for_line


class PledgeChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change; None stays as it is."""

    stop_id: UUID | None
    seats: int | None
    wheelchairs: int | None
    legs: tuple[str, ...] | None
    needs: str | None


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """A pledge's party after a change."""

    stop_id: UUID
    seats: int
    wheelchairs: int
    legs: tuple[str, ...]
    price_minor: int
    needs: str

    @property
    def people(self) -> int:
        """Seats and wheelchairs together."""
        return self.seats + self.wheelchairs

    @property
    def amount_minor(self) -> int:
        """For all of its people."""
        return self.price_minor * self.people


async def change_pledge(pool: Pool, pledge_id: UUID, wish: PledgeChange, *, actor: str) -> Pledge:
    """Changes a live pledge. A paid one is charged or refunded the difference; a change that makes the trip's minimum tips it.

    Refuses after booking close, above the cap, at an unknown or unapproved stop, and while a charge of the pledge is under way.
    """
    async with transaction(pool) as conn:
        await act_as(conn, actor, "changed by the rider")
        seen = await pledges.get_pledge(conn, pledge_id)
        trip = await trips.lock_trip(conn, seen.trip_id) if seen else None
        if seen is None or trip is None:
            raise NotFound("There is no such pledge.", code="unknown_pledge")
        pledge = await pledges.lock_pledge(conn, pledge_id)
        check_holder(seen, pledge)
        event = await events.get_event(conn, trip.event_id)
        assert event is not None
        now = await busload_now(conn)
        check_changeable(trip, event, pledge, now)
        party = await changed_party(conn, trip, pledge, wish)
        await move(conn, trip, pledge, party)
        await settle_difference(conn, event, pledge, party)
        await pledges.set_party(
            conn, pledge.id, stop_id=party.stop_id, seats=party.seats, wheelchairs=party.wheelchairs, legs=party.legs,
            price_minor=party.price_minor, needs=party.needs,
        )  # fmt: skip
        await record_change(conn, "pledge", pledge.id, pledge.state.value, difference(pledge, party))
        await tip_if_reached(conn, trip.id, pledge, now)
        await tell_change(conn, pledge, party, trip)
        await tell(conn, "trip", trip.id)
        await tell(conn, "pledge", pledge.id)
        return await pledges.lock_pledge(conn, pledge_id)


def check_changeable(trip: Trip, event: Event, pledge: Pledge, now: datetime) -> None:
    """Refuses what cannot be changed any more."""
    if pledge.state not in LIVE:
        raise Conflict(
            f"This pledge is {pledge.state.value.replace('_', ' ')}; there is nothing to change.", code=f"pledge_is_{pledge.state.value}"
        )
    check_selling(trip, booking_closes_at=event.booking_closes_at, booking_closed=event.booking_closed_at is not None, now=now)


async def changed_party(conn: Connection, trip: Trip, pledge: Pledge, wish: PledgeChange) -> Party:
    """The party after the change, checked. The price per person stays what was agreed unless the legs change."""
    legs = wish.legs if wish.legs is not None else tuple(pledge.legs)
    seats = pledge.seats if wish.seats is None else wish.seats
    wheelchairs = pledge.wheelchairs if wish.wheelchairs is None else wish.wheelchairs
    if min(seats, wheelchairs) < 0 or not 1 <= seats + wheelchairs <= MAX_PEOPLE:
        raise Invalid.field("seats", f"A pledge is for 1 to {MAX_PEOPLE} people.", code="party_size")
    if legs not in {BOTH_LEGS, *((leg,) for leg in BOTH_LEGS)}:
        raise Invalid.field("legs", "Choose outbound, return, or both (in this order).", code="bad_legs")
    price_minor = pledge.price_minor if len(legs) == len(pledge.legs) else price_for(trip, legs, trip.secured)
    if price_minor is None:
        raise Invalid.field("legs", "This trip is sold there and back only; keep both legs.", code="round_trip_only")
    stop_id = wish.stop_id or pledge.stop_id
    if stop_id != pledge.stop_id:
        check_stop({stop.id: stop for stop in await events.list_stops_of_trip(conn, trip.id)}, stop_id)
    more = seats + wheelchairs - pledge.people
    if more > 0:
        check_room(trip, more)
        check_line(more, room=trip.room, kept=await read_kept_for_line(conn, trip))
        if await over_card_cap(conn, trip.id, pledge.card_fingerprint, people=more):
            raise Conflict(f"One card carries at most {MAX_PEOPLE_PER_CARD} people of a trip.", code="card_limit")
    needs = pledge.needs if wish.needs is None else wish.needs.strip()[:1000]
    return Party(stop_id=stop_id, seats=seats, wheelchairs=wheelchairs, legs=legs, price_minor=price_minor, needs=needs)


async def move(conn: Connection, trip: Trip, pledge: Pledge, party: Party) -> None:
    """The trip's counters follow."""
    more = party.people - pledge.people
    if more:
        held = pledge.state in HELD
        moved = await trips.move_people(conn, trip.id, held=more if held else 0, secured=0 if held else more)
        assert moved is not None, "check_room ran under the trip's lock"


async def settle_difference(conn: Connection, event: Event, pledge: Pledge, party: Party) -> None:
    """Once charged (or about to be), a dearer party is charged the difference, a cheaper one gets it back."""
    more_minor = party.amount_minor - pledge.amount_minor
    if more_minor == 0 or pledge.state not in {PledgeState.CONFIRMED, PledgeState.PAID}:
        return
    charges = await payments.lock_payments_of(conn, [pledge.id])
    if any(payment.state in UNSETTLED for payment in charges):
        raise Conflict(
            "A charge of this pledge is under way. Change seats or legs once it has gone through; the stop can change any time.",
            code="charge_under_way",
            retry_after_s=60,
        )
    number = len(charges) + await count_refunds(conn, charges)
    if more_minor > 0:
        await pledges.add_change(conn, pledge, number=number)
        await charge_more(conn, event, pledge, more_minor, purpose=f"change-{number}")
    else:
        await give_less_back(conn, charges, -more_minor, reason=f"change-{number}")


async def count_refunds(conn: Connection, charges: Sequence[Payment]) -> int:
    """Refunds of these charges so far, for the number of the next change."""
    return len(await refund_store.list_refunds_of(conn, [payment.id for payment in charges]))


async def charge_more(conn: Connection, event: Event, pledge: Pledge, amount_minor: int, *, purpose: str) -> None:
    """A charge of its own for the difference."""
    assert pledge.customer_ref is not None
    assert pledge.payment_method_ref is not None
    now = await busload_now(conn)
    due = NewPayment(
        id=new_id(), reference=pledge.id, purpose=purpose, book=event.book, amount_minor=amount_minor, currency=pledge.currency,
        description=f"Busload {pledge.public_code}: change", customer_ref=pledge.customer_ref, payment_method_ref=pledge.payment_method_ref,
        collect_until=max(now, min(now + COLLECTION_WINDOW, event.booking_closes_at)),
    )  # fmt: skip
    await make_due(conn, [due])


async def give_less_back(conn: Connection, charges: Sequence[Payment], amount_minor: int, *, reason: str) -> None:
    """The difference goes back from the newest charges first, never more than each still holds."""
    before = await refund_store.refunded_minor(conn, [payment.id for payment in charges])
    for payment in sorted(charges, key=lambda p: p.id, reverse=True):
        left = payment.amount_minor - before.get(payment.id, 0)
        part = min(amount_minor, left) if payment.state in CHARGED else 0
        if part > 0:
            await make_refund_due(conn, payment, reason=reason, amount_minor=part)
            amount_minor -= part


def difference(pledge: Pledge, party: Party) -> dict[str, object]:
    """What changed, old and new, for the audit trail."""
    before: dict[str, object] = {
        "stop_id": pledge.stop_id,
        "seats": pledge.seats,
        "wheelchairs": pledge.wheelchairs,
        "legs": tuple(pledge.legs),
    }
    after: dict[str, object] = {"stop_id": party.stop_id, "seats": party.seats, "wheelchairs": party.wheelchairs, "legs": party.legs}
    return {name: [before[name], after[name]] for name in before if before[name] != after[name]}


async def tip_if_reached(conn: Connection, trip_id: UUID, pledge: Pledge, now: datetime) -> None:
    """More people may make the minimum, at the moment at which the change was allowed."""
    trip = await trips.get_trip(conn, trip_id)
    if trip is not None and pledge.state is PledgeState.ACTIVE and tips(trip, now):
        await confirm_within(conn, trip, tipped_by=pledge.id, now=now)


async def tell_change(conn: Connection, pledge: Pledge, party: Party, trip: Trip) -> None:
    """A receipt for the change."""
    now = await busload_now(conn)
    stop = await events.get_stop(conn, party.stop_id)
    await queue_mail(
        conn, dedupe_key=f"pledge-changed:{pledge.id}:{now.isoformat()}", recipient=pledge.email, template="pledge_changed",
        locale=pledge.locale, subject_id=pledge.id,
        data={
            "pledge_id": str(pledge.id), "name": pledge.name, "code": pledge.public_code, "origin": trip.origin,
            "stop": stop.name if stop else "", "people": party.people, "legs": list(party.legs), "amount_minor": party.amount_minor,
            "old_amount_minor": pledge.amount_minor, "currency": pledge.currency,
        },
    )  # fmt: skip

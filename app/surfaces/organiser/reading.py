"""What organiser pages read: events, their trips and stops, their money, the trail of anything."""

from uuid import UUID

import msgspec

from app.core.audit import AuditEntry, read_trail
from app.core.database import Connection
from app.core.errors import NotFound
from app.domain.events import store as events
from app.domain.events.model import Event, Stop
from app.domain.payments import ledger
from app.domain.payments import store as payments
from app.domain.payments.ledger import Balance, Movement
from app.domain.payments.model import CHARGED, IN_FLIGHT, WAITING, Payment, PaymentState, Refund
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge, PledgeState
from app.domain.trips import store as trips
from app.domain.trips.model import Trip


class TripMoney(msgspec.Struct, frozen=True, kw_only=True):
    """What one trip has moved; minor units."""

    trip: Trip
    taken_minor: int
    waiting_minor: int
    failing: int
    refunded_minor: int


class FailedCard(msgspec.Struct, frozen=True, kw_only=True):
    """A charge that did not work and where it is in its window."""

    pledge: Pledge
    payment: Payment


class EventMoney(msgspec.Struct, frozen=True, kw_only=True):
    """The money of an event."""

    taken_minor: int
    waiting_minor: int
    refunded_minor: int
    in_flight: int
    trips: list[TripMoney]
    failed: list[FailedCard]
    balances: list[Balance]
    movements: list[Movement]


async def event_by_code(conn: Connection, code: str) -> Event:
    """An event by its public code, or NotFound."""
    event_id = await events.find_event_id(conn, code)
    event = await events.get_event(conn, event_id) if event_id else None
    if event is None:
        raise NotFound("There is no such event.", code="unknown_event")
    return event


async def trip_by_code(conn: Connection, code: str) -> tuple[Trip, Event]:
    """A trip by its public code with its event, or NotFound."""
    trip_id = await trips.find_trip_id(conn, code)
    trip = await trips.get_trip(conn, trip_id) if trip_id else None
    event = await events.get_event(conn, trip.event_id) if trip else None
    if trip is None or event is None:
        raise NotFound("There is no such trip.", code="unknown_trip")
    return trip, event


async def read_trip_sheet(conn: Connection, trip: Trip) -> tuple[list[Stop], list[Pledge], list[AuditEntry]]:
    """A trip's stops, its pledges, and the trail of it and of its newest pledges."""
    stops = await events.list_stops_of_trip(conn, trip.id)
    found = [p for p in await pledges.list_pledges_of_event(conn, trip.event_id, sorted(PledgeState)) if p.trip_id == trip.id]
    return stops, found, await read_trail(conn, [trip.id, *(pledge.id for pledge in found)])


async def read_money(conn: Connection, event: Event) -> EventMoney:
    """Everything an event has taken, is owed and has given back."""
    all_trips = await trips.list_trips(conn, [event.id])
    by_pledge = {pledge.id: pledge for pledge in await pledges.list_pledges_of_event(conn, event.id, sorted(PledgeState))}
    charges = await payments.list_payments_in_book(conn, event.book)
    refunds = await payments.list_refunds_of(conn, [charge.id for charge in charges])
    rows = [trip_money(trip, charges, refunds, by_pledge) for trip in all_trips]
    failed = [
        FailedCard(pledge=by_pledge[charge.reference], payment=charge)
        for charge in charges
        if charge.state in {PaymentState.RETRYABLE, PaymentState.NEEDS_ACTION}
    ]
    return EventMoney(
        taken_minor=sum(row.taken_minor for row in rows),
        waiting_minor=sum(row.waiting_minor for row in rows),
        refunded_minor=sum(row.refunded_minor for row in rows),
        in_flight=sum(charge.state in IN_FLIGHT for charge in charges),
        trips=rows,
        failed=failed,
        balances=await ledger.list_balances(conn, [event.book]),
        movements=await ledger.list_movements(conn, event.book, limit=100),
    )


def trip_money(trip: Trip, charges: list[Payment], refunds: list[Refund], by_pledge: dict[UUID, Pledge]) -> TripMoney:
    """One trip's part of it."""
    own = [charge for charge in charges if charge.reference in by_pledge and by_pledge[charge.reference].trip_id == trip.id]
    ids = {charge.id for charge in own}
    return TripMoney(
        trip=trip,
        taken_minor=sum(charge.amount_minor for charge in own if charge.state in CHARGED),
        waiting_minor=sum(charge.amount_minor for charge in own if charge.state in WAITING | IN_FLIGHT),
        failing=sum(charge.state in {PaymentState.RETRYABLE, PaymentState.NEEDS_ACTION} for charge in own),
        refunded_minor=sum(refund.amount_minor for refund in refunds if refund.payment_id in ids),
    )

"""What the money pages read of one event: by trip, by day, failed cards, what waits for a person."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from app.core.clock import busload_now
from app.core.database import Connection
from app.domain.dispatch.model import Duty, attribute_hire, seat_metres
from app.domain.dispatch.store import demand, plans
from app.domain.events import store as events
from app.domain.events.model import Event
from app.domain.payments import dispute_store, ledger, ledger_reading, refund_store
from app.domain.payments import store as payments
from app.domain.payments.ledger_reading import DaySum
from app.domain.payments.model import CHARGED, IN_FLIGHT, WAITING, Dispute, DisputeState, Payment, PaymentState, Refund, RefundState
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge, PledgeState
from app.domain.trips import store as trips
from app.domain.trips.model import Trip
from app.surfaces.organiser.money_views import BalanceRow, DayMoney, DisputeRow, EventMoney, FailedCard, HeldRefund, TripMoney
from app.surfaces.organiser.words import account_word, refusal_word

FAILING = frozenset({PaymentState.RETRYABLE, PaymentState.NEEDS_ACTION})
OWED_TO_OTHERS = ("operators:payable", "partners:payable")
OWED = ("riders:fares", *OWED_TO_OTHERS)
COLLECTED_WITHIN = timedelta(days=7)


async def read_event_money(conn: Connection, event: Event) -> EventMoney:
    """Everything an event has taken, is owed, has given back and has paid out."""
    all_trips = await trips.list_trips(conn, [event.id])
    by_pledge = {pledge.id: pledge for pledge in await pledges.list_pledges_of_event(conn, event.id, sorted(PledgeState))}
    charges = await payments.list_payments_in_book(conn, event.book)
    refunds = await refund_store.list_refunds_of(conn, [charge.id for charge in charges])
    rows = await read_trips(conn, event, all_trips, charges, refunds, by_pledge)
    balances = await ledger.list_balances(conn, [event.book])
    found = await dispute_store.list_disputes(conn, book=event.book)
    days = days_of(await ledger_reading.list_days(conn, event.book, event.zone))
    return EventMoney(
        event_id=event.id,
        code=event.public_code,
        name=event.name,
        currency=event.currency,
        zone=event.zone,
        taken_minor=sum(row.taken_minor for row in rows),
        owed_minor=sum(row.owed_minor for row in rows),
        going_back_minor=sum(row.going_back_minor for row in rows),
        refunded_minor=sum(row.refunded_minor for row in rows),
        paid_out_minor=sum(day.paid_out_minor for day in days),
        owed_out_minor=-sum(one.amount_minor for one in balances if one.account in OWED_TO_OTHERS),
        disputed_minor=sum(one.amount_minor for one in balances if one.account == "stripe:disputed"),
        in_flight=sum(charge.state in IN_FLIGHT for charge in charges),
        trips=rows,
        days=days[::-1],
        failed_cards=failed_cards(charges, by_pledge, await busload_now(conn)),
        refunds=await waiting_refunds(conn, refunds, found, {one.id: one for one in charges}, by_pledge, {event.id: event}),
        disputes=dispute_rows(found, {one.id: one for one in charges}, by_pledge, {event.id: event}),
        balances=[
            BalanceRow(account=one.account, title=account_word(one.account), currency=one.currency, amount_minor=one.amount_minor)
            for one in balances
        ],
    )


async def read_trips(
    conn: Connection,
    event: Event,
    all_trips: Sequence[Trip],
    charges: Sequence[Payment],
    refunds: Sequence[Refund],
    by_pledge: Mapping[UUID, Pledge],
) -> list[TripMoney]:
    """Each trip's part."""
    trip_of = {charge.id: by_pledge[charge.reference].trip_id for charge in charges if charge.reference in by_pledge}
    paid_out = await paid_out_by_trip(conn, event)
    rows = []
    for trip in all_trips:
        own = [charge for charge in charges if trip_of.get(charge.id) == trip.id]
        back = [refund for refund in refunds if trip_of.get(refund.payment_id) == trip.id]
        rows.append(
            TripMoney(
                trip_id=trip.id,
                code=trip.public_code,
                origin=trip.origin,
                state=trip.state.value,
                taken_minor=sum(charge.amount_minor for charge in own if charge.state in CHARGED),
                owed_minor=sum(charge.amount_minor for charge in own if charge.state in WAITING | IN_FLIGHT),
                failing=sum(charge.state in FAILING for charge in own),
                going_back_minor=sum(one.amount_minor for one in back if one.given_back_at is None and one.held_by is None),
                refunded_minor=sum(one.amount_minor for one in back if one.given_back_at is not None),
                paid_out_minor=paid_out.get(trip.id, 0),
            )
        )
    return rows


async def paid_out_by_trip(conn: Connection, event: Event) -> dict[UUID, int]:
    """What operators were paid, split over the trips of each duty as its hire is: by seat-kilometres."""
    by_duty = await ledger_reading.paid_out_by_duty(conn, event.book)
    found: dict[UUID, int] = defaultdict(int)
    for duty in await plans.list_current_duties(conn, event.id) if by_duty else ():
        for trip_id, minor in (await split(conn, duty, by_duty.get(duty.id, 0))).items():
            found[trip_id] += minor
    return found


async def split(conn: Connection, duty: Duty, amount_minor: int) -> dict[UUID, int]:
    """One duty's pay by trip."""
    if not amount_minor:
        return {}
    shares = seat_metres(duty.timetable, await demand.list_parties_of_duty(conn, duty.id))
    return attribute_hire(amount_minor, shares) if shares else {}


def days_of(sums: Sequence[DaySum]) -> list[DayMoney]:
    """Days with any movement, oldest first."""
    by_day: dict[date, list[DaySum]] = defaultdict(list)
    for one in sums:
        by_day[one.day].append(one)
    days, owed = [], 0
    for day in sorted(by_day):
        moved = [one for one in by_day[day] if one.account == ledger.CLEARING]
        fares = [one for one in by_day[day] if one.account == ledger.FARES]
        owed -= sum(one.amount_minor for one in by_day[day] if one.account in OWED)
        days.append(
            DayMoney(
                day=day,
                taken_minor=total(moved, "charge"),
                refunded_minor=total(fares, "refund", "refund_failed", "refund_elsewhere"),
                fees_minor=-total(moved, "charge_fee", "dispute_fee", "dispute_fee_back"),
                disputed_minor=-total(moved, "dispute", "dispute_won"),
                paid_out_minor=-total(moved, "payout", "payout_reversal"),
                owed_minor=owed,
            )
        )
    return days


def total(sums: Iterable[DaySum], *kinds: str) -> int:
    """The sum of some kinds."""
    return sum(one.amount_minor for one in sums if one.kind in kinds)


def failed_cards(charges: Sequence[Payment], by_pledge: Mapping[UUID, Pledge], now: datetime) -> list[FailedCard]:
    """Charges that wait for another try or the rider's bank: what ends soonest first."""
    waiting = [charge for charge in charges if charge.state in FAILING and charge.reference in by_pledge]
    return [
        FailedCard(
            payment_id=charge.id,
            pledge_id=charge.reference,
            code=by_pledge[charge.reference].public_code,
            state=charge.state.value,
            why=refusal_word(charge.decline_code, charge.error_code),
            amount_minor=charge.amount_minor,
            currency=charge.currency,
            attempts=charge.attempts,
            since=charge.created_at,
            next_attempt_at=charge.next_attempt_at,
            collect_until=charge.collect_until,
            through=through(charge, now),
        )
        for charge in sorted(waiting, key=lambda one: (one.collect_until, one.id))
    ]


def through(charge: Payment, now: datetime) -> int:
    """How much of the collection window is over, percent."""
    window = charge.collect_until - charge.created_at
    return 100 if window <= timedelta(0) else min(100, max(0, int((now - charge.created_at) * 100 / window)))


async def waiting_refunds(
    conn: Connection,
    refunds: Sequence[Refund],
    found: Sequence[Dispute],
    charges: Mapping[UUID, Payment],
    by_pledge: Mapping[UUID, Pledge],
    by_event: Mapping[UUID, Event],
) -> list[HeldRefund]:
    """Refunds that failed, and those a dispute holds."""
    owed = [one for one in refunds if one.elsewhere_at is None]
    stuck = [one for one in owed if one.state is RefundState.FAILED or (one.held_by is not None and one.state is RefundState.DUE)]
    came_back: dict[UUID, int] = defaultdict(int)
    for failure in await dispute_store.list_refund_failures(conn, [one.id for one in stuck]):
        came_back[failure.refund_id] += 1
    by_dispute = {one.id: one for one in found}
    rows = []
    for one in stuck:
        pledge = by_pledge.get(charges[one.payment_id].reference)
        holder = by_dispute.get(one.held_by) if one.held_by else None
        rows.append(
            HeldRefund(
                id=one.id,
                code=pledge.public_code if pledge else "",
                event_code=by_event[pledge.event_id].public_code if pledge else "",
                reason=one.reason,
                state=one.state.value,
                held=one.held_by is not None,
                may_settle=may_settle(one, holder),
                came_back=came_back[one.id],
                amount_minor=one.amount_minor,
                currency=one.currency,
                why=why_waiting(one, holder, came_back[one.id]),
            )
        )
    return rows


def may_settle(refund: Refund, holder: Dispute | None) -> bool:
    """Whether an organiser may note down that the rider has the money another way: never while a bank still decides."""
    return refund.held_by is None or (holder is not None and holder.state is DisputeState.LOST)


def why_waiting(refund: Refund, holder: Dispute | None, came_back: int) -> str:
    """Why a refund does not go, and what to do."""
    if holder is not None and holder.state is DisputeState.LOST:
        return "Not sent: the bank decided for the rider and has given the money back already. Note it down as settled another way."
    if refund.held_by is not None:
        return "Waits: the rider's bank is deciding about this charge. It goes out by itself if the dispute is won."
    if came_back:
        times = "once" if came_back == 1 else f"{came_back} times"
        return (
            f"Went out and came back {times} ({refund.error_code.replace('_', ' ')}). Send it again; if it comes back once more, ask the "
            "rider whether the card was closed, pay it another way and note that down here."
        )
    return (
        f"Stripe refused it ({refund.error_code.replace('_', ' ') or 'no reason given'}). Look at the charge in Stripe, then send it again."
    )


def dispute_rows(
    found: Sequence[Dispute], charges: Mapping[UUID, Payment], by_pledge: Mapping[UUID, Pledge], by_event: Mapping[UUID, Event]
) -> list[DisputeRow]:
    """Disputes as a list shows them."""
    rows = []
    for one in found:
        pledge = by_pledge[charges[one.payment_id].reference]
        event = by_event[pledge.event_id]
        rows.append(
            DisputeRow(
                id=one.id,
                dispute_ref=one.dispute_ref,
                code=pledge.public_code,
                event_code=event.public_code,
                event=event.name,
                zone=event.zone,
                state=one.state.value,
                reason=one.reason,
                amount_minor=one.amount_minor,
                currency=one.currency,
                opened_at=one.opened_at,
                evidence_due_at=one.evidence_due_at,
                submitted_at=one.submitted_at,
            )
        )
    return rows


async def read_owners(conn: Connection, payment_ids: Sequence[UUID]) -> tuple[dict[UUID, Payment], dict[UUID, Pledge], dict[UUID, Event]]:
    """Payments by id with their pledges and events, whatever event they are of."""
    charges = {one.id: one for one in await payments.list_payments_by_id(conn, payment_ids)}
    found = {one.id: one for one in await pledges.list_pledges_by_id(conn, [charge.reference for charge in charges.values()])}
    by_event = {}
    for event_id in {pledge.event_id for pledge in found.values()}:
        event = await events.get_event(conn, event_id)
        if event is not None:
            by_event[event_id] = event
    return charges, found, by_event

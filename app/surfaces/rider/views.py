"""What riders (and everyone) get to see of events, trips and pledges; also the shapes of the public JSON API."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.domain.events.model import Event, Stop, StopState
from app.domain.payments.model import Payment, Refund
from app.domain.pledges.model import Pledge, PledgeState
from app.domain.trips.model import BOTH_LEGS, OUTBOUND, Trip, TripState, price_for
from app.surfaces.rider.ladder import PledgeLadder, RefundStepView


def legs_chosen(choice: str) -> tuple[str, ...]:
    """The legs of a form's choice: `both`, or one leg by name."""
    return BOTH_LEGS if choice == "both" else (choice,)


class StopView(msgspec.Struct, frozen=True, kw_only=True):
    """A place where coaches may pick up."""

    id: UUID
    code: str
    name: str
    address: str
    lat: float
    lon: float
    zone: str
    state: StopState


class TripView(msgspec.Struct, frozen=True, kw_only=True):
    """A trip as everyone sees it. Prices are what a pledge agrees to now, per person in minor units; counts are people."""

    id: UUID
    code: str
    event_id: UUID
    origin: str
    lat: float
    lon: float
    zone: str
    state: TripState
    currency: str
    price_both_minor: int
    price_one_way_minor: int | None
    tiers: list[tuple[int, int]]
    minimum: int
    cap: int
    secured: int
    held: int
    to_go: int
    room: int
    deadline_at: datetime
    url: str
    live_url: str


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """An event as everyone sees it."""

    id: UUID
    code: str
    name: str
    kind: str
    summary: str
    venue: str
    address: str
    lat: float
    lon: float
    zone: str
    currency: str
    starts_at: datetime
    ends_at: datetime
    arrive_by_at: datetime
    return_departs_at: datetime
    booking_closes_at: datetime
    state: str
    url: str


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of events; `next_cursor` is null on the last one."""

    items: list[EventView]
    next_cursor: str | None


class EventDetail(msgspec.Struct, frozen=True, kw_only=True):
    """An event with its trips."""

    event: EventView
    trips: list[TripView]


class TripDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A trip with its event and stops; `refund_ladder`: what comes back per person after the confirmation, until when."""

    trip: TripView
    event: EventView
    stops: list[StopView]
    refund_ladder: list[RefundStepView]


class ProposalView(msgspec.Struct, frozen=True, kw_only=True):
    """What came of proposing a stop: existing ones near by (nothing was added), or the new one that waits for approval."""

    near: list["NearView"]
    stop: StopView | None


class NearView(msgspec.Struct, frozen=True, kw_only=True):
    """An existing stop near a proposed place."""

    id: UUID
    code: str
    name: str
    address: str
    state: StopState
    distance_m: int


class ChargeView(msgspec.Struct, frozen=True, kw_only=True):
    """A charge of a pledge; `state` as in the payment's state machine."""

    purpose: str
    state: str
    amount_minor: int
    next_attempt_at: datetime | None
    decline_code: str


class RefundView(msgspec.Struct, frozen=True, kw_only=True):
    """Money on its way back or back."""

    reason: str
    state: str
    amount_minor: int


class PledgeView(msgspec.Struct, frozen=True, kw_only=True):
    """A pledge as its owner sees it. `card_url` is where the card is saved, while that is needed.

    `refund_ladder`: what comes back of a confirmed trip's fare, and until when; `refund_now_minor`: of what was charged, should it
    withdraw now; both null in the answer to placing it: read the pledge, or the trip's `refund_ladder`.
    """

    id: UUID
    code: str
    trip_id: UUID
    stop_id: UUID
    state: PledgeState
    name: str
    email: str
    phone: str
    needs: str
    seats: int
    wheelchairs: int
    people: int
    legs: list[str]
    price_minor: int
    amount_minor: int
    currency: str
    card: str
    card_url: str | None
    hold_expires_at: datetime | None
    free_exit_until: datetime | None
    charges: list[ChargeView]
    refunds: list[RefundView]
    refund_ladder: list[RefundStepView] | None
    refund_now_minor: int | None
    terms_version: str


class PlacedPledgeView(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to placing a pledge: `manage_url` opens it for its owner, `manage_token` is its bearer token."""

    pledge: PledgeView
    manage_url: str
    manage_token: str


def view_stop(stop: Stop) -> StopView:
    """A stop for everyone."""
    return StopView(
        id=stop.id,
        code=stop.public_code,
        name=stop.name,
        address=stop.address,
        lat=stop.lat,
        lon=stop.lon,
        zone=stop.zone,
        state=stop.state,
    )


def view_event(event: Event, base_url: str) -> EventView:
    """An event for everyone."""
    return EventView(
        id=event.id,
        code=event.public_code,
        name=event.name,
        kind=event.kind,
        summary=event.summary,
        venue=event.venue_name,
        address=event.address,
        lat=event.lat,
        lon=event.lon,
        zone=event.zone,
        currency=event.currency,
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        arrive_by_at=event.arrive_by_at,
        return_departs_at=event.return_departs_at,
        booking_closes_at=event.booking_closes_at,
        state=event.state.value,
        url=f"{base_url}/e/{event.public_code}",
    )


def view_trip(trip: Trip, currency: str, base_url: str) -> TripView:
    """A trip for everyone, with today's price."""
    both = price_for(trip, BOTH_LEGS, trip.secured)
    assert both is not None
    return TripView(
        id=trip.id,
        code=trip.public_code,
        event_id=trip.event_id,
        origin=trip.origin,
        lat=trip.origin_lat,
        lon=trip.origin_lon,
        zone=trip.zone,
        state=trip.state,
        currency=currency,
        price_both_minor=both,
        price_one_way_minor=price_for(trip, (OUTBOUND,), trip.secured),
        tiers=trip.tiers,
        minimum=trip.minimum,
        cap=trip.cap,
        secured=trip.secured,
        held=trip.held,
        to_go=trip.to_go,
        room=max(0, trip.room),
        deadline_at=trip.deadline_at,
        url=f"{base_url}/trips/{trip.public_code}",
        live_url=f"{base_url}/api/trips/{trip.id}/live",
    )


def view_pledge(pledge: Pledge, charges: list[Payment], refunds: list[Refund], ladder: PledgeLadder | None = None) -> PledgeView:
    """A pledge for its owner."""
    return PledgeView(
        id=pledge.id,
        code=pledge.public_code,
        trip_id=pledge.trip_id,
        stop_id=pledge.stop_id,
        state=pledge.state,
        name=pledge.name,
        email=pledge.email,
        phone=pledge.phone,
        needs=pledge.needs,
        seats=pledge.seats,
        wheelchairs=pledge.wheelchairs,
        people=pledge.people,
        legs=pledge.legs,
        price_minor=pledge.price_minor,
        amount_minor=pledge.amount_minor,
        currency=pledge.currency,
        card=pledge.card_label,
        card_url=pledge.card_url if pledge.state is PledgeState.PENDING_CARD else None,
        hold_expires_at=pledge.hold_expires_at,
        free_exit_until=pledge.free_exit_until,
        charges=[
            ChargeView(
                purpose=c.purpose,
                state=c.state.value,
                amount_minor=c.amount_minor,
                next_attempt_at=c.next_attempt_at,
                decline_code=c.decline_code,
            )
            for c in charges
        ],
        refunds=[RefundView(reason=r.reason, state=r.state.value, amount_minor=r.amount_minor) for r in refunds],
        refund_ladder=ladder.steps if ladder else None,
        refund_now_minor=ladder.now_minor if ladder else None,
        terms_version=pledge.terms_version,
    )

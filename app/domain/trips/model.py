"""Trips: states, terms, and the decisions of the threshold engine as pure functions."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from app.core.errors import Conflict, Refusal
from app.core.machine import Machine


class TripState(StrEnum):
    """DOMAIN: draft, open (takes pledges), confirmed (promised), allocated (buses accepted), departed, completed."""

    DRAFT = "draft"
    OPEN = "open"
    CONFIRMED = "confirmed"
    ALLOCATED = "allocated"
    DEPARTED = "departed"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


TRIP_MACHINE = Machine(
    "trip",
    births=frozenset({TripState.DRAFT}),
    arrows={
        TripState.DRAFT: frozenset({TripState.OPEN, TripState.CANCELLED}),
        TripState.OPEN: frozenset({TripState.CONFIRMED, TripState.EXPIRED, TripState.CANCELLED}),
        TripState.CONFIRMED: frozenset({TripState.ALLOCATED, TripState.CANCELLED}),
        TripState.ALLOCATED: frozenset({TripState.DEPARTED, TripState.CONFIRMED, TripState.CANCELLED}),
        TripState.DEPARTED: frozenset({TripState.COMPLETED}),
    },
)
SELLING = frozenset({TripState.OPEN, TripState.CONFIRMED})
PROMISED = frozenset({TripState.CONFIRMED, TripState.ALLOCATED, TripState.DEPARTED, TripState.COMPLETED})
OUTBOUND, RETURN = "outbound", "return"
BOTH_LEGS = (OUTBOUND, RETURN)


class Trip(msgspec.Struct, frozen=True, kw_only=True):
    """A trip. Prices per person in minor units of its event's currency; `secured` and `held` count people."""

    id: UUID
    public_code: str
    event_id: UUID
    origin: str
    origin_lat: float
    origin_lon: float
    zone: str
    price_both_minor: int
    price_one_way_minor: int | None
    tiers: list[tuple[int, int]]
    minimum: int
    cap: int
    deadline_at: datetime
    state: TripState
    secured: int
    held: int
    opened_at: datetime | None
    created_at: datetime

    @property
    def to_go(self) -> int:
        """People still missing to the minimum."""
        return max(0, self.minimum - self.secured)

    @property
    def room(self) -> int:
        """People who still fit under the cap."""
        return self.cap - self.secured - self.held


class TripFull(Refusal):
    """The party does not fit under the cap."""

    code = "trip_full"
    title = "Not enough seats left"


def tips(trip: Trip, now: datetime) -> bool:
    """Whether the trip confirms now: open, at its minimum, not past its deadline."""
    return trip.state is TripState.OPEN and trip.secured >= trip.minimum and now <= trip.deadline_at


def expires(trip: Trip, now: datetime) -> bool:
    """Whether the go / no-go time found the trip below its minimum."""
    return trip.state is TripState.OPEN and now > trip.deadline_at and trip.secured < trip.minimum


def check_selling(trip: Trip, *, booking_closes_at: datetime, booking_closed: bool, now: datetime) -> None:
    """Refuses, each with its own code, what comes to a trip that takes no pledges (any more)."""
    if trip.state is TripState.DRAFT:
        raise Conflict("This trip is not on sale yet. Come back when it has opened.", code="trip_not_open")
    if trip.state not in SELLING:
        raise Conflict(
            f"This trip is {trip.state.value} and takes no more pledges. Look for another trip to the same event.", code="trip_closed"
        )
    if trip.state is TripState.OPEN and now > trip.deadline_at:
        raise Conflict("The deadline of this trip has passed; it takes no more pledges.", code="deadline_passed")
    if booking_closed or now > booking_closes_at:
        raise Conflict("Booking for this event has closed: its seats are being routed.", code="booking_closed")


def check_room(trip: Trip, people: int) -> None:
    """Refuses a party that does not fit under the cap."""
    if people > trip.room:
        left = max(0, trip.room)
        some = f"Only {left} of {trip.cap} seats are left." if left else f"All {trip.cap} seats are taken."
        raise TripFull(f"{some} Seats people do not pay for come back within 15 minutes; try fewer people, or join the waiting list.")


def tier_price(price_minor: int, tiers: Sequence[tuple[int, int]], people: int) -> int:
    """The price per person when `people` are secured: the lowest tier reached, never above the base price."""
    return min([price_minor, *(tier for reached, tier in tiers if people >= reached)])


def price_for(trip: Trip, legs: Sequence[str], people_secured: int) -> int | None:
    """Price per person for these legs at a number of secured people; None when the trip does not sell one way.

    Tiers are set for the round trip; a one-way price falls in the same proportion, rounded down, but never to nothing.
    """
    both = tier_price(trip.price_both_minor, trip.tiers, people_secured)
    if len(legs) == len(BOTH_LEGS):
        return both
    if trip.price_one_way_minor is None:
        return None
    return max(1, trip.price_one_way_minor * both // trip.price_both_minor)

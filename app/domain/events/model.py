"""Events and stops: Structs, states, and what can be decided from them alone."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import msgspec

from app.core.errors import Conflict, Invalid
from app.core.machine import Machine

LEGS_APART = timedelta(hours=12)
NEAR_STOP_M = 2_000
DEFAULT_LADDER = ((336, 10_000), (168, 5_000), (0, 2_500))  # until 14 days before everything comes back, until 7 half, then a quarter


class EventState(StrEnum):
    """An event takes place or does not."""

    SCHEDULED = "scheduled"
    CANCELLED = "cancelled"


class StopState(StrEnum):
    """A stop takes pledges once approved."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"


EVENT_MACHINE = Machine("event", births=frozenset({EventState.SCHEDULED}), arrows={EventState.SCHEDULED: frozenset({EventState.CANCELLED})})
STOP_MACHINE = Machine(
    "stop",
    births=frozenset({StopState.PROPOSED, StopState.APPROVED}),
    arrows={
        StopState.PROPOSED: frozenset({StopState.APPROVED, StopState.REJECTED}),
        StopState.APPROVED: frozenset({StopState.REJECTED}),
    },
)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What people travel to. Times are UTC; `zone` is the venue's IANA zone; fee and share in basis points.

    `refund_ladder`: (hours before the bus is due, basis points that come back), see ladder.py.
    """

    id: UUID
    public_code: str
    partner_id: UUID | None
    name: str
    kind: str
    summary: str
    venue_name: str
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
    capacity_deadline_at: datetime
    fee_bp: int
    partner_share_bp: int
    max_stops: int
    rider_minute_minor: int
    contact_phone: str
    refund_ladder: list[tuple[int, int]]
    state: EventState
    terms_frozen_at: datetime | None
    booking_closed_at: datetime | None
    sequence: int
    created_at: datetime

    @property
    def book(self) -> str:
        """The ledger book its money is kept in."""
        return f"event:{self.id}"

    @property
    def scopes(self) -> tuple[str, ...]:
        """How its legs are planned: together, or as two problems when they are over 12 h apart."""
        apart = self.return_departs_at - self.arrive_by_at > LEGS_APART
        return ("outbound", "return") if apart else ("both",)


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """A place where coaches may pick up; `max_ride_s` bounds the ride, `dwell_s` is boarding time."""

    id: UUID
    public_code: str
    event_id: UUID
    name: str
    address: str
    lat: float
    lon: float
    zone: str
    dwell_s: int
    max_ride_s: int
    state: StopState


class NearStop(msgspec.Struct, frozen=True, kw_only=True):
    """An existing stop and how far it is from a proposed place."""

    id: UUID
    public_code: str
    name: str
    address: str
    state: StopState
    distance_m: float


def check_stop(stops: Mapping[UUID, Stop], stop_id: UUID) -> None:
    """Refuses a stop that is not one of a trip's (by id) or not approved."""
    stop = stops.get(stop_id)
    if stop is None:
        raise Invalid.field("stop_id", "This trip has no such stop; choose one of those on its page.", code="unknown_stop")
    if stop.state is not StopState.APPROVED:
        raise Conflict(
            f"The stop {stop.name} is {stop.state.value}, not approved; choose another, or wait until it is approved.",
            code="stop_not_approved",
        )

"""Duties, plans and offers: Structs, states, and what can be decided from them alone."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from uuid import UUID

import msgspec

from app.core.machine import Machine
from app.core.money import split_by_weight

OFFER_LIFETIME = timedelta(hours=24)
SHORTEST_OFFER = timedelta(minutes=10)
ASSIGN_UNTIL = timedelta(hours=24)
DRIVER_LINK_AFTERLIFE = timedelta(hours=24)
PULL_OUT_LADDER: tuple[tuple[timedelta, int], ...] = (
    (timedelta(days=14), 0),
    (timedelta(days=7), 10),
    (timedelta(days=3), 25),
    (timedelta(days=1), 50),
    (timedelta(0), 100),
)
"""What pulling out of an accepted duty costs: at least this long before depot out, this many per cent of the hire."""
GATHERING = timedelta(seconds=5)
MAX_ROUNDS = 5


class Scope(StrEnum):
    """Which legs a problem plans: both together, or each alone when they are over 12 h apart."""

    BOTH = "both"
    OUTBOUND = "outbound"
    RETURN = "return"

    @property
    def legs(self) -> tuple[str, ...]:
        """Its legs in order of time."""
        return ("outbound", "return") if self is Scope.BOTH else (self.value,)


class OfferState(StrEnum):
    """A duty proposed to its operator."""

    PROPOSED = "proposed"
    SENT = "sent"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    FAILED = "failed"


OFFER_MACHINE = Machine(
    "offer",
    births=frozenset({OfferState.PROPOSED}),
    arrows={
        OfferState.PROPOSED: frozenset({OfferState.SENT, OfferState.WITHDRAWN}),
        OfferState.SENT: frozenset({OfferState.ACCEPTED, OfferState.DECLINED, OfferState.EXPIRED, OfferState.WITHDRAWN}),
        OfferState.ACCEPTED: frozenset({OfferState.FAILED, OfferState.WITHDRAWN}),
    },
)


class DeclineReason(StrEnum):
    """Why an operator says no: `busy` blocks the vehicle's calendar, any other reason leaves the operator out of this event from now on."""

    BUSY = "busy"
    PRICE = "price"
    DRIVER = "driver"
    VEHICLE = "vehicle"
    OTHER = "other"


class Cause(StrEnum):
    """Why demand is frozen (again)."""

    BOOKING_CLOSE = "booking_close"
    DECLINED = "declined"
    EXPIRED = "expired"
    PULLED_OUT = "pulled_out"
    SUPERSEDED = "superseded"
    ORGANISER = "organiser"


FRESH_CAUSES = frozenset({Cause.BOOKING_CLOSE, Cause.ORGANISER})


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """The people of one paid pledge, as dispatch sees them: nothing personal."""

    pledge_id: UUID
    trip_id: UUID
    stop_id: UUID
    seats: int
    wheelchairs: int
    legs: list[str]

    @property
    def people(self) -> int:
        """Everyone who rides."""
        return self.seats + self.wheelchairs


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One place of a duty in driving order.

    `drive_s`, `drive_m` and `break_s` are the way here from the call before; `is_dead` says that nobody rides on that way. `seats` and
    `wheelchairs` board (outbound stop), get off (return stop) or pass through (venue). Depots and venue have no `stop_id`.
    """

    kind: Literal["depot", "stop", "venue"]
    leg: Literal["outbound", "return"]
    stop_id: UUID | None
    name: str
    address: str
    lat: float
    lon: float
    zone: str
    arrives_at: datetime | None
    departs_at: datetime | None
    drive_s: int
    drive_m: int
    break_s: int
    is_dead: bool
    seats: int
    wheelchairs: int


class QuoteLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a hire price; `quantity` is metres for `distance`, seconds for `hours` and `standby`, else 1."""

    kind: Literal["call_out", "distance", "hours", "standby", "minimum_hire", "second_driver"]
    quantity: int
    amount_minor: int


class Timetable(msgspec.Struct, frozen=True, kw_only=True):
    """Depot out, outbound stops, venue, return stops, depot in; and the lines that sum to the hire.

    The venue is one call on a duty of both legs (arrival, wait, departure); a leg driven empty has no stop calls.
    """

    calls: list[Call]
    quote: list[QuoteLine]


class DutyDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A duty as a plan proposes it, before it has a row."""

    scope: Scope
    operator_id: UUID
    vehicle_id: UUID
    drivers_needed: int
    hire_minor: int
    currency: str
    distance_m: int
    starts_at: datetime
    ends_at: datetime
    timetable: Timetable
    parties: list[Party]

    @property
    def pledge_ids(self) -> list[UUID]:
        """Who rides, in a stable order."""
        return sorted(party.pledge_id for party in self.parties)

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 over vehicle, timetable, riders and price: the same work in the next plan is the same duty."""
        riders = sorted((str(p.pledge_id), str(p.stop_id), p.seats, p.wheelchairs, *p.legs) for p in self.parties)
        work = [self.scope, self.vehicle_id, self.drivers_needed, self.hire_minor, self.currency, self.timetable.calls, riders]
        return hashlib.sha256(msgspec.json.encode(work, order="deterministic")).digest()


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """What one bus does; `starts_at` is depot out, `ends_at` depot in; `hire_minor` pays all of it."""

    id: UUID
    public_code: str
    event_id: UUID
    scope: Scope
    operator_id: UUID
    vehicle_id: UUID
    fingerprint: bytes
    drivers_needed: int
    hire_minor: int
    currency: str
    distance_m: int
    starts_at: datetime
    ends_at: datetime
    timetable: Timetable


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A duty proposed to its operator at its hire price."""

    id: UUID
    public_code: str
    duty_id: UUID
    event_id: UUID
    operator_id: UUID
    vehicle_id: UUID
    round: int
    price_minor: int
    currency: str
    starts_at: datetime
    ends_at: datetime
    state: OfferState
    sent_at: datetime | None
    expires_at: datetime | None
    decided_at: datetime | None
    decline_reason: DeclineReason | None
    decline_note: str


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen problem: `problem` is a busload.problem/1 document whose second 0 is `epoch_at`; `fixed` are duties accepted by then."""

    id: UUID
    event_id: UUID
    scope: Scope
    round: int
    hash: bytes
    epoch_at: datetime
    problem: dict[str, object]
    fixed: list[UUID]
    cause: Cause
    created_at: datetime


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The stored answer of one scope: its figures cover what the solver planned, `plan_duties` also the duties fixed before.

    `kept_duties` stayed as they were, accepted or on offer: no plan that leaves them so and serves the same riders costs less than
    the bound. With 0 no plan at all does.
    """

    id: UUID
    event_id: UUID
    snapshot_id: UUID
    scope: Scope
    round: int
    status: str
    cost_minor: int
    bound_minor: int | None
    kept_duties: int
    seconds: float
    is_current: bool
    needs_approval: bool
    shortfall_minor: int
    approved_by: UUID | None
    created_at: datetime


class Exclusions(msgspec.Struct, frozen=True, kw_only=True):
    """Who is not asked again for this event."""

    vehicle_ids: frozenset[UUID]
    operator_ids: frozenset[UUID]


def offer_expiry(*, now: datetime, capacity_deadline_at: datetime) -> datetime:
    """When an offer sent now runs out: in 24 h, or halfway to the capacity deadline if that is sooner.

    Halfway leaves time for another round. It is never under ten minutes and never after the deadline itself.
    """
    half_way = now + (capacity_deadline_at - now) / 2
    return min(capacity_deadline_at, max(now + SHORTEST_OFFER, min(now + OFFER_LIFETIME, half_way)))


def last_chance(*, now: datetime, starts_at: datetime) -> datetime:
    """Until when another bus is looked for once the capacity deadline is over: halfway to depot out, at most a day."""
    return now + min(OFFER_LIFETIME, max(timedelta(0), (starts_at - now) / 2))


def exclusions_of(offers: list[Offer]) -> Exclusions:
    """`busy` leaves out the vehicle; any other no, silence until the expiry, and pulling out leave out the operator."""
    busy = {o.vehicle_id for o in offers if o.state is OfferState.DECLINED and o.decline_reason is DeclineReason.BUSY}
    refused = {
        o.operator_id
        for o in offers
        if (o.state is OfferState.DECLINED and o.decline_reason is not DeclineReason.BUSY)
        or o.state in {OfferState.EXPIRED, OfferState.FAILED}
    }
    return Exclusions(vehicle_ids=frozenset(busy), operator_ids=frozenset(refused))


def seat_metres(timetable: Timetable, parties: list[Party]) -> dict[UUID, int]:
    """Metres ridden times people, by trip, along one duty: from the stop to the venue, from the venue to the stop."""
    metres_at: dict[tuple[str, UUID | None], int] = {}
    to_go = gone = 0
    for call in reversed([call for call in timetable.calls if call.leg == "outbound"]):
        metres_at["outbound", call.stop_id] = to_go
        to_go += call.drive_m
    for call in [call for call in timetable.calls if call.leg == "return"]:
        gone += call.drive_m
        metres_at["return", call.stop_id] = gone
    shares: dict[UUID, int] = {}
    for party in parties:
        ridden = sum(metres_at.get((leg, party.stop_id), 0) for leg in party.legs)
        shares[party.trip_id] = shares.get(party.trip_id, 0) + ridden * party.people
    return shares


def attribute_hire(hire_minor: int, shares: Mapping[UUID, int]) -> dict[UUID, int]:
    """A duty's hire split over its trips by seat-kilometres, by largest remainder; the parts sum to the hire exactly."""
    trips = sorted(shares)
    return dict(zip(trips, split_by_weight(hire_minor, [shares[trip] for trip in trips]), strict=True))


def shortfall_of(*, fares_minor: int, fee_bp: int, partner_share_bp: int, hire_minor: int) -> int:
    """What the fares of an event lack to pay its hire once our fee and the partner's share are taken, minor units; 0 when they carry it."""
    left = fares_minor - fares_minor * fee_bp // 10_000 - fares_minor * partner_share_bp // 10_000
    return max(0, hire_minor - left)


def pull_out_fee_minor(*, price_minor: int, starts_at: datetime, now: datetime) -> int:
    """What an operator owes for pulling out now, minor units, by the published ladder, rounded down."""
    percent = next((percent for ahead, percent in PULL_OUT_LADDER if starts_at - now >= ahead), 100)
    return price_minor * percent // 100

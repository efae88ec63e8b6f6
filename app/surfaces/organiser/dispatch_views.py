"""What organisers see of an event's dispatch: rounds, duties with their offers, who stays behind, what it costs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.domain.dispatch.model import Call, Duty, Offer, Plan


class DispatchOffer(msgspec.Struct, frozen=True, kw_only=True):
    """An offer of a duty, the newest first."""

    id: UUID
    code: str
    round: int
    state: str
    price_minor: int
    operator: str
    sent_at: datetime | None
    expires_at: datetime | None
    decided_at: datetime | None
    decline_reason: str | None
    decline_note: str


class DispatchDuty(msgspec.Struct, frozen=True, kw_only=True):
    """A duty of the current plan. `hire_by_trip` splits the hire by seat-kilometres: trip id to minor units."""

    id: UUID
    code: str
    scope: str
    route: int
    operator: str
    vehicle: str
    plate: str
    places: int
    people: int
    hire_minor: int
    distance_m: int
    drivers_needed: int
    drivers: list[str]
    starts_at: datetime
    ends_at: datetime
    zone: str
    offer: DispatchOffer | None
    has_manifest: bool
    hire_by_trip: dict[str, int]
    calls: list[Call]


class DispatchPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan as solved: `cost_minor` covers what was planned in its round, `bound_minor` is what serving the same parties costs at least.

    `kept_duties` were accepted or on offer and stayed as they were; the bound is for plans that leave them so.
    """

    id: UUID
    scope: str
    round: int
    cause: str
    status: str
    cost_minor: int
    bound_minor: int | None
    kept_duties: int
    seconds: float
    is_current: bool
    created_at: datetime

    @property
    def gap_percent(self) -> float | None:
        """How much dearer than the bound the plan is; None without a bound."""
        return 100 * (self.cost_minor / self.bound_minor - 1) if self.bound_minor else None


class DispatchUnserved(msgspec.Struct, frozen=True, kw_only=True):
    """A paid party without a place in the current plan, and why."""

    pledge_id: UUID
    trip_id: UUID
    origin: str
    people: int
    scope: str
    reason: str
    detail: str


class DispatchIncident(msgspec.Struct, frozen=True, kw_only=True):
    """Something that waits for somebody."""

    code: str
    kind: str
    summary: str
    opened_at: datetime


class DispatchView(msgspec.Struct, frozen=True, kw_only=True):
    """An event's dispatch.

    `stage` is `selling`, `closing` (charges under way settle first), `planning`, `needs_organiser` (five rounds are used up),
    `needs_approval` (fares lack `shortfall_minor`), `offering`, `settled` (every duty accepted) or `no_plan`.
    """

    event_id: UUID
    event: str
    event_code: str
    currency: str
    zone: str
    stage: str
    booking_closed_at: datetime | None
    capacity_deadline_at: datetime
    round: int
    paid_people: int
    seated_people: int
    hire_minor: int
    fares_minor: int
    shortfall_minor: int
    offers_by_state: dict[str, int]
    trips_by_state: dict[str, int]
    duties: list[DispatchDuty]
    unserved: list[DispatchUnserved]
    plans: list[DispatchPlan]
    incidents: list[DispatchIncident]

    @property
    def standing(self) -> list[DispatchPlan]:
        """The current plan of each scope."""
        return [plan for plan in self.plans if plan.is_current]

    @property
    def saving_minor(self) -> int | None:
        """What a plan that leaves the kept duties as they are could save at most; None where nothing is proven."""
        bounds = [plan.bound_minor for plan in self.standing if plan.bound_minor is not None]
        return sum(plan.cost_minor for plan in self.standing) - sum(bounds) if bounds and len(bounds) == len(self.standing) else None

    @property
    def gap_percent(self) -> float | None:
        """How much dearer all duties are at most than the cheapest that leave the kept ones as they are; None where nothing is proven."""
        saving_minor = self.saving_minor
        return None if saving_minor is None or saving_minor >= self.hire_minor else 100 * saving_minor / (self.hire_minor - saving_minor)


def view_offer(offer: Offer, operator: str) -> DispatchOffer:
    """An offer for the organiser."""
    return DispatchOffer(
        id=offer.id,
        code=offer.public_code,
        round=offer.round,
        state=offer.state.value,
        price_minor=offer.price_minor,
        operator=operator,
        sent_at=offer.sent_at,
        expires_at=offer.expires_at,
        decided_at=offer.decided_at,
        decline_reason=offer.decline_reason.value if offer.decline_reason else None,
        decline_note=offer.decline_note,
    )


def view_plan(plan: Plan, causes: Mapping[UUID, str]) -> DispatchPlan:
    """A plan for the organiser; `causes` by snapshot."""
    return DispatchPlan(
        id=plan.id,
        scope=plan.scope.value,
        round=plan.round,
        cause=causes[plan.snapshot_id],
        status=plan.status,
        cost_minor=plan.cost_minor,
        bound_minor=plan.bound_minor,
        kept_duties=plan.kept_duties,
        seconds=plan.seconds,
        is_current=plan.is_current,
        created_at=plan.created_at,
    )


def counted(states: Sequence[str]) -> dict[str, int]:
    """How many of each, by name."""
    return {state: states.count(state) for state in sorted(set(states))}


def newest_offer(duty: Duty, offers: Sequence[Offer]) -> Offer | None:
    """The newest offer of a duty; `offers` come newest first."""
    return next((offer for offer in offers if offer.duty_id == duty.id), None)

"""Operators, vehicles, prices, calendars and drivers, and what follows from them alone."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

import msgspec


class SpanKind(StrEnum):
    """What an operator says about a stretch of a vehicle's time."""

    AVAILABLE = "available"
    BLOCKED = "blocked"


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time, end excluded."""

    starts_at: datetime
    ends_at: datetime

    def contains(self, at: datetime) -> bool:
        """Whether a moment lies inside it: a bus that is free only from or until that moment cannot have come or go home."""
        return self.starts_at < at < self.ends_at


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """A bus company."""

    id: UUID
    public_code: str
    name: str
    country: str
    email: str
    phone: str
    licence_number: str
    licence_expires_on: date
    insurance_expires_on: date

    def papers_hold_on(self, day: date) -> bool:
        """Whether licence and insurance are both valid on a day (the day of expiry included)."""
        return self.licence_expires_on >= day and self.insurance_expires_on >= day


class PayTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How an operator is paid, basis points: the tax contained in its hire prices, and what is held back of a hire for a while."""

    vat_bp: int
    reserve_bp: int


class Depot(msgspec.Struct, frozen=True, kw_only=True):
    """Where vehicles start and end."""

    id: UUID
    operator_id: UUID
    name: str
    lat: float
    lon: float


class Vehicle(msgspec.Struct, frozen=True, kw_only=True):
    """One bus; `rules` names the driver-hours rule set it runs under."""

    id: UUID
    operator_id: UUID
    depot_id: UUID
    plate: str
    name: str
    seats: int
    wheelchair_places: int
    rules: str
    in_service: bool


class RateCard(msgspec.Struct, frozen=True, kw_only=True):
    """Hire price of a vehicle from a day on, minor units of its currency."""

    id: UUID
    vehicle_id: UUID
    currency: str
    valid_from: date
    call_out_minor: int
    per_km_minor: int
    per_h_minor: int
    standby_per_h_minor: int
    minimum_minor: int
    second_driver_minor: int


class Availability(msgspec.Struct, frozen=True, kw_only=True):
    """A span an operator entered for a vehicle."""

    id: UUID
    vehicle_id: UUID
    kind: SpanKind
    starts_at: datetime
    ends_at: datetime
    note: str

    @property
    def span(self) -> Span:
        """Its time alone."""
        return Span(starts_at=self.starts_at, ends_at=self.ends_at)


class Driver(msgspec.Struct, frozen=True, kw_only=True):
    """Someone who drives for an operator."""

    id: UUID
    operator_id: UUID
    name: str
    email: str
    phone: str
    active: bool


class DriverRules(msgspec.Struct, frozen=True, kw_only=True):
    """A driver-hours rule set, seconds; data, so that another country is a row and no code."""

    name: str
    max_driving_s: int
    max_spread_s: int
    max_driving_2_s: int
    max_spread_2_s: int
    break_after_s: int
    break_s: int


class HireableVehicle(msgspec.Struct, frozen=True, kw_only=True):
    """A vehicle that may be asked: in service, its operator's papers hold, with the rate card that applies."""

    id: UUID
    operator_id: UUID
    depot_id: UUID
    depot_lat: float
    depot_lon: float
    seats: int
    wheelchair_places: int
    rules: str
    call_out_minor: int
    per_km_minor: int
    per_h_minor: int
    standby_per_h_minor: int
    minimum_minor: int
    second_driver_minor: int


def free_windows(*, offered: Sequence[Span] | None, taken: Sequence[Span], horizon: Span) -> list[Span]:
    """When a vehicle can be hired within `horizon`, in order of time.

    `offered` None is a vehicle whose operator never entered a span of hire: it is for hire whenever nothing takes it. Otherwise it is
    for hire within those spans only.
    """
    free = [horizon] if offered is None else _merged([_clipped(span, horizon) for span in offered])
    for busy in taken:
        free = [rest for window in free for rest in _without(window, busy)]
    return [window for window in free if window.starts_at < window.ends_at]


def _clipped(span: Span, horizon: Span) -> Span:
    return Span(starts_at=max(span.starts_at, horizon.starts_at), ends_at=min(span.ends_at, horizon.ends_at))


def _merged(spans: list[Span]) -> list[Span]:
    """Spans that touch or overlap become one."""
    result: list[Span] = []
    for span in sorted(spans, key=lambda one: one.starts_at):
        if result and span.starts_at <= result[-1].ends_at:
            result[-1] = Span(starts_at=result[-1].starts_at, ends_at=max(result[-1].ends_at, span.ends_at))
        else:
            result.append(span)
    return result


def _without(window: Span, busy: Span) -> list[Span]:
    if busy.ends_at <= window.starts_at or busy.starts_at >= window.ends_at:
        return [window]
    before = Span(starts_at=window.starts_at, ends_at=busy.starts_at)
    after = Span(starts_at=busy.ends_at, ends_at=window.ends_at)
    return [part for part in (before, after) if part.starts_at < part.ends_at]


def window_around(windows: Sequence[Span], anchors: Sequence[datetime]) -> Span | None:
    """The window that holds all anchors, else the one that holds the first anchor that any holds, else None."""
    for window in windows:
        if all(window.contains(anchor) for anchor in anchors):
            return window
    for anchor in anchors:
        for window in windows:
            if window.contains(anchor):
                return window
    return None

"""The organisers' forms, and what flows need of them. Local times are those of the zone beside them."""

import re
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.errors import FieldError, Invalid
from app.core.zones import ZoneUnknown, read_zone
from app.domain.events.model import DEFAULT_LADDER
from app.flows.plan_event import MAX_RIDE_S, EventWish, StopWish, TripWish


class EventForm(msgspec.Struct, frozen=True, kw_only=True):
    """A new event; times as `2027-01-21T10:00` in the venue's zone, shares in percent."""

    name: str
    kind: str
    venue_name: str
    address: str
    lat: float
    lon: float
    zone: str
    currency: str
    starts_at: str
    ends_at: str
    arrive_by_at: str
    return_departs_at: str
    booking_closes_at: str
    capacity_deadline_at: str
    contact_phone: str
    summary: str = ""
    fee_percent: float = 10.0
    partner_percent: float = 0.0
    partner_id: UUID | None = None
    refund_ladder: str | None = None


class LadderForm(msgspec.Struct, frozen=True, kw_only=True):
    """A refund ladder, a line each: `14 days: 100`, `booking close: 25`; `none` gives nothing back."""

    refund_ladder: str


class TripForm(msgspec.Struct, frozen=True, kw_only=True):
    """A new trip; prices as `32.00`, tiers and stops a line each."""

    origin: str
    origin_lat: float
    origin_lon: float
    zone: str
    price_both: float
    minimum: int
    cap: int
    deadline_at: str
    stops: str
    price_one_way: float | None = None
    tiers: str = ""


class EaseForm(msgspec.Struct, frozen=True, kw_only=True):
    """A lower minimum, a later deadline, or both."""

    minimum: int | None = None
    deadline_at: str = ""


class ReasonForm(msgspec.Struct, frozen=True, kw_only=True):
    """Why; it is told to everyone concerned."""

    reason: str


def moment(field: str, text: str, zone: str) -> datetime:
    """A local time of a form; Invalid naming the field when it is none."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=read_zone(zone))
    except ZoneUnknown as unknown:
        raise Invalid.field("zone", str(unknown)) from None
    except ValueError:
        raise Invalid.field(field, "Use a date and time such as 2027-01-21 10:00.") from None


def event_wish(form: EventForm) -> EventWish:
    """The form in the flow's words."""
    return EventWish(
        name=form.name,
        kind=form.kind,
        summary=form.summary,
        venue_name=form.venue_name,
        address=form.address,
        lat=form.lat,
        lon=form.lon,
        zone=form.zone,
        currency=form.currency.upper(),
        starts_at=moment("starts_at", form.starts_at, form.zone),
        ends_at=moment("ends_at", form.ends_at, form.zone),
        arrive_by_at=moment("arrive_by_at", form.arrive_by_at, form.zone),
        return_departs_at=moment("return_departs_at", form.return_departs_at, form.zone),
        booking_closes_at=moment("booking_closes_at", form.booking_closes_at, form.zone),
        capacity_deadline_at=moment("capacity_deadline_at", form.capacity_deadline_at, form.zone),
        fee_bp=round(form.fee_percent * 100),
        partner_share_bp=round(form.partner_percent * 100),
        max_stops=6,
        rider_minute_minor=0,
        contact_phone=form.contact_phone,
        partner_id=form.partner_id,
        refund_ladder=list(DEFAULT_LADDER) if form.refund_ladder is None else read_ladder(form.refund_ladder),
    )


def trip_wish(form: TripForm) -> TripWish:
    """The form in the flow's words."""
    return TripWish(
        origin=form.origin,
        origin_lat=form.origin_lat,
        origin_lon=form.origin_lon,
        zone=form.zone,
        price_both_minor=round(form.price_both * 100),
        price_one_way_minor=round(form.price_one_way * 100) if form.price_one_way else None,
        tiers=[read_tier(line) for line in lines(form.tiers)],
        minimum=form.minimum,
        cap=form.cap,
        deadline_at=moment("deadline_at", form.deadline_at, form.zone),
        stops=[read_stop(line, form.zone) for line in lines(form.stops)],
    )


def lines(text: str) -> list[str]:
    """The lines of a text that say something."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_tier(line: str) -> tuple[int, int]:
    """`40: 28.00` as (people, price in minor units)."""
    people, _, price = line.partition(":")
    try:
        return int(people), round(float(price) * 100)
    except ValueError:
        raise Invalid.field("tiers", f"Write a tier as people: price, such as 40: 28.00 (not {line[:40]}).") from None


LADDER_LINE = re.compile(r"(?:(\d{1,5}) *(days?|hours?)|booking +closes?) *: *(\d{1,3}(?:\.\d{1,2})?) *%?", re.IGNORECASE)


def read_ladder(text: str) -> list[tuple[int, int]]:
    """`14 days: 100` and so on as (hours before the bus is due, basis points); Invalid names a line that says something else."""
    if text.strip().lower() == "none":
        return []
    steps = []
    for line in lines(text):
        found = LADDER_LINE.fullmatch(line)
        if found is None:
            raise Invalid.field("refund_ladder", f"Write a step as 14 days: 100, 36 hours: 50 or booking close: 25 (not {line[:40]}).")
        hours = int(found[1] or 0) * (24 if (found[2] or "").lower().startswith("day") else 1)
        steps.append((hours, round(float(found[3]) * 100)))
    return steps


def write_ladder(ladder: Sequence[tuple[int, int]]) -> str:
    """The same the other way round."""
    return "none" if not ladder else "\n".join(f"{ladder_end(hours)}: {refund_bp / 100:g}" for hours, refund_bp in ladder)


def ladder_end(hours: int) -> str:
    """When a step ends, in words."""
    if hours == 0:
        return "booking close"
    return f"{hours // 24} days" if hours % 24 == 0 else f"{hours} hours"


def read_stop(line: str, zone: str) -> StopWish:
    """`Camden Yards; 333 W Camden St; 39.284, -76.622` as a stop."""
    parts = [part.strip() for part in line.split(";")]
    try:
        name, address, place = parts
        lat, lon = (float(part) for part in place.split(","))
    except ValueError:
        raise Invalid(
            "A stop needs a correction.",
            fields=(FieldError(field="stops", message=f"Write a stop as name; address; lat, lon (not {line[:60]})."),),
        ) from None
    return StopWish(name=name, address=address, lat=lat, lon=lon, zone=zone, max_ride_s=MAX_RIDE_S)

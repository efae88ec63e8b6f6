"""What bus companies get to see; also the shapes of their JSON API. Nothing here names a rider."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.domain.dispatch.model import PULL_OUT_LADDER, Call, Duty, Offer, QuoteLine, pull_out_fee_minor
from app.domain.dispatch.store.crews import CrewSeat
from app.domain.events.model import Event
from app.domain.fleet.model import Operator, Vehicle
from app.web.formats import clock, distance, duration

LINE_NAMES = {
    "call_out": "Call-out",
    "distance": "Distance",
    "hours": "Hours on duty",
    "standby": "Standby",
    "minimum_hire": "Up to the minimum hire",
    "second_driver": "Second driver",
}


class LadderStep(msgspec.Struct, frozen=True, kw_only=True):
    """Pulling out at least `hours_before` the depot-out time costs `percent` of the hire."""

    hours_before: int
    percent: int
    fee_minor: int


class DriverSeatView(msgspec.Struct, frozen=True, kw_only=True):
    """Who sits on a seat of a duty."""

    seat: int
    driver_id: UUID
    name: str
    phone: str


class DutyView(msgspec.Struct, frozen=True, kw_only=True):
    """A duty: `starts_at` depot out, `ends_at` depot in; `dead_distance_m` is driven without riders. `calls` in driving order."""

    id: UUID
    code: str
    scope: str
    starts_at: datetime
    ends_at: datetime
    starts_zone: str
    distance_m: int
    dead_distance_m: int
    drivers_needed: int
    drivers: list[DriverSeatView]
    people_outbound: int
    people_return: int
    wheelchairs: int
    calls: list[Call]


class OfferView(msgspec.Struct, frozen=True, kw_only=True):
    """An offer. `net_minor` is what the operator is paid for all of it; `quote` are the lines it sums from."""

    id: UUID
    code: str
    state: str
    round: int
    net_minor: int
    currency: str
    sent_at: datetime | None
    expires_at: datetime | None
    decided_at: datetime | None
    decline_reason: str | None
    event_id: UUID
    event: str
    venue: str
    event_starts_at: datetime
    zone: str
    operator_id: UUID
    operator: str
    vehicle_id: UUID
    vehicle: str
    plate: str
    quote: list[QuoteLine]
    pull_out_ladder: list[LadderStep]
    pull_out_fee_minor: int
    duty: DutyView


class OfferPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of offers, newest first; `next_cursor` is null on the last one."""

    items: list[OfferView]
    next_cursor: str | None


class VehicleView(msgspec.Struct, frozen=True, kw_only=True):
    """A vehicle with its depot's name."""

    id: UUID
    operator_id: UUID
    depot_id: UUID
    depot: str
    plate: str
    name: str
    seats: int
    wheelchair_places: int
    rules: str
    in_service: bool


def view_offer(
    offer: Offer,
    duty: Duty,
    *,
    event: Event,
    operator: Operator,
    vehicle: Vehicle,
    crew: Sequence[CrewSeat],
    now: datetime,
) -> OfferView:
    """An offer with its duty."""
    return OfferView(
        id=offer.id,
        code=offer.public_code,
        state=offer.state.value,
        round=offer.round,
        net_minor=offer.price_minor,
        currency=offer.currency,
        sent_at=offer.sent_at,
        expires_at=offer.expires_at,
        decided_at=offer.decided_at,
        decline_reason=offer.decline_reason.value if offer.decline_reason else None,
        event_id=event.id,
        event=event.name,
        venue=event.venue_name,
        event_starts_at=event.starts_at,
        zone=event.zone,
        operator_id=operator.id,
        operator=operator.name,
        vehicle_id=vehicle.id,
        vehicle=vehicle.name,
        plate=vehicle.plate,
        quote=duty.timetable.quote,
        pull_out_ladder=[
            LadderStep(hours_before=int(ahead.total_seconds()) // 3600, percent=percent, fee_minor=offer.price_minor * percent // 100)
            for ahead, percent in PULL_OUT_LADDER
        ],
        pull_out_fee_minor=pull_out_fee_minor(price_minor=offer.price_minor, starts_at=offer.starts_at, now=now),
        duty=view_duty(duty, crew),
    )


def view_duty(duty: Duty, crew: Sequence[CrewSeat]) -> DutyView:
    """A duty with its drivers."""
    calls = duty.timetable.calls
    out = [call for call in calls if call.kind == "stop" and call.leg == "outbound"]
    back = [call for call in calls if call.kind == "stop" and call.leg == "return"]
    return DutyView(
        id=duty.id,
        code=duty.public_code,
        scope=duty.scope.value,
        starts_at=duty.starts_at,
        ends_at=duty.ends_at,
        starts_zone=calls[0].zone,
        distance_m=duty.distance_m,
        dead_distance_m=sum(call.drive_m for call in calls if call.is_dead),
        drivers_needed=duty.drivers_needed,
        drivers=[DriverSeatView(seat=one.seat, driver_id=one.driver_id, name=one.name, phone=one.phone) for one in crew],
        people_outbound=sum(call.seats + call.wheelchairs for call in out),
        people_return=sum(call.seats + call.wheelchairs for call in back),
        wheelchairs=max(sum(call.wheelchairs for call in out), sum(call.wheelchairs for call in back)),
        calls=calls,
    )


def timetable_rows(calls: Sequence[Call]) -> list[Mapping[str, object]]:
    """The timetable as its macro takes it: a row for each place, and one for each way without riders and each break."""
    rows: list[Mapping[str, object]] = []
    for call in calls:
        if call.drive_m and call.is_dead:
            rows.append({"kind": "dead", "place": "Without riders", "note": f"{distance(call.drive_m)}, {duration(call.drive_s)}"})
        if call.break_s:
            rows.append({"kind": "dead", "place": "Driver's break", "note": duration(call.break_s)})
        rows.append(
            {
                "kind": call.kind,
                "place": call.name,
                "note": note_of(call),
                "arrive": clock(call.arrives_at, call.zone) if call.arrives_at else "",
                "depart": clock(call.departs_at, call.zone) if call.departs_at else "",
            }
        )
    return rows


def note_of(call: Call) -> str:
    """Address and head count of a call."""
    people = call.seats + call.wheelchairs
    counts = "" if call.kind != "stop" else f"{people} {'on' if call.leg == 'outbound' else 'off'}"
    chairs = f" ({call.wheelchairs} wheelchair)" if call.kind == "stop" and call.wheelchairs else ""
    return " · ".join(part for part in (call.address, counts + chairs) if part)


def quote_rows(lines: Sequence[QuoteLine]) -> list[tuple[str, str, int]]:
    """The price lines for the page: name, how much of it, minor units."""
    amounts: dict[str, Callable[[float], str]] = {"distance": distance, "hours": duration, "standby": duration}
    return [(LINE_NAMES[line.kind], amounts[line.kind](line.quantity) if line.kind in amounts else "", line.amount_minor) for line in lines]


def duty_geojson(calls: Sequence[Call], *, route: int = 1) -> dict[str, object]:
    """A duty for the map: its places, and the ways between them, those without riders marked."""
    lines = [
        {
            "type": "Feature",
            "geometry": {"type": "LineString", "coordinates": [[before.lon, before.lat], [call.lon, call.lat]]},
            "properties": {"route": route, "dead": call.is_dead},
        }
        for before, call in itertools.pairwise(calls)
    ]
    points = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [call.lon, call.lat]},
            "properties": {"name": call.name, "kind": call.kind, "note": note_of(call), "route": route},
        }
        for call in {(call.kind, call.lat, call.lon): call for call in calls}.values()
    ]
    return {"type": "FeatureCollection", "features": [*lines, *points]}

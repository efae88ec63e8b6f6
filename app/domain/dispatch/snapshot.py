"""Freezing demand: what the solver shall know about one event and scope, as a document with a hash.

Ids in the document are ours (pledges, stops, vehicles, depots), so that a plan reads back without a table of names; nothing in it is
personal. Second 0 is midnight UTC at or before the scope's first anchor.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from app.domain.dispatch.model import Exclusions, Party, Scope
from app.domain.events.model import Event, Stop
from app.domain.fleet.model import DriverRules, HireableVehicle, Span, free_windows, window_around
from solver.problem import Depot, Hire, Limits, Matrix, Problem, Rules, Vehicle, Venue, Weights
from solver.problem import Party as ProblemParty
from solver.problem import Stop as ProblemStop
from solver.travel import Place

HORIZON = timedelta(hours=36)
VENUE_ID = "venue"


class Bus(msgspec.Struct, frozen=True, kw_only=True):
    """A vehicle that may be asked and the one stretch of time in which it can do a duty."""

    vehicle: HireableVehicle
    window: Span


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a problem is made of except travel times. Two equal demands make equal problems.

    Only the event's facts that the problem needs are here, so that a change of its summary re-plans nothing.
    """

    name: str
    currency: str
    scope: Scope
    venue_lat: float
    venue_lon: float
    arrive_by_at: datetime
    return_departs_at: datetime
    max_stops: int
    rider_minute_minor: int
    parties: list[Party]
    stops: list[Stop]
    buses: list[Bus]
    rules: list[DriverRules]


def anchors(event: Event, scope: Scope) -> list[datetime]:
    """The moments at the venue that a bus of this scope has to meet."""
    at = {"outbound": event.arrive_by_at, "return": event.return_departs_at}
    return [at[leg] for leg in scope.legs]


def epoch_of(event: Event, scope: Scope) -> datetime:
    """Midnight UTC at or before the scope's first anchor."""
    return datetime.combine(anchors(event, scope)[0].astimezone(UTC).date(), time(), tzinfo=UTC)


def duty_day(event: Event, scope: Scope) -> date:
    """The day papers and rate cards must be valid on: that of the last anchor, in the venue's zone."""
    return anchors(event, scope)[-1].astimezone(ZoneInfo(event.zone)).date()


def horizon_of(event: Event, scope: Scope) -> Span:
    """How far around the anchors vehicles are looked for.

    Scopes planned apart meet halfway, so that no vehicle can be given two duties that overlap.
    """
    first, *_, last = [*anchors(event, scope), *anchors(event, scope)]
    starts_at, ends_at = first - HORIZON, last + HORIZON
    half_way = event.arrive_by_at + (event.return_departs_at - event.arrive_by_at) / 2
    if scope is Scope.OUTBOUND:
        ends_at = min(ends_at, half_way)
    if scope is Scope.RETURN:
        starts_at = max(starts_at, half_way)
    return Span(starts_at=starts_at, ends_at=ends_at)


def ridable(parties: Sequence[Party], scope: Scope) -> list[Party]:
    """The parties that ride in a scope, each with its legs there."""
    return [
        msgspec.structs.replace(party, legs=[leg for leg in scope.legs if leg in party.legs])
        for party in parties
        if any(leg in party.legs for leg in scope.legs)
    ]


def buses_of(
    vehicles: Sequence[HireableVehicle],
    *,
    event: Event,
    scope: Scope,
    offered: Mapping[UUID, Sequence[Span] | None],
    taken: Mapping[UUID, Sequence[Span]],
    exclusions: Exclusions,
) -> list[Bus]:
    """The vehicles that may be asked, each with the window around the event in which nothing else has it."""
    found = []
    for vehicle in vehicles:
        if vehicle.id in exclusions.vehicle_ids or vehicle.operator_id in exclusions.operator_ids:
            continue
        windows = free_windows(offered=offered.get(vehicle.id), taken=taken.get(vehicle.id, ()), horizon=horizon_of(event, scope))
        window = window_around(windows, anchors(event, scope))
        if window is not None:
            found.append(Bus(vehicle=vehicle, window=window))
    return found


def demand_of(
    event: Event, scope: Scope, *, parties: Sequence[Party], stops: Sequence[Stop], buses: Sequence[Bus], rules: Sequence[DriverRules]
) -> Demand:
    """The demand of one scope, in a stable order, with no stop or rule set it does not use."""
    used_stops = {party.stop_id for party in parties}
    used_rules = {bus.vehicle.rules for bus in buses}
    arrive, depart = (event.arrive_by_at, event.return_departs_at) if scope is Scope.BOTH else (anchors(event, scope)[0],) * 2
    return Demand(
        name=f"{event.public_code}-{scope.value}",
        currency=event.currency,
        scope=scope,
        venue_lat=event.lat,
        venue_lon=event.lon,
        arrive_by_at=arrive,
        return_departs_at=depart,
        max_stops=event.max_stops,
        rider_minute_minor=event.rider_minute_minor,
        parties=sorted(parties, key=lambda party: party.pledge_id),
        stops=sorted((stop for stop in stops if stop.id in used_stops), key=lambda stop: stop.id),
        buses=sorted(buses, key=lambda bus: bus.vehicle.id),
        rules=sorted((rule for rule in rules if rule.name in used_rules), key=lambda rule: rule.name),
    )


def depots_of(demand: Demand) -> list[Place]:
    """The depots its vehicles start from, each once."""
    places = {
        bus.vehicle.depot_id: Place(id=str(bus.vehicle.depot_id), lat=bus.vehicle.depot_lat, lon=bus.vehicle.depot_lon)
        for bus in demand.buses
    }
    return [places[depot_id] for depot_id in sorted(places)]


def places_of(demand: Demand) -> list[Place]:
    """Where travel times are needed: the venue, the stops, the depots."""
    venue = Place(id=VENUE_ID, lat=demand.venue_lat, lon=demand.venue_lon)
    return [venue, *(Place(id=str(stop.id), lat=stop.lat, lon=stop.lon) for stop in demand.stops), *depots_of(demand)]


def problem_of(demand: Demand, *, epoch_at: datetime, matrix: Matrix) -> Problem:
    """The busload.problem/1 document of a demand."""

    def seconds(at: datetime) -> int:
        return int((at - epoch_at).total_seconds())

    return Problem(
        name=demand.name,
        currency=demand.currency,
        venue=Venue(
            id=VENUE_ID,
            lat=demand.venue_lat,
            lon=demand.venue_lon,
            arrive_by_s=seconds(demand.arrive_by_at),
            return_departs_s=seconds(demand.return_departs_at),
        ),
        stops=tuple(_stop(stop) for stop in demand.stops),
        depots=tuple(Depot(id=place.id, lat=place.lat, lon=place.lon) for place in depots_of(demand)),
        parties=tuple(_party(party) for party in demand.parties),
        vehicles=tuple(_vehicle(bus, seconds(bus.window.starts_at), seconds(bus.window.ends_at)) for bus in demand.buses),
        rules={rule.name: _rules(rule) for rule in demand.rules},
        limits=Limits(max_stops=demand.max_stops),
        weights=Weights(rider_minute_minor=demand.rider_minute_minor),
        matrix=matrix,
    )


def _stop(stop: Stop) -> ProblemStop:
    return ProblemStop(id=str(stop.id), name=stop.name, lat=stop.lat, lon=stop.lon, dwell_s=stop.dwell_s, max_ride_s=stop.max_ride_s)


def _party(party: Party) -> ProblemParty:
    legs = tuple(leg for leg in ("outbound", "return") if leg in party.legs)
    return ProblemParty(id=str(party.pledge_id), stop=str(party.stop_id), seats=party.seats, wheelchairs=party.wheelchairs, legs=legs)


def _vehicle(bus: Bus, from_s: int, to_s: int) -> Vehicle:
    vehicle = bus.vehicle
    return Vehicle(
        id=str(vehicle.id),
        operator=str(vehicle.operator_id),
        depot=str(vehicle.depot_id),
        seats=vehicle.seats,
        wheelchair_places=vehicle.wheelchair_places,
        available_from_s=from_s,
        available_to_s=to_s,
        rules=vehicle.rules,
        hire=Hire(
            call_out=vehicle.call_out_minor,
            per_km=vehicle.per_km_minor,
            per_h=vehicle.per_h_minor,
            standby_per_h=vehicle.standby_per_h_minor,
            minimum=vehicle.minimum_minor,
            second_driver=vehicle.second_driver_minor,
        ),
    )


def _rules(rule: DriverRules) -> Rules:
    return Rules(
        max_driving_s=rule.max_driving_s,
        max_spread_s=rule.max_spread_s,
        max_driving_2_s=rule.max_driving_2_s,
        max_spread_2_s=rule.max_spread_2_s,
        break_after_s=rule.break_after_s,
        break_s=rule.break_s,
    )


def canonical_json(document: object) -> bytes:
    """One spelling per document: keys sorted at every level, no blanks, UTF-8, shortest numbers that read back the same."""
    return msgspec.json.encode(document, order="sorted")


def hash_of(document: object) -> bytes:
    """SHA-256 of the canonical JSON; the same for a Problem and for its document read back from the database."""
    return hashlib.sha256(canonical_json(document)).digest()

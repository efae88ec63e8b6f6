"""A problem prepared for search: places as numbers, both legs seen from the venue outwards, equal vehicles as classes.

Place 0 is the venue, 1..n are the stops; a leg's order is written from the venue outwards, so that the outbound leg is
driven against its order and the return leg along it. Seen this way the ride limits of both legs are plain upper bounds
on the time travelled so far.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solver.problem import LEGS, Hire, Party, Problem, Rules, Vehicle

Ints = NDArray[np.int64]
Table = list[list[int]]
OUTBOUND, RETURN = 0, 1


@dataclass(frozen=True, kw_only=True)
class Side:
    """One leg, outwards from the venue: `secs[a][b]` is the driving between inner place a and outer place b."""

    secs: Ints
    metres: Ints
    secs_rows: Table
    metres_rows: Table
    depot_secs: Ints  # class x place: driving between the class's depot and the outermost place
    depot_metres: Ints
    depot_secs_rows: Table
    depot_metres_rows: Table


@dataclass(frozen=True, kw_only=True)
class VehicleClass:
    """Vehicles nothing tells apart: same operator, depot, room, hours, rules and rate card."""

    vehicles: tuple[str, ...]
    operator: str
    depot: str
    seats: int
    places: int
    from_s: int
    to_s: int
    rules: Rules
    hire: Hire

    @property
    def count(self) -> int:
        return len(self.vehicles)


@dataclass(frozen=True, kw_only=True)
class Riders:
    """A party by numbers: its place, what it needs and the legs it rides."""

    stop: int
    seats: int
    wheels: int
    legs: tuple[bool, bool]

    @property
    def persons(self) -> int:
        return self.seats + self.wheels


@dataclass(frozen=True, kw_only=True)
class Rates:
    """The figures of all classes as arrays (one entry per class), for pricing many duties at once."""

    seats: Ints
    places: Ints
    count: Ints
    from_s: Ints
    to_s: Ints
    call_out: Ints
    per_km: Ints
    per_h: Ints
    standby_minor: Ints
    minimum: Ints
    second_driver: Ints
    driving: Ints
    spread: Ints
    driving_2: Ints
    spread_2: Ints
    break_after: Ints
    break_s: Ints


class Instance:
    """A problem and the numbers derived from it once; nothing in it changes."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.arrive_s, self.leave_s = problem.venue.arrive_by_s, problem.venue.return_departs_s
        self.standby_s = self.leave_s - self.arrive_s
        self.stops = len(problem.stops)
        self.stop_at = {stop.id: i + 1 for i, stop in enumerate(problem.stops)}
        self.dwell = [0, *(stop.dwell_s for stop in problem.stops)]
        self.max_ride = [0, *(stop.max_ride_s for stop in problem.stops)]
        self.max_stops = problem.limits.max_stops
        self.minute_minor = problem.weights.rider_minute_minor
        self.riders = [self._riders(party) for party in problem.parties]
        self.classes = classes_of(problem.vehicles, problem.rules)
        self.rates = rates_of(self.classes, self.standby_s)
        self.sides = self._sides()
        self.symmetric = bool(
            np.array_equal(self.sides[0].secs, self.sides[1].secs)
            and np.array_equal(self.sides[0].metres, self.sides[1].metres)
            and np.array_equal(self.sides[0].depot_secs, self.sides[1].depot_secs)
            and np.array_equal(self.sides[0].depot_metres, self.sides[1].depot_metres)
            and all(riders.legs == (True, True) for riders in self.riders)
        )

    def _riders(self, party: Party) -> Riders:
        out, back = (leg in party.legs for leg in LEGS)
        return Riders(stop=self.stop_at[party.stop], seats=party.seats, wheels=party.wheelchairs, legs=(out, back))

    def _sides(self) -> tuple[Side, Side]:
        matrix = self.problem.matrix
        row = {name: i for i, name in enumerate(matrix.ids)}
        at = np.array([row[self.problem.venue.id], *(row[stop.id] for stop in self.problem.stops)], np.int64)
        depots = np.array([row[k.depot] for k in self.classes], np.int64)
        secs = np.array(matrix.duration_s, np.int64).reshape(len(row), len(row))
        metres = np.array(matrix.distance_m, np.int64).reshape(len(row), len(row))
        return side_of(secs.T, metres.T, at, depots), side_of(secs, metres, at, depots)

    def party_id(self, party: int) -> str:
        return self.problem.parties[party].id

    def ride_minor(self, party: int, ride_s: int) -> int:
        """What one leg's ride of a party costs besides the hire, minor units."""
        return self.minute_minor * (ride_s * self.riders[party].persons // 60)


def side_of(secs: Ints, metres: Ints, at: Ints, depots: Ints) -> Side:
    """One leg's tables from square tables that are already oriented outwards."""
    inner_s, inner_m = secs[np.ix_(at, at)], metres[np.ix_(at, at)]
    depot_s, depot_m = secs[np.ix_(at, depots)].T.copy(), metres[np.ix_(at, depots)].T.copy()
    return Side(
        secs=inner_s,
        metres=inner_m,
        secs_rows=inner_s.tolist(),
        metres_rows=inner_m.tolist(),
        depot_secs=depot_s,
        depot_metres=depot_m,
        depot_secs_rows=depot_s.tolist(),
        depot_metres_rows=depot_m.tolist(),
    )


def classes_of(vehicles: tuple[Vehicle, ...], rules: dict[str, Rules]) -> list[VehicleClass]:
    """Groups equal vehicles, in the order of their first member."""
    groups: dict[tuple[object, ...], list[Vehicle]] = defaultdict(list)
    for v in vehicles:
        key = (v.operator, v.depot, v.seats, v.wheelchair_places, v.available_from_s, v.available_to_s, v.rules, *_card(v.hire))
        groups[key].append(v)
    return [
        VehicleClass(
            vehicles=tuple(v.id for v in group),
            operator=group[0].operator,
            depot=group[0].depot,
            seats=group[0].seats,
            places=group[0].wheelchair_places,
            from_s=group[0].available_from_s,
            to_s=group[0].available_to_s,
            rules=rules[group[0].rules],
            hire=group[0].hire,
        )
        for group in groups.values()
    ]


def _card(hire: Hire) -> tuple[int, ...]:
    return (hire.call_out, hire.per_km, hire.per_h, hire.standby_per_h, hire.minimum, hire.second_driver)


def rates_of(classes: list[VehicleClass], standby_s: int) -> Rates:
    def column(values: list[int]) -> Ints:
        return np.array(values, np.int64)

    return Rates(
        seats=column([k.seats for k in classes]),
        places=column([k.places for k in classes]),
        count=column([k.count for k in classes]),
        from_s=column([k.from_s for k in classes]),
        to_s=column([k.to_s for k in classes]),
        call_out=column([k.hire.call_out for k in classes]),
        per_km=column([k.hire.per_km for k in classes]),
        per_h=column([k.hire.per_h for k in classes]),
        standby_minor=column([-(-k.hire.standby_per_h * standby_s // 3600) for k in classes]),
        minimum=column([k.hire.minimum for k in classes]),
        second_driver=column([k.hire.second_driver for k in classes]),
        driving=column([k.rules.max_driving_s for k in classes]),
        spread=column([k.rules.max_spread_s for k in classes]),
        driving_2=column([k.rules.max_driving_2_s for k in classes]),
        spread_2=column([k.rules.max_spread_2_s for k in classes]),
        break_after=column([k.rules.break_after_s for k in classes]),
        break_s=column([k.rules.break_s for k in classes]),
    )

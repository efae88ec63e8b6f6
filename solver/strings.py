"""Routes of many stops taken apart: who is taken where, and what putting somebody into a route adds.

Everything found out about a route is remembered with it, since most routes outlive hundreds of tries. For problems whose legs
are alike; costs of insertions leave out rounding, whole duties are priced exactly.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from solver.draft import Duty, loads, make_duty
from solver.instance import Instance, Ints
from solver.pricing import NEVER, Order, paths_of, price_many

MOST_KIN = 8  # classes of one depot a route may change into while it is filled
MOST_SHAPES = 8  # tables of weighed lengths
NOT_HERE = -1e15  # weighed length of an arc nobody may be put into: between two units of a stop
MOST_UNITS = 4_000  # each is a bit in the sets of all routes: with more, none is parted or joined any more
MOST_HIRES = 60_000  # figures remembered, over all orders


@dataclass(frozen=True, slots=True)
class Unit:
    """Parties that ride together: everybody a duty takes at one stop, or somebody left behind."""

    number: int
    stop: int
    parties: tuple[int, ...]
    seats: int
    wheels: int
    persons: int


@dataclass(slots=True)
class Route:
    """A duty taken apart; all but the class and the units follows from them. Units of one stop lie side by side."""

    klass: int
    units: list[Unit]
    cost: int = 0
    rides: list[int] = field(default_factory=list)
    slack: list[int] = field(default_factory=list)  # how much later a stop and all beyond may be reached
    seats: int = 0
    wheels: int = 0
    bits: int = 0  # of the units aboard
    called: int = 0  # bits of the stops
    metres: int = 0  # up to the outermost stop
    secs: int = 0
    arcs: list[tuple[int, int, float]] = field(default_factory=list)  # from, to, weighed length
    bases: list[tuple[int, float]] = field(default_factory=list)  # classes it may have, and how much dearer than its own they are
    places: dict[int, tuple[int, int, int]] = field(default_factory=dict)  # by stop: seconds and metres more, position
    offers: dict[int, list[tuple[float, int, int]]] = field(default_factory=dict)  # by unit: cost more, class, position

    @property
    def order(self) -> Order:
        return tuple(dict.fromkeys([unit.stop for unit in self.units]))


class Roads:
    """The tables of one instance, as lists, and what was found out about routes over them."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        side, rates = instance.sides[0], instance.rates
        self.rows_s, self.rows_m, self.dwell = side.secs_rows, side.metres_rows, instance.dwell
        self.depot_s, self.depot_m = side.depot_secs_rows, side.depot_metres_rows
        self.limit, self.most = instance.max_ride, instance.max_stops
        self.near = np.argsort(side.secs + side.secs.T, axis=1, kind="stable").tolist()
        self.per_m, self.per_s = (2 * rates.per_km / 1000).tolist(), (2 * rates.per_h / 3600).tolist()
        self.fixed = (rates.call_out + rates.standby_minor).tolist()
        self.seats, self.places = rates.seats.tolist(), rates.places.tolist()
        self.kin = self._kin()
        self.room = [max(self.seats[other] for other in (k, *kin)) for k, kin in enumerate(self.kin)]
        self.foes = self._foes()
        self.shape, self.weighed = self._shapes()
        self.ends = self._ends()
        self.turned = [[list(column) for column in zip(*rows, strict=True)] for rows in self.weighed]
        self.all = np.arange(len(instance.classes))[None, :]
        self._hires: dict[Order, list[int]] = {}
        self._most_hires = max(1000, MOST_HIRES // max(1, len(instance.classes) // 4))
        self._units: dict[tuple[int, ...], Unit] = {}
        self._alone: dict[int, list[tuple[int, int]]] = {}

    def _kin(self) -> list[list[int]]:
        """Per class the others at the same depot, where they are few."""
        depots = [klass.depot for klass in self.instance.classes]
        kin = [[other for other, where in enumerate(depots) if where == depot and other != k] for k, depot in enumerate(depots)]
        return [others if len(others) < MOST_KIN else [] for others in kin]

    def _foes(self) -> list[int]:
        """Per stop bits of those that no route calls at beside it: from one to the other is too long a ride both ways round."""
        side, limit = self.instance.sides[0], np.array(self.instance.max_ride)
        after = side.secs[0][:, None] + np.array(self.instance.dwell)[:, None] + side.secs <= limit[None, :]
        return [sum(1 << int(other) for other in np.flatnonzero(~row)) for row in after | after.T]

    def _shapes(self) -> tuple[list[int], list[list[list[float]]]]:
        """-> per class the number of its table, and the tables: stop to stop in metres and what the time is worth in metres."""
        worth = [per_s / per_m if per_m else float("inf") for per_s, per_m in zip(self.per_s, self.per_m, strict=True)]
        levels = sorted(set(worth))[:: max(1, len(set(worth)) // MOST_SHAPES)]
        side, dwell = self.instance.sides[0], np.array(self.instance.dwell)[None, :]
        tables = [side.metres + level * (side.secs + dwell) if level < float("inf") else side.secs + dwell for level in levels]
        shape = [levels.index(w) if w in levels else min(bisect_left(levels, w), len(levels) - 1) for w in worth]
        return shape, [np.asarray(table, np.float64).tolist() for table in tables]

    def _ends(self) -> list[list[float]]:
        """Class x stop: weighed length of the way to the depot."""
        side, result = self.instance.sides[0], list[list[float]]()
        for k, (per_s, per_m) in enumerate(zip(self.per_s, self.per_m, strict=True)):
            weighed = side.depot_metres[k] + per_s / per_m * side.depot_secs[k] if per_m else side.depot_secs[k]
            result.append(np.asarray(weighed, np.float64).tolist())
        return result

    def unit(self, parties: Sequence[int]) -> Unit:
        """Parties of one stop as a unit; the same ones always get the same number."""
        key = tuple(sorted(parties))
        if key not in self._units:
            (seats, wheels), _ = loads(self.instance, key)
            self._units[key] = Unit(len(self._units), self.instance.riders[key[0]].stop, key, seats, wheels, seats + wheels)
        return self._units[key]

    def joined(self, parts: list[Unit]) -> list[Unit]:
        """Units of one stop as one, if the largest bus has the seats."""
        if sum([part.seats for part in parts]) > max(self.seats) or len(self._units) >= MOST_UNITS:
            return parts
        return [self.unit([party for part in parts for party in part.parties])]

    def parted(self, unit: Unit, room: int) -> list[Unit]:
        """A unit as two, the first of which takes so many seats at most, its largest parties first; as it is where that leaves nobody."""
        first, riders = list[int](), self.instance.riders
        for party in sorted(unit.parties, key=lambda party: -riders[party].seats):
            if riders[party].seats <= room:
                room -= riders[party].seats
                first.append(party)
        rest = set(unit.parties).difference(first)
        if not first or not rest or len(self._units) >= MOST_UNITS:
            return [unit]
        return [self.unit(first), self.unit(sorted(rest))]

    def unit_of(self, parties: Sequence[int]) -> Unit | None:
        """The unit of exactly these parties, if they ever were one."""
        return self._units.get(tuple(sorted(parties)))

    def route(self, klass: int, units: list[Unit]) -> Route:
        """A route with all that follows from its units, not priced."""
        route, clock, ride, metres, inner, bits, called = Route(klass, units), 0, 0, 0, 0, 0, 0
        weighed, rides, arcs, seats, wheels = self.weighed[self.shape[klass]], route.rides, route.arcs, 0, 0
        for unit in units:
            outer = unit.stop
            if outer != inner:
                ride = clock + self.rows_s[inner][outer]
                metres += self.rows_m[inner][outer]
                clock = ride + self.dwell[outer]
                arcs.append((inner, outer, weighed[inner][outer]))
                called |= 1 << outer
                inner = outer
            else:
                arcs.append((inner, outer, NOT_HERE))
            rides.append(ride)
            seats += unit.seats
            wheels += unit.wheels
            bits |= 1 << unit.number
        route.seats, route.wheels, route.called = seats, wheels, called
        slack, least = [0] * len(units), 1 << 40
        for i in range(len(units) - 1, -1, -1):
            least = min(least, self.limit[units[i].stop] - route.rides[i])
            slack[i] = least
        route.slack, route.bits, route.metres, route.secs = slack, bits, metres, clock
        return route

    def estimate(self, route: Route, klass: int) -> float:
        """What a class would ask for a route but for minimum, drivers, breaks and rounding."""
        outer = route.units[-1].stop
        secs, metres = route.secs + self.depot_s[klass][outer], route.metres + self.depot_m[klass][outer]
        return float(self.fixed[klass] + self.per_s[klass] * secs + self.per_m[klass] * metres)

    def position(self, route: Route, stop: int) -> tuple[int, int, int]:
        """-> (seconds more, metres more, position) where a stop adds least for the route's class; position -1 if nowhere."""
        found = route.places.get(stop)
        if found is None:
            found = route.places[stop] = self._position(route, stop)
        return found

    def _position(self, route: Route, s: int) -> tuple[int, int, int]:
        if route.called >> s & 1:
            return 0, 0, next(at for at, unit in enumerate(route.units) if unit.stop == s)
        units, k = route.units, route.klass
        if len(units) >= self.most:
            return 0, 0, -1
        last, shape = units[-1].stop, self.shape[k]
        away, into = self.weighed[shape][s], self.turned[shape][s]
        mores = [into[inner] + away[outer] - arc for inner, outer, arc in route.arcs]
        mores.append(into[last] + self.ends[k][s] - self.ends[k][last])
        at = mores.index(min(mores))
        found = self._at(route, s, at)
        if found[2] < 0:  # the best place breaks somebody's limit: the next best that does not
            for other in sorted(range(len(mores)), key=mores.__getitem__)[1:]:
                if mores[other] < -NOT_HERE / 2 and (found := self._at(route, s, other))[2] >= 0:
                    break
        return found

    def _at(self, route: Route, s: int, at: int) -> tuple[int, int, int]:
        """-> (seconds more, metres more, position) with a stop at a position; position -1 if a ride gets too long."""
        units, rows_s, rows_m, k = route.units, self.rows_s, self.rows_m, route.klass
        inner = units[at - 1].stop if at else 0
        before = route.rides[at - 1] + self.dwell[inner] if at else 0
        if before + rows_s[inner][s] > self.limit[s]:
            return 0, 0, -1
        if at == len(units):
            more_s = rows_s[inner][s] + self.dwell[s] + self.depot_s[k][s] - self.depot_s[k][inner]
            return more_s, rows_m[inner][s] + self.depot_m[k][s] - self.depot_m[k][inner], at
        outer = units[at].stop
        more_s = rows_s[inner][s] + self.dwell[s] + rows_s[s][outer] - rows_s[inner][outer]
        more_m = rows_m[inner][s] + rows_m[s][outer] - rows_m[inner][outer]
        return (more_s, more_m, at) if more_s <= route.slack[at] else (0, 0, -1)

    def offers(self, route: Route, unit: Unit) -> list[tuple[float, int, int]]:
        """Ways to take a unit along, cheapest first: (cost more, class the route then has, position)."""
        made = route.offers.get(unit.number)
        if made is None:
            made = route.offers[unit.number] = self._offers(route, unit)
        return made

    def _offers(self, route: Route, unit: Unit) -> list[tuple[float, int, int]]:
        if not route.bases:
            now, kin = self.estimate(route, route.klass), self.kin[route.klass]
            route.bases = [(route.klass, 0.0), *((other, self.estimate(route, other) - now) for other in kin)]
        seats, wheels = route.seats + unit.seats, route.wheels + unit.wheels
        suits = [pair for pair in route.bases if seats <= self.seats[pair[0]] and wheels <= self.places[pair[0]]]
        if not suits:
            return []
        more_s, more_m, at = self.position(route, unit.stop)
        if at < 0:
            return []
        if len(suits) == 1:
            k, base = suits[0]
            return [(base + self.per_s[k] * more_s + self.per_m[k] * more_m, k, at)]
        return sorted([(base + self.per_s[k] * more_s + self.per_m[k] * more_m, k, at) for k, base in suits])

    def hires(self, order: Order) -> list[int]:
        """What each class asks for a tour, `NEVER` where it cannot drive it."""
        found = self._hires.get(order)
        if found is None:
            if len(self._hires) >= self._most_hires:
                self._hires.clear()
            path = paths_of(self.instance, 0, [order])
            found = self._hires[order] = price_many(self.instance, self.all, path, path)[0].tolist()
        return found

    def alone(self, unit: Unit) -> list[tuple[int, int]]:
        """(hire, class) of a tour for a unit alone, cheapest first."""
        if unit.number not in self._alone:
            able = [(hire, k) for k, hire in enumerate(self.hires((unit.stop,))) if unit.seats <= self.seats[k]]
            fits = self.limit[unit.stop] >= self.rows_s[0][unit.stop]
            self._alone[unit.number] = sorted(pair for pair in able if fits and pair[0] < NEVER and unit.wheels <= self.places[pair[1]])
        return self._alone[unit.number]

    def cheapest(self, route: Route, free: list[int]) -> tuple[int, int]:
        """-> (hire, class) of the cheapest free vehicle with room for a route; `NEVER` if there is none."""
        best = int(NEVER), -1
        for k, hire in enumerate(self.hires(route.order)):
            if hire < best[0] and free[k] > 0 and route.seats <= self.seats[k] and route.wheels <= self.places[k]:
                best = hire, k
        return best

    def duty(self, route: Route) -> Duty:
        """A route as a duty, priced by the real rules."""
        order = route.order
        duty = make_duty(self.instance, route.klass, order, order, [party for unit in route.units for party in unit.parties])
        if isinstance(duty, str):
            raise TypeError(f"a priced route became impossible: {duty}")
        return duty


def free_of(count: Ints, duties: Sequence[Duty]) -> list[int]:
    """Vehicles of each class that have no duty."""
    free: list[int] = count.tolist()
    for duty in duties:
        free[duty.klass] -= 1
    return free

"""Routes of many stops, where sets of stops are too many to enumerate: take strings of stops off near routes, put each back best.

Slack induction by string removals (Christiaens and Vanden Berghe, "Slack Induction by String Removals for Vehicle Routing
Problems", Transportation Science 54(2), 2020), with the class of every changed route chosen anew. For problems whose legs are
alike. What is moved is everybody a duty takes at one stop; costs of insertions leave out rounding, whole duties are priced exactly.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from solver.admit import Gate
from solver.children import Slice
from solver.draft import Draft, Duty, loads, make_duty
from solver.instance import Ints
from solver.pricing import NEVER, paths_of, price_many

STRINGS, LONGEST, AVERAGE = 4, 10, 8  # routes touched, stops of one string, stops taken off in all
BLINK = 0.02  # of the places are overlooked
WARM, COLD = 0.006, 0.0001  # temperatures, as shares of ten times what a duty costs
NOTES_EVERY = 64


@dataclass(frozen=True)
class Unit:
    """Everybody one duty takes at one stop."""

    stop: int
    parties: tuple[int, ...]
    seats: int
    wheels: int


@dataclass
class Route:
    """A duty taken apart; `rides` and `slack` follow from the units."""

    klass: int
    units: list[Unit]
    cost: int
    rides: list[int] = field(default_factory=list)
    slack: list[int] = field(default_factory=list)  # how much later a stop and all beyond may be reached
    seats: int = 0
    wheels: int = 0
    stops: frozenset[int] = frozenset()


class Ruin:
    """Search over drafts of one instance; the first `fixed` duties stay as they are."""

    def __init__(self, gate: Gate) -> None:
        self.gate, self.instance = gate, gate.instance
        side = self.instance.sides[0]
        self.secs, self.metres, self.dwell = side.secs_rows, side.metres_rows, self.instance.dwell
        self.depot_secs, self.depot_metres = side.depot_secs_rows, side.depot_metres_rows
        self.limit, self.most = self.instance.max_ride, self.instance.max_stops
        self.near = np.argsort(side.secs + side.secs.T, axis=1, kind="stable").tolist()
        rates = self.instance.rates
        self.per_m, self.per_s = (2 * rates.per_km / 1000).tolist(), (2 * rates.per_h / 3600).tolist()
        self.seats, self.places = rates.seats.tolist(), rates.places.tolist()

    def run(
        self, draft: Draft, piece: Slice, *, count: Ints, fixed: int, on_better: Callable[[Draft], None] | None = None
    ) -> tuple[Draft, int]:
        """-> the best draft of a slice, and how many times it took strings off."""
        rng = np.random.default_rng(piece.seed)
        until = None if piece.seconds is None else time.monotonic() + piece.seconds
        kept, routes = draft.duties[:fixed], [self.apart(duty) for duty in draft.duties[fixed:]]
        free = count.copy()
        for duty in draft.duties:
            free[duty.klass] -= 1
        best, cost, least, done, started = list(routes), draft.cost, draft.cost, 0, time.monotonic()
        while routes and (piece.iterations is None or done < piece.iterations) and (until is None or time.monotonic() < until):
            share = done / piece.iterations if piece.iterations else (time.monotonic() - started) / max(1e-9, piece.seconds or 1.0)
            done += 1
            found = self.shaken(routes, free, rng)
            if found is None:
                continue
            new, used, gain = found
            warmth = 10 * draft.cost / len(draft.duties) * WARM * (COLD / WARM) ** min(1.0, share)
            if gain + warmth * -math.log(max(1e-12, rng.random())) > 0:
                routes, free, cost = new, used, cost - gain
                if cost < least:
                    best, least = list(routes), cost
                    if on_better is not None and done % NOTES_EVERY == 0:
                        on_better(self.together(kept, best, draft.left))
        return self.together(kept, best, draft.left), done

    def apart(self, duty: Duty) -> Route:
        """A duty as a route."""
        members: dict[int, list[int]] = {stop: [] for stop in duty.outbound}
        for party in duty.parties:
            members[self.instance.riders[party].stop].append(party)
        units = [self.unit(stop, tuple(parties)) for stop, parties in members.items()]
        return self.timed(Route(duty.klass, units, duty.cost))

    def unit(self, stop: int, parties: tuple[int, ...]) -> Unit:
        (seats, wheels), _ = loads(self.instance, parties)
        return Unit(stop, parties, seats, wheels)

    def together(self, kept: Sequence[Duty], routes: Sequence[Route], left: tuple[int, ...]) -> Draft:
        """The routes as a draft, priced by the real rules."""
        made = list(kept)
        for route in routes:
            order = tuple(unit.stop for unit in route.units)
            duty = make_duty(self.instance, route.klass, order, order, [party for unit in route.units for party in unit.parties])
            if isinstance(duty, str):
                raise TypeError(f"a priced route became impossible: {duty}")
            made.append(duty)
        return Draft(tuple(made), left)

    def timed(self, route: Route) -> Route:
        """Works out rides and slack."""
        clock, inner, rides = 0, 0, list[int]()
        for unit in route.units:
            clock += self.secs[inner][unit.stop]
            rides.append(clock)
            clock += self.dwell[unit.stop]
            inner = unit.stop
        slack, least = [0] * len(rides), 1 << 40
        for i in range(len(rides) - 1, -1, -1):
            least = min(least, self.limit[route.units[i].stop] - rides[i])
            slack[i] = least
        route.rides, route.slack = rides, slack
        route.seats, route.wheels = sum([unit.seats for unit in route.units]), sum([unit.wheels for unit in route.units])
        route.stops = frozenset([unit.stop for unit in route.units])
        return route

    def shaken(self, routes: list[Route], free: Ints, rng: np.random.Generator) -> tuple[list[Route], Ints, int] | None:
        """-> other routes for the same people, the vehicles still free, what it saves; None if somebody found no place."""
        touched, taken = self.strings(routes, rng)
        changed = {i: self.timed(Route(routes[i].klass, left, 0)) for i, left in touched.items()}
        now = [changed.get(i, route) for i, route in enumerate(routes)]
        spare = free.copy()
        way = int(rng.integers(4))
        order = rng.permutation(len(taken)).tolist()
        if way:
            away = [self.secs[0][unit.stop] for unit in taken]
            key = ([-unit.seats for unit in taken], [-secs for secs in away], away)[way - 1]
            order.sort(key=lambda i: key[i])
        marks = set(changed)
        for i in order:
            place = self.place(now, taken[i], rng)
            if place is None:
                fresh = self.fresh(taken[i], spare)
                if fresh is None:
                    return None
                now.append(fresh)
                spare[fresh.klass] -= 1
                marks.add(len(now) - 1)
                continue
            number, at = place
            route = now[number]
            now[number] = self.timed(Route(route.klass, [*route.units[:at], taken[i], *route.units[at:]], 0))
            marks.add(number)
        before = sum(routes[i].cost for i in marks if i < len(routes))
        after = self.settle(now, sorted(marks), spare)
        return None if after is None else ([route for route in now if route.units], spare, before - after)

    def strings(self, routes: list[Route], rng: np.random.Generator) -> tuple[dict[int, list[Unit]], list[Unit]]:
        """-> what is left of the routes touched, and the units taken off."""
        home: dict[int, list[int]] = {}
        for i, route in enumerate(routes):
            for unit in route.units:
                home.setdefault(unit.stop, []).append(i)
        seeds = sorted(home)
        seed, wanted = seeds[int(rng.integers(len(seeds)))], 1 + int(rng.integers(STRINGS))
        touched: dict[int, list[Unit]] = {}
        taken: list[Unit] = []
        for stop in self.near[seed]:
            for i in home.get(stop, ()):
                if i in touched or len(touched) >= wanted or len(taken) >= 2 * AVERAGE:
                    continue
                units = routes[i].units
                at = next(n for n, unit in enumerate(units) if unit.stop == stop)
                size = 1 + int(rng.integers(min(LONGEST, len(units))))
                first = max(0, min(at - int(rng.integers(size)), len(units) - size))
                touched[i] = units[:first] + units[first + size :]
                taken += units[first : first + size]
            if len(touched) >= wanted:
                break
        return touched, taken

    def place(self, routes: list[Route], unit: Unit, rng: np.random.Generator) -> tuple[int, int] | None:
        """-> (route, position) where a unit adds least cost, but for a few places overlooked; None if it fits nowhere."""
        best, found, s = math.inf, None, unit.stop
        direct, own, limit = self.secs, self.dwell[s], self.limit[s]
        blink = rng.random(len(routes)) < BLINK
        for number, route in enumerate(routes):
            units, k = route.units, route.klass
            if not units or blink[number] or len(units) >= self.most:
                continue
            if route.seats + unit.seats > self.seats[k] or route.wheels + unit.wheels > self.places[k] or s in route.stops:
                continue  # two units of a stop in one duty would be one stop: rare enough to leave to other moves
            inner, clock = 0, 0
            for at in range(len(units) + 1):
                there = clock + direct[inner][s]
                if there <= limit:
                    if at < len(units):
                        outer = units[at].stop
                        more_s = direct[inner][s] + own + direct[s][outer] - direct[inner][outer]
                        more_m = self.metres[inner][s] + self.metres[s][outer] - self.metres[inner][outer]
                        fits = more_s <= route.slack[at]
                    else:
                        more_s = direct[inner][s] + own + self.depot_secs[k][s] - self.depot_secs[k][inner]
                        more_m = self.metres[inner][s] + self.depot_metres[k][s] - self.depot_metres[k][inner]
                        fits = True
                    more = self.per_s[k] * more_s + self.per_m[k] * more_m
                    if fits and more < best:
                        best, found = more, (number, at)
                if at < len(units):
                    inner = units[at].stop
                    clock = route.rides[at] + self.dwell[inner]
        return found

    def fresh(self, unit: Unit, free: Ints) -> Route | None:
        """A route of its own for a unit, on the cheapest free vehicle."""
        route = self.timed(Route(-1, [unit], 0))
        return route if self.limit[unit.stop] >= route.rides[0] and self.choose(route, free) else None

    def settle(self, routes: list[Route], marks: list[int], free: Ints) -> int | None:
        """Gives every changed route the cheapest vehicle there is for it -> what they cost; None if one cannot be driven."""
        total = 0
        for i in marks:
            if routes[i].klass >= 0:
                free[routes[i].klass] += 1
        for i in sorted(marks, key=lambda i: -routes[i].seats):
            if not routes[i].units:
                continue
            route = replace(routes[i], klass=-1)
            if not self.choose(route, free):
                return None
            free[route.klass] -= 1
            routes[i] = route
            total += route.cost
        return total

    def choose(self, route: Route, free: Ints) -> bool:
        """Sets a route's class and cost to the cheapest free ones with room."""
        rates, order = self.instance.rates, tuple(unit.stop for unit in route.units)
        fits = (free > 0) & (rates.seats >= route.seats) & (rates.places >= route.wheels)
        klasses = np.flatnonzero(fits)
        if not len(klasses):
            return False
        path = paths_of(self.instance, 0, [order])
        hire = price_many(self.instance, klasses[None, :], path, path)[0]
        best = int(hire.argmin())
        route.klass, route.cost = int(klasses[best]), int(hire[best])
        return bool(hire[best] < NEVER)

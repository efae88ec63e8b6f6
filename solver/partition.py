"""Routes seen by a search, put together anew: choose some that take everybody, on the vehicles there are.

Set partitioning over the routes local searches have visited (Rochat and Taillard, "Probabilistic diversification and intensification
in local search for vehicle routing", Journal of Heuristics 1, 1995), for routes of many stops, whose orders are not enumerated.
"""

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from solver.draft import Duty
from solver.instance import Ints
from solver.milp import NO_UPPER, IntegerAnswer, Programme, restricted, solve_integer, solve_linear
from solver.pricing import NEVER
from solver.strings import Roads, Route, Unit

MOST_ROUTES = 12_000
CLASSES = 2  # the cheapest of a route that get a column, beside the one it was seen with
KEEP = 1500


class Seen:
    """The routes met so far by who is aboard, each in its cheapest order; the latest are kept."""

    def __init__(self, roads: Roads) -> None:
        self.roads = roads
        self._routes: dict[int, Route] = {}

    def add(self, routes: Sequence[Route]) -> None:
        """Remembers priced routes."""
        for route in routes:
            known = self._routes.pop(route.bits, None)
            self._routes[route.bits] = route if known is None or route.metres < known.metres else known
            if len(self._routes) > MOST_ROUTES:
                del self._routes[next(iter(self._routes))]

    def add_tours(self, tours: Sequence[tuple[int, Sequence[int]]]) -> None:
        """Remembers tours worked out elsewhere, (class, parties from the venue outwards), that split no unit."""
        roads, riders = self.roads, self.roads.instance.riders
        for klass, parties in tours:
            groups = [tuple(group) for _, group in groupby(parties, key=lambda party: riders[party].stop)]
            units = [unit for group in groups if (unit := roads.unit_of(group)) is not None]
            if len(units) == len(groups):
                route = roads.route(klass, units)
                if min(route.slack) >= 0 and len(units) <= roads.most and (hire := roads.hires(route.order)[klass]) < NEVER:
                    route.cost = hire
                    self.add([route])

    def duties(self, most: int) -> list[Duty]:
        """The latest routes as duties."""
        return [self.roads.duty(route) for route in list(self._routes.values())[-most:]]

    def best(self, now: Sequence[Route], count: Sequence[int], *, work: float, seconds: float) -> list[Route] | None:
        """-> cheaper routes for the same units on at most so many vehicles of each class, or None."""
        self.add(now)
        aboard = sum(route.bits for route in now)
        routes = [route for route in self._routes.values() if route.bits & ~aboard == 0]
        choices = [(n, k, hire) for n, route in enumerate(routes) for hire, k in self._columns(route, count)]
        programme = covering(routes, choices, count, aboard)
        most = sum(route.cost for route in now)
        relaxed = solve_linear(programme)
        if relaxed is None or relaxed.value >= most - 1:
            return None
        keep = np.flatnonzero(relaxed.reduced <= most - relaxed.value)
        if len(keep) > KEEP:
            keep = np.sort(keep[np.argpartition(relaxed.reduced[keep], KEEP - 1)[:KEEP]])
        answer: IntegerAnswer = solve_integer(restricted(programme, keep), work=work, seconds=seconds, covering=True)
        if answer.value is None or answer.value >= most:
            return None
        picked = [choices[int(keep[j])] for j in np.flatnonzero(answer.x > 0) for _ in range(int(answer.x[j]))]
        return self._settled([(routes[n], k) for n, k, _ in picked])

    def _columns(self, route: Route, count: Sequence[int]) -> list[tuple[int, int]]:
        """(hire, class) of the classes worth a column."""
        roads = self.roads
        able = [
            (hire, k)
            for k, hire in enumerate(roads.hires(route.order))
            if hire < NEVER and count[k] > 0 and route.seats <= roads.seats[k] and route.wheels <= roads.places[k]
        ]
        able.sort()
        return able[:CLASSES] + [pair for pair in able[CLASSES:] if pair[1] == route.klass]

    def _settled(self, picked: list[tuple[Route, int]]) -> list[Route]:
        """The chosen routes, everybody aboard one of them only."""
        roads, seated, result = self.roads, 0, list[Route]()
        for route, k in sorted(picked, key=lambda pair: (-pair[0].seats, pair[0].bits)):
            units: list[Unit] = [unit for unit in route.units if not seated >> unit.number & 1]
            if units:
                made = roads.route(k, units)
                made.cost = roads.hires(made.order)[k]
                seated |= made.bits
                result.append(made)
        return result


def covering(routes: Sequence[Route], choices: Sequence[tuple[int, int, int]], count: Sequence[int], aboard: int) -> Programme:
    """Take every unit at least once, use no more vehicles than there are; one column per (route, class, hire)."""
    numbers = [n for n in range(aboard.bit_length()) if aboard >> n & 1]
    row = {number: r for r, number in enumerate(numbers)}
    members = [[row[unit.number] for unit in route.units] for route in routes]
    rows, columns = list[int](), list[int]()
    for column, (n, k, _) in enumerate(choices):
        rows += [*members[n], len(numbers) + k]
        columns += [column] * (len(members[n]) + 1)
    vehicles: Ints = np.array(count, np.int64)
    return Programme(
        cost=np.array([hire for _, _, hire in choices], np.float64),
        upper=np.ones(len(choices)),
        low=np.concatenate([np.ones(len(numbers)), np.full(len(vehicles), -NO_UPPER)]),
        high=np.concatenate([np.full(len(numbers), NO_UPPER), vehicles.astype(np.float64)]),
        rows=np.array(rows, np.int64),
        columns=np.array(columns, np.int64),
        values=np.ones(len(rows)),
    )

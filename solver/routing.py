"""The routing library as one way to a first draft, and the only way where routes have many stops.

Runs in a child process only: on some inputs the library aborts the process it lives in. It sees boarding groups of a
few parties, each a node; both legs are routed as one path from the venue outwards, on the longer of the two legs. What
comes out is priced by the real rules afterwards, so nothing rests on this model being exact.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from ortools.constraint_solver import pywrapcp, routing_enums_pb2

from solver.admit import Gate
from solver.draft import Draft, Duty, has_room, make_duty, needed_stops
from solver.instance import OUTBOUND, RETURN, Instance, Ints

GROUP_SEATS = 16


@dataclass(frozen=True)
class Group:
    """Parties of one stop and one pattern of legs that board together."""

    stop: int
    legs: tuple[bool, bool]
    seats: int
    wheels: int
    parties: tuple[int, ...]


def boarding_groups(instance: Instance, parties: Iterable[int], size: int = GROUP_SEATS) -> list[Group]:
    """First-fit decreasing into groups of at most `size` seats and one wheelchair; a larger party stands alone."""
    waiting: dict[tuple[int, tuple[bool, bool]], list[int]] = defaultdict(list)
    for party in parties:
        waiting[instance.riders[party].stop, instance.riders[party].legs].append(party)
    groups = []
    for (stop, legs), members in sorted(waiting.items()):
        bins: list[tuple[int, int, list[int]]] = []
        for party in sorted(members, key=lambda p: (-instance.riders[p].persons, p)):
            riders = instance.riders[party]
            for number, (seats, wheels, names) in enumerate(bins):
                if seats + riders.seats <= size and wheels + riders.wheels <= 1:
                    bins[number] = (seats + riders.seats, wheels + riders.wheels, [*names, party])
                    break
            else:
                bins.append((riders.seats, riders.wheels, [party]))
        groups += [Group(stop, legs, seats, wheels, tuple(names)) for seats, wheels, names in bins]
    return groups


@dataclass(frozen=True)
class Fleet:
    """The vehicles on offer, one entry each, by class."""

    klasses: tuple[int, ...]


class RoutingModel:
    """One routing model over groups (nodes 1..m), the venue (0) and depots (m+1..)."""

    def __init__(self, instance: Instance, groups: Sequence[Group], fleet: Fleet) -> None:
        self.instance, self.groups, self.fleet = instance, groups, fleet
        self.depots = sorted({instance.classes[k].depot for k in fleet.klasses})
        node = {name: len(groups) + 1 + number for number, name in enumerate(self.depots)}
        self.ends = [node[instance.classes[k].depot] for k in fleet.klasses]
        self.size = len(groups) + 1 + len(self.depots)
        self.manager = pywrapcp.RoutingIndexManager(self.size, len(fleet.klasses), [0] * len(fleet.klasses), self.ends)
        self.model = pywrapcp.RoutingModel(self.manager)
        self.place = np.array([0] + [group.stop for group in groups], np.int64)
        self._time()
        self._cost()
        self._room()
        self._stops()

    def _table(self, what: str) -> Ints:
        """Seconds or metres of the longer leg between all nodes (depot rows stay 0: routes end there)."""
        instance, m = self.instance, len(self.groups) + 1
        inner = np.maximum(*(getattr(side, what) for side in instance.sides))
        table = np.zeros((self.size, self.size), np.int64)
        table[:m, :m] = inner[np.ix_(self.place, self.place)]
        for number, depot in enumerate(self.depots):
            klass = next(k for k in self.fleet.klasses if instance.classes[k].depot == depot)
            ends = np.maximum(*(getattr(side, f"depot_{what}")[klass] for side in instance.sides))
            table[:m, m + number] = ends[self.place]
        return table

    def _time(self) -> None:
        """Seconds since the venue until leaving a node outwards: travel, and the dwell of each stop left behind once."""
        instance, m = self.instance, len(self.groups) + 1
        self.secs = self._table("secs")
        dwell = np.array(instance.dwell)[self.place]
        moved = np.ones((m, self.size), np.int64)
        moved[:, :m] = self.place[:, None] != self.place[None, :]
        self.secs[:m, :] += dwell[:, None] * moved
        limit = int(max(self._reach(k) for k in self.fleet.klasses))
        evaluator = self.model.RegisterTransitMatrix(self.secs.tolist())
        self.model.AddDimension(evaluator, 0, max(limit, 1), True, "time")
        time = self.model.GetDimensionOrDie("time")
        for number, group in enumerate(self.groups):
            time.CumulVar(self.manager.NodeToIndex(number + 1)).SetMax(max(0, min(limit, instance.max_ride[group.stop])))
        for vehicle, k in enumerate(self.fleet.klasses):
            time.CumulVar(self.model.End(vehicle)).SetMax(max(0, int(self._reach(k))))

    def _reach(self, k: int) -> int:
        """How long one leg of a class may take, breaks not counted."""
        instance, klass = self.instance, self.instance.classes[k]
        rule = klass.rules
        spread = (max(rule.max_spread_s, rule.max_spread_2_s) - instance.standby_s) // 2
        driving = max(rule.max_driving_s, rule.max_driving_2_s) // 2 + 3600
        return int(max(0, min(instance.arrive_s - klass.from_s, klass.to_s - instance.leave_s, spread, driving)))

    def _cost(self) -> None:
        metres, known = self._table("metres"), {}
        for vehicle, k in enumerate(self.fleet.klasses):
            card = self.instance.classes[k].hire
            key = (card.per_km, card.per_h)
            if key not in known:
                table = 2 * (metres * card.per_km // 1000 + self.secs * card.per_h // 3600)
                known[key] = self.model.RegisterTransitMatrix(table.tolist())
            self.model.SetArcCostEvaluatorOfVehicle(known[key], vehicle)
            self.model.SetFixedCostOfVehicle(int(card.call_out + self.instance.rates.standby_minor[k]), vehicle)

    def _room(self) -> None:
        depots = [0] * len(self.depots)
        for leg in (OUTBOUND, RETURN):
            if leg == RETURN and all(group.legs == (True, True) for group in self.groups):
                continue
            for name, column, rooms in (("seats", "seats", "seats"), ("wheels", "wheels", "places")):
                loads = [0, *(getattr(group, column) if group.legs[leg] else 0 for group in self.groups), *depots]
                capacity = [int(getattr(self.instance.rates, rooms)[k]) for k in self.fleet.klasses]
                if any(loads):
                    evaluator = self.model.RegisterUnaryTransitVector(loads)
                    self.model.AddDimensionWithVehicleCapacity(evaluator, 0, capacity, True, f"{name}{leg}")

    def _stops(self) -> None:
        """At most `max_stops` different stops (both legs together, which is stricter than the rule)."""
        m = len(self.groups) + 1
        moved = np.zeros((self.size, self.size), np.int64)
        moved[:m, :m] = (self.place[:, None] != self.place[None, :]) & (self.place[None, :] > 0)
        evaluator = self.model.RegisterTransitMatrix(moved.tolist())
        self.model.AddDimension(evaluator, 0, self.instance.max_stops, True, "stops")

    def solve(self, seconds: float, *, improve: bool) -> list[tuple[int, list[Group]]]:
        """-> (class, groups from the venue outwards) of each route; groups it could not place are missing."""
        penalty = 2 * int(max(self.instance.rates.call_out.max(), 1)) + 10**6
        for number, group in enumerate(self.groups):
            self.model.AddDisjunction([self.manager.NodeToIndex(number + 1)], penalty * 10 * max(1, group.seats + group.wheels))
        search = pywrapcp.DefaultRoutingSearchParameters()
        search.first_solution_strategy = routing_enums_pb2.FirstSolutionStrategy.PATH_CHEAPEST_ARC
        if improve:
            search.local_search_metaheuristic = routing_enums_pb2.LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH
        search.time_limit.FromMilliseconds(max(50, int(seconds * 1000)))
        found = self.model.SolveWithParameters(search)
        routes = []
        for vehicle, k in enumerate(self.fleet.klasses if found else ()):
            index, route = found.Value(self.model.NextVar(self.model.Start(vehicle))), []
            while not self.model.IsEnd(index):
                route.append(self.groups[self.manager.IndexToNode(index) - 1])
                index = found.Value(self.model.NextVar(index))
            if route:
                routes.append((k, route))
        return routes


def route(gate: Gate, parties: Sequence[int], fleet: Fleet, seconds: float, *, improve: bool) -> tuple[list[Duty], list[int]]:
    """Routes these parties on these vehicles -> duties that hold by the real rules, and who is on none of them."""
    instance = gate.instance
    able = [party for party in parties if gate.servable(party)]
    left = [party for party in parties if not gate.servable(party)]
    if not able or not fleet.klasses:
        return [], [*left, *able]
    routes = RoutingModel(instance, boarding_groups(instance, able), fleet).solve(seconds, improve=improve)
    duties, seated = [], set[int]()
    for k, groups in routes:
        riders = [party for group in groups for party in group.parties]
        order = tuple(dict.fromkeys(group.stop for group in groups))
        out, back = needed_stops(instance, riders)
        orders = tuple(s for s in order if s in out), tuple(s for s in order if s in back)
        made = make_duty(instance, k, *orders, riders) if has_room(instance, k, riders) else "max_stops"
        if not isinstance(made, str):
            duties.append(made)
            seated.update(riders)
    return duties, [*left, *(party for party in able if party not in seated)]


def whole_fleet(instance: Instance) -> Fleet:
    return Fleet(tuple(k for k, klass in enumerate(instance.classes) for _ in range(klass.count)))


def routing_draft(gate: Gate, seconds: float, *, improve: bool) -> Draft:
    """A draft of the whole problem by the routing library; the caller seats who is left."""
    duties, left = route(gate, range(len(gate.instance.riders)), whole_fleet(gate.instance), seconds, improve=improve)
    return Draft(tuple(duties), tuple(sorted(left)))

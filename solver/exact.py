"""Small problems to the end: every set of stops x class in one integer programme over seats, by CP-SAT.

Seats may be split as one likes, so its optimum is a bound; if the parties can be seated on the buses it chose at the same
cost, that plan is proven optimal. Only where prices grow with the way (no second driver, no riders' minutes) and both legs
are alike, so that the orders in the books are surely the cheapest.
"""

import math
from dataclasses import dataclass

import numpy as np

from solver.admit import Gate
from solver.children import Proof
from solver.covering import best_duty
from solver.draft import Draft
from solver.instance import Ints
from solver.milp import NO_UPPER, Floats, Programme, below, restricted, solve_integer, solve_linear
from solver.neighbourhood import Books, Demand, Sets, demand_of, feasible_sets, paths_of_labels
from solver.pricing import NEVER, price_many
from solver.seating import Bus, seat

MOST_SETS = 600
MOST_VARIABLES = 12_000
WHOLE = 1e-6  # costs are whole numbers: a bound is rounded up
WORK_PER_S = 1.0  # CP-SAT's deterministic seconds are about as long as real ones on a free core


@dataclass
class _Items:
    """The programme while it is being written: one item per (class, set) worth having."""

    klass: list[int]
    members: list[list[int]]
    cost: list[int]


class Exact:
    """One small problem; `suits` says whether it is one."""

    def __init__(self, gate: Gate, draft: Draft) -> None:
        self.gate, self.instance, self.draft = gate, gate.instance, draft
        parties = sorted(party for duty in draft.duties for party in duty.parties)
        self.demand: Demand = demand_of(self.instance, parties)
        self.books = Books(self.instance)

    def suits(self, modes: list[list[int]]) -> bool:
        """Whether the reasoning above holds; `modes` are the numbers of drivers that could matter, by class."""
        return self.instance.symmetric and not self.instance.minute_minor and all(crews == [1] for crews in modes)

    def run(self, seconds: float, *, longest_s: float) -> Proof | None:
        """-> the proof, or None if the problem is too large or nothing was proven."""
        sets = feasible_sets(self.books, self.demand, room=10**9, most=MOST_SETS)
        if sets is None or not len(sets.pairs):
            return None
        items = self.items(sets)
        programme, seats_of = self.programme(items)
        if len(programme.cost) > MOST_VARIABLES:
            return None
        relaxed = solve_linear(programme)
        if relaxed is None:
            return None
        keep = np.flatnonzero(relaxed.reduced <= self.draft.cost - relaxed.value + 1)  # others are in no cheaper plan
        small = restricted(programme, keep)
        small = below(small, float(self.draft.cost))
        answer = solve_integer(small, work=seconds * WORK_PER_S, seconds=longest_s)
        x = np.zeros(len(programme.cost))
        x[keep] = answer.x if answer.value is not None else 0.0
        minor = math.ceil(min(answer.bound, float(self.draft.cost)) - WHOLE) if math.isfinite(answer.bound) else 0
        if answer.value is None:
            return Proof(minor, None) if minor > 0 else None
        found = self.realised(items, seats_of, x)
        return Proof(max(0, minor), found)

    def items(self, sets: Sets) -> _Items:
        """Every (set, class) that can run, at its cheapest pair of orders; a class only if it is no dearer than a roomier one."""
        instance = self.instance
        klasses = np.arange(len(instance.classes))
        labels = [pair[0] for pair in sets.pairs]
        paths = paths_of_labels(instance, labels)
        hire = price_many(instance, klasses[None, :], paths, paths)
        starts = np.searchsorted(sets.owner, np.arange(len(sets.member)))
        best: Ints = np.minimum.reduceat(hire, starts, axis=0)
        best = np.minimum(best, self.mixed(sets, starts, best))
        result = _Items([], [], [])
        least = self.demand.seats.min(initial=1)
        for s, k in zip(*np.nonzero(best < NEVER), strict=True):
            members = np.flatnonzero(sets.member[s]).tolist()
            if len(members) * max(1, int(least > 0)) <= instance.classes[k].seats + instance.classes[k].places:
                result.klass.append(int(k))
                result.members.append(members)
                result.cost.append(int(best[s, k]))
        return result

    def mixed(self, sets: Sets, starts: Ints, best: Ints) -> Ints:
        """The cheapest hire with another order on the way back; rounding can favour that by a unit."""
        result = best.copy()
        ends = [*starts[1:].tolist(), len(sets.pairs)]
        klasses = np.arange(len(self.instance.classes))[None, :]
        for s, (first, last) in enumerate(zip(starts.tolist(), ends, strict=True)):
            for i in range(first, last):
                for j in range(first, last):
                    if i != j:
                        out, back = (paths_of_labels(self.instance, [sets.pairs[n][0]]) for n in (i, j))
                        result[s] = np.minimum(result[s], price_many(self.instance, klasses, out, back)[0])
        return result

    def programme(self, items: _Items) -> tuple[Programme, list[dict[int, int]]]:
        """Vehicles per item, and seats per (item, stop) where an item cannot take everything -> it, and where those are."""
        demand, instance = self.demand, self.instance
        points, count = len(demand.points), len(items.klass)
        triples: list[tuple[int, int, float]] = []
        low = [*demand.seats.tolist(), *demand.wheels.tolist(), *[-NO_UPPER] * len(instance.classes)]
        high = [NO_UPPER] * (2 * points) + [float(klass.count) for klass in instance.classes]
        upper = [float(instance.classes[k].count) for k in items.klass]
        seats_of: list[dict[int, int]] = []
        largest = max(klass.seats for klass in instance.classes)
        for p in range(points):
            visits = [item for item, members in enumerate(items.members) if p in members]
            triples += [(len(low), item, 1.0) for item in visits]
            low.append(max(1.0, float(-(-int(demand.seats[p]) // largest))))
            high.append(NO_UPPER)
        for item, (k, members) in enumerate(zip(items.klass, items.members, strict=True)):
            triples.append((2 * points + k, item, 1.0))
            made: dict[int, int] = {}
            for offset, waiting, room in (
                (0, demand.seats, instance.classes[k].seats),
                (points, demand.wheels, instance.classes[k].places),
            ):
                wanted = [(p, int(waiting[p])) for p in members if waiting[p]]
                if sum(amount for _, amount in wanted) <= room:
                    triples += [(offset + p, item, float(amount)) for p, amount in wanted]
                    continue
                row = len(low)
                low.append(-NO_UPPER)
                high.append(0.0)
                triples.append((row, item, -float(room)))
                for p, amount in wanted:
                    column = len(upper)
                    upper.append(float(min(amount, room * instance.classes[k].count)))
                    link = len(low)
                    low.append(-NO_UPPER)
                    high.append(0.0)
                    triples += [(offset + p, column, 1.0), (row, column, 1.0), (link, column, 1.0), (link, item, -float(min(amount, room)))]
                    if offset == 0:
                        made[p] = column
            seats_of.append(made)
        table = np.array(triples)
        cost = np.zeros(len(upper))
        cost[:count] = items.cost
        return Programme(
            cost=cost,
            upper=np.array(upper),
            low=np.array(low, np.float64),
            high=np.array(high),
            rows=table[:, 0].astype(np.int64),
            columns=table[:, 1].astype(np.int64),
            values=table[:, 2],
        ), seats_of

    def realised(self, items: _Items, seats_of: list[dict[int, int]], x: Floats) -> Draft | None:
        """The parties on the buses of a solution, or None if they do not fit whole."""
        buses, klasses = list[Bus](), list[int]()
        for item in np.flatnonzero(x[: len(items.klass)] > 0).tolist():
            for copy in range(int(x[item])):
                klass = self.instance.classes[items.klass[item]]
                share = {p: math.ceil(x[c] / x[item]) if copy == 0 else int(x[c] // x[item]) for p, c in seats_of[item].items()}
                meant = {self.demand.points[p]: share.get(p, int(self.demand.seats[p])) for p in items.members[item]}
                buses.append(Bus(seats=klass.seats, places=klass.places, meant=meant))
                klasses.append(items.klass[item])
        groups, left = seat(self.instance, buses, self.demand.parties)
        if left:
            return None
        duties = [best_duty(self.books, k, parties) for k, parties in zip(klasses, groups, strict=True) if parties]
        made = tuple(duty for duty in duties if duty is not None)
        return Draft(made, self.draft.left) if len(made) == len(duties) else None

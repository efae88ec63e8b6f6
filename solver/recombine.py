"""Buses of all drafts and neighbourhoods seen so far, put together anew: one programme over the loads of whole buses.

Set partitioning over the routes local searches have visited (Rochat and Taillard, "Probabilistic diversification and
intensification in local search for vehicle routing", Journal of Heuristics 1, 1995): what one trajectory got right in the north
and another in the south become one draft.
"""

from collections.abc import Iterable

import numpy as np

from solver.draft import Draft, Duty
from solver.instance import Instance, Ints
from solver.neighbourhood import Columns, Demand, demand_of
from solver.seating import Point

MOST_BUSES = 6000
Key = tuple[int, tuple[tuple[Point, int, int], ...]]


class Pool:
    """The cost of a class with a load: (point, seats, wheelchairs) each; the latest are kept."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._cost: dict[Key, int] = {}

    def add(self, duties: Iterable[Duty]) -> None:
        """Remembers what these duties carry."""
        for duty in duties:
            loads: dict[Point, tuple[int, int]] = {}
            for party in duty.parties:
                riders = self.instance.riders[party]
                seats, wheels = loads.get((riders.stop, riders.legs), (0, 0))
                loads[riders.stop, riders.legs] = seats + riders.seats, wheels + riders.wheels
            self._remember((duty.klass, tuple(sorted((point, *load) for point, load in loads.items()))), duty.cost)

    def add_columns(self, demand: Demand, columns: Columns, rows: Ints) -> None:
        """Remembers columns of a neighbourhood."""
        for row in rows.tolist():
            seats, wheels = columns.seats[row].tolist(), columns.wheels[row].tolist()
            load = tuple((point, s, w) for point, s, w in zip(demand.points, seats, wheels, strict=True) if s + w)
            self._remember((int(columns.klass[row]), load), int(columns.cost[row]))

    def _remember(self, key: Key, cost: int) -> None:
        self._cost[key] = min(cost, self._cost.pop(key, cost))
        if len(self._cost) > MOST_BUSES:
            del self._cost[next(iter(self._cost))]

    def columns(self, draft: Draft) -> tuple[Demand, Columns]:
        """What a draft carries, and the columns that call nowhere else; the draft's own, just remembered, come last."""
        self.add(draft.duties)
        demand = demand_of(self.instance, [party for duty in draft.duties for party in duty.parties])
        place = {point: n for n, point in enumerate(demand.points)}
        known = [(key, cost) for key, cost in self._cost.items() if all(load[0] in place for load in key[1])]
        seats, wheels = (np.zeros((len(known), len(place)), np.int64) for _ in range(2))
        for row, (key, _) in enumerate(known):
            for point, some, others in key[1]:
                seats[row, place[point]], wheels[row, place[point]] = some, others
        klass, cost = (np.array(figures, np.int64) for figures in ([key[0] for key, _ in known], [cost for _, cost in known]))
        return demand, Columns(klass=klass, cost=cost, seats=seats, wheels=wheels)

"""A bound for routes of many stops: column generation over tours that may come back to a party, but not at once.

Rows ask for every party once; columns are tours filled with whole parties by a programme over loads. Tours that visit a
party again make that programme small (Christofides, Mingozzi and Toth, "Exact algorithms for the vehicle routing problem, based on
spanning tree and shortest path relaxations", Mathematical Programming 20, 1981: q-routes without 2-cycles); each real duty is one of
them, so that whatever the prices, what they prove holds. Left out: `max_stops`, hours, minimum hires, wheelchairs, most of the ride
limits. For problems whose legs are alike. Within a stop parties are visited in the order of their numbers, never back and forth.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from solver.bound import WORTHWHILE, Duals
from solver.draft import Duty
from solver.instance import Instance, Ints
from solver.legs import Column, Floats, Load
from solver.master import Master
from solver.pool import closed_side

FAR = 1e15
SMOOTHING = 0.5
PER_CLASS = 12
MOST_WORK = 150_000_000  # figures of one pricing: a second or two
MOST_TURNS = 150
CLOSE = 1e-4


class Tours:
    """Column generation for these parties; `suits` says whether one pricing is small enough to be worth it."""

    def __init__(self, instance: Instance, parties: Iterable[int]) -> None:
        self.instance, self.rates = instance, instance.rates
        riders = instance.riders
        self.parties = sorted((p for p in parties if riders[p].seats), key=lambda p: (riders[p].stop, riders[p].seats, p))
        self.node = {party: n for n, party in enumerate(self.parties)}
        self.stops = np.array([riders[p].stop for p in self.parties], np.int64)
        self.seats = np.array([riders[p].seats for p in self.parties], np.int64)
        self.fixed = (self.rates.call_out + self.rates.standby_minor).astype(np.float64)
        self.per_m, self.per_s = 2 * self.rates.per_km / 1000, 2 * self.rates.per_h / 3600
        prices = sorted(set(zip(self.per_m.tolist(), self.per_s.tolist(), strict=True)))
        self.groups = [np.flatnonzero((self.per_m == m) & (self.per_s == s) & (self.rates.count > 0)) for m, s in prices]
        self.groups = [group for group in self.groups if len(group)]
        self.value, self.best = -math.inf, Duals([np.zeros(len(self.parties))], np.zeros(len(instance.classes)))

    def suits(self) -> bool:
        """Whether one pricing is small enough."""
        loads = sum(int(self.rates.seats[group].max()) for group in self.groups)
        return bool(self.parties) and self.instance.symmetric and loads * len(self.parties) ** 2 <= MOST_WORK

    def arcs(self, group: Ints) -> Floats:
        """What going from a party (last row: the venue) to another costs the classes of a group; `FAR` where nobody may."""
        side, k, n = self.instance.sides[0], int(group[0]), len(self.parties)
        at = np.concatenate([self.stops, [0]])
        dwell, limit = np.array(self.instance.dwell), np.array(self.instance.max_ride)
        cost = self.per_m[k] * side.metres[np.ix_(at, self.stops)] + self.per_s[k] * (
            side.secs[np.ix_(at, self.stops)] + dwell[self.stops][None, :]
        )
        soonest = closed_side(self.instance, 0).secs[0]
        late = (soonest + dwell)[at][:, None] + side.secs[np.ix_(at, self.stops)] > limit[self.stops][None, :]
        late[n] = soonest[self.stops] > limit[self.stops]
        same = at[:, None] == self.stops[None, :]
        late &= ~same
        back = np.arange(n + 1)[:, None] >= np.arange(n)[None, :]
        return np.asarray(np.where(late | (same & back), FAR, np.where(same, 0.0, cost)))

    def ends(self, klass: int) -> Floats:
        """What the way from each party to the depot costs a class."""
        side = self.instance.sides[0]
        far = self.per_m[klass] * side.depot_metres[klass] + self.per_s[klass] * side.depot_secs[klass]
        return np.asarray(far[self.stops], np.float64)

    def price(self, duals: Duals) -> tuple[list[Column], Floats]:
        """-> columns worth having, and per class the least any tour costs beyond the prices of its parties (0 if above)."""
        columns, least = list[Column](), np.zeros(len(self.fixed))
        for group in self.groups:
            found = Loads(self.arcs(group), self.seats, duals.seats[0], int(self.rates.seats[group].max()))
            for k in group.tolist():
                total = found.cost[: self.rates.seats[k] + 1] + self.ends(k)[None, :] + self.fixed[k]
                if not len(total):
                    continue
                lowest, load = total.min(axis=0), total.argmin(axis=0)
                least[k] = min(0.0, float(lowest.min()))
                for j in np.argsort(lowest, kind="stable")[:PER_CLASS].tolist():
                    if lowest[j] - duals.vehicles[k] < -WORTHWHILE:
                        visits = found.tour(int(load[j]), j)
                        columns.append(self.column(k, float(lowest[j]) + float(duals.seats[0][visits].sum()), visits))
        return columns, least

    def column(self, klass: int, cost: float, visits: Sequence[int]) -> Column:
        """A tour by the parties it visits, each as often as it does."""
        nodes, times = np.unique(np.array(visits, np.int64), return_counts=True)
        load = Load(stops=tuple(nodes.tolist()), seats=tuple(times.tolist()))
        return Column(klass=klass, cost=cost, loads=(load, load))

    def column_of(self, duty: Duty) -> Column:
        return self.column(duty.klass, float(duty.cost), [self.node[party] for party in duty.parties if party in self.node])

    def prove(self, duals: Duals) -> list[Column]:
        """Prices once and keeps the bound if it is better -> the columns found."""
        columns, least = self.price(duals)
        worth = float(duals.seats[0].sum())
        value = worth + float(self.rates.count @ least)
        beyond = np.minimum(0.0, least - duals.vehicles)  # made so small that no tour is worth more than it costs
        steep = 1 + float((-beyond / np.maximum(1.0, self.fixed)).max(initial=0.0))
        value = max(value, (worth + float(self.rates.count @ duals.vehicles)) / steep)
        if value > self.value:
            self.value, self.best = value, duals
        return columns

    def run(
        self, *, seconds: float, upper: float, start: Iterable[Column], on_better: Callable[[int], None], turns: int = MOST_TURNS
    ) -> int:
        """Generates columns until the bound is tight or time is up -> the bound in minor units."""
        until, told = time.monotonic() + seconds, 0.0
        master = Master([np.ones(len(self.parties), np.int64)], 1, self.rates.count.astype(np.float64), upper)
        master.add(start)
        for turn in range(turns):
            try:
                duals = Duals(*master.solve())
            except ArithmeticError:
                break
            if master.value - self.value < CLOSE * master.value or (turn and time.monotonic() > until):
                break
            trial = duals.blend(self.best, SMOOTHING) if turn else duals
            if not master.add(self.prove(trial)) and not master.add(self.prove(duals)):
                break
            if self.value > told * 1.001 + 1:
                told = self.value
                on_better(self.minor())
        return self.minor()

    def minor(self) -> int:
        """The bound as whole minor units, a hair below the figure to stay on the safe side of rounding."""
        return max(0, math.ceil(self.value * (1 - 1e-9) - 1e-3)) if self.value > 0 else 0


class Loads:
    """The cheapest ways to be at each party with each load, and the cheapest that came from elsewhere."""

    def __init__(self, arcs: Floats, seats: Ints, worth: Floats, room: int) -> None:
        n, self.seats = len(seats), seats
        into = np.ascontiguousarray(arcs.T) - worth[:, None]  # party x where from, the venue last
        self.cost, self.other = np.full((room + 1, n + 1), FAR), np.full((room + 1, n + 1), FAR)
        self.came, self.other_came = (np.full((room + 1, n + 1), -1, np.int16) for _ in range(2))
        self.cost[0, n] = 0.0
        order = np.argsort(seats, kind="stable")
        into, sizes, rows = into[order], seats[order], np.arange(n)
        for load in range(1, room + 1):
            fit = int(np.searchsorted(sizes, load, side="right"))
            if fit:
                self._fill(load, order[:fit], load - sizes[:fit], into[:fit], rows[:fit])
        self.cost, self.other = self.cost[:, :n], self.other[:, :n]

    def _fill(self, load: int, nodes: Ints, before: Ints, into: Floats, rows: Ints) -> None:
        """All parties that may be the last of a tour with this load."""
        ways: NDArray[np.float64] = np.where(self.came[before] == nodes[:, None], self.other[before], self.cost[before]) + into
        first = ways.argmin(axis=1)
        self.cost[load, nodes], self.came[load, nodes] = np.minimum(ways[rows, first], FAR), first
        ways[rows, first] = FAR * 2
        second = ways.argmin(axis=1)
        self.other[load, nodes], self.other_came[load, nodes] = np.minimum(ways[rows, second], FAR), second

    def tour(self, load: int, last: int) -> list[int]:
        """The parties of the cheapest tour with this load that ends at this party."""
        at, n, after, visits = last, len(self.seats), -1, list[int]()
        while at != n:
            visits.append(at)
            came = int(self.came[load, at])
            if came == after and after >= 0:
                came = int(self.other_came[load, at])
            load, after, at = load - int(self.seats[at]), at, came
        return visits

"""A draft out of the bound's linear programme: round its largest columns up, take their riders off, solve again.

A diving heuristic on column generation (Sadykov and others, "Primal heuristics for branch and price: the assets of diving
methods", INFORMS Journal on Computing 31(2), 2019), without going back. It sees the whole map at once, which
neighbourhoods do not; they then repair what rounding got wrong.
"""

import time
from dataclasses import dataclass

import numpy as np

from solver.admit import Gate, admit
from solver.bound import Bound, Duals, Needs
from solver.covering import best_duty
from solver.draft import Draft
from solver.legs import Column, Load
from solver.master import Master
from solver.neighbourhood import Books
from solver.pool import TooManyPaths
from solver.seating import Bus, seat
from solver.start import Greedy

SURE = 0.8  # columns with this much in the programme are taken along with the largest one
AT_ONCE = 6
ROUND_UP = 0.35  # in a single rounding, shares above 0.65 become whole buses
ROUNDS = 12
LUCK = 0.8  # by how much a column's share may look smaller than it is
KEPT_SHARE = 0.9  # a column that has lost more of its load is not taken


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A bus the dive has decided on: seats by stop."""

    klass: int
    load: Load


class Dive:
    """One dive; works on instances whose two legs are alike. With `rng` it does not always take the largest column first.

    With `most` new columns come from so many of the shorter paths only.
    """

    def __init__(
        self,
        gate: Gate,
        parties: list[int],
        upper: float,
        start: list[Column],
        rng: np.random.Generator | None = None,
        most: int | None = None,
    ) -> None:
        self.gate, self.instance, self.parties, self.upper, self.most = gate, gate.instance, parties, upper, most
        self.open = np.zeros(self.instance.stops + 1, np.int64)
        for party in parties:
            self.open[self.instance.riders[party].stop] += self.instance.riders[party].seats
        self.free = self.instance.rates.count.copy()
        self.columns, self.taken, self.rng = start, list[Taken](), rng

    def run(self, seconds: float) -> Draft | None:
        """-> a draft of all parties, or None if the dive got stuck or ran out of time."""
        until = time.monotonic() + seconds
        while self.open.sum() > 0:
            if time.monotonic() > until:
                return None
            try:
                shares = self.relaxed()
            except (TooManyPaths, ArithmeticError):
                return None
            if not self.take(shares):
                return None
        return self.draft()

    def round_off(self, shares: list[tuple[float, Column]]) -> Draft:
        """One rounding of a solved programme, for problems too large to solve it again; the greedy start seats the rest."""
        for share, column in sorted(shares, key=lambda pair: -pair[0]):
            copies = int(share + ROUND_UP)
            if copies and self.whole(column):
                self.take([(float(copies), column)])
        return self.draft()

    def relaxed(self) -> list[tuple[float, Column]]:
        """The linear programme over what is still open -> (share, column), the largest first."""
        left = self.open.copy()
        needs = Needs(seats=(left, left), riding_minor=0)
        bound = Bound(self.instance, needs) if self.most is None else Bound(self.instance, needs, most=self.most, partial=True)
        bound.count = self.free.astype(np.float64)
        master = Master(bound.needs.seats, 1, bound.count, self.upper)
        master.add([column for column in self.columns if self.whole(column)])
        duals = Duals(*master.solve())
        for _ in range(ROUNDS if self.taken else 5 * ROUNDS):
            found, _ = bound.price(duals)
            if not master.add(found):
                break
            duals = Duals(*master.solve())
        shares = sorted(master.shares_of_columns(), key=lambda share: -share[0])
        self.columns = [column for _, column in shares]
        return shares

    def whole(self, column: Column) -> bool:
        """Whether a column of an earlier programme can still fill its seats."""
        load = column.loads[0]
        return (
            self.free[column.klass] > 0 and load is not None and all(self.open[s] >= q for s, q in zip(load.stops, load.seats, strict=True))
        )

    def take(self, shares: list[tuple[float, Column]]) -> int:
        """Decides on the largest column and on those that are nearly whole -> how many buses."""
        taken = 0
        if self.rng is not None:
            luck = 1 - LUCK * self.rng.random(len(shares))
            shares = [
                shares[i] for i in np.argsort([-share * x for (share, _), x in zip(shares, luck.tolist(), strict=True)], kind="stable")
            ]
        for share, column in shares:
            if taken and (share < SURE or taken >= AT_ONCE):
                break
            load = column.loads[0]
            for _ in range(max(1, int(share + 1e-6)) if load is not None else 0):
                if load is None or self.free[column.klass] <= 0:
                    break
                seats = [min(q, int(self.open[s])) for s, q in zip(load.stops, load.seats, strict=True)]
                if sum(seats) < KEPT_SHARE * sum(load.seats):
                    break
                for stop, amount in zip(load.stops, seats, strict=True):
                    self.open[stop] -= amount
                self.free[column.klass] -= 1
                self.taken.append(Taken(klass=column.klass, load=Load(stops=load.stops, seats=tuple(seats))))
                taken += 1
        return taken

    def draft(self) -> Draft:
        """Seats the parties on the buses taken; whoever does not fit is admitted where there is room."""
        books, buses = Books(self.instance), []
        for bus in self.taken:
            klass = self.instance.classes[bus.klass]
            meant = {(s, (True, True)): q for s, q in zip(bus.load.stops, bus.load.seats, strict=True) if q > 0}
            buses.append(Bus(seats=klass.seats, places=klass.places, meant=meant))
        groups, _ = seat(self.instance, buses, self.parties)
        duties = []
        for bus, parties in zip(self.taken, groups, strict=True):
            duty = best_duty(books, bus.klass, parties) if parties else None
            if duty is not None:
                duties.append(duty)
        seated = {party for duty in duties for party in duty.parties}
        greedy = Greedy(self.gate, [party for party in range(len(self.instance.riders)) if party not in seated])
        for duty in duties:
            greedy.free[duty.klass] -= 1
        more, still = greedy.run()
        return admit(self.gate, [*duties, *more], still)

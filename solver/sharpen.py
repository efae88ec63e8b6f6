"""The bound sharpened: column generation once more, with inequalities that rule out buses in halves (cuts.py).

For problems with alike legs and few enough paths. Here a path may call at a stop without taking anyone, and no set of stops
is left out for want of room: a bus may serve two stops in part, and must count at both of them.
"""

import time
from collections.abc import Callable, Iterable

import numpy as np

from solver.bound import Bound, Duals, Needs
from solver.cuts import Cut, Cuts, calls_of
from solver.instance import Instance, Ints
from solver.legs import TWO, Column, Floats
from solver.master import Master
from solver.pool import PathPool

TURNS, ROUNDS, MOST_CUTS = 40, 15, 400
MOST_CELLS = 4_000_000  # paths x stops
IN_USE = 1e-7
SETTLED = 2e-4  # of the programme's value: a round of prices that close to its proof is done


class Sharp(Bound):
    """Column generation with inequalities; raises TooManyPaths like a Bound.

    With `paths` it looks at these only; its value is then a bound for plans that use no others.
    """

    def __init__(self, instance: Instance, needs: Needs, *, most: int, paths: PathPool | None = None) -> None:
        super().__init__(instance, needs, most=most, every=True, star=paths is not None)
        if paths is not None:
            self.pricers[0].pool, self.modes, self.star = paths, [[1, TWO]] * len(self.count), False
        pool = self.pricers[0].pool
        self.cuts = Cuts(needs.seats[0])
        self.calls = np.zeros((len(pool), instance.stops + 1), np.bool_)
        np.put_along_axis(self.calls, pool.stops.astype(np.int64), values=True, axis=1)
        self.calls[:, 0] = False
        rooms = [duty for duty in needs.kept if duty.room[0]]
        self.kept_calls = np.zeros((len(rooms), instance.stops + 1), np.bool_)
        for row, duty in enumerate(rooms):
            self.kept_calls[row, list(duty.stops[0])] = True
        self.kept_room = np.array([duty.room[0] for duty in rooms], np.int64)

    def price(self, duals: Duals) -> tuple[list[Column], Floats]:
        """As ever, with what calls are worth."""
        self.pricers[0].bonus = self.cuts.bonus(self.calls, self.pricers[0].sizes, duals.cuts)
        return super().price(duals)

    def worth_of_needs(self, duals: Duals) -> float:
        """What these duals take serving everybody to be worth."""
        return super().worth_of_needs(duals) + float(np.array([self.asked(cut) for cut in self.cuts.all]) @ duals.cuts)

    def asked(self, cut: Cut) -> float:
        """What an inequality asks of the buses beside those whose duties stay as they are."""
        return cut.least - float(self.cuts.weights(self.kept_calls, self.kept_room, cut).sum())

    def sharpen(self, *, seconds: float, upper: float, start: Iterable[Column], on_better: Callable[[int], None]) -> int:
        """Rounds of prices and inequalities until neither finds anything, the bound meets `upper` or time is up -> the bound."""
        until, told, rounds = time.monotonic() + seconds, 0.0, 0
        master = self.master(upper)
        master.weigh = lambda column: self.cuts.of_column(column, int(self.rates.seats[column.klass]))
        master.add(start)
        while rounds < ROUNDS and time.monotonic() < until and self.minor() < upper and self._settle(master, until):
            rounds += 1
            if self.value > told:
                told = self.value
                on_better(self.minor())
            if not self._cut(master):
                break
        return self.minor()

    def _settle(self, master: Master, until: float) -> bool:
        """Prices until the programme is as good as solved -> False if it cannot be."""
        for _ in range(TURNS):
            try:
                seats, vehicles = master.solve()
            except ArithmeticError:
                return False
            prices = np.array([max(0.0, row.dual_value()) for row in master.cuts])
            found = self.prove(Duals(seats, vehicles, prices))
            if not master.add(found) or master.value - self.value < SETTLED * master.value or time.monotonic() > until:
                return True
        return True

    def _cut(self, master: Master) -> int:
        """Adds what the present solution breaks -> how many."""
        try:
            used = [(share, column) for share, column in master.shares_of_columns() if share > IN_USE]
        except ArithmeticError:
            return 0
        if not used or len(self.cuts.all) >= MOST_CUTS:
            return 0
        shares, columns = np.array([share for share, _ in used]), [column for _, column in used]
        sizes: Ints = self.rates.seats[[column.klass for column in columns]]
        found = self.cuts.broken(
            np.concatenate([calls_of(columns, len(self.needs.seats[0])), self.kept_calls]),
            np.concatenate([shares, np.ones(len(self.kept_room))]),
            np.concatenate([sizes, self.kept_room]),
            np.unique(sizes),
        )
        every = calls_of(master.columns, len(self.needs.seats[0])), self.rates.seats[[column.klass for column in master.columns]]
        for cut in found:
            self.cuts.all.append(cut)
            master.add_cut(self.asked(cut), self.cuts.weights(*every, cut))
        return len(found)

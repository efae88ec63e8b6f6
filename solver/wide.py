"""Column generation where paths are too many to enumerate; priced by labels (reach.py)."""

import math
import time
from collections.abc import Callable, Iterable

import numpy as np

from solver.bound import Bound, Duals, Needs
from solver.instance import Instance
from solver.kept import count_left
from solver.legs import Column, Floats
from solver.master import Master
from solver.pool import PathPool, TooManyPaths
from solver.reach import OutOfTime, Reach

MOST_WORK = 400_000_000  # figures of one pricing's outlooks: some seconds
MOST_STOPS = 10  # per leg: beyond, labels are too many
FEW_LABELS, MOST_LABELS = 50, 12_800  # per class and number of stops
SLACK = 0.005  # duties worth so little beyond their price are not looked for until the end
FEW_COLUMNS, PATIENCE = 40, 3  # of a turn; turns that win nearly nothing before more labels are looked at
WIDER = 8  # times as many then
NEARLY, CLOSE_BY = 0.001, 0.001  # of the programme's value: a turn that wins less, a bound as good as it gets
SMOOTHING, SHARPER = 0.5, 4
MOST_TO_WIN = 0.08  # of the bound: with more, hardly any path can be left out


def suits(instance: Instance, needs: Needs) -> bool:
    """Whether legs are alike and one pricing is small enough."""
    usable = np.flatnonzero(count_left(instance, needs.kept) > 0)
    places = int(np.count_nonzero(needs.seats[0]))
    if not instance.symmetric or instance.max_stops > MOST_STOPS:
        return False
    return int(instance.rates.seats[usable].sum()) * places**2 * instance.max_stops <= MOST_WORK


class Wide(Bound):
    """A bound for problems whose legs are alike; `settled` says that more time would not raise it."""

    def __init__(self, instance: Instance, needs: Needs) -> None:
        super().__init__(instance, needs, star=True)
        self.reach = Reach(instance, self.pricers[0].closed, needs.seats[0], self.count)
        self.whole, self.settled = False, False
        self.most, self.slack = FEW_LABELS, SLACK
        self.until = math.inf
        self.complete = False  # whether the last pricing left nothing out

    def price(self, duals: Duals) -> tuple[list[Column], Floats]:
        """-> columns with negative reduced cost, and per class the least reduced cost there can be."""
        found = self.reach.price(duals.seats[0], duals.vehicles, most=self.most, slack=self.slack, until=self.until)
        self._steepest, self.complete = found.steepest, found.whole
        return found.columns, found.least

    def run(
        self,
        *,
        seconds: float,
        upper: float,
        on_better: Callable[[int], None] | None = None,
        start: Iterable[Column] = (),
        tolerance: float = CLOSE_BY,
    ) -> int:
        """Generates columns until the bound is tight or time is up -> the bound in minor units.

        Looks at few labels until these find little any more, then at more from turn to turn.
        """
        self.until, told, last, stale = time.monotonic() + seconds, 0.0, math.inf, 0
        master = self.master(upper)
        master.add(start)
        while not self.settled:
            try:
                duals = Duals(*master.solve())
                added = self.turn(master, duals)
            except (ArithmeticError, OutOfTime):
                break
            self.last = duals
            thorough = self.complete and not self.slack
            self.settled = master.value - self.value < tolerance * master.value or (not added and (thorough or self.most == MOST_LABELS))
            if self.complete:
                self.slack = self.slack / SHARPER if self.slack > tolerance / SHARPER else 0.0
            stale = stale + 1 if last - master.value < NEARLY * master.value else 0
            if added < FEW_COLUMNS or stale >= PATIENCE:
                self.most, stale = min(MOST_LABELS, WIDER * self.most), 0
            last = master.value
            if on_better is not None and self.value > told * 1.001 + 1:
                told = self.value
                on_better(self.minor())
            if time.monotonic() > self.until:
                break
        self.columns = master.columns
        try:
            self.shares = master.shares_of_columns()
        except ArithmeticError:
            self.shares = []
        return self.minor()

    def turn(self, master: Master, duals: Duals) -> int:
        """Prices, on the way from the best prices known once everything is looked at -> how many columns came."""
        added = master.add(self.prove(duals if self.best is None or not self.complete else duals.blend(self.best, SMOOTHING)))
        return added or (master.add(self.prove(duals)) if self.complete else 0)

    def below(self, upper: float, *, most: int, seconds: float) -> PathPool | None:
        """The paths a plan cheaper than `upper` may use: whatever costs more beyond its worth than there is to win is in no such plan.

        (Route enumeration: Baldacci, Christofides and Mingozzi, Mathematical Programming 115, 2008.) None if these are too many.
        """
        if self.best is None or self.needs.kept:
            return None
        self.slack, self.until = 0.0, time.monotonic() + seconds
        seats, vehicles = self.best.seats[0], self.best.vehicles
        try:
            _, least = self.price(self.best)
            ways = [(seats, vehicles + least), (seats / self._steepest, vehicles / self._steepest)]  # prices no duty is worth more at
            value, seats, vehicles = max(
                ((float(self.needs.seats[0] @ s) + float(self.count @ v), s, v) for s, v in ways), key=lambda way: way[0]
            )
            to_win = upper - self.needs.riding_minor - value
            if to_win > MOST_TO_WIN * value:
                return None
            return self.reach.below(seats, vehicles + to_win + 1.0, most=most, until=self.until)
        except (OutOfTime, TooManyPaths):
            return None

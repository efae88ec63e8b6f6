"""What no plan can beat: column generation over all paths, seats splittable, legs priced apart (docs/solver.md, "bound").

Rows ask for the seats of each (stop, leg); columns are duties with the loads of their legs. Any duals give a valid bound
(Lagrange): sum of needs x duals + sum over classes of count x the best reduced cost, so stopping early only costs quality.
Left out: wheelchairs, whole parties, that a party's two legs ride the same bus. Each of these can only make plans dearer.
"""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from solver.draft import Duty
from solver.instance import OUTBOUND, RETURN, Instance, Ints
from solver.kept import Kept, count_left, rooms_worth
from solver.legs import FAR, TWO, Column, Floats, LegPricer, Load, Threshold
from solver.master import Master
from solver.pool import closed_side

MOST_PATHS = 500_000
SMOOTHING = 0.6
PER_CLASS = 4
WORTHWHILE = 1e-6  # a reduced cost must be below this, negative, to count
MOST_CACHED = 12_000_000  # figures kept: below 100 MB
LARGE = 2_000  # paths: from here on they are swept first
PATHS_PER_STOP, COLUMNS_PER_STOP = 4, 2
FEW_TURNS, SWEEP_UNTIL, SWEEP_SHARE = 10, 0.0004, 0.3  # sweep until a turn wins less, or so much of the time is left
MIXTURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # shares of the minimum hire tried in relaxing it
CLOSE = 1e-5  # relative distance of programme and bound that is as good as none


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Seats to serve per place (0..n) and leg, beside the riders of duties that stay as they are."""

    seats: tuple[Ints, Ints]
    riding_minor: int
    kept: tuple[Kept, ...] = ()


def needs_of(instance: Instance, parties: Iterable[int], kept: tuple[Kept, ...] = ()) -> Needs:
    """What a plan serving exactly these parties must carry, and the least its riders' minutes can cost.

    With `kept` duties only plans that keep them count; their own riders are none of `parties`.
    """
    seats = np.zeros((2, instance.stops + 1), np.int64)
    least = [closed_side(instance, leg).secs[0] for leg in (OUTBOUND, RETURN)] if instance.minute_minor else None
    minor = 0
    for party in parties:
        riders = instance.riders[party]
        for leg in (OUTBOUND, RETURN):
            if riders.legs[leg]:
                seats[leg, riders.stop] += riders.seats
                minor += instance.ride_minor(party, int(least[leg][riders.stop])) if least is not None else 0
    return Needs(seats=(seats[0], seats[1]), riding_minor=minor, kept=kept)


def column_of(instance: Instance, duty: Duty) -> Column:
    """A duty of a draft as a column: what it really costs and carries."""
    seats: tuple[Counter[int], Counter[int]] = Counter(), Counter()
    for party in duty.parties:
        riders = instance.riders[party]
        for leg in (OUTBOUND, RETURN):
            if riders.legs[leg]:
                seats[leg][riders.stop] += riders.seats
    loads = [Load(stops=tuple(taken), seats=tuple(taken.values())) if taken else None for taken in seats]
    return Column(klass=duty.klass, cost=float(duty.cost), loads=(loads[0], loads[1]))


@dataclass(frozen=True)
class Duals:
    """Prices of a seat per place, one array per leg priced, and of a vehicle per class (not above 0)."""

    seats: list[Floats]
    vehicles: Floats
    cuts: Floats = field(default_factory=lambda: np.zeros(0))

    def blend(self, other: "Duals", weight: float) -> "Duals":
        """This with so much of the other."""
        seats = [(1 - weight) * a + weight * b for a, b in zip(self.seats, other.seats, strict=True)]
        cuts = (1 - weight) * self.cuts + weight * np.pad(other.cuts, (0, len(self.cuts) - len(other.cuts)))
        return Duals(seats, (1 - weight) * self.vehicles + weight * other.vehicles, cuts)


class Bound:
    """Column generation for one instance and one set of needs.

    With `partial` it settles for paths of fewer stops where all would be too many: its value is no bound then, and `whole`
    says so. Otherwise it raises TooManyPaths when made.
    """

    def __init__(
        self, instance: Instance, needs: Needs, *, most: int = MOST_PATHS, partial: bool = False, star: bool = False, every: bool = False
    ) -> None:
        self.instance, self.needs, self.rates = instance, needs, instance.rates
        self.alike, self.star = instance.symmetric, star
        legs = (OUTBOUND,) if self.alike else (OUTBOUND, RETURN)
        self.pricers = [LegPricer(instance, leg, needs.seats[leg], most=most, partial=partial, star=star, every=every) for leg in legs]
        self.whole = all(pricer.pool.whole for pricer in self.pricers)
        self.factor = 2.0 if self.alike else 1.0
        self.count = count_left(instance, needs.kept)
        self.modes = self._crews()
        self._cached: dict[tuple[int, int, int], Floats] = {}
        self.value = 0.0  # the best Lagrangian bound so far
        self._reach = -math.inf  # the same, even below 0
        self._steepest = 1.0  # the most any load was worth beside its duty's price in the last pricing
        self.best: Duals | None = None
        self.columns: list[Column] = []
        self.last: Duals | None = None  # of the last programme solved
        self.shares: list[tuple[float, Column]] = []  # how much of each the last programme used

    def _crews(self) -> list[list[int]]:
        """Per class the numbers of drivers worth pricing: two only where rules or breaks could call for a second."""
        result = []
        farthest = [p.farthest() for p in self.pricers]
        for k in range(len(self.instance.classes)):
            longest = sum(
                int((far + p.closed.depot_secs[k])[far >= 0].max(initial=0)) * int(self.factor)
                for p, far in zip(self.pricers, farthest, strict=True)
            )
            free = longest <= min(self.rates.driving[k], self.rates.break_after[k])
            dwell = sum(int(p.pool.dwell.max(initial=0)) * int(self.factor) for p in self.pricers)
            free = free and longest + dwell + self.instance.standby_s <= self.rates.spread[k]
            result.append([1] if free else [1, 2])
        return result

    def price(self, duals: Duals) -> tuple[list[Column], Floats]:
        """-> columns with negative reduced cost, and per class the least reduced cost (0 if none is negative)."""
        thresholds = self.thresholds(duals) if self.alike else None
        self._steepest = 1.0
        least = np.zeros(len(self.count))
        best: dict[tuple[int, int], list[tuple[float, Column]]] = defaultdict(list)
        for part in self.pricers[0].stretches() if self.alike else [None]:
            worth = [pricer.worth(seats, thresholds, part) for pricer, seats in zip(self.pricers, duals.seats, strict=True)]
            for size in self.pricers[0].sizes:
                rows: Ints | None = worth[0][size][0] if self.alike else None
                values = [found[size][1] for found in worth]
                if rows is not None and not len(rows):
                    continue
                for k in np.flatnonzero((self.rates.seats == size) & (self.count > 0)).tolist():
                    for crew in self.modes[k]:
                        low, made = self._price_class(k, crew, values, rows, float(duals.vehicles[k]))
                        least[k] = min(least[k], low)
                        best[k, crew] += made
        most = PER_CLASS if self.alike else None
        return [column for made in best.values() for _, column in sorted(made, key=itemgetter(0))[:most]], least

    def thresholds(self, duals: Duals) -> dict[int, Threshold]:
        """Per size the least any of its classes could ask for a path."""
        rates, closed, result = self.rates, self.pricers[0].closed, {}
        for size in self.pricers[0].sizes:
            group = np.flatnonzero(rates.seats == size)
            fixed = rates.call_out[group] + rates.standby_minor[group] - duals.vehicles[group]
            ends = (
                rates.per_km[group, None] / 1000 * closed.depot_metres[group] + rates.per_h[group, None] / 3600 * closed.depot_secs[group]
            )
            per_m, per_s = float(rates.per_km[group].min()) / 1000, float(rates.per_h[group].min()) / 3600
            result[size] = Threshold(per_m=per_m, per_s=per_s, dead=(fixed[:, None] + 2 * ends).min(axis=0))
        return result

    def sweep(self, duals: Duals) -> list[Column]:
        """Good columns all over the map, for large pools: by size and outermost stop the best paths, each on its best class.

        Looks at one driver without breaks only and proves nothing.
        """
        thresholds = self.thresholds(duals)
        pricer, pool, found = self.pricers[0], self.pricers[0].pool, list[Column]()
        for size, (rows, value) in self._hopeful(duals, thresholds).items():
            group = np.flatnonzero((self.rates.seats == size) & (self.count > 0))
            if not len(rows) or not len(group):
                continue
            hire = np.stack([2 * self.leg_cost(0, k, 1, rows) for k in group.tolist()])
            hire += (self.rates.call_out[group] + self.rates.standby_minor[group])[:, None]
            hire = np.maximum(hire, self.rates.minimum[group][:, None])
            reduced = hire - value[None, :] - duals.vehicles[group][:, None]
            choice = reduced.argmin(axis=0)
            least = reduced[choice, np.arange(len(rows))]
            for j in best_by(pool.last[rows], least, COLUMNS_PER_STOP).tolist():
                if least[j] < -WORTHWHILE:
                    load = pricer.load_of(int(rows[j]), size)
                    found.append(Column(klass=int(group[choice[j]]), cost=float(hire[choice[j], j]), loads=(load, load)))
        return found

    def _hopeful(self, duals: Duals, thresholds: dict[int, Threshold]) -> dict[int, tuple[Ints, Floats]]:
        """Per size and outermost stop the paths whose loads are worth most beside what any class asks, and these worths."""
        pricer, last = self.pricers[0], self.pricers[0].pool.last
        found = {size: (np.zeros(0, np.int64), np.zeros(0)) for size in pricer.sizes}
        for part in pricer.stretches():
            for size, (more, worth) in pricer.worth(duals.seats[0], thresholds, part).items():
                rows, value = (np.concatenate(pair) for pair in zip(found[size], (more, worth), strict=True))
                keep = best_by(last[rows], thresholds[size].cost(pricer, rows) - value, PATHS_PER_STOP)
                found[size] = rows[keep], value[keep]
        return found

    def leg_cost(self, n: int, klass: int, crew: int, rows: Ints | None) -> Floats:
        """Cost of the paths of a leg for a class; of all of them it is remembered."""
        pricer = self.pricers[n]
        other = self.pricers[0 if self.alike else 1 - n]
        spent = int(other.closed.depot_secs[klass, 0])
        if rows is not None:
            cost = pricer.costs(klass, spent, crew, rows)
            bound_by_hours = self.alike and len(self.modes[klass]) > 1 and not self.star
            return np.where(pricer.breaks_hours(klass, crew, rows), FAR, cost) if bound_by_hours else cost
        key = (n, klass, crew)
        if key not in self._cached:
            cost = pricer.costs(klass, spent, crew, np.arange(len(pricer.pool)))
            if len(self._cached) * len(cost) > MOST_CACHED:
                return cost
            self._cached[key] = cost
        return self._cached[key]

    def _price_class(
        self, k: int, crew: int, values: list[Floats], rows: Ints | None, shared: float
    ) -> tuple[float, list[tuple[float, Column]]]:
        """-> the least reduced cost of a class with so many drivers, and its best columns with theirs."""
        rates, legs = self.rates, range(len(self.pricers))
        extra = float(rates.second_driver[k]) if crew == TWO else 0.0
        base, standby, floor = float(rates.call_out[k]), float(rates.standby_minor[k]), float(rates.minimum[k])
        worth = values
        cost = [self.factor * self.leg_cost(n, k, crew, rows) for n in legs]
        reduced = [cost[n] - worth[n] for n in legs]
        empty = [] if self.alike else [float(pricer.empty_cost(crew)[k]) for pricer in self.pricers]
        self._steepest = max(self._steepest, steepest(worth, cost, base + extra, standby, empty))
        # max(minimum, sum) - worth is at least any mixture of minimum and sum less the worth, and mixtures fall apart by leg
        best, weight = FAR, 0.0
        ways_out = [((0, 1)[: len(worth)], base + standby), *((((n,), base + empty[1 - n])) for n in range(len(empty)))]
        for used, fixed in ways_out:
            low, at = max(
                (mixture(w, floor, fixed, [(cost[n], worth[n]) for n in used]), w) for w in (MIXTURES if floor > base else (0.0,))
            )
            if low < best:
                best, weight = low, at
        best += extra - shared
        if best > -WORTHWHILE:
            return 0.0, []
        reduced = [np.where(cost[n] < FAR / 2, (1 - weight) * cost[n] - worth[n], FAR) for n in legs] if weight else reduced
        tops = [np.argpartition(r, min(PER_CLASS, len(r)) - 1)[:PER_CLASS] if len(r) else np.zeros(0, np.int64) for r in reduced]
        ranked = [top[np.argsort(r[top], kind="stable")] for top, r in zip(tops, reduced, strict=True)]
        ways: list[tuple[float, float, tuple[int | None, ...]]] = []
        for pair in zip(*ranked, strict=False):
            paths = tuple(int(j) for j in pair)
            ways.append(
                (base + standby + sum(cost[n][j] for n, j in enumerate(paths)), sum(worth[n][j] for n, j in enumerate(paths)), paths)
            )
        for n in range(len(empty)):
            best_few = ranked[n][:TWO].tolist()
            ways += [(base + cost[n][j] + empty[1 - n], worth[n][j], (j, None) if n == 0 else (None, j)) for j in best_few]
        made = []
        for price, gain, chosen in ways:
            hire = max(floor, price) + extra
            if (reduced_cost := hire - gain - shared) < -WORTHWHILE and price < FAR / 2:
                real = [None if j is None else j if rows is None else int(rows[j]) for j in chosen]
                loads = [None if j is None else self.pricers[n].load_of(j, int(rates.seats[k])) for n, j in enumerate(real)]
                made.append((reduced_cost, Column(klass=k, cost=hire, loads=(loads[0], loads[0] if self.alike else loads[1]))))
        return best, made

    def lagrangian(self, duals: Duals, least: Floats) -> float:
        """The bound these duals prove, or (Farley, 1990) these duals made small enough that no column is worth its price."""
        value = self.worth_of_needs(duals) + float(self.count @ duals.vehicles)
        value -= sum(rooms_worth(self.needs.kept, n, self.needs.seats[n], dual) for n, dual in enumerate(duals.seats))
        return max(value + float(self.count @ least), value / self._steepest)

    def worth_of_needs(self, duals: Duals) -> float:
        """What these duals take serving everybody to be worth."""
        return sum(float(self.needs.seats[n] @ dual) for n, dual in enumerate(duals.seats))

    def prove(self, duals: Duals) -> list[Column]:
        """Prices once and keeps the bound if it is better -> the columns found."""
        columns, least = self.price(duals)
        value = self.lagrangian(duals, least)
        if value > self._reach:
            self._reach, self.value, self.best = value, max(value, 0.0), duals
        return columns

    def master(self, upper: float) -> Master:
        """The programme without columns yet; `upper` is what some plan costs."""
        master = Master(self.needs.seats, len(self.pricers), self.count, upper)
        for duty in self.needs.kept:
            for n in range(len(self.pricers)):
                master.add_room(n, duty.stops[n], duty.room[n])
        return master

    def run(
        self,
        *,
        seconds: float,
        upper: float,
        on_better: Callable[[int], None] | None = None,
        start: Iterable[Column] = (),
        tolerance: float = CLOSE,
    ) -> int:
        """Generates columns until the bound is tight or time is up -> the bound in minor units.

        Large pools are swept until that hardly helps; only then is every path looked at.
        """
        until = time.monotonic() + seconds
        master = self.master(upper)
        master.add(start)
        sweeping = self.alike and len(self.pricers[0].pool) > LARGE
        told, turn, last = 0.0, 0, 0.0
        while True:
            try:
                duals = Duals(*master.solve())
            except ArithmeticError:  # GLOP gives up now and then after many changes: once more from scratch
                columns, master = master.columns, self.master(upper)
                master.add(columns)
                try:
                    duals = Duals(*master.solve())
                except ArithmeticError:
                    break
            if master.value - self.value < tolerance * abs(master.value) + 0.5 and turn:
                break
            turn += 1
            self.last = duals
            sweeping = sweeping and (turn < FEW_TURNS or last - master.value > SWEEP_UNTIL * master.value)
            last = master.value
            if sweeping and time.monotonic() < until - SWEEP_SHARE * seconds:
                sweeping = master.add(self.sweep(duals)) > 0
                continue
            trial = duals.blend(self.best, SMOOTHING) if self.best is not None and turn > TWO else duals
            added = master.add(self.prove(trial))
            if not added and trial is not duals:
                added = master.add(self.prove(duals))
            if on_better is not None and self.value > told * 1.001 + 1:
                told = self.value
                on_better(self.minor())
            if not added or time.monotonic() > until:
                break
        self.columns = master.columns
        try:
            self.shares = master.shares_of_columns()
        except ArithmeticError:
            self.shares = []
        return self.minor()

    def known(self, columns: Iterable[Column]) -> list[Column]:
        """Those columns of another programme that call only where somebody waits in this one."""
        return [
            column
            for column in columns
            if all(load is None or self.needs.seats[leg][list(load.stops)].all() for leg, load in enumerate(column.loads))
        ]

    def minor(self) -> int:
        """The bound as whole minor units, a hair below the figure to stay on the safe side of rounding."""
        return max(0, math.ceil(self.value * (1 - 1e-9) - 1e-3)) + self.needs.riding_minor + sum(duty.cost for duty in self.needs.kept)


def steepest(worth: list[Floats], cost: list[Floats], base: float, standby: float, empty: list[float]) -> float:
    """At least the largest worth / price of any duty of a class, from the figures of its legs.

    (a + b) / (c + d) is never above the larger of a / c and b / d, so that each leg may carry half of the fixed part.
    """
    share = (base + standby) / len(worth)
    result = 0.0
    for n, (gain, price) in enumerate(zip(worth, cost, strict=True)):
        result = max(result, float((gain / np.maximum(1e-9, share + price)).max(initial=0.0)))
        if empty:
            result = max(result, float((gain / np.maximum(1e-9, base + price + empty[1 - n])).max(initial=0.0)))
    return result


def mixture(weight: float, floor: float, fixed: float, legs: list[tuple[Floats, Floats]]) -> float:
    """The least of weight x minimum hire + (1 - weight) x price - worth over all paths of the legs used."""
    total = weight * floor + (1 - weight) * fixed
    for cost, worth in legs:
        total += float(np.where(cost < FAR / 2, (1 - weight) * cost - worth, FAR).min(initial=FAR))
    return total


def best_by(keys: NDArray[np.int16], scores: Floats, count: int) -> Ints:
    """The numbers of the `count` lowest scores of each key."""
    order = np.lexsort((scores, keys))
    ranked = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]])) if len(ranked) else np.zeros(0, np.int64)
    rank = np.arange(len(ranked)) - np.repeat(starts, np.diff(np.append(starts, len(ranked))))
    return order[rank < count]

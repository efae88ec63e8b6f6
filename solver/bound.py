"""What no plan can beat: column generation over all paths, seats splittable, legs priced apart (docs/solver.md, "bound").

Rows ask for the seats of each (stop, leg); columns are duties with the loads of their legs. Any duals give a valid bound
(Lagrange): sum of needs x duals + sum over classes of count x the best reduced cost, so stopping early only costs quality.
Left out: wheelchairs, whole parties, that a party's two legs ride the same bus. Each of these can only make plans dearer.
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from ortools.linear_solver import pywraplp

from solver.instance import OUTBOUND, RETURN, Instance, Ints
from solver.pool import Closed, PathPool, TooManyPaths, closed_side, enumerate_paths

Floats = NDArray[np.float64]
MOST_PATHS = 400_000
SMOOTHING = 0.6
PER_CLASS = 4
FAR = 1e15
NOTHING, WORTHWHILE = 1e-9, 1e-6  # tolerances on duals and on reduced costs
MOST_CACHED = 12_000_000  # figures kept: below 100 MB
TWO = 2  # drivers


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Seats to serve per place (0..n) and leg; equal needs share a bound."""

    seats: tuple[Ints, Ints]
    riding_minor: int


def needs_of(instance: Instance, parties: Iterable[int]) -> Needs:
    """What a plan serving exactly these parties must carry, and the least its riders' minutes can cost."""
    seats = np.zeros((2, instance.stops + 1), np.int64)
    least = [closed_secs[0] for closed_secs in (closed_side(instance, leg).secs for leg in (0, 1))] if instance.minute_minor else None
    minor = 0
    for party in parties:
        riders = instance.riders[party]
        for leg in (OUTBOUND, RETURN):
            if riders.legs[leg]:
                seats[leg, riders.stop] += riders.seats
                minor += instance.ride_minor(party, int(least[leg][riders.stop])) if least is not None else 0
    return Needs(seats=(seats[0], seats[1]), riding_minor=minor)


@dataclass(frozen=True, kw_only=True)
class Load:
    """One leg of a column: seats taken per stop."""

    stops: tuple[int, ...]
    seats: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A duty of the master programme."""

    klass: int
    cost: float
    loads: tuple[Load | None, Load | None]


class LegPricer:
    """The best path of one leg for each class under given duals."""

    def __init__(self, instance: Instance, leg: int, needs: Ints, *, most: int) -> None:
        rates = instance.rates
        self.closed: Closed = closed_side(instance, leg)
        self.sizes = sorted({int(q) for q in rates.seats if q > 0})
        self.pool: PathPool = enumerate_paths(instance, self.closed, needs, max(self.sizes, default=0), most)
        self.needs = needs.astype(np.float64)
        self.rates = rates
        self.window = instance.arrive_s - rates.from_s if leg == OUTBOUND else rates.to_s - instance.leave_s
        self.work, self.metres = self.pool.work.astype(np.float64), self.pool.metres.astype(np.float64)

    def empty_cost(self, crew: int) -> Floats:
        """The leg driven empty, per class."""
        secs, metres = self.closed.depot_secs[:, 0], self.closed.depot_metres[:, 0]
        pause = np.maximum(0, -(-secs // self.rates.break_after) - 1) * self.rates.break_s if crew == 1 else 0
        return np.asarray(self.rates.per_km * metres / 1000 + self.rates.per_h * (secs + pause) / 3600, np.float64)

    def values(self, duals: Floats) -> dict[int, tuple[Floats, Floats]]:
        """Per bus size: what the best load of each path is worth, and that load (path x place, in the order of `self.sorted`)."""
        worth = duals[self.pool.stops]
        order = np.argsort(-worth, axis=1, kind="stable")
        self.sorted = np.take_along_axis(self.pool.stops, order, 1)
        worth = np.take_along_axis(worth, order, 1)
        waiting = np.where(worth > NOTHING, self.needs[self.sorted], 0.0)
        before = np.cumsum(waiting, 1) - waiting
        result = {}
        for size in self.sizes:
            load = np.minimum(waiting, np.maximum(0.0, size - before))
            result[size] = ((load * worth).sum(1), load)
        return result

    def costs(self, klass: int, other_secs: int, crew: int) -> Floats:
        """What the leg costs a class on each path, `FAR` where hours or availability certainly forbid it."""
        rates, last = self.rates, self.pool.last
        ride_home = self.closed.depot_secs[klass, last]
        work = self.pool.work + ride_home
        driving = work - self.pool.dwell
        cap = rates.driving[klass] if crew == 1 else rates.driving_2[klass]
        late = driving > cap - other_secs
        if crew == 1 and rates.break_s[klass]:
            work = work + np.maximum(0, -(-driving // rates.break_after[klass]) - 1) * rates.break_s[klass]
        late |= work > self.window[klass]
        cost = rates.per_km[klass] / 1000 * (self.metres + self.closed.depot_metres[klass, last]) + rates.per_h[klass] / 3600 * work
        return np.where(late, FAR, cost)

    def load_of(self, path: int, load: Floats) -> Load:
        taken = np.flatnonzero(load[path] > 0)
        return Load(stops=tuple(int(s) for s in self.sorted[path, taken]), seats=tuple(int(q) for q in load[path, taken]))


class Bound:
    """Column generation for one instance and one set of needs."""

    def __init__(self, instance: Instance, needs: Needs, *, most: int = MOST_PATHS) -> None:
        self.instance, self.needs, self.rates = instance, needs, instance.rates
        self.alike = instance.symmetric
        legs = (OUTBOUND,) if self.alike else (OUTBOUND, RETURN)
        self.pricers = [LegPricer(instance, leg, needs.seats[leg], most=most) for leg in legs]
        self.factor = 2.0 if self.alike else 1.0
        self.count = self.rates.count.astype(np.float64)
        self.modes = self._crews()
        self._cached: dict[tuple[int, int, int], Floats] = {}
        self.value = 0.0  # of the best Lagrangian bound so far
        self.columns: list[Column] = []  # all that were generated

    def _crews(self) -> list[list[int]]:
        """Per class the numbers of drivers worth pricing: two only where rules or breaks could call for a second."""
        result = []
        for k in range(len(self.instance.classes)):
            longest = sum(
                int((p.pool.work - p.pool.dwell + p.closed.depot_secs[k, p.pool.last]).max(initial=0)) * int(self.factor)
                for p in self.pricers
            )
            free = longest <= min(self.rates.driving[k], self.rates.break_after[k])
            dwell = sum(int(p.pool.dwell.max(initial=0)) * int(self.factor) for p in self.pricers)
            free = free and longest + dwell + self.instance.standby_s <= self.rates.spread[k]
            result.append([1] if free else [1, 2])
        return result

    def leg_cost(self, n: int, klass: int, crew: int) -> Floats:
        """Cached cost of all paths of a leg for a class."""
        key = (n, klass, crew)
        if key not in self._cached:
            other = self.pricers[0 if self.alike else 1 - n]
            cost = self.pricers[n].costs(klass, int(other.closed.depot_secs[klass, 0]), crew)
            if len(self._cached) * len(cost) > MOST_CACHED:
                return cost
            self._cached[key] = cost
        return self._cached[key]

    def price(self, duals: list[Floats], shared: Floats) -> tuple[list[Column], Floats]:
        """-> columns with negative reduced cost, and per class the least reduced cost (0 if none is negative)."""
        values = [pricer.values(dual) for pricer, dual in zip(self.pricers, duals, strict=True)]
        columns: list[Column] = []
        least = np.zeros(len(self.count))
        for k in range(len(self.count)):
            size = int(self.rates.seats[k])
            if size <= 0:
                continue
            for crew in self.modes[k]:
                best, made = self._price_class(k, crew, size, values, float(shared[k]))
                least[k] = min(least[k], best)
                columns += made
        return columns, least

    def _price_class(
        self, k: int, crew: int, size: int, values: list[dict[int, tuple[Floats, Floats]]], shared: float
    ) -> tuple[float, list[Column]]:
        rates, standby = self.rates, float(self.rates.standby_minor[k])
        fixed = float(rates.call_out[k]) + (float(rates.second_driver[k]) if crew == TWO else 0.0)
        reduced = [self.leg_cost(n, k, crew) * self.factor - values[n][size][0] for n in range(len(self.pricers))]
        floor = float(rates.minimum[k]) + (float(rates.second_driver[k]) if crew == TWO else 0.0)
        tops = [np.argpartition(r, min(PER_CLASS, len(r)) - 1)[:PER_CLASS] for r in reduced if len(r)]
        if len(tops) < len(self.pricers):
            tops = [np.zeros(0, np.int64) for _ in self.pricers]
        lows = [float(r.min(initial=FAR)) for r in reduced]
        gains = [float(values[n][size][0].max(initial=0.0)) for n in range(len(self.pricers))]
        if self.alike:
            options = [(fixed + standby + lows[0], gains[0])]
        else:
            empty = [pricer.empty_cost(crew)[k] for pricer in self.pricers]
            options = [
                (fixed + standby + lows[0] + lows[1], gains[0] + gains[1]),
                (fixed + lows[0] + empty[1], gains[0]),
                (fixed + empty[0] + lows[1], gains[1]),
            ]
        # max(minimum, sum) - value is at least both: the sum's reduced cost, and the minimum less the most any load is worth
        best = min(max(low, floor - gain) for low, gain in options if low < FAR / 2) if any(low < FAR / 2 for low, _ in options) else 0.0
        best -= shared
        made = [] if best > -WORTHWHILE else self._columns(k, crew, size, values, reduced, tops, shared)
        return min(0.0, best), made

    def _columns(
        self,
        k: int,
        crew: int,
        size: int,
        values: list[dict[int, tuple[Floats, Floats]]],
        reduced: list[Floats],
        tops: list[NDArray[np.int64]],
        shared: float,
    ) -> list[Column]:
        """The best few columns of a class, exactly priced within the relaxation."""
        rates, made = self.rates, []
        extra = float(rates.second_driver[k]) if crew == TWO else 0.0
        base, standby, floor = float(rates.call_out[k]), float(rates.standby_minor[k]), float(rates.minimum[k])
        ways: list[tuple[float, float, list[int | None]]] = []  # cost, worth, paths
        ranked = [top[np.argsort(r[top], kind="stable")].tolist() for top, r in zip(tops, reduced, strict=True)]
        cost_of = [self.leg_cost(n, k, crew) for n in range(len(self.pricers))]
        worth_of = [values[n][size][0] for n in range(len(self.pricers))]
        if self.alike:
            ways = [(max(floor, base + standby + 2 * cost_of[0][j]) + extra, worth_of[0][j], [j]) for j in ranked[0]]
        else:
            for a, b in zip(ranked[0], ranked[1], strict=False):
                cost = base + standby + cost_of[0][a] + cost_of[1][b]
                ways.append((max(floor, cost) + extra, worth_of[0][a] + worth_of[1][b], [a, b]))
            for n in (0, 1):
                empty = float(self.pricers[1 - n].empty_cost(crew)[k])
                for j in ranked[n][:2]:
                    paths: list[int | None] = [None, None]
                    paths[n] = j
                    ways.append((max(floor, base + cost_of[n][j] + empty) + extra, worth_of[n][j], paths))
        for cost, worth, chosen in ways:
            if cost - worth - shared < -WORTHWHILE and cost < FAR / 2:
                loads = [None if j is None else self.pricers[n].load_of(j, values[n][size][1]) for n, j in enumerate(chosen)]
                pair = (loads[0], loads[0]) if self.alike else (loads[0], loads[1])
                made.append(Column(klass=k, cost=cost, loads=pair))
        return made

    def lagrangian(self, duals: list[Floats], shared: Floats, least: Floats) -> float:
        needs = sum(float(self.needs.seats[n] @ dual) for n, dual in enumerate(duals))
        return needs + float(self.count @ shared) + float(self.count @ least)

    def run(self, *, seconds: float, upper: float, on_better: Callable[[int], None] | None = None, rounds: int | None = None) -> int:
        """Generates columns until the bound is tight or time is up -> the bound in minor units."""
        until = time.monotonic() + seconds
        master = Master(self, upper)
        duals, shared = master.solve()
        centre = (duals, shared)
        told = 0.0
        turn = 0
        while time.monotonic() < until and (rounds is None or turn < rounds):
            turn += 1
            mix = SMOOTHING if turn > TWO else 0.0
            trial = [mix * c + (1 - mix) * d for c, d in zip(centre[0], duals, strict=True)], mix * centre[1] + (1 - mix) * shared
            columns, least = self.price(*trial)
            bound = self.lagrangian(*trial, least)
            if bound > self.value:
                self.value, centre = bound, trial
            added = master.add(columns)
            if not added and mix:
                columns, least = self.price(duals, shared)
                bound = self.lagrangian(duals, shared, least)
                if bound > self.value:
                    self.value, centre = bound, (duals, shared)
                added = master.add(columns)
            if on_better is not None and self.value > told * 1.001 + 1:
                told = self.value
                on_better(self.minor())
            self.columns = master.columns
            if not added:
                break
            duals, shared = master.solve()
            if master.value - self.value < 1e-5 * abs(master.value) + 0.5:
                break
        return self.minor()

    def minor(self) -> int:
        """The bound as whole minor units, a hair below the figure to stay on the safe side of rounding."""
        return max(0, math.ceil(self.value * (1 - 1e-9) - 1e-3)) + self.needs.riding_minor


class Master:
    """The restricted master programme, kept warm in GLOP."""

    def __init__(self, bound: Bound, upper: float) -> None:
        self.bound = bound
        solver = pywraplp.Solver.CreateSolver("GLOP")
        self.solver, self.infinity = solver, solver.infinity()
        self.objective = solver.Objective()
        self.objective.SetMinimization()
        self.legs = range(len(bound.pricers))
        self.rows = [
            {int(s): solver.Constraint(float(bound.needs.seats[n][s]), self.infinity) for s in np.flatnonzero(bound.needs.seats[n])}
            for n in self.legs
        ]
        self.shares = [solver.Constraint(-self.infinity, float(c)) for c in bound.count]
        persons = max(1.0, float(sum(bound.needs.seats[n].sum() for n in self.legs)))
        for rows in self.rows:
            for row in rows.values():
                variable = solver.NumVar(0.0, self.infinity, "")
                row.SetCoefficient(variable, 1.0)
                self.objective.SetCoefficient(variable, 20.0 * upper / persons)
        self.value = 0.0
        self.seen: set[tuple[object, ...]] = set()
        self.columns: list[Column] = []
        self.variables: list[pywraplp.Variable] = []

    def add(self, columns: list[Column]) -> int:
        added = 0
        for column in columns:
            key = (column.klass, column.loads[: len(self.legs)], round(column.cost))
            if key in self.seen:
                continue
            self.seen.add(key)
            added += 1
            variable = self.solver.NumVar(0.0, self.infinity, "")
            self.objective.SetCoefficient(variable, column.cost)
            self.shares[column.klass].SetCoefficient(variable, 1.0)
            self.columns.append(column)
            self.variables.append(variable)
            for n in self.legs:
                load = column.loads[n]
                if load is not None:
                    for stop, seats in zip(load.stops, load.seats, strict=True):
                        self.rows[n][stop].SetCoefficient(variable, float(seats))
        return added

    def shares_of_columns(self) -> list[tuple[float, Column]]:
        """How much of each column the last solution uses."""
        return [(variable.solution_value(), column) for variable, column in zip(self.variables, self.columns, strict=True)]

    def solve(self) -> tuple[list[Floats], Floats]:
        """-> duals of the needs per leg (by place), duals of the classes."""
        status = self.solver.Solve()
        if status != pywraplp.Solver.OPTIMAL:
            raise ArithmeticError(f"GLOP ended with status {status}")
        self.value = self.objective.Value()
        duals = []
        for n in self.legs:
            dual = np.zeros(len(self.bound.needs.seats[n]))
            for stop, row in self.rows[n].items():
                dual[stop] = max(0.0, row.dual_value())
            duals.append(dual)
        return duals, np.minimum(0.0, np.array([row.dual_value() for row in self.shares]))


__all__ = ["Bound", "Needs", "TooManyPaths", "needs_of"]

"""One leg of the bound's pricing: the worth of the best load on every path, and what every path costs a class."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solver.instance import OUTBOUND, Instance, Ints
from solver.pool import Closed, PathPool, closed_side, enumerate_paths, star_paths

Floats = NDArray[np.float64]
FAR = 1e15
TWO = 2  # drivers
NOTHING = 1e-9  # a dual below this is no reason to take anyone along
CHUNK = 300_000
STRETCH = 4 * CHUNK  # paths priced at a time: what is remembered of each takes some 100 bytes
EVERY = 1 << 40  # seats: a bus so large that no set of stops is left out for want of room


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


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """What any path costs at least for the classes of one size: rates, and the fixed part by outermost stop."""

    per_m: float
    per_s: float
    dead: Floats

    def below(self, pricer: "LegPricer", piece: slice, value: Floats) -> Ints:
        """The paths of a piece whose load could be worth more than they cost (both legs driven alike)."""
        return np.flatnonzero(self.cost(pricer, piece) < value)

    def cost(self, pricer: "LegPricer", rows: slice | Ints) -> Floats:
        """What these paths cost at least."""
        pool = pricer.pool
        return np.asarray(self.dead[pool.last[rows]] + 2 * (self.per_m * pool.metres[rows] + self.per_s * pool.work[rows]), np.float64)


class LegPricer:
    """The paths of one leg and, after `set_duals`, what their loads are worth."""

    def __init__(self, instance: Instance, leg: int, needs: Ints, *, most: int, partial: bool, star: bool, every: bool = False) -> None:
        rates = instance.rates
        self.closed: Closed = closed_side(instance, leg)
        self.sizes = sorted({int(q) for q in rates.seats if q > 0})
        room = EVERY if every else max(self.sizes, default=0)
        self.pool: PathPool = (
            star_paths(instance, self.closed, needs) if star else enumerate_paths(instance, self.closed, needs, room, most, partial=partial)
        )
        self.needs = needs.astype(np.float64)
        self.rates, self.standby_s = rates, instance.standby_s
        self.window = instance.arrive_s - rates.from_s if leg == OUTBOUND else rates.to_s - instance.leave_s
        self._duals = np.zeros(len(needs))
        self.bonus: dict[int, Floats] | None = None  # per size and path what calling at its stops is worth, whoever boards

    def farthest(self) -> Ints:
        """The longest driving of any path by its outermost stop, -1 where none ends."""
        result = np.full(len(self.needs), -1, np.int64)
        np.maximum.at(result, self.pool.last, self.pool.work - self.pool.dwell)
        return result

    def empty_cost(self, crew: int) -> Floats:
        """The leg driven empty, per class."""
        secs, metres = self.closed.depot_secs[:, 0], self.closed.depot_metres[:, 0]
        pause = np.maximum(0, -(-secs // self.rates.break_after) - 1) * self.rates.break_s if crew == 1 else 0
        return np.asarray(self.rates.per_km * metres / 1000 + self.rates.per_h * (secs + pause) / 3600, np.float64)

    def stretches(self) -> Iterator[slice]:
        """The paths in parts that memory holds what pricing needs of."""
        for start in range(0, max(1, len(self.pool)), STRETCH):
            yield slice(start, min(len(self.pool), start + STRETCH))

    def worth(self, duals: Floats, thresholds: dict[int, Threshold] | None, part: slice | None = None) -> dict[int, tuple[Ints, Floats]]:
        """Per bus size the paths (of a part) worth a look and what their best load is worth: dearest seats first until the bus is full.

        Without thresholds every path is. Goes through the paths in chunks, so that only what is worth a look is kept.
        """
        self._duals = duals
        waiting = np.where(duals > NOTHING, self.needs, 0.0)
        found: dict[int, list[tuple[Ints, Floats]]] = {size: [(np.zeros(0, np.int64), np.zeros(0))] for size in self.sizes}
        begin, end = (0, len(self.pool)) if part is None else (part.start, part.stop)
        for start in range(begin, end, CHUNK):
            piece = slice(start, min(end, start + CHUNK))
            stops = self.pool.stops[piece]
            worth = duals[stops]
            order = np.argsort(-worth, axis=1, kind="stable")
            worth = np.take_along_axis(worth, order, 1)
            filled = np.cumsum(waiting[np.take_along_axis(stops, order, 1)], 1)
            for size in self.sizes:
                taken = np.minimum(filled, size)
                taken[:, 1:] -= taken[:, :-1].copy()
                value = (taken * worth).sum(1)
                if self.bonus is not None:
                    value += self.bonus[size][piece]
                rows = np.arange(len(value)) if thresholds is None else thresholds[size].below(self, piece, value)
                found[size].append((rows + start, value[rows]))
        return {size: (np.concatenate([r for r, _ in parts]), np.concatenate([v for _, v in parts])) for size, parts in found.items()}

    def costs(self, klass: int, other_secs: int, crew: int, rows: Ints) -> Floats:
        """What the leg costs a class on these paths, `FAR` where hours or availability certainly forbid it."""
        rates, last = self.rates, self.pool.last[rows]
        work = self.pool.work[rows] + self.closed.depot_secs[klass, last]
        driving = work - self.pool.dwell[rows]
        cap = rates.driving[klass] if crew == 1 else rates.driving_2[klass]
        late = driving > cap - other_secs
        if crew == 1 and rates.break_s[klass]:
            work = work + np.maximum(0, -(-driving // rates.break_after[klass]) - 1) * rates.break_s[klass]
        late |= work > self.window[klass]
        cost = (
            rates.per_km[klass] / 1000 * (self.pool.metres[rows] + self.closed.depot_metres[klass, last]) + rates.per_h[klass] / 3600 * work
        )
        return np.where(late, FAR, cost)

    def breaks_hours(self, klass: int, crew: int, rows: Ints) -> NDArray[np.bool_]:
        """Whether so many drivers may not do a path and, as the other leg, the shortest one to the farthest of its stops.

        For problems whose legs are alike: there all riders ride both legs, so that both legs of a duty call at the same stops.
        """
        rates, last, dwell = self.rates, self.pool.last[rows], self.pool.dwell[rows]
        far = (self.closed.secs[0] + self.closed.depot_secs[klass])[self.pool.stops[rows]].max(axis=1)
        driving = self.pool.work[rows] - dwell + self.closed.depot_secs[klass, last]
        spread = driving + far + 2 * dwell + self.standby_s
        if crew == TWO:
            return np.asarray((driving + far > rates.driving_2[klass]) | (spread > rates.spread_2[klass]))
        for leg in (driving, far):
            spread = spread + np.maximum(0, -(-leg // rates.break_after[klass]) - 1) * rates.break_s[klass]
        return np.asarray((driving + far > rates.driving[klass]) | (spread > rates.spread[klass]))

    def load_of(self, path: int, size: int) -> Load:
        """The best load of one path."""
        stops = [int(s) for s in self.pool.stops[path] if self._duals[s] > NOTHING]
        stops.sort(key=lambda s: -self._duals[s])
        room, taken, seats = size, list[int](), list[int]()
        for stop in stops:
            amount = min(room, int(self.needs[stop]))
            if amount > 0:
                taken.append(stop)
                seats.append(amount)
                room -= amount
        if self.bonus is not None:
            calls = [int(s) for s in self.pool.stops[path] if s and s not in taken]
            taken, seats = taken + calls, seats + [0] * len(calls)
        return Load(stops=tuple(taken), seats=tuple(seats))

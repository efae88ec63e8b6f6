"""Pricing where paths are too many to enumerate: labels grown stop by stop, the hopeless left out (docs/solver.md, "bound").

A label is a set of stops and the outermost of them, with the least time and the least distance of any order, for one class. What it
could become at best is the best of: so many seats for the stops beyond it (outlook.py), the others for its own. Labels that cannot
fall below nought go. Where more are left than may be looked at, the least promising go too, but what they could become is remembered,
so that every pricing proves something.

For problems whose legs are alike. There all riders ride both legs, so that both legs of a duty call at the same stops: a driver's
hours are those of a path and of the shortest other leg that reaches the farthest of its stops.
"""

import math
import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from solver.instance import Instance, Ints
from solver.legs import NOTHING, Column, Floats, Load
from solver.outlook import FAR, Ground, outlook
from solver.pool import Closed, PathPool, TooManyPaths

HOPE = 1e-9  # share of its price that a duty must be able to be worth beyond it
PER_LEVEL, PER_CLASS = 20, 40  # columns kept
MOST_BELOW, MOST_GATHERED = 30_000, 10  # labels per class and number of stops; of all classes, per path wanted


class OutOfTime(Exception):
    """A pricing was given up."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Labels of one class and number of stops: arrays of one entry each, `stops` label x stop."""

    stops: Ints
    work: Ints  # driving and dwell up to and including the outermost stop
    dwell: Ints
    metres: Ints
    far: Ints  # driving of the shortest leg of the class that reaches the farthest stop
    key: Ints
    low: Floats  # no duty that goes on from here has a lower reduced cost, hours aside

    def pick(self, rows: Ints) -> "Labels":
        """Some of them."""
        return Labels(
            stops=self.stops[rows], work=self.work[rows], dwell=self.dwell[rows], metres=self.metres[rows], far=self.far[rows],
            key=self.key[rows], low=self.low[rows],
        )  # fmt: skip


@dataclass
class Priced:
    """What one pricing found: columns, per class the least reduced cost there can be, the most a duty may be worth beside its price."""

    columns: list[Column]
    least: Floats
    steepest: float = 1.0
    whole: bool = True  # nothing was left out
    looked_at: int = 0

    def rule_out(self, klass: int, low: Floats, price: Floats) -> None:
        """Duties of a class that cost at least `price` have at least these reduced costs."""
        if len(low):
            self.least[klass] = min(self.least[klass], float(low.min()))
            self.steepest = max(self.steepest, 1.0 + float((-low / np.maximum(1e-9, price)).max()))


@dataclass(frozen=True, kw_only=True)
class View:
    """One class at given prices."""

    klass: int
    prices: Floats  # of a seat, per stop
    fixed: float  # call-out and standby less the price of a vehicle
    arcs: Floats
    ahead: list[Floats]
    room: int
    found: list[tuple[float, float, tuple[int, ...]]] = field(default_factory=list)
    every: list[Labels] | None = None  # of all duties below nought, where they are wanted; then stops without a price count too


class Reach:
    """The labels of one instance and needs; `price` looks at them with given prices."""

    def __init__(self, instance: Instance, closed: Closed, needs: Ints, count: Floats) -> None:
        self.instance, self.rates = instance, instance.rates
        self.ground = Ground(instance, closed, needs)
        self.classes = np.flatnonzero((count > 0) & (self.rates.seats > 0)).tolist()
        self.keys = np.random.default_rng(0).integers(1, 2**62, len(self.ground), dtype=np.int64)
        self.window = instance.arrive_s - self.rates.from_s
        self.fixed = (self.rates.call_out + self.rates.standby_minor).astype(np.float64)

    def price(self, seats: Floats, vehicles: Floats, *, most: int, slack: float, until: float = math.inf) -> Priced:
        """With prices of a seat per place and of a vehicle per class; at most so many labels per class and number of stops.

        Duties worth no more than `slack` of their price beyond it are not looked for. Raises OutOfTime after `until`, seconds of the
        monotonic clock.
        """
        priced = Priced([], np.zeros(len(self.rates.seats)))
        prices = seats[self.ground.places]
        for k in self.classes:
            if time.monotonic() > until:
                raise OutOfTime
            view = self.look(k, prices, float(vehicles[k]))
            self.search(view, priced, most=most, slack=slack)
            priced.columns += self.columns(view)
        return priced

    def below(self, seats: Floats, vehicles: Floats, *, most: int, until: float) -> PathPool:
        """All paths that some class drives at a negative reduced cost, whoever boards. Raises TooManyPaths or OutOfTime."""
        prices, every, none = seats[self.ground.places], list[Labels](), Priced([], np.zeros(len(self.rates.seats)))
        for k in self.classes:
            if time.monotonic() > until:
                raise OutOfTime
            self.search(self.look(k, prices, float(vehicles[k]), every), none, most=MOST_BELOW, slack=0.0)
            if not none.whole or sum(len(labels.key) for labels in every) > MOST_GATHERED * most:
                raise TooManyPaths
        pool = pool_of(self.ground, every)
        if len(pool) > most:
            raise TooManyPaths
        return pool

    def look(self, klass: int, prices: Floats, vehicle: float, every: list[Labels] | None = None) -> View:
        """One class at prices of a seat per stop and of a vehicle."""
        arcs, room = self.ground.arcs(klass), int(self.rates.seats[klass])
        ahead = outlook(self.ground, klass, arcs, prices, room=room, more=self.instance.max_stops - 1)
        return View(klass=klass, prices=prices, fixed=float(self.fixed[klass]) - vehicle, arcs=arcs, ahead=ahead, room=room, every=every)

    def search(self, view: View, priced: Priced, *, most: int, slack: float) -> None:
        """All labels of a class."""
        labels: Labels | None = self.roots(view)
        for level in range(1, self.instance.max_stops + 1):
            if labels is None:
                break
            labels = self.grow(view, labels, level, priced, most=most, slack=slack)

    def roots(self, view: View) -> Labels | None:
        """One stop each."""
        ground, k = self.ground, view.klass
        first = ground.per_m[k] * ground.first_metres + ground.per_s[k] * ground.first_work
        low = view.fixed + first - view.ahead[-1][:, -1]
        rows = np.flatnonzero((low < 0) & ((view.prices > NOTHING) | (view.every is not None)))
        if not len(rows):
            return None
        stops = np.full((len(ground), self.instance.max_stops), -1, np.int64)
        stops[:, 0] = np.arange(len(ground))
        return Labels(
            stops=stops, work=ground.first_work, dwell=ground.dwell, metres=ground.first_metres, far=ground.direct[k], key=self.keys,
            low=np.asarray(low, np.float64),
        ).pick(rows)  # fmt: skip

    def grow(self, view: View, labels: Labels, level: int, priced: Priced, *, most: int, slack: float) -> Labels | None:
        """Takes the labels as duties, leaves out the hopeless and puts one more stop to the others."""
        ground, k = self.ground, view.klass
        last = labels.stops[:, level - 1]
        extra = self.hours(k, labels, last)
        way = ground.per_m[k] * labels.metres + ground.per_s[k] * labels.work
        low, price = labels.low + extra, self.fixed[k] + way + ground.ends[k, last] + extra
        possible = extra < FAR / 2
        worth, order, filled = self.loads(view, labels.stops[:, :level])
        hire = np.maximum(price, self.rates.minimum[k])
        reduced = np.where(possible, hire - worth + view.fixed - self.fixed[k], FAR)
        priced.rule_out(k, reduced[reduced < 0], hire[reduced < 0])
        if view.every is not None:
            view.every.append(labels.pick(np.flatnonzero(reduced < 0)))
        best = np.argsort(reduced, kind="stable")[:PER_LEVEL]
        view.found.extend((float(reduced[i]), float(hire[i]), tuple(labels.stops[i, :level].tolist())) for i in best if reduced[i] < 0)
        if level == self.instance.max_stops:
            return None
        share = np.where(possible, -low / price, -1.0)
        hopeful = np.flatnonzero(share > max(HOPE, slack))
        small = np.flatnonzero((share > HOPE) & (share <= slack))
        priced.rule_out(k, low[small], price[small])
        if len(hopeful) > most:  # half of those kept by what they could become, half by what they are
            ranked = hopeful[np.argsort(-share[hopeful], kind="stable")]
            rest = ranked[most // 2 :]
            rest = rest[np.argsort(reduced[rest], kind="stable")]
            out = rest[most - most // 2 :]
            priced.rule_out(k, low[out], price[out])
            priced.whole = False
            hopeful = np.concatenate([ranked[: most // 2], rest[: most - most // 2]])
        if not len(hopeful):
            return None
        priced.looked_at += len(hopeful)
        so_far = view.fixed + way[hopeful]
        return self.longer(view, labels.pick(hopeful), level, so_far, extra[hopeful], (order[hopeful], filled[hopeful]))

    def hours(self, k: int, labels: Labels, last: Ints) -> Floats:
        """What breaks or a second driver add at least, `FAR` where no number of drivers may."""
        rates, yard = self.rates, self.ground.yard_secs[k, last]
        work, away = labels.work + yard, self.instance.standby_s + labels.dwell + labels.far
        driving = work - labels.dwell
        both = driving + labels.far
        pause, other = ((np.maximum(0, -(-leg // rates.break_after[k]) - 1) * rates.break_s[k]) for leg in (driving, labels.far))
        one = (both <= rates.driving[k]) & (work + pause + away + other <= rates.spread[k]) & (work + pause <= self.window[k])
        two = (both <= rates.driving_2[k]) & (work + away <= rates.spread_2[k]) & (work <= self.window[k])
        alone = np.where(one, self.ground.per_s[k] * pause, FAR)
        return np.asarray(np.minimum(alone, np.where(two, float(rates.second_driver[k]), FAR)), np.float64)

    def loads(self, view: View, stops: Ints) -> tuple[Floats, Floats, Ints]:
        """-> what the best load of each label is worth; the prices of its seats, dearest first; and the people up to there."""
        prices = view.prices[stops]
        order = np.argsort(-prices, axis=1, kind="stable")
        prices = np.take_along_axis(prices, order, 1)
        filled = np.cumsum(self.ground.waiting[np.take_along_axis(stops, order, 1)], 1)
        taken = np.minimum(filled, view.room)
        taken[:, 1:] -= taken[:, :-1].copy()
        return np.asarray((taken * prices).sum(1), np.float64), prices, filled

    def longer(self, view: View, labels: Labels, level: int, so_far: Floats, extra: Floats, filled: tuple[Floats, Ints]) -> Labels | None:
        """All labels with one stop more that could still be worth it."""
        ground, last = self.ground, labels.stops[:, level - 1]
        best = together(view, filled, view.ahead[self.instance.max_stops - level - 1])
        low = so_far[:, None] + view.arcs[last] - best
        fits: NDArray[np.bool_] = (low + extra[:, None] < 0) & (labels.work[:, None] + ground.secs[last] <= ground.limit[None, :])
        if view.every is None:
            fits &= view.prices[None, :] > NOTHING
        for place in range(level):
            fits[np.arange(len(last)), labels.stops[:, place]] = False
        i, s = np.nonzero(fits)
        if not len(i):
            return None
        stops = labels.stops[i]
        stops[:, level] = s
        return merged(
            Labels(
                stops=stops,
                work=labels.work[i] + ground.secs[last[i], s] + ground.dwell[s],
                dwell=labels.dwell[i] + ground.dwell[s],
                metres=labels.metres[i] + ground.metres[last[i], s],
                far=np.maximum(labels.far[i], ground.direct[view.klass, s]),
                key=labels.key[i] ^ self.keys[s],
                low=low[i, s],
            ),
            s,
            float(ground.per_m[view.klass]),
        )

    def columns(self, view: View) -> list[Column]:
        """The best duties found for a class, one per set of stops and outermost stop."""
        columns, seen = list[Column](), set[tuple[int, frozenset[int]]]()
        for _, hire, stops in sorted(view.found):
            key = stops[-1], frozenset(stops)
            if len(seen) < PER_CLASS and key not in seen:
                seen.add(key)
                load = self.load(view, stops)
                columns.append(Column(klass=view.klass, cost=hire, loads=(load, load)))
        return columns

    def load(self, view: View, stops: tuple[int, ...]) -> Load:
        """The best load of a path: dearest seats first."""
        room, taken, seats = view.room, list[int](), list[int]()
        for stop in sorted(stops, key=lambda s: -view.prices[s]):
            amount = min(room, int(self.ground.waiting[stop]))
            if amount > 0:
                taken.append(int(self.ground.places[stop]))
                seats.append(amount)
                room -= amount
        return Load(stops=tuple(taken), seats=tuple(seats))


def together(view: View, filled: tuple[Floats, Ints], ahead: Floats) -> Floats:
    """Label x next stop: the most that some seats for a label's own stops and the others from the next stop on are worth."""
    prices, people = filled
    own, seats = np.zeros((len(prices), view.room + 1)), np.arange(view.room, -1, -1)[None, :]  # by the seats left for others
    before = np.zeros((len(prices), 1), np.int64)
    for place in range(prices.shape[1]):
        upto = people[:, place : place + 1]
        own += prices[:, place : place + 1] * np.clip(seats - before, 0, upto - before)
        before = upto
    best: Floats = np.full((len(prices), len(ahead)), -FAR)
    for others in range(view.room + 1):
        np.maximum(best, own[:, others : others + 1] + ahead[None, :, others], out=best)
    return best


def merged(labels: Labels, last: Ints, per_m: float) -> Labels:
    """One label per set and outermost stop: the least time, the least distance, be they of different orders."""
    same = labels.key * 31 + last * 1_000_003
    order = np.lexsort((labels.work, same))
    starts = np.flatnonzero(np.concatenate([[True], np.diff(same[order]) != 0]))
    pick = order[starts]
    metres = np.minimum.reduceat(labels.metres[order], starts)
    low = np.minimum.reduceat(labels.low[order], starts) - per_m * (labels.metres[pick] - metres)
    kept = labels.pick(pick)
    return Labels(stops=kept.stops, work=kept.work, dwell=kept.dwell, metres=metres, far=kept.far, key=kept.key, low=low)


def pool_of(ground: Ground, found: list[Labels]) -> PathPool:
    """The paths of these labels: of a set and outermost stop the least time and the least distance of any class."""
    stops, key = np.concatenate([labels.stops for labels in found]), np.concatenate([labels.key for labels in found])
    last = np.take_along_axis(stops, (stops >= 0).sum(1)[:, None] - 1, 1)[:, 0]
    work, metres = np.concatenate([labels.work for labels in found]), np.concatenate([labels.metres for labels in found])
    same = key * 31 + last * 1_000_003
    order = np.lexsort((work, same))
    starts = np.flatnonzero(np.diff(same[order], prepend=same[order[:1]] - 1) != 0)
    pick = order[starts]
    dwell = np.concatenate([labels.dwell for labels in found])
    return PathPool(
        stops=np.where(stops[pick] >= 0, ground.places[stops[pick]], 0).astype(np.int16),
        work=work[pick],
        dwell=dwell[pick],
        metres=np.minimum.reduceat(metres[order], starts) if len(order) else metres,
        last=ground.places[last[pick]].astype(np.int16),
    )

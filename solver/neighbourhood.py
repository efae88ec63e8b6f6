"""A few neighbouring duties taken apart: every set of their stops x class x load worth considering, as arrays.

The exact neighbourhood of docs/solver.md ("improve"): small enough that all orders are known (paths.py) and one integer
programme finds the best way to serve the same riders; at most one point per bus is served in part.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from solver.draft import Duty
from solver.instance import OUTBOUND, RETURN, Instance, Ints
from solver.paths import Label, PathBook
from solver.pricing import NEVER, Paths, price_many, rides
from solver.seating import Point

FULL_CLASSES = 4  # columns per set that take everything waiting there: the cheapest classes
PART_CLASSES = 2  # columns per set and seat count that leave something behind
MAX_ORDERS = 3  # orders per leg of a set
MAX_SETS = 1500
MAX_COLUMNS = 9000


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What waits at the points of a neighbourhood; arrays over points."""

    points: tuple[Point, ...]
    parties: tuple[int, ...]
    seats: Ints
    wheels: Ints
    legs: Ints  # point x leg, 0 or 1
    stop: Ints


def demand_of(instance: Instance, parties: Sequence[int]) -> Demand:
    """Gathers parties by point."""
    seats: dict[Point, int] = defaultdict(int)
    wheels: dict[Point, int] = defaultdict(int)
    for party in parties:
        riders = instance.riders[party]
        point = riders.stop, riders.legs
        seats[point] += riders.seats
        wheels[point] += riders.wheels
    points = tuple(sorted(seats))
    return Demand(
        points=points,
        parties=tuple(parties),
        seats=np.array([seats[p] for p in points], np.int64),
        wheels=np.array([wheels[p] for p in points], np.int64),
        legs=np.array([p[1] for p in points], np.int64).reshape(len(points), 2),
        stop=np.array([p[0] for p in points], np.int64),
    )


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Ways to use one bus: a class with the most it takes at each point; its best orders are in the books."""

    klass: Ints
    cost: Ints
    seats: Ints  # column x point
    wheels: Ints

    def __len__(self) -> int:
        """How many columns."""
        return len(self.klass)

    def some(self, rows: Ints) -> "Columns":
        """The columns of these numbers."""
        return Columns(klass=self.klass[rows], cost=self.cost[rows], seats=self.seats[rows], wheels=self.wheels[rows])

    def with_duties(self, instance: Instance, demand: Demand, duties: Sequence[Duty]) -> "Columns":
        """The columns and, after them, one for each of these duties as it is."""
        place = {point: n for n, point in enumerate(demand.points)}
        seats, wheels = (np.zeros((len(duties), len(demand.points)), np.int64) for _ in range(2))
        for row, duty in enumerate(duties):
            for party in duty.parties:
                riders = instance.riders[party]
                seats[row, place[riders.stop, riders.legs]] += riders.seats
                wheels[row, place[riders.stop, riders.legs]] += riders.wheels
        return Columns(
            klass=np.concatenate([self.klass, np.array([duty.klass for duty in duties], np.int64)]),
            cost=np.concatenate([self.cost, np.array([duty.cost for duty in duties], np.int64)]),
            seats=np.concatenate([self.seats, seats]),
            wheels=np.concatenate([self.wheels, wheels]),
        )


class Books:
    """The path books of both legs; one and the same where both legs are alike."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        outbound = PathBook(instance, OUTBOUND)
        self.legs = (outbound, outbound if instance.symmetric else PathBook(instance, RETURN))

    def trim(self) -> None:
        for book in self.legs:
            book.trim()

    def pairs(self, stops: tuple[int, int]) -> list[tuple[Label | None, Label | None]]:
        """The pairs of orders worth pricing for the stops of both legs; [] where some ride is always too long."""
        if self.instance.symmetric:
            return [(label, label) for label in self.legs[0].labels(stops[0])]
        options: list[list[Label | None]] = []
        for leg in (OUTBOUND, RETURN):
            labels = sorted(self.legs[leg].labels(stops[leg]), key=lambda label: label.ride)[:MAX_ORDERS] if stops[leg] else [None]
            options.append(list(labels))
        return [(out, back) for out in options[0] for back in options[1]]


@dataclass(frozen=True, kw_only=True)
class Sets:
    """Feasible sets of points and their routes: `member` is set x point, `owner` the set of each route."""

    member: Ints
    owner: Ints
    pairs: list[tuple[Label | None, Label | None]]


def feasible_sets(books: Books, demand: Demand, room: int, most: int = MAX_SETS) -> Sets | None:
    """All sets of points that one bus could visit, grown point by point; None if there are too many.

    On each leg a bus with `room` seats leaves at most one of the points partly unserved.
    """
    limit, count = books.instance.max_stops, len(demand.points)
    points = [
        (1 << p, *(1 << stop if legs[leg] else 0 for leg in (0, 1)), *(seats if legs[leg] else 0 for leg in (0, 1)))
        for p, ((stop, legs), seats) in enumerate(zip(demand.points, demand.seats.tolist(), strict=True))
    ]
    level: dict[int, tuple[int, int, int, int, int, int]] = {0: (0, 0, 0, 0, 0, 0)}  # stops, seats and the most at a point, by leg
    members, owner, pairs = list[int](), list[int](), list[tuple[Label | None, Label | None]]()
    while level:
        wider: dict[int, tuple[int, int, int, int, int, int]] = {}
        for chosen, (out, back, out_seats, back_seats, out_most, back_most) in level.items():
            for bit, out_bit, back_bit, out_more, back_more in points:
                grown = chosen | bit
                if grown == chosen or grown in wider:
                    continue
                out_total, back_total = out_seats + out_more, back_seats + back_more
                out_top, back_top = max(out_most, out_more), max(back_most, back_more)
                if (out_total - out_top >= room and out_top) or (back_total - back_top >= room and back_top):
                    continue
                both = out | out_bit, back | back_bit
                if both[0].bit_count() > limit or both[1].bit_count() > limit or not (found := books.pairs(both)):
                    continue
                wider[grown] = (*both, out_total, back_total, out_top, back_top)
                owner += [len(members)] * len(found)
                members.append(grown)
                pairs += found
                if len(members) > most:
                    return None
        level = wider
    table = np.array([[chosen >> p & 1 for p in range(count)] for chosen in members], np.int64).reshape(len(members), count)
    return Sets(member=table, owner=np.array(owner, np.int64), pairs=pairs)


def paths_of_labels(instance: Instance, labels: Sequence[Label | None]) -> Paths:
    """Labels of one leg as a column of arrays."""
    rows = [(x.driving, sum(instance.dwell[s] for s in x.order), x.metres, x.order[-1]) if x else (0, 0, 0, 0) for x in labels]
    table = np.array(rows, np.int64).reshape(len(rows), 4)
    return Paths(driving=table[:, 0:1], dwell=table[:, 1:2], metres=table[:, 2:3], last=table[:, 3:4])


def riding_minor(instance: Instance, demand: Demand, sets: Sets) -> Ints:
    """Route x point: what all riders of the point pay in minutes on that route (rounded down once per point, an estimate)."""
    result = np.zeros((len(sets.pairs), len(demand.points)), np.int64)
    if not instance.minute_minor:
        return result
    persons = demand.seats + demand.wheels
    for leg in (OUTBOUND, RETURN):
        secs = np.zeros_like(result)
        for r, pair in enumerate(sets.pairs):
            if (label := pair[leg]) is not None:
                at = dict(zip(label.order, rides(instance, leg, label.order), strict=True))
                secs[r] = [at.get(point[0], 0) * point[1][leg] for point in demand.points]
        result += instance.minute_minor * (secs * persons[None, :]) // 60
    return result


def columns_of(instance: Instance, books: Books, demand: Demand, klasses: Ints, most: int = MAX_SETS) -> Columns | None:
    """All columns over these classes; None if there are more sets of points than `most`."""
    sets = feasible_sets(books, demand, int(instance.rates.seats[klasses].max(initial=0)), most)
    if sets is None or not len(sets.pairs):
        return None
    out, back = (paths_of_labels(instance, [pair[leg] for pair in sets.pairs]) for leg in (0, 1))
    hire = price_many(instance, klasses[None, :], out, back)  # route x class
    riding = riding_minor(instance, demand, sets)
    total = np.where(hire < NEVER, hire + (riding * sets.member[sets.owner]).sum(1)[:, None], NEVER)
    starts = np.searchsorted(sets.owner, np.arange(len(sets.member)))
    best = np.minimum.reduceat(total, starts, axis=0)  # set x class
    chosen = first_where_equal(total, best, sets.owner, starts)
    builder = ColumnBuilder(instance, demand, klasses, sets, best, chosen, riding)
    builder.add_full()
    builder.add_part()
    return builder.build()


def first_where_equal(total: Ints, best: Ints, owner: Ints, starts: Ints) -> Ints:
    """Set x class: the first route of the set that reaches its best."""
    hit = np.where(total == best[owner], np.arange(len(owner))[:, None], len(owner))
    return np.minimum.reduceat(hit, starts, axis=0)


class ColumnBuilder:
    """Chooses load patterns: everything waiting at a set's points, or everything but a remainder at one of them."""

    def __init__(self, instance: Instance, demand: Demand, klasses: Ints, sets: Sets, best: Ints, chosen: Ints, riding: Ints) -> None:
        self.demand, self.klasses, self.sets = demand, klasses, sets
        self.best, self.chosen, self.riding = best, chosen, riding
        self.room, self.places = instance.rates.seats[klasses], instance.rates.places[klasses]
        member = sets.member
        self.leg_seats = np.stack([member @ (demand.seats * demand.legs[:, leg]) for leg in (0, 1)])  # leg x set
        self.leg_wheels = np.stack([member @ (demand.wheels * demand.legs[:, leg]) for leg in (0, 1)])
        self.parts: list[tuple[Ints, Ints, Ints, Ints, Ints]] = []  # set, class position, cost, seats, wheels

    def add_full(self) -> None:
        """The cheapest classes that take everything."""
        fits = (self.leg_seats.max(0)[:, None] <= self.room[None, :]) & (self.leg_wheels.max(0)[:, None] <= self.places[None, :])
        cost = np.where(fits, self.best, NEVER)
        count = min(FULL_CLASSES, cost.shape[1])
        nearest = np.argpartition(cost, count - 1, axis=1)[:, :count]
        s, c = np.repeat(np.arange(len(cost)), count), nearest.ravel()
        keep = cost[s, c] < NEVER
        s, c = s[keep], c[keep]
        self.parts.append((s, c, self.best[s, c], self.sets.member[s] * self.demand.seats, self.sets.member[s] * self.demand.wheels))

    def add_part(self) -> None:
        """Per seat count the cheapest classes that fill up, leaving a remainder at each point in turn."""
        pairs: list[tuple[Ints, Ints]] = []
        for room, places in sorted({(int(a), int(b)) for a, b in zip(self.room, self.places, strict=True)}):
            alike = np.flatnonzero((self.room == room) & (self.places == places))
            crowded = np.flatnonzero((self.leg_seats.max(0) > room) | (self.leg_wheels.max(0) > places))
            if not len(crowded):
                continue
            cost = self.best[np.ix_(crowded, alike)]
            count = min(PART_CLASSES, len(alike))
            nearest = np.argpartition(cost, count - 1, axis=1)[:, :count]
            s, c = np.repeat(crowded, count), alike[nearest].ravel()
            usable = self.best[s, c] < NEVER
            pairs.append((s[usable], c[usable]))
        if pairs:
            self._part(np.concatenate([s for s, _ in pairs]), np.concatenate([c for _, c in pairs]))

    def _part(self, s: Ints, c: Ints) -> None:
        """The columns of these sets and classes that leave something behind at one point, all points at once."""
        demand, member = self.demand, self.sets.member
        which, p = np.nonzero(member[s])
        s, c = s[which], c[which]
        room, places, waits_s, waits_w = self.room[c], self.places[c], demand.seats[p], demand.wheels[p]
        takes, rolls, keep = waits_s, waits_w, np.ones(len(s), np.bool_)
        for leg in (0, 1):
            here = demand.legs[p, leg]
            open_s = room - (self.leg_seats[leg, s] - waits_s * here)
            open_w = places - (self.leg_wheels[leg, s] - waits_w * here)
            keep &= (open_s >= 0) & (open_w >= 0)
            takes, rolls = (np.where(here, np.minimum(a, b), a) for a, b in ((takes, open_s), (rolls, open_w)))
        keep &= takes + rolls > 0
        s, c, p, takes, rolls = s[keep], c[keep], p[keep], takes[keep], rolls[keep]
        seats, wheels = member[s] * demand.seats, member[s] * demand.wheels
        rows = np.arange(len(s))
        seats[rows, p], wheels[rows, p] = takes, rolls
        waits = demand.seats[p] + demand.wheels[p]
        spared = self.riding[self.chosen[s, c], p] * (waits - takes - rolls) // np.maximum(1, waits)
        self.parts.append((s, c, self.best[s, c] - spared, seats, wheels))

    def build(self) -> Columns:
        c, cost, seats, wheels = (np.concatenate([part[i] for part in self.parts]) for i in range(1, 5))
        return Columns(klass=self.klasses[c], cost=cost, seats=seats, wheels=wheels)

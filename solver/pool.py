"""All paths of one leg as arrays, for proofs: relaxed so that no real order is ever cheaper than its entry here.

Travel is replaced by its metric closure (leaving out a stop then never costs more), and per (set of stops, outermost
stop) one entry keeps the least time and the least distance of any order, be they of different orders.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solver.instance import Instance, Ints

CELLS = 2_000_000  # of one working table: 16 MB each


class TooManyPaths(Exception):
    """The enumeration was given up: there are more paths than the caller can afford."""


@dataclass(frozen=True, kw_only=True)
class PathPool:
    """Paths over stops 1..n: `stops` is path x place in the path, 0 where the path is shorter."""

    stops: NDArray[np.int16]
    work: Ints  # driving and dwell up to and including the outermost stop
    dwell: Ints
    metres: Ints
    last: NDArray[np.int16]
    whole: bool = True

    def __len__(self) -> int:
        """How many paths."""
        return len(self.work)


def closure(table: Ints) -> Ints:
    """Shortest ways between all places (Floyd and Warshall's algorithm)."""
    short = table.copy()
    for middle in range(len(short)):
        np.minimum(short, short[:, middle : middle + 1] + short[middle : middle + 1, :], out=short)
    return short


@dataclass(frozen=True, kw_only=True)
class Closed:
    """One leg's tables after closure; depots included, class x place."""

    secs: Ints
    metres: Ints
    depot_secs: Ints
    depot_metres: Ints


def closed_side(instance: Instance, leg: int) -> Closed:
    """The metric closure of a leg's tables."""
    side = instance.sides[leg]
    secs, metres = closure(side.secs), closure(side.metres)
    # outwards to the depot: the least over a last hop between stops and the way from there
    depot_secs = np.stack([(secs + row[None, :]).min(1) for row in side.depot_secs]) if len(side.depot_secs) else side.depot_secs
    depot_metres = np.stack([(metres + row[None, :]).min(1) for row in side.depot_metres]) if len(side.depot_metres) else side.depot_metres
    return Closed(secs=secs, metres=metres, depot_secs=depot_secs, depot_metres=depot_metres)


@dataclass(frozen=True)
class _Level:
    stops: NDArray[np.int16]
    ride: Ints
    metres: Ints
    key: Ints
    seats: Ints
    largest: Ints


def star_paths(instance: Instance, closed: Closed, seats: Ints) -> PathPool:
    """One entry per outermost stop, as if its bus could call at every stop on a possible way there and pay for none of it.

    A far weaker pool that is always small: for problems with more paths than can be looked at.
    """
    dwell, limit = np.array(instance.dwell, np.int64), np.array(instance.max_ride, np.int64)
    waiting = np.flatnonzero((seats > 0) & (closed.secs[0] <= limit))
    waiting = waiting[waiting > 0]
    way = closed.secs[0, waiting][:, None] + dwell[waiting][:, None] + closed.secs[np.ix_(waiting, waiting)]
    joint = (way <= limit[waiting][None, :]).T  # outermost x on the way
    np.fill_diagonal(joint, val=True)
    stops = np.where(joint, waiting[None, :], 0).astype(np.int16)
    return PathPool(
        stops=stops,
        work=closed.secs[0, waiting] + dwell[waiting],
        dwell=dwell[waiting],
        metres=closed.metres[0, waiting],
        last=waiting.astype(np.int16),
    )


def enumerate_paths(instance: Instance, closed: Closed, seats: Ints, room: int, most: int, *, partial: bool) -> PathPool:
    """Every set of stops with riders that one bus could visit on a leg, at most one of them left partly unserved.

    `seats` waits per place (0..n), `room` is the largest bus. Beyond `most` paths it raises TooManyPaths,
    or with `partial` leaves out the longer ones.
    """
    keys = np.random.default_rng(0).integers(1, 2**62, len(seats), dtype=np.int64)
    dwell, limit = np.array(instance.dwell, np.int64), np.array(instance.max_ride, np.int64)
    first = np.flatnonzero((seats > 0) & (closed.secs[0] <= limit))
    first = first[first > 0]
    level = _Level(first.astype(np.int16)[:, None], closed.secs[0, first], closed.metres[0, first], keys[first], seats[first], seats[first])
    levels, count = [level], len(first)
    whole = True
    while len(level.ride) and level.stops.shape[1] < instance.max_stops:
        try:
            level = _grown(level, closed, seats, room, (dwell, limit, keys), most - count)
        except TooManyPaths:
            if not partial:
                raise
            whole = False
            break
        levels.append(level)
        count += len(level.ride)
    width = max(1, levels[-1].stops.shape[1])
    padded = [np.pad(x.stops, ((0, 0), (0, width - x.stops.shape[1]))) for x in levels]
    stops = np.concatenate(padded)
    last = np.concatenate([x.stops[:, -1] for x in levels])
    dwells = dwell[stops].sum(1)
    return PathPool(
        stops=stops,
        work=np.concatenate([x.ride for x in levels]) + dwell[last],
        dwell=dwells,
        metres=np.concatenate([x.metres for x in levels]),
        last=last,
        whole=whole,
    )


def _grown(level: _Level, closed: Closed, seats: Ints, room: int, tables: tuple[Ints, Ints, Ints], most: int) -> _Level:
    """All paths one stop longer, one entry per (set, outermost stop)."""
    dwell, limit, keys = tables
    parts: list[tuple[Ints, ...]] = []
    found = 0
    chunk = max(1, CELLS // len(seats))
    for start in range(0, len(level.ride), chunk):
        piece = slice(start, start + chunk)
        stops, last = level.stops[piece], level.stops[piece, -1]
        ride = level.ride[piece, None] + dwell[last][:, None] + closed.secs[last]
        largest = np.maximum(level.largest[piece, None], seats[None, :])
        total = level.seats[piece, None] + seats[None, :]
        fits = (ride <= limit[None, :]) & (seats[None, :] > 0) & (total - largest < room)
        fits[:, 0] = False
        for place in range(stops.shape[1]):
            fits[np.arange(len(stops)), stops[:, place]] = False
        i, s = np.nonzero(fits)
        found += len(i)
        if found > 6 * most + 1000:
            raise TooManyPaths
        metres = level.metres[piece][i] + closed.metres[last[i], s]
        parts.append(
            (np.column_stack([stops[i], s.astype(np.int16)]), ride[i, s], metres, level.key[piece][i] ^ keys[s], total[i, s], largest[i, s])
        )
    stops, ride, metres, key, total, largest = (np.concatenate([part[n] for part in parts]) for n in range(6))
    if not len(ride):
        return _Level(stops.astype(np.int16), ride, metres, key, total, largest)
    same = key * 31 + stops[:, -1].astype(np.int64) * 1_000_003
    order = np.lexsort((ride, same))
    starts = np.flatnonzero(np.concatenate([[True], np.diff(same[order]) != 0]))
    pick = order[starts]
    if len(pick) > most:
        raise TooManyPaths
    least = np.minimum.reduceat(metres[order], starts)
    return _Level(stops[pick].astype(np.int16), ride[pick], least, key[pick], total[pick], largest[pick])

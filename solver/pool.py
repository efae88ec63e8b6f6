"""All paths of one leg as arrays, for proofs: relaxed so that no real order is ever cheaper than its entry here.

Travel is replaced by its metric closure (leaving out a stop then never costs more), and per (set of stops, outermost
stop) one entry keeps the least time and the least distance of any order, be they of different orders.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solver.instance import Instance, Ints

CELLS = 2_000_000  # of one working table: 16 MB each
SMALL = 2**28  # seconds and metres of whole paths below this may be added and doubled as 32-bit numbers
Figures = NDArray[np.signedinteger[Any]]


class TooManyPaths(Exception):
    """The enumeration was given up: there are more paths than the caller can afford."""


@dataclass(frozen=True, kw_only=True)
class PathPool:
    """Paths over stops 1..n: `stops` is path x place in the path, 0 where the path is shorter.

    Seconds and metres are 32-bit numbers where these hold whatever is made of them: there may be millions of paths.
    """

    stops: NDArray[np.int16]
    work: Figures  # driving and dwell up to and including the outermost stop
    dwell: Figures
    metres: Figures
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
    """Paths of one length, those over the same set of stops side by side."""

    stops: NDArray[np.int16]
    ride: Figures
    metres: Figures
    key: Ints  # of the set
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
    longest = (instance.max_stops + 1) * max(int(table.max(initial=0)) for table in (closed.secs + dwell[None, :], closed.metres))
    size: np.dtype[np.signedinteger[Any]] = np.dtype(np.int32 if longest < SMALL else np.int64)
    level = _Level(
        first.astype(np.int16)[:, None],
        closed.secs[0, first].astype(size),
        closed.metres[0, first].astype(size),
        keys[first],
        seats[first],
        seats[first],
    )
    levels, count = [(level.stops, level.ride, level.metres)], len(first)
    whole = True
    while len(level.ride) and level.stops.shape[1] < instance.max_stops:
        try:
            level = _grown(level, closed, seats, room, (dwell, limit, keys), most - count)
        except TooManyPaths:
            if not partial:
                raise
            whole = False
            break
        levels.append((level.stops, level.ride, level.metres))
        count += len(level.ride)
    del level
    stops = np.zeros((count, max(1, levels[-1][0].shape[1])), np.int16)
    last, start = np.zeros(count, np.int16), 0
    for some, _, _ in levels:
        stops[start : start + len(some), : some.shape[1]] = some
        last[start : start + len(some)] = some[:, -1]
        start += len(some)
    stay = dwell.astype(size)
    work: Figures = np.concatenate([ride for _, ride, _ in levels]) + stay[last]
    dwells: Figures = np.zeros(count, size)
    for place in range(stops.shape[1]):
        dwells += stay[stops[:, place]]
    return PathPool(
        stops=stops, work=work, dwell=dwells, metres=np.concatenate([metres for _, _, metres in levels]), last=last, whole=whole
    )


def _grown(level: _Level, closed: Closed, seats: Ints, room: int, tables: tuple[Ints, Ints, Ints], most: int) -> _Level:
    """All paths one stop longer, one entry per (set, outermost stop).

    Those that end in the same set and stop come from paths over the same set, which lie side by side.
    """
    dwell, limit, keys = tables
    size = level.ride.dtype
    parts: list[tuple[Figures, ...]] = []
    found = 0
    for piece in _pieces(level.key, max(1, CELLS // len(seats))):
        stops, last = level.stops[piece], level.stops[piece, -1]
        ride = level.ride[piece, None] + dwell[last][:, None] + closed.secs[last]
        largest = np.maximum(level.largest[piece, None], seats[None, :])
        total = level.seats[piece, None] + seats[None, :]
        fits = (ride <= limit[None, :]) & (seats[None, :] > 0) & (total - largest < room)
        fits[:, 0] = False
        for place in range(stops.shape[1]):
            fits[np.arange(len(stops)), stops[:, place]] = False
        i, s = np.nonzero(fits)
        if not len(i):
            continue
        metres = level.metres[piece][i] + closed.metres[last[i], s]
        rides, same = ride[i, s], (level.key[piece][i] ^ keys[s]) * 31 + s * 1_000_003
        order = np.lexsort((rides, same))
        starts = np.flatnonzero(np.concatenate([[True], np.diff(same[order]) != 0]))
        pick = order[starts]
        least = np.minimum.reduceat(metres[order], starts)
        i, s = i[pick], s[pick]
        found += len(i)
        if found > most:
            raise TooManyPaths
        parts.append(
            (
                np.column_stack([stops[i], s.astype(np.int16)]),
                rides[pick].astype(size),
                least.astype(size),
                level.key[piece][i] ^ keys[s],
                total[i, s],
                largest[i, s],
            )
        )
    if not parts:
        none = np.zeros(0, np.int64)
        return _Level(np.zeros((0, level.stops.shape[1] + 1), np.int16), none.astype(size), none.astype(size), none, none, none)
    order = np.argsort(np.concatenate([part[3] for part in parts]), kind="stable")
    stops, rides, least, key, total, largest = (np.concatenate([part[n] for part in parts])[order] for n in range(6))
    return _Level(stops, rides, least, key, total, largest)


def _pieces(key: Ints, length: int) -> Iterator[slice]:
    """Slices of about so many entries, none of which parts entries of the same key."""
    ends = np.append(np.flatnonzero(np.diff(key)) + 1, len(key)) if len(key) else np.zeros(0, np.int64)
    start = 0
    while start < len(key):
        end = int(ends[min(len(ends) - 1, int(np.searchsorted(ends, start + length)))])
        yield slice(start, end)
        start = end

"""What a bus could still become: the most that going on from a stop can be worth, by the room it has left.

A programme over loads from the yard inwards (q-routes: Christofides, Mingozzi and Toth, "Exact algorithms for the vehicle routing
problem, based on spanning tree and shortest path relaxations", Mathematical Programming 20, 1981; here with stops served in part). It
may come back to a stop, so it is never below what a real bus can do: a completion bound for labels grown from the venue outwards.
"""

import numpy as np

from solver.instance import Instance, Ints
from solver.legs import NOTHING, Floats
from solver.pool import Closed

FAR = 1e15


class Ground:
    """The stops somebody waits at and what ways between them cost each class, both legs driven alike; numbers are those of `places`."""

    def __init__(self, instance: Instance, closed: Closed, needs: Ints) -> None:
        rates, soonest = instance.rates, closed.secs[0]
        dwell, limit = np.array(instance.dwell, np.int64), np.array(instance.max_ride, np.int64)
        places = np.flatnonzero((needs > 0) & (soonest <= limit))
        self.places: Ints = places[places > 0]
        at, inner = self.places, np.ix_(self.places, self.places)
        self.waiting: Ints = needs[at]
        self.secs, self.metres, self.dwell, self.limit = closed.secs[inner], closed.metres[inner], dwell[at], limit[at]
        self.first_work, self.first_metres = soonest[at] + self.dwell, closed.metres[0, at]
        self.per_m, self.per_s = 2 * rates.per_km / 1000, 2 * rates.per_h / 3600
        self.yard_secs = closed.depot_secs[:, at]
        self.direct = soonest[at][None, :] + self.yard_secs  # class x stop: driving of the shortest leg by that stop
        self.ends = self.per_m[:, None] * closed.depot_metres[:, at] + self.per_s[:, None] * self.yard_secs
        late = self.first_work[:, None] + self.secs > self.limit[None, :]
        self.shut = late | np.eye(len(at), dtype=np.bool_)

    def __len__(self) -> int:
        """How many stops."""
        return len(self.places)

    def arcs(self, klass: int) -> Floats:
        """From stop to stop for a class, dwell at the second; `FAR` where no ride limit allows it."""
        cost = self.per_m[klass] * self.metres + self.per_s[klass] * (self.secs + self.dwell[None, :])
        return np.asarray(np.where(self.shut, FAR, cost), np.float64)


def outlook(ground: Ground, klass: int, arcs: Floats, prices: Floats, *, room: int, more: int) -> list[Floats]:
    """-> by how many further stops (0 to `more`): stop x room, the most that arriving there and going on is worth, less all ways.

    `room` is the seats of the class, of which so many may be filled from this stop on; the way to the yard is paid.
    """
    home = -ground.ends[klass][:, None]
    worth = np.flatnonzero(prices > NOTHING)
    onward: Floats = np.repeat(home, room + 1, axis=1)
    ways: Floats = -arcs[:, worth]
    result = []
    for left in range(more + 1):
        here = onward.copy()
        for taken in range(1, min(room, int(ground.waiting[worth].max(initial=0))) + 1):
            rows = worth[ground.waiting[worth] >= taken]
            here[rows, taken:] = np.maximum(here[rows, taken:], onward[rows, : room + 1 - taken] + taken * prices[rows, None])
        result.append(here)
        if left < more and len(worth):
            onward = np.maximum(home, (ways[:, :, None] + here[None, worth, :]).max(axis=1))
    return result

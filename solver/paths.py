"""Every order worth driving over a set of stops, worked out once per set and remembered.

A label is one outward order of a set. Seen from the venue outwards a longer time never helps and a longer way never helps,
so per (set, outermost stop) only the labels not beaten in both survive (Held and Karp's dynamic programme over subsets,
"A Dynamic Programming Approach to Sequencing Problems", 1962, with two criteria).
"""

from dataclasses import dataclass

from solver.instance import Instance
from solver.pricing import Order

MAX_REMEMBERED = 120_000


@dataclass(frozen=True, slots=True)
class Label:
    """One order: driving and metres up to its outermost stop."""

    order: Order
    driving: int
    metres: int
    ride: int  # of the outermost stop


class PathBook:
    """The labels of one leg by set of stops (a set is an int with bit s for stop s)."""

    def __init__(self, instance: Instance, leg: int) -> None:
        side = instance.sides[leg]
        self.secs, self.metres = side.secs_rows, side.metres_rows
        self.dwell, self.max_ride = instance.dwell, instance.max_ride
        self._known: dict[int, tuple[Label, ...]] = {}

    def trim(self) -> None:
        """Forgets everything once there is too much of it; call between neighbourhoods."""
        if len(self._known) > MAX_REMEMBERED:
            self._known.clear()

    def labels(self, stops: int) -> tuple[Label, ...]:
        """The undominated orders of a set within all ride limits; () if there is none."""
        found = self._known.get(stops)
        if found is None:
            found = self._known[stops] = self._work_out(stops)
        return found

    def _work_out(self, stops: int) -> tuple[Label, ...]:
        if stops & (stops - 1) == 0:
            stop = stops.bit_length() - 1
            ride = self.secs[0][stop]
            if ride > self.max_ride[stop]:
                return ()
            return (Label((stop,), ride, self.metres[0][stop], ride),)
        result: list[Label] = []
        rest = stops
        while rest:
            bit = rest & -rest
            rest ^= bit
            result += self._ending_at(bit.bit_length() - 1, stops ^ bit)
        return tuple(result)

    def _ending_at(self, stop: int, inner: int) -> list[Label]:
        limit, best = self.max_ride[stop], list[Label]()
        for label in self.labels(inner):
            last = label.order[-1]
            hop = self.secs[last][stop]
            ride = label.ride + self.dwell[last] + hop
            if ride > limit:
                continue
            metres = label.metres + self.metres[last][stop]
            if any(other.ride <= ride and other.metres <= metres for other in best):
                continue
            best = [other for other in best if other.ride < ride or other.metres < metres]
            best.append(Label((*label.order, stop), label.driving + hop, metres, ride))
        return best


def stop_bits(stops: Order | frozenset[int] | set[int]) -> int:
    """A set of stops as an int."""
    bits = 0
    for stop in stops:
        bits |= 1 << stop
    return bits

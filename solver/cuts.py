"""Inequalities that every plan keeps and the bound's linear programme breaks (docs/solver.md, "sharpen").

Both kinds round a sum of the programme's own rows (Chvatal and Gomory) and ask only where a bus calls and how large it is,
so that pricing, which goes through all paths, can count them exactly:

- calls: for stops S and a divisor k, sum over buses of ceil(stops of S it calls at / k) >= ceil(|S| / k);
- seats: for stops S with D people and a divisor q, sum over buses of F(people of S it could take / q) >= ceil(D / q), where F is
  mixed-integer rounding.
"""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from solver.instance import Ints
from solver.legs import Column, Floats

CLEARLY = 0.01  # a programme must break an inequality by this much
AT_ONCE, SEEDS, LARGEST_GROUP = 40, 20, 9
DIVISORS = (2, 3, 4)
LEAST_FRACTION = 0.05  # below it, rounding up makes a weak inequality
MOST_TABLE = 6_000_000
Table = NDArray[np.int16]


@dataclass(frozen=True)
class Cut:
    """One inequality; with `seats` it counts people, else calls."""

    stops: tuple[int, ...]
    divisor: float
    least: float
    seats: bool


class Cuts:
    """All inequalities of one programme; `needs` are the people per place."""

    def __init__(self, needs: Ints) -> None:
        self.needs = needs
        self.all: list[Cut] = []
        self.fraction: list[float] = []

    def weights(self, calls: NDArray[np.bool_], sizes: Ints, cut: Cut) -> Floats:
        """What each bus counts in one inequality; `calls` is bus x place."""
        inside = calls[:, list(cut.stops)]
        if not cut.seats:
            return np.asarray(np.ceil(inside.sum(1) / cut.divisor), np.float64)
        people = np.minimum(sizes, inside @ self.needs[list(cut.stops)])
        return rounded(people / cut.divisor, fraction_of(self.needs[list(cut.stops)].sum() / cut.divisor))

    def bonus(self, calls: NDArray[np.bool_], sizes: list[int], prices: Floats) -> dict[int, Floats]:
        """Per size of bus and path what its calls are worth at these prices of the inequalities."""
        plain = np.zeros(len(calls))
        result = {size: np.zeros(len(calls)) for size in sizes}
        for cut, price in zip(self.all, prices.tolist(), strict=True):
            if price <= 0:
                continue
            if not cut.seats:
                plain += price * self.weights(calls, np.zeros(0, np.int64), cut)
                continue
            for size in sizes:
                result[size] += price * self.weights(calls, np.full(len(calls), size), cut)
        return {size: value + plain for size, value in result.items()}

    def of_column(self, column: Column, size: int) -> Floats:
        """A column's figures in all inequalities."""
        calls = calls_of([column], len(self.needs))
        return np.array([float(self.weights(calls, np.array([size]), cut)[0]) for cut in self.all])

    def broken(self, calls: NDArray[np.bool_], shares: Floats, sizes: Ints, divisors: Ints) -> list[Cut]:
        """The inequalities a solution breaks most, new ones only; `calls` is bus x place, people are divided by these divisors."""
        known = set(self.all)
        found = call_cuts(calls, shares, np.flatnonzero(self.needs > 0)) + self.seat_cuts(calls, shares, sizes, divisors)
        best: dict[Cut, float] = {}
        for lack, cut in found:
            if cut not in known and lack > CLEARLY:
                best[cut] = max(best.get(cut, 0.0), lack)
        return sorted(best, key=lambda cut: (-best[cut] / math.sqrt(len(cut.stops)), cut.stops))[:AT_ONCE]

    def seat_cuts(self, calls: NDArray[np.bool_], shares: Floats, sizes: Ints, divisors: Ints) -> list[tuple[float, Cut]]:
        """Groups grown stop by stop around the stops that most buses share, for each divisor; and everybody."""
        places = np.flatnonzero(self.needs > 0)
        people = calls[:, places] * self.needs[places][None, :]
        crowd = np.argsort(-(shares @ calls[:, places]), kind="stable")[:SEEDS].tolist()
        found = [self._seat_cut(people, shares, sizes, places, places, float(size)) for size in divisors]
        for divisor in divisors.tolist():
            for seed in crowd:
                inside, aboard = [seed], people[:, seed]
                for _ in range(LARGEST_GROUP):
                    total = int(self.needs[places[inside]].sum())
                    fraction = [fraction_of((total + int(self.needs[s])) / divisor) or 1.0 for s in places]
                    grown = np.minimum(sizes[:, None], aboard[:, None] + people) / divisor
                    most = np.ceil((total + self.needs[places]) / divisor - 1e-9)
                    lack = most - shares @ rounded(grown, np.array(fraction)[None, :])
                    lack[inside] = -np.inf
                    best = int(np.argmax(lack))
                    inside, aboard = [*inside, best], aboard + people[:, best]
                    if lack[best] > CLEARLY:
                        found.append(self._seat_cut(people, shares, sizes, places, places[sorted(inside)], float(divisor)))
        return found

    def _seat_cut(self, people: Ints, shares: Floats, sizes: Ints, places: Ints, stops: Ints, divisor: float) -> tuple[float, Cut]:
        """-> how much a solution lacks of one inequality, and that."""
        total = int(self.needs[stops].sum())
        part = fraction_of(total / divisor)
        cut = Cut(tuple(stops.tolist()), divisor, math.ceil(total / divisor - 1e-9), seats=True)
        if part < LEAST_FRACTION:
            return -math.inf, cut
        aboard = np.minimum(sizes, people[:, np.isin(places, stops)].sum(1))
        return cut.least - float(shares @ rounded(aboard / divisor, part)), cut


def calls_of(columns: list[Column], places: int) -> NDArray[np.bool_]:
    """Column x place: where each bus calls."""
    calls = np.zeros((len(columns), places), np.bool_)
    for row, column in enumerate(columns):
        if (load := column.loads[0]) is not None:
            calls[row, list(load.stops)] = True
    return calls


def fraction_of(value: float) -> float:
    """What a number is beyond a whole one; 0 for numbers that are whole but for the last digits."""
    part = value - math.floor(value + 1e-9)
    return part if part > 1e-6 else 0.0  # noqa: PLR2004


def rounded(values: Floats, part: float | Floats) -> Floats:
    """Mixed-integer rounding: whole numbers count whole, what is beyond counts in full from `part` on."""
    whole = np.floor(values + 1e-9)
    return np.asarray(whole + np.minimum(1.0, np.maximum(0.0, values - whole) / part), np.float64)


def call_cuts(calls: NDArray[np.bool_], shares: Floats, places: Ints) -> list[tuple[float, Cut]]:
    """All groups of three by twos, and groups grown stop by stop."""
    touched = calls[:, places].astype(np.int16)
    triples = np.array(list(combinations(range(len(places)), 3)), np.int64).reshape(-1, 3)
    triples = triples[: max(1, MOST_TABLE // max(1, len(calls)))]
    if not len(triples):
        return []
    sums = touched[:, triples].sum(2) if triples.size * len(calls) < 3 * MOST_TABLE else np.zeros((len(calls), 0), np.int16)
    lack = 2 - shares @ np.ceil(sums / 2)
    found = [(float(lack[t]), cut_of(places, triples[t], 2, 2)) for t in np.argsort(-lack, kind="stable")[: 3 * AT_ONCE].tolist()]
    for divisor in DIVISORS:
        found += grown_calls(touched, shares, places, divisor)
    return found


def grown_calls(touched: Table, shares: Floats, places: Ints, divisor: int) -> list[tuple[float, Cut]]:
    """Groups grown stop by stop from each stop; every size at which rounding up begins anew is a candidate."""
    found = []
    for seed in range(len(places)):
        inside, calls = [seed], touched[:, seed]
        while len(inside) < min(LARGEST_GROUP, len(places)):
            least = len(inside) // divisor + 1
            lack = least - shares @ np.ceil((calls[:, None] + touched) / divisor)
            lack[inside] = -np.inf
            best = int(np.argmax(lack))
            inside, calls = [*inside, best], calls + touched[:, best]
            if len(inside) % divisor == 1 and lack[best] > CLEARLY:
                found.append((float(lack[best]), cut_of(places, np.array(inside), divisor, least)))
    return found


def cut_of(places: Ints, chosen: Ints, divisor: int, least: int) -> Cut:
    """A call cut over the chosen places."""
    return Cut(tuple(sorted(int(places[c]) for c in chosen)), float(divisor), float(least), seats=False)

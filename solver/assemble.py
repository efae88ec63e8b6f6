"""A plan out of the columns of the whole map that the sharpened bound's prices think best of: one integer programme.

The inequalities of sharpening close most of the distance between the relaxation and a plan, so that by their prices a few
hundred columns hold nearly all a good plan needs, and as rows they let CP-SAT prove quickly that a choice of columns holds
nothing better. For problems of few duties whose legs are alike.
"""

from dataclasses import dataclass

import numpy as np

from solver.covering import covering, seated
from solver.draft import Draft
from solver.instance import Instance, Ints
from solver.legs import Floats
from solver.milp import below, solve_integer, with_rows
from solver.neighbourhood import Books, Columns, Demand, columns_of, demand_of
from solver.sharpen import Sharp

MOST_SETS, MOST_COLUMNS = 6_000, 80_000  # of the whole map
REMEMBERED = 6_000  # the best of them
FEWEST = 300  # in one programme; twice as many whenever these are proven to hold nothing better
LUCK = 0.4  # by how much a column may look better than it is, so that not the same ones are chosen every time
WORK = 0.5


@dataclass(frozen=True, kw_only=True)
class Hoard:
    """Columns over a demand, and what each costs beyond its worth by the sharpened prices."""

    demand: Demand
    columns: Columns
    reduced: Floats


class Assembly:
    """Programmes over the whole map for the riders that a bound was sharpened for; each takes `longest_s` at most."""

    def __init__(self, instance: Instance, sharp: Sharp, parties: list[int], longest_s: float) -> None:
        self.instance, self.cuts, self.longest_s = instance, sharp.cuts, longest_s
        self.duals, self.parties = sharp.best, sorted(parties)
        self.books = Books(instance)
        self.klasses: Ints = np.flatnonzero(instance.rates.count > 0)
        self.few = FEWEST
        self._hoard: Hoard | None = None
        self._priced = False

    def run(self, draft: Draft, rng: np.random.Generator | None = None) -> Draft | None:
        """-> a cheaper draft of the same riders, or None. With `rng` other columns are tried each time."""
        hoard = self.hoard()
        if hoard is None or sorted(party for duty in draft.duties for party in duty.parties) != self.parties:
            return None
        luck = 1 - LUCK * rng.random(len(hoard.reduced)) if rng is not None else 1.0
        rows = np.sort(np.argsort(hoard.reduced * luck, kind="stable")[: self.few])
        columns = hoard.columns.some(rows).with_duties(self.instance, hoard.demand, draft.duties)
        free = self.instance.rates.count[self.klasses]
        programme, _ = covering(hoard.demand, columns, self.klasses, free, draft.cost, 0)
        programme = with_rows(below(programme, draft.cost - 1.0), self.weights(hoard.demand, columns), self.least())
        answer = solve_integer(programme, work=WORK, seconds=self.longest_s, covering=True)
        if answer.value is None:
            self.few *= 2 if answer.proven else 1
            return None
        picked = [int(j) for j in np.flatnonzero(answer.x > 0) for _ in range(int(answer.x[j]))]
        made, still = seated(self.instance, self.books, hoard.demand, columns, picked)
        found = None if made is None or still else Draft(tuple(made), draft.left)
        return found if found is not None and found.cost < draft.cost else None

    def hoard(self) -> Hoard | None:
        """The best columns of the whole map, priced when first asked for; None where they are too many."""
        if self._priced or self.duals is None:
            return self._hoard
        self._priced = True
        demand = demand_of(self.instance, self.parties)
        columns = columns_of(self.instance, self.books, demand, self.klasses, MOST_SETS)
        if columns is None or len(columns) > MOST_COLUMNS:
            return None
        worth = columns.seats @ self.duals.seats[0][demand.stop] + self.duals.vehicles[columns.klass]
        reduced = columns.cost - worth - self.duals.cuts[self.used()] @ self.weights(demand, columns)
        best = np.argsort(reduced, kind="stable")[:REMEMBERED]
        self._hoard = Hoard(demand=demand, columns=columns.some(best), reduced=reduced[best])
        return self._hoard

    def used(self) -> list[int]:
        """The inequalities that have a price."""
        return [] if self.duals is None else np.flatnonzero(self.duals.cuts > 0).tolist()

    def least(self) -> Floats:
        """What each of those asks of all buses together."""
        return np.array([self.cuts.all[number].least for number in self.used()])

    def weights(self, demand: Demand, columns: Columns) -> Floats:
        """Inequality with a price x column: what the column counts in it."""
        calls = np.zeros((len(columns), self.instance.stops + 1), np.bool_)
        calls[:, demand.stop] = columns.seats + columns.wheels > 0
        sizes = self.instance.rates.seats[columns.klass]
        rows = [self.cuts.weights(calls, sizes, self.cuts.all[number]) for number in self.used()]
        return np.array(rows, np.float64).reshape(len(rows), len(columns))

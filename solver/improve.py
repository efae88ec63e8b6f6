"""The improvement loop: take a few neighbouring duties apart, find the best way to put them together again, repeat.

LP by GLOP first: a neighbourhood whose relaxation cannot win is dropped at once, and in the others every column whose
reduced cost exceeds what there is to win. CP-SAT with one worker and deterministic work does the rest.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from solver.admit import Gate
from solver.children import Slice
from solver.covering import covering, seated
from solver.draft import Draft, Duty
from solver.instance import Ints
from solver.milp import below, restricted, solve_integer, solve_linear
from solver.neighbourhood import MAX_COLUMNS, Books, Columns, Demand, columns_of, demand_of
from solver.pricing import EMPTY_PATHS, NEVER, Paths, price_many
from solver.published import Published
from solver.recombine import Pool

FREE_PER_SIZE = 5
UNHURRIED_S = 60.0  # a safety net only: deterministic work ends an integer programme before
GIVE_UP, GIVE_UP_EARLY = 35, 25  # failures; early where there is another start to go on from
KNOWN_FAILURE = 0.25  # what trying a neighbourhood again counts
RETURN_AT = 0.004  # how much dearer than the best a draft may stay before the search goes back
BLUR = 0.2
KICKS = 2
NO_REACH, FIRST_REACH, TURNS_PER_SIZE = 99, 9, 10
IN_USE = 1e-6
RECOMBINE_WORK = 0.3
KICK_EVERY = 4  # turns: the others start from another draft, where there is one
ASSEMBLE_EVERY = 4  # turns, where the bound was sharpened
KEEP = 250
MOST_DUTIES = 7
WORK = 0.05

Fresh = Callable[[Draft, np.random.Generator], Draft | None]  # another start for the riders of a draft, if there is one
Assemble = Callable[[Draft, np.random.Generator], Draft | None]  # a cheaper draft out of columns of the whole map, if one is found


class Improver:
    """Improves drafts of one instance; remembers paths and failed neighbourhoods between slices."""

    def __init__(self, gate: Gate) -> None:
        self.gate, self.instance = gate, gate.instance
        self.fixed = 0
        self.published: Published | None = None
        self.count = self.instance.rates.count
        self.books = Books(self.instance)
        sides = self.instance.sides
        self.apart = sides[0].secs + sides[0].secs.T + sides[1].secs + sides[1].secs.T
        self.proxy = self._proxy()
        self.tried: set[int] = set()
        self.size = 0
        self.last: Draft | None = None
        self.longest_s = UNHURRIED_S
        self.trail: Draft | None = None  # where the trajectory stood when the last slice ended
        self.failures, self.turns = 0.0, 0
        self.pool = Pool(self.instance)
        self.fresh: Fresh | None = None
        self.assemble: Assemble | None = None
        self.stats: Counter[str] = Counter()

    def _proxy(self) -> NDArray[np.float64]:
        """Class x stop: the hire of a duty to that stop alone."""
        instance = self.instance
        stops = np.arange(1, instance.stops + 1)
        paths = [
            Paths(
                driving=side.secs[0, 1:][None, :],
                dwell=np.array(instance.dwell[1:])[None, :],
                metres=side.metres[0, 1:][None, :],
                last=stops[None, :],
            )
            for side in instance.sides
        ]
        klasses = np.arange(len(instance.classes))[:, None]
        both = price_many(instance, klasses, paths[0], paths[1])
        one = np.minimum(price_many(instance, klasses, paths[0], EMPTY_PATHS), price_many(instance, klasses, EMPTY_PATHS, paths[1]))
        return np.where(both < NEVER, both, np.where(one < NEVER, one, np.inf)).astype(np.float64)

    def set_out(self, *, fixed: int = 0, published: Published | None = None, count: Ints | None = None) -> None:
        """What the next slices must leave alone, stay close to, and how many vehicles of each class they may use."""
        now = self.instance.rates.count if count is None else count
        if (fixed, published is None) != (self.fixed, self.published is None) or not np.array_equal(now, self.count):
            self.last = None
        self.fixed, self.published, self.count = fixed, published, now

    def weight(self, duty: Duty) -> int:
        """What a duty counts in comparisons: its cost and what its changes to a published plan are taken to cost."""
        return duty.cost + (self.published.penalty(duty) if self.published else 0)

    def run(self, draft: Draft, piece: Slice, on_better: Callable[[Draft], None] | None = None) -> tuple[Draft, int]:
        """-> the best draft of a slice, and how many neighbourhoods it looked at."""
        rng = np.random.default_rng(piece.seed)
        self.longest_s = piece.longest_s if piece.seconds is not None else UNHURRIED_S
        until = None if piece.seconds is None else time.monotonic() + piece.seconds
        best, start = draft, self.resume(draft, piece.size)
        best_rank, done, patience = self.rank(best), 0, GIVE_UP if self.fresh is None else GIVE_UP_EARLY
        duties, left, failures = list(start.duties), list(start.left), self.failures
        while (piece.iterations is None or done < piece.iterations) and (until is None or time.monotonic() < until):
            done += 1
            if len(duties) <= self.fixed:
                break
            chosen = self.choose(duties, rng)
            known = self.known(duties, chosen)
            better = None if known else self.rebuild(duties, left, chosen, None)
            if better is None:
                failures += KNOWN_FAILURE if known else 1
            else:
                new, left = better
                gone = set(chosen)
                duties = [d for i, d in enumerate(duties) if i not in gone] + new
                failures = max(0.0, failures - 10)
                self.stats["accepted"] += 1
                now = Draft(tuple(duties), tuple(left))
                if (rank := self.rank(now)) < best_rank:
                    best, best_rank, self.turns = now, rank, 0
                    if on_better is not None:
                        on_better(best)
            if failures > patience and self.size < min(piece.max_size, self.reach()):
                self.size, failures = self.size + 1, 0.0
            elif failures > patience:
                start = self.go_on(Draft(tuple(duties), tuple(left)), best, rng)
                if (rank := self.rank(start)) < best_rank:
                    best, best_rank, self.turns = start, rank, 0
                duties, left, self.size, failures = list(start.duties), list(start.left), piece.size, 0.0
            self.books.trim()
        self.last, self.trail, self.failures = best, Draft(tuple(duties), tuple(left)), failures
        return best, done

    def resume(self, draft: Draft, size: int) -> Draft:
        """Where a slice begins: where the trajectory stood if this draft came out of the last slice, else with the draft.

        Without other starts every slice begins with small neighbourhoods again: with many duties that wins more.
        """
        if self.fresh is not None and self.trail is not None and draft == self.last:
            return self.trail
        self.size, self.failures, self.turns = size, 0.0, 0
        return draft

    def known(self, duties: list[Duty], chosen: list[int]) -> bool:
        """Whether these duties were taken apart before at this size; if not, they are now."""
        key = hash((self.size, tuple(sorted((duties[i].klass, duties[i].parties) for i in chosen))))
        if key in self.tried:
            return True
        self.tried.add(key)
        return False

    def reach(self) -> int:
        """How large neighbourhoods may grow before the search starts elsewhere; the longer nothing wins, the larger."""
        return NO_REACH if self.fresh is None else FIRST_REACH + self.turns // TURNS_PER_SIZE

    def go_on(self, now: Draft, best: Draft, rng: np.random.Generator) -> Draft:
        """Where to go on when nothing wins any more: the best of all duties seen, another start, or a kick."""
        self.turns += 1
        self.stats["turns"] += 1
        if self.fresh is not None:
            self.pool.add(now.duties)
            better = self.recombined(best)
            if better is None and self.assemble is not None and self.turns % ASSEMBLE_EVERY == 0:
                better = self.assemble(best, rng)
                self.stats["assembled"] += better is not None
            start = better if better is not None or self.turns % KICK_EVERY == 0 else self.fresh(best, rng)
            if start is not None and start.persons_left(self.instance) <= best.persons_left(self.instance):
                return start
        self.stats["kicks"] += 1
        rank = self.rank(best)
        if self.rank(now) > (rank[0], round(rank[1] * (1 + RETURN_AT * rng.random()))):
            now = best
        duties, left = self.kick(list(now.duties), list(now.left), rng)
        return Draft(tuple(duties), tuple(left))

    def recombined(self, best: Draft) -> Draft | None:
        """A better draft out of the duties of all drafts so far, or None."""
        demand, columns = self.pool.columns(best)
        klasses = np.unique(columns.klass)
        now, free = sum(map(self.weight, best.duties)), self.count[klasses]
        picked = self.pick(demand, columns, klasses, free, now, 0, present=len(best.duties), work=RECOMBINE_WORK)
        if picked is None:
            return None
        made, still = seated(self.instance, self.books, demand, columns, picked)
        if made is None or still:
            return None
        self.stats["recombined"] += 1
        return Draft(tuple(made), best.left)

    def rank(self, draft: Draft) -> tuple[int, int]:
        """Smaller is better: persons left behind, then weight."""
        return draft.persons_left(self.instance), sum(self.weight(duty) for duty in draft.duties)

    def kick(self, duties: list[Duty], left: list[int], rng: np.random.Generator) -> tuple[list[Duty], list[int]]:
        """Puts one neighbourhood together differently, by prices that are a little wrong."""
        for _ in range(KICKS):
            chosen = self.choose(duties, rng)
            worse = self.rebuild(duties, left, chosen, rng)
            if worse is not None:
                gone = set(chosen)
                duties, left = [d for i, d in enumerate(duties) if i not in gone] + worse[0], worse[1]
        return duties, left

    def choose(self, duties: list[Duty], rng: np.random.Generator) -> list[int]:
        """The duties around a random stop until their stops are many enough; at least one, fixed ones never."""
        free = range(self.fixed, len(duties))
        centre = self.centre(duties, rng)
        noise = rng.random(len(duties)) * 1800
        near = sorted((min(int(self.apart[centre, s]) for s in duties[i].stops) + float(noise[i]), i) for i in free)
        limit = int(rng.integers(max(3, self.size - 3), self.size + 1))
        stops: set[int] = set()
        chosen: list[int] = []
        for _, i in near:
            if len(chosen) > 1 and len(stops | duties[i].stops) > limit:
                continue
            stops |= duties[i].stops
            chosen.append(i)
            if len(chosen) >= MOST_DUTIES or len(stops) >= limit:
                break
        return chosen

    def centre(self, duties: list[Duty], rng: np.random.Generator) -> int:
        duty = duties[int(rng.integers(self.fixed, len(duties)))]
        stops = sorted(duty.stops)
        return stops[int(rng.integers(len(stops)))]

    def rebuild(
        self, duties: list[Duty], left: list[int], chosen: list[int], noise: np.random.Generator | None
    ) -> tuple[list[Duty], list[int]] | None:
        """A better set of duties for the riders of the chosen ones and those left behind nearby, or None.

        With `noise` prices are blurred and a dearer set is welcome too, if it leaves nobody else behind.
        """
        instance = self.instance
        parties = [party for i in chosen for party in duties[i].parties]
        stops = {instance.riders[party].stop for party in parties}
        waiting = [p for p in left if instance.riders[p].stop in stops and self.gate.servable(p)]
        demand = demand_of(instance, [*parties, *waiting])
        used = Counter(duty.klass for duty in duties)
        used.subtract(duties[i].klass for i in chosen)
        klasses, free = self.offered(stops, used, {duties[i].klass for i in chosen})
        columns = columns_of(instance, self.books, demand, klasses)
        if columns is None or len(columns) > MAX_COLUMNS:
            self.stats["too large"] += 1
            return None
        now = sum(self.weight(duties[i]) for i in chosen)
        persons = sum(instance.riders[p].persons for p in waiting)
        if noise is not None:
            blurred = columns.cost * (1 + BLUR * noise.random(len(columns)))
            columns = replace(columns, cost=blurred.astype(np.int64))
            now = round(now * (1 + BLUR))
        else:
            columns = columns.with_duties(instance, demand, [duties[i] for i in chosen])
        self.stats["columns"] += len(columns)
        picked = self.pick(demand, columns, klasses, free, now, persons, present=0 if noise is not None else len(chosen))
        if picked is None:
            return None
        made, still = seated(self.instance, self.books, demand, columns, picked)
        if made is None:
            self.stats["not seated"] += 1
            return None
        behind = sum(instance.riders[p].persons for p in still)
        if (behind > persons) if noise is not None else (behind, sum(map(self.weight, made))) >= (persons, now):
            return None
        if self.fresh is not None:
            self.pool.add(made)
        aboard = set(parties) | set(waiting)
        return made, [p for p in left if p not in aboard] + still

    def offered(self, stops: set[int], used: Counter[int], freed: set[int]) -> tuple[Ints, Ints]:
        """-> the classes on offer and how many vehicles of each: those set free, and per size the nearest free ones."""
        free = self.count.copy()
        for k, number in used.items():
            free[k] -= number
        near = self.proxy[:, [s - 1 for s in stops]].min(1)
        near[free <= 0] = np.inf
        chosen = set(freed)
        sizes = self.instance.rates.seats
        order = np.argsort(near, kind="stable")
        taken: Counter[int] = Counter()
        for k in order.tolist():
            if not np.isfinite(near[k]):
                break
            if taken[int(sizes[k])] < FREE_PER_SIZE:
                taken[int(sizes[k])] += 1
                chosen.add(k)
        klasses = np.array(sorted(chosen), np.int64)
        return klasses, free[klasses]

    def pick(
        self, demand: Demand, columns: Columns, klasses: Ints, free: Ints, now: int, behind: int, present: int, work: float | None = None
    ) -> list[int] | None:
        """-> numbers of the columns to use (repeated if used twice), or None if nothing better exists.

        The last `present` columns are the duties there are, which the integer programme must beat.
        """
        programme, slack = covering(demand, columns, klasses, free, now, behind)
        allowed = now + slack * behind
        relaxed = solve_linear(programme)
        if relaxed is not None and self.fresh is not None and present and work is None:
            self.pool.add_columns(demand, columns, np.flatnonzero(relaxed.x[: len(columns)] > IN_USE))
        if relaxed is None or relaxed.value >= allowed - 1:
            self.stats["lp"] += 1
            return None
        keep = np.flatnonzero(relaxed.reduced <= allowed - relaxed.value)
        if len(keep) > KEEP:
            keep = np.sort(keep[np.argpartition(relaxed.reduced[keep], KEEP - 1)[:KEEP]])
        keep = np.union1d(keep, np.arange(len(columns) - present, len(programme.cost)))  # the duties there are, and leaving people behind
        self.stats["mip"] += 1
        self.stats["kept"] += len(keep)
        small = restricted(programme, keep)
        work = work or WORK * max(1.0, (len(demand.points) / 8) ** 3)
        answer = solve_integer(below(small, allowed - 1.0) if present else small, work=work, seconds=self.longest_s, covering=True)
        if answer.value is None:
            return None
        return [int(keep[j]) for j in np.flatnonzero(answer.x > 0) for _ in range(int(answer.x[j])) if keep[j] < len(columns)]

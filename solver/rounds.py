"""Who does what, when: the plan of campaign of a search over its children.

First the other starts and the bound, side by side where there are children enough; then synchronous rounds, in which
every child improves its own sector of the map (many duties) or its own copy of the draft (few). Sectors turn each round.
"""

import math
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from solver.admit import Gate
from solver.children import Answer, BoundNote, Crew, Improved, Job, Proof, Slice
from solver.draft import Draft, Duty
from solver.instance import Instance, Ints
from solver.many import many_stops
from solver.opening import Opening
from solver.tours import MOST_TURNS

ROUTE_S = 0.4
BOUND_SHARE = 0.3  # of the time limit, at most
DIVE_SHARE = 0.3
OWN_SHARE, LONGEST_OWN_S = 0.15, 5.0  # where duties are many a dive's draft is improved so long, however dear it is at first
LOOK_SHARE = 0.06
SHARPEN_SHARE, SHARPEN_SHARE_MANY = 0.15, 0.06  # few duties leave the improvement time enough
LONG_SHARE, LONGEST_ROUTE_S = 0.25, 60.0
MANY_LEFT, MANY_SHARE = 0.35, 0.05  # where routes have many stops: time left after the first search, and for each step of a bound far off
MANY_PATHS = 20_000
FEW_TURNS = 8  # of that bound where iterations are the limit or little time is left
TOURS_SHARE = 0.6  # of what is left then, for the bound over tours
LONGEST_RUIN_S = 30.0
FEWEST_STRINGS = 6  # duties
STRINGS_SHARE, LEAST_STRINGS_S, LONGEST_STRINGS_S = 0.35, 1.4, 10.0  # of the time left, at a time
AFTERWARDS = 0.5  # of a slice with strings: exact neighbourhoods after it
STRINGS_EVERY = 3  # rounds where iterations are the limit
WHOLE_SHARE = 0.35  # for a proof over millions of paths, which cannot be hurried once begun
SLICE_S = 1.5
KEPT_SHARE = 0.5  # of what a re-solve has left after its bound
PROOF_SHARE = 0.3  # of a re-solve's time, kept for the bound
SLICE_ITERATIONS = 25
SECTOR_DUTIES = 24  # per child, below which sectors would be too small to be worth it
SHARE_EVERY = 4  # rounds after which all copies start from the best again
LAST_PROOF_S = 0.4
UNHURRIED_S = 600.0  # a safety net where iterations are the limit
EXACT_DUTIES = 12
EXACT_WORK = 5.0  # deterministic seconds where iterations are the limit
EXACT_S, EXACT_SHARE, WARM_SHARE = 60.0, 0.8, 0.2  # the exact programme's time, and the search's before it
LATE_S = 5.0  # how long past its slice a child may be before it is given up


class SearchLike(Protocol):
    """What the campaign needs of its search."""

    instance: Instance
    gate: Gate
    best: Draft
    bound: int | None
    bounded: frozenset[int]
    kept_bound: int | None
    kept_bounded: frozenset[int]
    iterations: int
    optimal: bool
    seed: int
    threads: int
    opening: Opening

    def over(self) -> bool: ...

    def remaining_s(self) -> float: ...

    def offer(self, draft: Draft) -> None: ...

    def report(self, phase: str) -> None: ...

    def left_able(self) -> bool: ...

    def by_iterations(self) -> int | None: ...


class Rounds:
    """One campaign."""

    def __init__(self, search: SearchLike, crew: Crew) -> None:
        self.search, self.crew, self.instance = search, crew, search.instance
        self.round = 0
        self.many = many_stops(search.instance, search.best)
        self.strings = self.many and self.instance.symmetric and not self.instance.minute_minor
        self.own: list[Draft] = []
        self.opened = False
        self.strings_from_s = math.inf  # of the time left: until then exact neighbourhoods have their turn

    def run(self) -> None:
        """Until the search is over."""
        if self.search.opening.published is None:
            if self.many:
                if not self.strings:
                    self.route_long()
                if self.search.by_iterations() is None:
                    self.improve_until(MANY_LEFT * self.search.remaining_s())
            elif self.search.by_iterations() is None:  # a first look, which also tells whether routes can be enumerated at all
                self.improve_until((1 - LOOK_SHARE) * self.search.remaining_s(), rounds=1)
            self.openings()
            self.opened, self.strings_from_s = True, self.search.remaining_s()
            self.prove()
            if not self.search.over():
                self.improve_until(PROOF_SHARE * self.search.remaining_s() if self.search.by_iterations() is None else 0.0)
                self.prove_again(PROOF_SHARE * self.search.remaining_s())
            self.improve_until(0.0)
        else:  # a re-solve is short and starts close to its end: the bound comes last
            self.improve_until(PROOF_SHARE * self.search.remaining_s())
            self.openings()
            self.prove_kept()
            self.improve_until(0.0)
        self.prove_again(LAST_PROOF_S)

    def prove(self) -> None:
        """The exact programme, where everyone who can be served is and the problem is small enough for the attempt."""
        search = self.search
        if search.over() or search.left_able() or len(search.best.duties) > EXACT_DUTIES:
            return
        timed = search.by_iterations() is None
        self.improve_until(search.remaining_s() * (1 - WARM_SHARE) if timed else 0.0, rounds=1)
        if not search.over():
            seconds = min(EXACT_S, EXACT_SHARE * search.remaining_s()) if timed else EXACT_WORK
            self.work_off(
                [[(Job("exact", {"draft": search.best, "seconds": seconds, "longest_s": seconds if timed else UNHURRIED_S}), seconds)]]
            )

    def prove_again(self, seconds: float) -> None:
        """A new bound if others are served now than those the bound is for."""
        search = self.search
        if search.bounded <= {party for duty in search.best.duties for party in duty.parties}:
            return
        seconds = seconds if search.by_iterations() is None else UNHURRIED_S
        until = time.monotonic() + seconds
        seat = None
        while seat is None and time.monotonic() < until:
            seat = next((seat for seat in range(search.threads) if not self.crew.busy(seat)), None)
            if seat is None:
                self.crew.poll(0.05, lambda _, answer: self.receive(answer))
        if seat is None:
            return
        search.bounded, search.bound = frozenset(party for duty in search.best.duties for party in duty.parties), None
        last = Job("tours", {"draft": search.best, "seconds": seconds / 2, "turns": FEW_TURNS})
        plain = Job("bound", {"draft": search.best, "seconds": seconds / 2})
        self.crew.start(seat, last if self.strings and search.opening.published is None else plain, seconds)
        while self.crew.busy(seat) and time.monotonic() < until:
            self.crew.poll(0.05, lambda _, answer: self.receive(answer))

    def prove_kept(self) -> None:
        """A bound for plans that keep the accepted duties, where there are any."""
        search, opening = self.search, self.search.opening
        if not opening.kept or search.over():
            return
        draft, timed = search.best, search.by_iterations() is None
        search.kept_bounded = frozenset(party for duty in draft.duties for party in duty.parties)
        seconds = KEPT_SHARE * search.remaining_s() if timed else UNHURRIED_S
        patience = search.remaining_s() if timed else UNHURRIED_S
        self.work_off([[(Job("keep", {"draft": draft, "kept": opening.kept, "seconds": seconds}), patience)]])

    def improve_until(self, left_s: float, rounds: int | None = None) -> None:
        """Rounds until the search is over, no more than so many seconds are left, or there were enough of them."""
        while not self.search.over() and self.search.best.duties and self.search.remaining_s() > left_s and rounds != 0:
            self.improve_once(left_s)
            self.round += 1
            rounds = None if rounds is None else rounds - 1

    def openings(self) -> None:
        """Bound, dive and routing; each seat works off its own list of jobs."""
        search, limit = self.search, self.search.remaining_s()
        draft = search.best
        search.bounded = frozenset(party for duty in draft.duties for party in duty.parties)
        timed = search.by_iterations() is None
        shares = (MANY_SHARE, MANY_SHARE, MANY_SHARE) if self.many else (BOUND_SHARE, DIVE_SHARE, WHOLE_SHARE)
        bound_s, dive_s, whole_s = (share * limit if timed else UNHURRIED_S for share in shares)
        patience = limit if timed else UNHURRIED_S  # these jobs end by themselves, but not to the second
        proof = [(Job("bound", {"draft": draft, "seconds": bound_s, "most": MANY_PATHS if self.many else None}), patience)]
        later = [(Job("whole", {"draft": draft, "seconds": whole_s}), patience)]
        others: list[tuple[Job, float]] = []
        if search.opening.published is None:
            if self.instance.symmetric and not self.many:
                own = Slice(seconds=min(LONGEST_OWN_S, OWN_SHARE * limit), iterations=None, seed=search.seed) if timed else None
                proof.append((Job("dive", {"draft": draft, "seconds": dive_s, "piece": own}), patience))
            elif timed and not self.many:
                route_s = max(0.1, min(ROUTE_S, limit / 10))
                others = [(Job("route", {"seconds": route_s, "improve": True}), route_s)]
        sharpen_s = limit * (SHARPEN_SHARE if len(draft.duties) < SECTOR_DUTIES else SHARPEN_SHARE_MANY) if timed else UNHURRIED_S
        if not self.many:
            anew = search.opening.published is None
            proof.append((Job("sharpen", {"draft": draft, "seconds": sharpen_s, "assemble": anew}), patience))
        proof += later
        if self.strings and search.opening.published is None:
            tours_s, turns = (TOURS_SHARE * limit, MOST_TURNS) if timed else (UNHURRIED_S, FEW_TURNS)
            proof = [(Job("tours", {"draft": draft, "seconds": tours_s, "turns": turns}), patience)]
        self.work_off([proof, others] if search.threads > 1 else [others + proof])

    def work_off(self, lists: list[list[tuple[Job, float]]]) -> None:
        """Runs each list on a seat of its own, in order, until all are done or the search is over.

        A seat with nothing left to do improves the best draft meanwhile (not under an iteration limit: chance would steer it).
        """
        queues, timed = [*lists, *[[] for _ in range(self.search.threads - len(lists))]], self.search.by_iterations() is None
        started: set[int] = set()

        def feed(seat: int) -> None:
            started.discard(seat)
            if queues[seat]:
                job, seconds = queues[seat].pop(0)
                started.add(seat)
                self.crew.start(seat, job, seconds + LATE_S)
            elif timed and started and self.search.remaining_s() > 0:
                self.round += 1
                seconds = max(0.1, min(SLICE_S, self.search.remaining_s()))
                self.crew.start(seat, self.slice_of(self.search.best, None, seat, seconds), seconds + LATE_S)

        def collect(seat: int, answer: Answer) -> None:
            self.receive(answer)
            if answer.final:
                feed(seat)

        for seat in sorted(range(len(queues)), key=lambda seat: not queues[seat]):
            feed(seat)
        self.wait(collect)

    def strings_now(self) -> bool:
        """Whether the next round takes strings of stops off: where there are some duties and both legs are alike."""
        search = self.search
        plain = self.instance.symmetric and not self.instance.minute_minor and search.opening.published is None and not self.many
        if not plain or not self.opened or len(search.best.duties) < FEWEST_STRINGS:
            return False
        if search.by_iterations() is not None:
            return self.round % STRINGS_EVERY == 0
        return (1 + AFTERWARDS) * LEAST_STRINGS_S <= search.remaining_s() <= self.strings_from_s

    def slice_of(
        self,
        draft: Draft,
        count: Ints | None,
        seat: int,
        seconds: float | None,
        share: int | None = None,
        *,
        fixed: bool = True,
        strings: bool = False,
    ) -> Job:
        """The job of improving a draft for so many seconds or neighbourhoods."""
        piece = Slice(seconds=seconds, iterations=share, seed=(self.search.seed * 1009 + self.round) * 64 + seat)
        opening = self.search.opening
        arguments = {"draft": draft, "piece": piece, "count": count, "fixed": opening.fixed if fixed else 0, "published": opening.published}
        return Job("ruin" if strings or (self.strings and opening.published is None) else "improve", arguments)

    def wait(self, collect: Callable[[int, Answer], None]) -> None:
        """Passes on answers until every child is idle or the search is over."""
        while any(self.crew.busy(seat) for seat in range(len(self.crew.children))) and not self.search.over():
            self.crew.poll(max(0.0, min(0.1, self.search.remaining_s())), collect)

    def receive(self, answer: Answer) -> None:
        """Takes in whatever came."""
        value = answer.value
        if isinstance(value, BoundNote) and value.keeping:
            self.search.kept_bound = value.minor
        elif isinstance(value, BoundNote):
            if self.search.bound is None or value.minor > self.search.bound:
                self.search.bound = value.minor
                self.search.report("bound")
        elif isinstance(value, Draft):
            self.search.offer(value)
        elif isinstance(value, Proof):
            if value.draft is not None:
                self.search.offer(value.draft)
            self.receive(Answer(final=True, value=BoundNote(value.minor)))
            self.search.optimal = self.search.bound == self.search.best.cost and not self.search.left_able()
        elif isinstance(value, Improved):
            self.search.iterations += value.iterations
            self.search.offer(value.draft)

    def improve_once(self, left_s: float) -> None:
        """One round: every child gets a part (or a copy) of the draft and a slice of time."""
        search = self.search
        parts = self.parts()
        results: list[Improved | None] = [None] * len(parts)
        whole = len(parts) == 1 or parts[0][1] is None
        cap = search.by_iterations()
        strings, left = self.strings_now(), search.remaining_s()
        longest = LONGEST_RUIN_S if self.many else SLICE_S  # the former cools down over its slice
        if strings:
            longest = min(LONGEST_STRINGS_S, max(LEAST_STRINGS_S, STRINGS_SHARE * left))
            self.strings_from_s = left - (1 + AFTERWARDS) * longest
        elif left > self.strings_from_s:
            longest = min(longest, left - self.strings_from_s)
        seconds = max(0.1, min(longest, left if strings else left - left_s)) if cap is None else None

        def collect(seat: int, answer: Answer) -> None:
            if isinstance(answer.value, Improved):
                results[seat] = answer.value
            elif isinstance(answer.value, Draft) and whole and cap is None:  # notes come by the clock
                self.receive(answer)

        for seat, (draft, count) in enumerate(parts):
            share = None if cap is None else max(1, min(SLICE_ITERATIONS, math.ceil((cap - search.iterations) / len(parts))))
            self.crew.start(
                seat,
                self.slice_of(draft, count, seat, seconds, share, fixed=seat == 0 or whole, strings=strings),
                (seconds or UNHURRIED_S) + LATE_S,
            )
        self.wait(collect)
        search.iterations += sum(result.iterations for result in results if result is not None)
        if whole:
            self.keep_copies(parts, results)
        else:
            self.merge(parts, results)

    def route_long(self) -> None:
        """Once, where routes have too many stops to enumerate: the routing library for a good part of the time."""
        if self.search.opening.fixed or self.search.by_iterations() is not None:
            return
        seconds = min(LONGEST_ROUTE_S, LONG_SHARE * self.search.remaining_s())
        self.work_off([[(Job("route", {"seconds": seconds, "improve": True}), seconds)]])

    def parts(self) -> list[tuple[Draft, Ints | None]]:
        """Sectors with their share of the fleet, or copies with all of it."""
        search, seats = self.search, self.search.threads
        movable = len(search.best.duties) - search.opening.fixed
        if seats > 1 and movable >= SECTOR_DUTIES * seats:
            return self.sectors(seats)
        if not self.own:
            self.own = [search.best] * seats
        best = search.best.rank(self.instance)
        stale = [
            seat
            for seat in range(seats)
            if seat == 0 or self.round % SHARE_EVERY == SHARE_EVERY - 1 or self.own[seat].persons_left(self.instance) > best[0]
        ]
        for seat in stale:
            self.own[seat] = search.best
        return [(draft, None) for draft in self.own]

    def keep_copies(self, parts: list[tuple[Draft, Ints | None]], results: list[Improved | None]) -> None:
        """Every child goes on from its own copy; the best of all is offered."""
        self.own = [part[0] if result is None else result.draft for part, result in zip(parts, results, strict=True)]
        for draft in self.own:
            self.search.offer(draft)

    def sectors(self, seats: int) -> list[tuple[Draft, Ints | None]]:
        """The duties around the venue in equal parts, turned a little each round; free vehicles go round in turn."""
        best, fixed = self.search.best, self.search.opening.fixed
        movable = best.duties[fixed:]
        turn = 2 * math.pi * ((self.round * 0.382) % 1.0)
        order = sorted(range(len(movable)), key=lambda i: ((self.angle(movable[i]) + turn) % (2 * math.pi), i))
        groups = [[movable[i] for i in part] for part in np.array_split(np.array(order), seats)]
        free = self.instance.rates.count.copy()
        for duty in best.duties:
            free[duty.klass] -= 1
        result: list[tuple[Draft, Ints | None]] = []
        for seat, group in enumerate(groups):
            share = (free + (seats - 1 - (seat + self.round) % seats)) // seats
            duties = (*best.duties[:fixed], *group) if seat == 0 else tuple(group)
            count = share.copy()
            for duty in duties:
                count[duty.klass] += 1
            stops = {s for duty in group for s in duty.stops}
            left = tuple(p for p in best.left if self.instance.riders[p].stop in stops)
            result.append((Draft(duties, left if self.first_with(groups, seat, left) else ()), count))
        return result

    def first_with(self, groups: list[list[Duty]], seat: int, left: tuple[int, ...]) -> bool:
        """Whether no earlier sector shares a stop with those left behind here (nobody may be seated twice)."""
        stops = {self.instance.riders[p].stop for p in left}
        return not any(stops & duty.stops for group in groups[:seat] for duty in group)

    def angle(self, duty: Duty) -> float:
        """The direction of a duty's outermost stop, seen from the venue."""
        problem, outermost = self.instance.problem, (duty.outbound or duty.back)[-1]
        stop = problem.stops[outermost - 1]
        return math.atan2(stop.lat - problem.venue.lat, stop.lon - problem.venue.lon)

    def merge(self, parts: list[tuple[Draft, Ints | None]], results: list[Improved | None]) -> None:
        """Puts the sectors together again; a lost one stays as it was."""
        drafts = [part[0] if result is None else result.draft for part, result in zip(parts, results, strict=True)]
        duties = tuple(duty for draft in drafts for duty in draft.duties)
        seated = {party for duty in duties for party in duty.parties}
        left = [party for party in range(len(self.instance.riders)) if party not in seated]
        self.search.offer(Draft(duties, tuple(left)))

"""What a child can be asked to do. Each method takes plain values and gives back plain values (they cross a pipe)."""

import time
from collections.abc import Callable

from solver.admit import Gate
from solver.bound import Bound, Needs, column_of, needs_of
from solver.children import BoundNote, Improved, Job, Proof, Slice
from solver.dive import Dive
from solver.draft import Draft
from solver.exact import Exact
from solver.improve import Improver
from solver.instance import Instance, Ints
from solver.legs import Column
from solver.plan import Plan
from solver.pool import TooManyPaths
from solver.published import Published
from solver.routing import routing_draft
from solver.withdrawals import Withdrawal, do_without

NOTE_EVERY_S = 0.25
PATIENT_S = 60.0  # with less time than this, millions of paths are not even enumerated
MOST_EVER = 6_000_000  # paths, about 400 MB


class Desk:
    """The tasks over one problem; `note` sends something to the parent before the task is done."""

    def __init__(self, instance: Instance, note: Callable[[object], None]) -> None:
        self.instance, self.note = instance, note
        self.gate = Gate(instance)
        self._columns: list[Column] = []
        self._max_stops: int | None = None
        self._modes: list[list[int]] = []
        self._improver: Improver | None = None

    def work(self, job: Job) -> object:
        """Runs a task by its name."""
        methods: dict[str, Callable[..., object]] = {
            "route": self.route,
            "bound": self.bound,
            "dive": self.dive,
            "exact": self.exact,
            "improve": self.improve,
            "withdraw": self.withdraw,
        }
        return methods[job.name](**job.arguments)

    def route(self, seconds: float, *, improve: bool) -> Draft:
        """A draft by the routing library."""
        return routing_draft(self.gate, seconds, improve=improve)

    def bound(self, draft: Draft, seconds: float) -> BoundNote | None:
        """The bound for serving exactly the parties of a draft; None if GLOP failed."""
        parties = [party for duty in draft.duties for party in duty.parties]
        needs, start = needs_of(self.instance, parties), [column_of(self.instance, duty) for duty in draft.duties]
        until = time.monotonic() + seconds
        try:
            work, self._max_stops = self._paths(needs)
            work.run(seconds=seconds, upper=float(draft.cost), on_better=self._tell_bound if not self._max_stops else None, start=start)
            self._columns, self._modes = work.columns, work.modes
            if self._max_stops:
                work = self._whole(needs, until)
                work.run(seconds=until - time.monotonic(), upper=float(draft.cost), on_better=self._tell_bound, start=self._columns)
        except ArithmeticError:
            return None
        return BoundNote(work.minor())

    def _tell_bound(self, minor: int) -> None:
        self.note(BoundNote(minor))

    def _paths(self, needs: Needs) -> tuple[Bound, int | None]:
        """Column generation over all paths if they are few, else over those with few stops -> it, and that number of stops."""
        for max_stops in (None, 4, 3, 2, 1):
            try:
                return Bound(self.instance, needs, max_stops=max_stops), max_stops
            except TooManyPaths:
                continue
        return Bound(self.instance, needs, star=True), None

    def _whole(self, needs: Needs, until: float) -> Bound:
        """What makes a proof where paths are many: all of them if there is time and room, else one star per stop."""
        if until - time.monotonic() > PATIENT_S:
            try:
                return Bound(self.instance, needs, most=MOST_EVER)
            except TooManyPaths:
                pass
        return Bound(self.instance, needs, star=True)

    def exact(self, draft: Draft, seconds: float, longest_s: float) -> Proof | None:
        """A proof for a small problem, after its bound; None where that is out of reach."""
        exact = Exact(self.gate, draft)
        return exact.run(seconds, longest_s=longest_s) if exact.suits(self._modes) else None

    def dive(self, draft: Draft, seconds: float) -> Draft | None:
        """A draft out of the bound's programme."""
        parties = [party for duty in draft.duties for party in duty.parties]
        return Dive(self.gate, parties, float(draft.cost), self._columns, self._max_stops).run(seconds)

    def withdraw(self, plan: Plan, operator: str, seconds: float) -> Withdrawal:
        """What it would mean if an operator pulled out."""
        return do_without(self.instance.problem, plan, operator, seconds)

    def improve(self, draft: Draft, piece: Slice, count: Ints | None, fixed: int, published: Published | None) -> Improved:
        """A better draft within a slice; `count` restricts the vehicles to a share of the fleet."""
        if self._improver is None:
            self._improver = Improver(self.gate)
        self._improver.set_out(fixed=fixed, published=published, count=count)
        told = time.monotonic()

        def tell(better: Draft) -> None:
            nonlocal told
            if time.monotonic() - told > NOTE_EVERY_S:
                told = time.monotonic()
                self.note(better)

        best, iterations = self._improver.run(draft, piece, tell)
        return Improved(best, iterations)

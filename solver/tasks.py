"""What a child can be asked to do. Each method takes plain values and gives back plain values (they cross a pipe)."""

import time
from collections.abc import Callable

from solver.admit import Gate
from solver.bound import Bound, needs_of
from solver.children import BoundNote, Improved, Job, Slice
from solver.dive import Dive
from solver.draft import Draft
from solver.improve import Improver
from solver.instance import Instance, Ints
from solver.legs import Column
from solver.plan import Plan
from solver.pool import TooManyPaths
from solver.published import Published
from solver.routing import routing_draft
from solver.withdrawals import Withdrawal, do_without

NOTE_EVERY_S = 0.25


class Desk:
    """The tasks over one problem; `note` sends something to the parent before the task is done."""

    def __init__(self, instance: Instance, note: Callable[[object], None]) -> None:
        self.instance, self.note = instance, note
        self.gate = Gate(instance)
        self._columns: list[Column] = []
        self._improver: Improver | None = None

    def work(self, job: Job) -> object:
        """Runs a task by its name."""
        methods: dict[str, Callable[..., object]] = {
            "route": self.route,
            "bound": self.bound,
            "dive": self.dive,
            "improve": self.improve,
            "withdraw": self.withdraw,
        }
        return methods[job.name](**job.arguments)

    def route(self, seconds: float, *, improve: bool) -> Draft:
        """A draft by the routing library."""
        return routing_draft(self.gate, seconds, improve=improve)

    def bound(self, parties: list[int], upper: float, seconds: float) -> BoundNote | None:
        """The bound for serving exactly these parties; None where there are too many paths to look at."""
        try:
            work = Bound(self.instance, needs_of(self.instance, parties))
            minor = work.run(seconds=seconds, upper=upper, on_better=lambda value: self.note(BoundNote(value)))
        except (TooManyPaths, ArithmeticError):
            return None
        self._columns = work.columns
        return BoundNote(minor)

    def dive(self, parties: list[int], upper: float, seconds: float) -> Draft | None:
        """A draft out of the bound's programme."""
        return Dive(self.gate, parties, upper, self._columns).run(seconds)

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

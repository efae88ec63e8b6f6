"""What a child can be asked to do. Each method takes plain values and gives back plain values (they cross a pipe)."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from solver.admit import Gate
from solver.assemble import Assembly
from solver.bound import MOST_PATHS, Bound, Needs, column_of, needs_of
from solver.children import BoundNote, Improved, Job, Proof, Slice
from solver.dive import Dive
from solver.draft import Draft, Duty
from solver.exact import Exact
from solver.floor import floor_minor
from solver.improve import Improver
from solver.instance import Instance, Ints
from solver.kept import kept_of
from solver.plan import Plan
from solver.pool import TooManyPaths
from solver.published import Published
from solver.routing import routing_draft
from solver.sharpen import MOST_CELLS, Sharp
from solver.tours import Tours
from solver.wide import Wide, suits
from solver.withdrawals import Withdrawal, do_without

if TYPE_CHECKING:
    from solver.ruin import Ruin

NOTE_EVERY_S = 0.25
FEW_DUTIES = 24  # more than these are not done with their first start within the time there usually is
DIVE_S = 60.0  # a safety net: with few duties a dive takes a tenth of a second
FEWEST_PATHS, PATHS_PER_S = 150_000, 150_000  # what may be enumerated in the time there is
SHORT_PATHS, SHORT_SHARE = 20_000, 0.25  # of a bound's time, for the programme over short paths that one priced by labels begins with
PATIENT_S_PER_STOP = 0.05  # with less time than this, millions of paths are not even enumerated
MOST_EVER = 6_000_000  # paths, about 400 MB


class Desk:
    """The tasks over one problem; `note` sends something to the parent before the task is done."""

    def __init__(self, instance: Instance, note: Callable[[object], None]) -> None:
        self.instance, self.note = instance, note
        self.gate = Gate(instance)
        self._work: Bound | None = None
        self._improver: Improver | None = None
        self._ruins: Ruin | None = None
        self._assembly: Assembly | None = None

    def work(self, job: Job) -> object:
        """Runs a task by its name."""
        methods: dict[str, Callable[..., object]] = {
            "route": self.route,
            "bound": self.bound,
            "dive": self.dive,
            "keep": self.keep,
            "sharpen": self.sharpen,
            "whole": self.whole,
            "exact": self.exact,
            "improve": self.improve,
            "ruin": self.ruin,
            "tours": self.tours,
            "withdraw": self.withdraw,
        }
        return methods[job.name](**job.arguments)

    @property
    def ruins(self) -> "Ruin":
        """The one search by strings."""
        if self._ruins is None:
            from solver.ruin import Ruin  # noqa: PLC0415 - brings the compiler's library along, see compiled.py

            self._ruins = Ruin(self.gate)
        return self._ruins

    def route(self, seconds: float, *, improve: bool) -> Draft:
        """A draft by the routing library."""
        return routing_draft(self.gate, seconds, improve=improve)

    def bound(self, draft: Draft, seconds: float, most: int | None = None) -> BoundNote | None:
        """The bound for serving exactly the parties of a draft, and columns for a dive; None where paths are too many for one."""
        parties = [party for duty in draft.duties for party in duty.parties]
        needs, start = needs_of(self.instance, parties), [column_of(self.instance, duty) for duty in draft.duties]
        wide, until = None if most else self._wide(needs), time.monotonic() + seconds
        most = most or (FEWEST_PATHS if wide else round(min(MOST_PATHS, max(FEWEST_PATHS, PATHS_PER_S * seconds))))
        before, work = self._work, Bound(self.instance, needs, most=most, partial=True)
        self._work = work
        if before is not None and before.whole and before.best is not None:
            start += work.known(before.columns)
            if work.whole:  # nearly the same riders: their old prices prove nearly as much at once
                start += work.prove(before.best)
                self._tell_bound(work.minor())
        some = seconds if work.whole or wide is None else seconds * SHORT_SHARE
        work.run(seconds=some, upper=float(draft.cost), on_better=self._tell_bound if work.whole else None, start=start)
        if work.whole or wide is None:
            return BoundNote(work.minor()) if work.whole else None
        self._work = wide
        left = max(0.0, until - time.monotonic())
        return BoundNote(wide.run(seconds=left, upper=float(draft.cost), on_better=self._tell_bound, start=work.columns))

    def _wide(self, needs: Needs) -> Wide | None:
        """Column generation priced by labels, None where legs differ or a pricing would take too long."""
        return Wide(self.instance, needs) if suits(self.instance, needs) else None

    def _tell_bound(self, minor: int) -> None:
        self.note(BoundNote(minor))

    def whole(self, draft: Draft, seconds: float) -> BoundNote | None:
        """After a bound that had no time to end or looked at some of the paths: on with it, a proof over millions, or one over stars."""
        if self._work is None or self._work.whole:
            return None
        if isinstance(self._work, Wide):
            if self._work.settled:
                return None
            again = self._work.run(seconds=seconds, upper=float(draft.cost), on_better=self._tell_bound, start=self._work.columns)
            return BoundNote(again)
        until, partial = time.monotonic() + seconds, self._work
        work = self._patient(partial.needs) if seconds >= PATIENT_S_PER_STOP * self.instance.stops else None
        work = work or Bound(self.instance, partial.needs, star=True)
        columns = [column for share, column in partial.shares if share > 0]
        if partial.last is not None:  # the duals of the partial programme are nearly right: price everything with them first
            columns += work.prove(partial.last)
            self._tell_bound(work.minor())
        left = max(0.0, until - time.monotonic())
        return BoundNote(work.run(seconds=left, upper=float(draft.cost), on_better=self._tell_bound, start=columns, tolerance=0.002))

    def _patient(self, needs: Needs) -> Bound | None:
        """Column generation over millions of paths, None if there are more still."""
        try:
            return Bound(self.instance, needs, most=MOST_EVER)
        except TooManyPaths:
            return None

    def keep(self, draft: Draft, kept: tuple[Duty, ...], seconds: float) -> BoundNote:
        """The bound for serving the parties of a draft with these duties as they are; over stars where paths are too many."""
        rooms = kept_of(self.instance, kept)
        settled = {party for duty in kept for party in duty.parties}
        parties = [party for duty in draft.duties for party in duty.parties if party not in settled]
        needs, until = needs_of(self.instance, parties, rooms), time.monotonic() + seconds
        start = [column_of(self.instance, duty) for duty in draft.duties[len(kept) :]]
        most = round(min(MOST_PATHS, max(FEWEST_PATHS, PATHS_PER_S * seconds)))
        wide = self._wide(needs)
        try:
            work = Bound(self.instance, needs, most=FEWEST_PATHS if wide else most)
        except TooManyPaths:
            work = wide or Bound(self.instance, needs, star=True)
        minor = work.run(seconds=seconds / 2, upper=float(draft.cost), start=start)
        if self.instance.symmetric:
            with suppress(TooManyPaths):
                sharp = Sharp(self.instance, needs, most=min(most, MOST_CELLS // (self.instance.stops + 1)))
                left = max(0.0, until - time.monotonic())
                minor = max(minor, sharp.sharpen(seconds=left, upper=float(draft.cost), start=work.columns, on_better=lambda _: None))
        return BoundNote(minor, keeping=True)

    def sharpen(self, draft: Draft, seconds: float, *, assemble: bool = False) -> BoundNote | None:
        """After a bound over all paths: the same with inequalities; None where legs differ or paths are many.

        With `assemble` and few duties a plan by its prices too, which leaves no duty as it is.
        """
        work = self._work
        if isinstance(work, Wide):
            return self._sharpen_wide(work, draft, seconds)
        if work is None or not work.whole or not work.alike:
            return None
        try:
            sharp = Sharp(self.instance, work.needs, most=MOST_CELLS // (self.instance.stops + 1))
        except TooManyPaths:
            return None
        minor = sharp.sharpen(seconds=seconds, upper=float(draft.cost), start=work.columns, on_better=self._tell_bound)
        if assemble and len(draft.duties) < FEW_DUTIES:
            parties = [party for duty in draft.duties for party in duty.parties]
            self._assembly = Assembly(self.instance, sharp, parties, longest_s=seconds)
            if (better := self._assembly.run(draft)) is not None:
                self.note(better)
        return BoundNote(minor)

    def _sharpen_wide(self, work: Wide, draft: Draft, seconds: float) -> BoundNote | None:
        """The same over the paths that a plan cheaper than the draft may use, if these are few."""
        until, upper = time.monotonic() + seconds, float(draft.cost)
        paths = work.below(upper, most=MOST_CELLS // (self.instance.stops + 1), seconds=seconds / 2)
        if paths is None:
            return None
        sharp = Sharp(self.instance, work.needs, most=len(paths), paths=paths)
        left = max(0.0, until - time.monotonic())
        return BoundNote(min(draft.cost, sharp.sharpen(seconds=left, upper=upper, start=work.columns, on_better=lambda _: None)))

    def dive(self, draft: Draft, seconds: float, piece: Slice | None = None) -> Draft | None:
        """A draft out of the bound's programme; where duties are many, improved on its own for a slice, however dear it is at first."""
        made = self._dived(draft, seconds)
        if made is None or piece is None or len(made.duties) < FEW_DUTIES:
            return made
        return self.improve(made, piece, None, 0, None).draft

    def _dived(self, draft: Draft, seconds: float) -> Draft | None:
        if self._work is None:
            return None
        parties = [party for duty in draft.duties for party in duty.parties]
        dive = Dive(self.gate, parties, float(draft.cost), self._work.columns, most=self._short())
        return dive.run(seconds) if self._work.whole or self._short() else dive.round_off(self._work.shares)

    def _short(self) -> int | None:
        """How many of the shorter paths a dive takes new columns from, None where it can look at all."""
        return SHORT_PATHS if isinstance(self._work, Wide) else None

    def exact(self, draft: Draft, seconds: float, longest_s: float) -> Proof | None:
        """A proof for a small problem, after its bound; None where that is out of reach."""
        exact = Exact(self.gate, draft)
        return exact.run(seconds, longest_s=longest_s) if self._work is not None and exact.suits(self._work.modes) else None

    def withdraw(self, plan: Plan, operator: str, seconds: float) -> Withdrawal:
        """What it would mean if an operator pulled out."""
        return do_without(self.instance.problem, plan, operator, seconds)

    def improve(self, draft: Draft, piece: Slice, count: Ints | None, fixed: int, published: Published | None) -> Improved:
        """A better draft within a slice; `count` restricts the vehicles to a share of the fleet."""
        if self._improver is None:
            self._improver = Improver(self.gate)
        everything, work = not fixed and published is None and count is None, self._work
        few = everything and len(draft.duties) < FEW_DUTIES and work is not None and (work.whole or self._short()) and work.alike
        self._improver.fresh = self.fresh if few else None
        self._improver.assemble = self._assembly.run if few and self._assembly is not None else None
        self._improver.set_out(fixed=fixed, published=published, count=count)
        return Improved(*self._improver.run(draft, piece, self._teller()))

    def _teller(self) -> Callable[[Draft], None]:
        """Tells the parent of better drafts now and then."""
        told = time.monotonic()

        def tell(better: Draft) -> None:
            nonlocal told
            if time.monotonic() - told > NOTE_EVERY_S:
                told = time.monotonic()
                self.note(better)

        return tell

    def fresh(self, draft: Draft, rng: np.random.Generator) -> Draft | None:
        """Another start for the riders of a draft, from the bound's programme."""
        if self._work is None:
            return None
        parties = [party for duty in draft.duties for party in duty.parties]
        return Dive(self.gate, parties, float(draft.cost), list(self._work.columns), rng, self._short()).run(DIVE_S)

    def ruin(self, draft: Draft, piece: Slice, count: Ints | None, fixed: int, published: Published | None) -> Improved:
        """A better draft within a slice, by strings of stops: for routes of many stops, and between slices of exact neighbourhoods."""
        del published  # such searches are not held to what was published
        count = self.instance.rates.count if count is None else count
        return Improved(*self.ruins.run(draft, piece, count=count, fixed=fixed, on_better=self._teller()))

    def tours(self, draft: Draft, seconds: float, turns: int) -> BoundNote | None:
        """The bound where routes have many stops, None if it would take too long."""
        work = Tours(self.instance, [party for duty in draft.duties for party in duty.parties])
        if not work.suits():
            return None
        ours = set(work.parties)
        columns = [work.column_of(duty) for duty in draft.duties if ours.issuperset(duty.parties)]
        minor = work.run(seconds=seconds, upper=float(draft.cost), start=columns, on_better=self._tell_bound, turns=turns)
        return BoundNote(max(minor, floor_minor(self.instance, ours) or 0))

"""Asking the solver, and believing nothing it says before the independent checker has recomputed it. Blocks: run it in a thread."""

import os
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

import solver
from app.domain.dispatch.keeping import Settled, bound_beside, joined, settled_of, without
from solver.plan import Plan, PlannedDuty
from solver.problem import Problem


class SolveLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a search may take. It stops earlier once nothing has become better for `patience_s` and the plan is proven to be close.

    With `iterations` it stops after so many neighbourhoods instead, whatever the time: the same problem then has the same plan.
    """

    time_limit_s: float = 10.0
    patience_s: float = 3.0
    seed: int = 1
    threads: int = 1
    iterations: int | None = None


CLOSE_ENOUGH = 0.08
"""A plan proven to cost at most so much more than the best one need not be waited for any longer."""
SMALL_PARTIES, LARGE_PARTIES = 360, 2_000
LONGEST_S = 300.0


def limits_for(problem: Problem) -> SolveLimits:
    """A budget by size: a second for a handful of parties, ten for 360, a second per hundred for a stadium's, on every core."""
    parties = len(problem.parties)
    time_limit_s = 1 + parties / 40 if parties < SMALL_PARTIES else min(LONGEST_S, max(10.0, parties / 100))
    threads = (os.cpu_count() or 1) if parties >= LARGE_PARTIES else 1
    return SolveLimits(time_limit_s=time_limit_s, patience_s=min(time_limit_s / 3, 0.5 + parties / 100), threads=threads)


class Solving(msgspec.Struct, frozen=True, kw_only=True):
    """How far a search is: the best plan so far, the bound no plan can beat (None until there is one), people left without a seat.

    With `kept` duties that stay as they are, all figures include these, and the bound is for plans that leave them so.
    """

    seconds: float
    limit_s: float
    cost_minor: int
    bound_minor: int | None
    people: int
    people_left: int
    kept: int = 0

    @property
    def gap_percent(self) -> float | None:
        """How much dearer than the bound the plan may be at most."""
        return 100 * (self.cost_minor / self.bound_minor - 1) if self.bound_minor else None


OnSolving = Callable[[Solving], None]
OnPlan = Callable[[Sequence[PlannedDuty], Plan], None]
"""Called with the duties that are kept and the best plan so far of the rest."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A checked plan and what is proven of it: no plan that leaves its `kept` vehicles' duties as they are costs less than the bound."""

    plan: Plan
    bound_minor: int | None
    kept: tuple[str, ...] = ()


class PlanFaulty(Exception):
    """The checker found broken promises in a plan; the first few are in the text."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults[:5]))
        self.faults = list(faults)


def answer(
    problem: Problem,
    kept: Sequence[PlannedDuty],
    limits: SolveLimits,
    on_solving: OnSolving | None = None,
    on_plan: OnPlan | None = None,
) -> Answer:
    """A checked plan of the whole problem. Raises PlanFaulty.

    Duties in `kept` stay as they are if that leaves nobody behind whom a plan from scratch would seat.
    """
    gentle = keeping(problem, kept, limits, on_solving, on_plan) if kept else None
    if gentle is not None and not gentle.plan.unserved:
        return gentle
    fresh = search(problem, limits, on_solving, None if on_plan is None else partial(on_plan, ()))
    if gentle is not None and persons_left(problem, gentle.plan) <= persons_left(problem, fresh):
        return gentle
    if faults := solver.check_plan(problem, fresh):
        raise PlanFaulty(faults)
    return Answer(plan=fresh, bound_minor=fresh.bound_minor)


def keeping(
    problem: Problem,
    kept: Sequence[PlannedDuty],
    limits: SolveLimits,
    on_solving: OnSolving | None = None,
    on_plan: OnPlan | None = None,
) -> Answer | None:
    """The plan that keeps these duties, or None when it would break a promise (a free place left unused, say)."""
    settled = settled_of(problem, kept)
    rest = search(without(problem, kept), limits, on_solving, None if on_plan is None else partial(on_plan, kept), settled)
    whole = joined(problem, kept, rest)
    if solver.check_plan(problem, whole):
        return None
    return Answer(plan=whole, bound_minor=bound_beside(settled, rest), kept=tuple(duty.vehicle for duty in kept))


NOTHING_SETTLED = Settled()


def search(
    problem: Problem,
    limits: SolveLimits,
    on_solving: OnSolving | None = None,
    on_plan: Callable[[Plan], None] | None = None,
    settled: Settled = NOTHING_SETTLED,
) -> Plan:
    """The solver's own answer. Called in this thread: `on_solving` with every better plan or bound, `on_plan` at most once a second.

    `settled` is what stands already beside this problem: progress is told of both together.
    """
    people = settled.people + sum(party.persons for party in problem.parties)

    def pass_on(line: solver.Progress) -> None:
        if on_solving is not None:
            on_solving(
                Solving(
                    seconds=round(line.seconds, 1),
                    limit_s=limits.time_limit_s,
                    cost_minor=settled.cost_minor + line.cost_minor,
                    bound_minor=None if line.bound_minor is None else settled.cost_minor + line.bound_minor,
                    people=people,
                    people_left=line.persons_left,
                    kept=settled.duties,
                )
            )

    close_enough = solver.NoImprovement(seconds=limits.patience_s) & solver.GapLimit(CLOSE_ENOUGH)
    timed = solver.TimeLimit(limits.time_limit_s) | close_enough
    stop = timed if limits.iterations is None else solver.IterationLimit(limits.iterations) | solver.GapLimit(CLOSE_ENOUGH)
    return solver.solve(problem, stop, limits.seed, threads=limits.threads, on_progress=pass_on, on_plan=on_plan).plan


def persons_left(problem: Problem, plan: Plan) -> int:
    """How many people a plan leaves behind."""
    persons = {party.id: party.persons for party in problem.parties}
    return sum(persons[entry.party] for entry in plan.unserved)

"""The search: a first draft at once, then children improve and bound it until a stop criterion says so.

The parent only keeps the best draft, hands out tasks and collects; it calls no optimiser itself. With an iteration limit
every task is counted in iterations instead of seconds, so equal seeds and threads give equal plans.
"""

import time
from collections.abc import Callable

from solver.admit import Gate, admit
from solver.children import Crew
from solver.draft import Draft
from solver.floor import floor_minor
from solver.instance import Instance
from solver.opening import Opening, greedy_opening
from solver.plan import Plan
from solver.problem import Problem
from solver.result import Progress, Result
from solver.rounds import Rounds
from solver.stopping import SearchState, Stop
from solver.writing import gap_of, write_plan

# How long before the limit the search stops: children end, the plan is written.
GRACE_S, GRACE_S_PER_PARTY, LONGEST_GRACE_S = 0.05, 0.0001, 0.3
SHOW_EVERY_S = 1.0


class Search:
    """One run over one problem."""

    def __init__(
        self,
        problem: Problem,
        stop: Stop,
        seed: int,
        *,
        on_progress: Callable[[Progress], None] | None = None,
        on_plan: Callable[[Plan], None] | None = None,
        cancel: Callable[[], bool] | None = None,
        threads: int = 1,
    ) -> None:
        self.started = time.monotonic()
        self.grace_s = min(LONGEST_GRACE_S, GRACE_S + GRACE_S_PER_PARTY * len(problem.parties))
        self.problem, self.stop, self.seed, self.threads = problem, stop, seed, max(1, threads)
        self.on_progress, self.on_plan, self.cancel = on_progress, on_plan, cancel
        self.shown, self.show_from_s = Draft((), ()), 0.0
        self.instance = Instance(problem)
        self.gate = Gate(self.instance)
        self.best = Draft((), ())
        self.bound: int | None = None
        self.bounded: frozenset[int] = frozenset()  # the parties the bound is for; serving more cannot cost less
        self.kept_bound: int | None = None  # for plans that keep the accepted duties, and for these parties
        self.kept_bounded: frozenset[int] = frozenset()
        self.optimal = False
        self.iterations = self.improved_at = 0
        self.improved_s = 0.0
        self.history: list[Progress] = []
        self._make_opening: Callable[[Gate], Opening] = greedy_opening
        self.opening = Opening(draft=self.best)

    def open_with(self, make: Callable[[Gate], Opening]) -> None:
        """Begins with another draft than the greedy one."""
        self._make_opening = make

    def seconds(self) -> float:
        return time.monotonic() - self.started

    def run(self) -> Result:
        """Searches until told to stop and writes the plan."""
        with Crew(self.problem, self.threads) as crew:
            if self.problem.parties and self.problem.vehicles:
                crew.warm_up()
            self.opening = self._make_opening(self.gate)
            self.best = self.opening.draft
            self.report("start")
            if self.best.duties and not self.over():
                self.improve(crew)
            lost = crew.lost
        self.report("done")
        plan = self.write()
        return Result(
            plan=plan,
            problem=self.problem,
            kept_bound_minor=self.bound_of_kept(),
            history=tuple(self.history),
            iterations=self.iterations,
            seconds=self.seconds(),
            lost_children=lost,
        )

    def write(self) -> Plan:
        """The best draft as a plan. A bound for other parties than those served now is none."""
        published, seconds = self.opening.published, self.seconds()
        wishes = published.wishes(self.best.duties, self.opening.vehicles) if published else []
        served = {party for duty in self.best.duties for party in duty.parties}
        bound = self.bound if self.bounded <= served else None
        if bound is None and self.best.duties:
            bound = floor_minor(self.instance, served)
        return write_plan(self.gate, self.best, bound=bound, optimal=self.optimal, seconds=seconds, wishes=wishes)

    def bound_of_kept(self) -> int | None:
        """The bound for plans that keep the accepted duties; where it did not come in time, what those cost; None without any."""
        kept = self.opening.kept
        if not kept:
            return None
        served = {party for duty in self.best.duties for party in duty.parties}
        settled = {party for duty in kept for party in duty.parties}
        floors = [sum(duty.cost for duty in kept) if settled <= served else 0]
        if self.kept_bound is not None and self.kept_bounded <= served:
            floors.append(self.kept_bound)
        if self.bound is not None and self.bounded <= served:
            floors.append(self.bound)
        return max(floors)

    def over(self) -> bool:
        """Whether a criterion, the caller or an optimality proof ends the search."""
        self.show()
        if self.optimal or (self.cancel is not None and self.cancel()):
            return True
        state = SearchState(
            seconds=self.seconds() + self.grace_s,
            iterations=self.iterations,
            cost_minor=self.best.cost,
            gap=gap_of(self.best.cost, self.bound),
            seconds_since_improvement=self.seconds() - self.improved_s,
            iterations_since_improvement=self.iterations - self.improved_at,
        )
        return self.stop.reached(state)

    def remaining_s(self) -> float:
        limit = self.stop.time_limit_s
        return 10.0**9 if limit is None else limit - self.grace_s - self.seconds()

    def rank(self, draft: Draft) -> tuple[int, int]:
        """Smaller is better: persons left behind, then cost and what changes to a published plan are taken to cost."""
        published = self.opening.published
        extra = sum(published.penalty(duty) for duty in draft.duties) if published else 0
        return draft.persons_left(self.instance), draft.cost + extra

    def left_able(self) -> bool:
        """Whether someone is left behind who could ride if there were more seats."""
        return any(self.gate.servable(party) for party in self.best.left)

    def by_iterations(self) -> int | None:
        """The number of neighbourhoods to stop at, if that and not the clock is the limit."""
        return self.stop.iteration_limit if self.stop.time_limit_s is None else None

    def offer(self, draft: Draft) -> None:
        """Takes a draft if it is better than the best, everyone seated who still fits."""
        if draft.left:
            draft = admit(self.gate, draft.duties, draft.left, fixed=self.opening.fixed)
        if self.rank(draft) < self.rank(self.best):
            self.best = draft
            self.improved_s, self.improved_at = self.seconds(), self.iterations
            self.report("improve")

    def show(self) -> None:
        """Hands the best plan so far to who wants to see it: at most once a second, and for a tenth of the time at most."""
        if self.on_plan is None or self.best is self.shown or self.seconds() < self.show_from_s:
            return
        began_s = self.seconds()
        self.shown = self.best
        self.on_plan(self.write())
        self.show_from_s = began_s + max(SHOW_EVERY_S, 10 * (self.seconds() - began_s))

    def report(self, phase: str) -> None:
        line = Progress(
            seconds=self.seconds(),
            iterations=self.iterations,
            cost_minor=self.best.cost,
            bound_minor=self.bound,
            persons_left=self.best.persons_left(self.instance),
            phase=phase,
        )
        self.history.append(line)
        if self.on_progress is not None:
            self.on_progress(line)

    def improve(self, crew: Crew) -> None:
        """Other starts and the bound first, then rounds of improvement until the end."""
        Rounds(self, crew).run()

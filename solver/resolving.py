"""Re-solve, in dispatch's terms: accepted duties stay, vehicles or operators drop out, late pledges come and others go."""

from collections.abc import Callable

from solver.opening import Changes, changed_problem, opening_of
from solver.plan import Plan
from solver.problem import Problem
from solver.result import Progress, Result
from solver.search import Search
from solver.stopping import Stop


def resolve(
    problem: Problem,
    published: Plan,
    changes: Changes,
    stop: Stop,
    seed: int = 1,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
    threads: int = 1,
) -> Result:
    """Solves again what the changes undid, close to the published plan -> Result, whose `problem` is the changed one.

    `problem` is the one the published plan answers. Check the new plan with `check_plan(result.problem, result.plan,
    fixed=changes.accepted)`.
    """
    after = changed_problem(problem, changes)
    search = Search(after, stop, seed, on_progress=on_progress, cancel=cancel, threads=threads)
    search.open_with(lambda gate: opening_of(gate, published, changes))
    return search.run()


def riders_moved(result: Result, published: Plan) -> int:
    """How many riders of the published plan ride another vehicle now, or none."""
    now = {party: duty.vehicle for duty in result.plan.duties for party in duty.parties}
    before = {party: duty.vehicle for duty in published.duties for party in duty.parties}
    persons = {party.id: party.persons for party in result.problem.parties}
    return sum(persons[party] for party, vehicle in before.items() if party in persons and now.get(party) != vehicle)

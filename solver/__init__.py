"""Busload's solver: a library of its own. Problem in, plan out; docs/solver.md explains the method and how to call it."""

from collections.abc import Callable

from solver.bounding import lower_bound
from solver.checking import check_plan
from solver.opening import Changes
from solver.picture import draw_sketch, draw_svg, legend_of
from solver.plan import Plan, PlannedDuty, Unserved, Visit, decode_plan, encode_plan
from solver.problem import Depot, Hire, Limits, Matrix, Party, Problem, ProblemError, Rules, Stop, Vehicle, Venue, Weights
from solver.quoting import Quote, quote
from solver.reading import encode_problem, load_problem, parse_problem
from solver.report import write_html
from solver.resolving import resolve, riders_moved
from solver.result import Progress, Result
from solver.search import Search
from solver.sketch import Sketch, sketch_of
from solver.stopping import AllOf, AnyOf, GapLimit, IterationLimit, NoImprovement, TimeLimit
from solver.stopping import Stop as StopCriterion
from solver.withdrawals import Withdrawal, withdrawals


def solve(
    problem: Problem,
    stop: StopCriterion,
    seed: int = 1,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    on_plan: Callable[[Plan], None] | None = None,
    cancel: Callable[[], bool] | None = None,
    threads: int = 1,
) -> Result:
    """The best plan found before `stop` says enough, with its proven bound.

    Blocks; `on_progress` is called in this thread with each better plan or bound, `on_plan` with the best plan so far at most
    once a second, `cancel` is asked several times a second. At most `threads` child processes work. The problem must come from
    `load_problem` or `parse_problem`.
    """
    return Search(problem, stop, seed, on_progress=on_progress, on_plan=on_plan, cancel=cancel, threads=threads).run()


__all__ = [
    "AllOf",
    "AnyOf",
    "Changes",
    "Depot",
    "GapLimit",
    "Hire",
    "IterationLimit",
    "Limits",
    "Matrix",
    "NoImprovement",
    "Party",
    "Plan",
    "PlannedDuty",
    "Problem",
    "ProblemError",
    "Progress",
    "Quote",
    "Result",
    "Rules",
    "Sketch",
    "Stop",
    "StopCriterion",
    "TimeLimit",
    "Unserved",
    "Vehicle",
    "Venue",
    "Visit",
    "Weights",
    "Withdrawal",
    "check_plan",
    "decode_plan",
    "draw_sketch",
    "draw_svg",
    "encode_plan",
    "encode_problem",
    "legend_of",
    "load_problem",
    "lower_bound",
    "parse_problem",
    "quote",
    "resolve",
    "riders_moved",
    "sketch_of",
    "solve",
    "withdrawals",
    "write_html",
]

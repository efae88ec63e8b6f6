"""What a search gives back, and what it tells on the way."""

from dataclasses import dataclass, field

from solver.plan import Plan
from solver.problem import Problem


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One line of the improvement history. `phase` is start, improve, bound or done."""

    seconds: float
    iterations: int
    cost_minor: int
    bound_minor: int | None
    persons_left: int
    phase: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """The plan, the problem it answers and how it came about.

    `kept_bound_minor` is for re-solves with accepted duties: no plan that keeps them, with the riders they had, and serves whom
    this one serves costs less. The plan's own bound speaks of every plan, also of those that break promises to operators.
    """

    plan: Plan
    problem: Problem
    kept_bound_minor: int | None = None
    history: tuple[Progress, ...] = ()
    iterations: int = 0
    seconds: float = 0.0
    lost_children: int = field(default=0)

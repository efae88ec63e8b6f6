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
    """The plan, the problem it answers and how it came about."""

    plan: Plan
    problem: Problem
    history: tuple[Progress, ...] = ()
    iterations: int = 0
    seconds: float = 0.0
    lost_children: int = field(default=0)

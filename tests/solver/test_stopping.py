import time

import pytest

import solver
from solver.stopping import SearchState
from tests.solver.events import problem


def state(seconds: float = 0.0, iterations: int = 0, gap: float | None = None, quiet_s: float = 0.0, quiet: int = 0) -> SearchState:
    return SearchState(
        seconds=seconds, iterations=iterations, cost_minor=1, gap=gap, seconds_since_improvement=quiet_s, iterations_since_improvement=quiet
    )


def test_each_criterion_holds_when_it_should() -> None:
    assert solver.TimeLimit(2).reached(state(seconds=2))
    assert not solver.TimeLimit(2).reached(state(seconds=1.9))
    assert solver.IterationLimit(5).reached(state(iterations=5))
    assert solver.GapLimit(0.03).reached(state(gap=0.03))
    assert not solver.GapLimit(0.03).reached(state(gap=None))
    assert solver.NoImprovement(seconds=4).reached(state(quiet_s=4))
    assert solver.NoImprovement(iterations=9).reached(state(quiet=9))


def test_criteria_combine() -> None:
    either, both = solver.TimeLimit(2) | solver.GapLimit(0.1), solver.TimeLimit(2) & solver.GapLimit(0.1)
    assert either.reached(state(seconds=3))
    assert not both.reached(state(seconds=3))
    assert both.reached(state(seconds=3, gap=0.05))
    assert (either.time_limit_s, both.time_limit_s) == (2, None)
    assert (solver.IterationLimit(7) | solver.IterationLimit(3)).iteration_limit == 3


@pytest.mark.parametrize(
    "make", [lambda: solver.TimeLimit(-1), lambda: solver.IterationLimit(-1), solver.NoImprovement, lambda: solver.GapLimit(-0.1)]
)
def test_senseless_criteria_are_refused(make: type) -> None:
    with pytest.raises(ValueError, match=r"must|give"):
        make()


def test_a_caller_can_cancel() -> None:
    started = time.monotonic()
    result = solver.solve(problem(3), solver.TimeLimit(600), cancel=lambda: time.monotonic() - started > 0.5)
    assert result.plan.duties
    assert result.seconds < 60


def test_a_gap_ends_the_search_and_progress_tells_of_it() -> None:
    lines: list[solver.Progress] = []
    result = solver.solve(problem(3, full=False), solver.TimeLimit(60) | solver.GapLimit(5.0), on_progress=lines.append)
    assert lines[0].phase == "start"
    assert lines[-1].phase == "done"
    assert tuple(lines) == result.history
    assert result.plan.gap is not None
    assert result.plan.gap <= 5.0
    assert result.seconds < 60

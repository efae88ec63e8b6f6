"""A child that dies, hangs or is killed costs its task and nothing else."""

import os
import signal
import time
from pathlib import Path

import solver
from solver.admit import Gate
from solver.children import Answer, Child, Crew, Job, Slice
from solver.instance import Instance
from solver.result import Progress
from solver.start import greedy_draft
from tests.solver.events import problem


def answers_of(crew: Crew, deadline_s: float = 30.0) -> list[object]:
    """Every final answer until all children are idle."""
    found: list[object] = []
    until = time.monotonic() + deadline_s

    def collect(_seat: int, answer: Answer) -> None:
        if answer.final:
            found.append(answer.value)

    while any(crew.busy(seat) for seat in range(len(crew.children))):
        assert time.monotonic() < until, "a child neither answered nor was given up"
        crew.poll(0.2, collect)
    return found


def kill(child: Child | None) -> None:
    assert child is not None
    os.kill(child.process.pid, signal.SIGKILL)


def improve_job(told: solver.Problem, seconds: float) -> Job:
    draft = greedy_draft(Gate(Instance(told)), range(len(told.parties)))
    piece = Slice(seconds=seconds, iterations=None, seed=1)
    return Job("improve", {"draft": draft, "piece": piece, "count": None, "fixed": 0, "published": None})


def test_a_killed_child_is_replaced_and_its_task_answered_with_nothing() -> None:
    told = problem(7)
    with Crew(told, 1) as crew:
        crew.start(0, improve_job(told, 30.0), 60.0)
        kill(crew.children[0])
        assert answers_of(crew) == [None]
        assert crew.lost == 1
        crew.start(0, improve_job(told, 0.1), 60.0)
        assert answers_of(crew) != [None]


def test_a_child_past_its_time_is_given_up() -> None:
    told = problem(7)
    with Crew(told, 1) as crew:
        crew.start(0, improve_job(told, 60.0), 0.3)
        assert answers_of(crew) == [None]
        assert crew.children[0] is None


def test_a_task_that_fails_costs_only_itself() -> None:
    told = problem(7)
    with Crew(told, 1) as crew:
        crew.start(0, Job("no such task", {}), 60.0)
        assert answers_of(crew) == [None]


def test_a_search_whose_children_keep_dying_still_gives_a_checked_plan() -> None:
    told = problem(9, stops=8, vehicles=8)
    killed: list[int] = []

    def strike(_line: Progress) -> None:
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and is_our_child(entry):
                os.kill(int(entry.name), signal.SIGKILL)
                killed.append(int(entry.name))

    result = solver.solve(told, solver.TimeLimit(3.0), seed=1, threads=2, on_progress=strike)
    assert killed
    assert result.lost_children > 0
    assert solver.check_plan(told, result.plan) == []


def is_our_child(entry: Path) -> bool:
    """Whether a process is a solver child of this very test process."""
    try:
        parent = int((entry / "stat").read_text(errors="replace").rsplit(")", 1)[1].split()[1])
        return parent == os.getpid() and b"solver.child" in (entry / "cmdline").read_bytes()
    except (OSError, IndexError, ValueError):
        return False

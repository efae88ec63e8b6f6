"""Child processes that do the risky and the heavy work; whatever happens to one costs its current task and nothing else.

A child is `python -m solver.child FD`, talking pickles over a socket pair: no fork of a threaded server, no re-import of
the caller's main module, and a child whose parent dies reads end-of-file and goes.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Self

from solver.draft import Draft
from solver.problem import Problem


@dataclass(frozen=True)
class Job:
    """One task: the name of a function in solver.tasks and its arguments."""

    name: str
    arguments: dict[str, object]


@dataclass(frozen=True)
class Answer:
    """What a child sent: a note on the way, the value at the end, or None for a task that was lost."""

    final: bool
    value: object


@dataclass(frozen=True, kw_only=True)
class Slice:
    """How long to improve: so many iterations, or so many seconds."""

    seconds: float | None
    iterations: int | None
    seed: int
    size: int = 8  # stops per neighbourhood to begin with
    max_size: int = 18
    longest_s: float = 4.0  # of one integer programme


@dataclass(frozen=True)
class BoundNote:
    """A bound proven so far for the parties of the task, minor units; `keeping` if only for plans that keep the accepted duties."""

    minor: int
    keeping: bool = False


@dataclass(frozen=True)
class Improved:
    """A draft (or part of one) and how many neighbourhoods it took."""

    draft: Draft
    iterations: int


@dataclass(frozen=True)
class Proof:
    """A bound from the exact programme (minor units), and the draft it found."""

    minor: int
    draft: Draft | None


class Child:
    """One process; `problem` is sent once, before the first task."""

    def __init__(self, problem: Problem) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            path = os.pathsep.join([str(Path(__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
            self.process = subprocess.Popen(
                [sys.executable, "-m", "solver.child", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            )
        self.pipe = Connection(ours.detach())
        self.alive = self._send(problem)
        self.busy_until: float | None = None

    def _send(self, message: object) -> bool:
        try:
            self.pipe.send(message)
        except OSError:
            return False
        return True

    def start(self, job: Job, seconds: float) -> None:
        """Hands over a task that must be answered within so many seconds."""
        self.busy_until = time.monotonic() + seconds
        self.alive = self._send(job)

    def receive(self) -> Answer:
        """The next message; a broken pipe is the answer of a dead child."""
        try:
            answer = self.pipe.recv()
        except (EOFError, OSError):
            self.alive = False
            return Answer(final=True, value=None)
        if not isinstance(answer, Answer):
            raise TypeError("a child sent something else than an Answer")
        return answer

    def close(self) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.wait()


class Crew:
    """A fixed number of children, started when first needed and replaced when they die."""

    def __init__(self, problem: Problem, size: int) -> None:
        self.problem, self.lost = problem, 0
        self.children: list[Child | None] = [None] * size

    def __enter__(self) -> Self:
        """A crew is a context: leaving it ends every child."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends every child, whatever it is doing."""
        for child in self.children:
            if child is not None:
                child.close()

    def warm_up(self) -> None:
        """Starts every child now, so that it imports while the caller works."""
        for seat in range(len(self.children)):
            self._child(seat)

    def _child(self, seat: int) -> Child:
        child = self.children[seat]
        if child is None or not child.alive:
            if child is not None:
                child.close()
            child = self.children[seat] = Child(self.problem)
        return child

    def start(self, seat: int, job: Job, seconds: float) -> None:
        """Gives the child of a seat a task with a deadline."""
        self._child(seat).start(job, seconds)

    def busy(self, seat: int) -> bool:
        child = self.children[seat]
        return child is not None and child.busy_until is not None

    def drop(self, seat: int) -> None:
        """Ends the child of a seat and whatever it was doing."""
        child = self.children[seat]
        if child is not None:
            child.close()
            self.children[seat] = None

    def poll(self, seconds: float, on_answer: Callable[[int, Answer], None]) -> None:
        """Waits up to so many seconds and passes on every message; a dead or late child's task is answered with None."""
        seats = {child.pipe: seat for seat, child in enumerate(self.children) if child and child.busy_until is not None}
        for seat, child in enumerate(self.children):
            if child and child.busy_until is not None and not child.alive:
                self._lose(seat, on_answer)
                return
        ready = wait(list(seats), max(0.0, seconds)) if seats else []
        for seat in [seat for pipe, seat in seats.items() if pipe in ready]:
            child = self.children[seat]
            if child is None:
                continue
            answer = child.receive()
            if not child.alive:
                self._lose(seat, on_answer)
                continue
            if answer.final:
                child.busy_until = None
            on_answer(seat, answer)
        now = time.monotonic()
        for seat, child in enumerate(self.children):
            if child and child.busy_until is not None and child.busy_until < now:
                self._lose(seat, on_answer)

    def _lose(self, seat: int, on_answer: Callable[[int, Answer], None]) -> None:
        self.lost += 1
        self.drop(seat)
        on_answer(seat, Answer(final=True, value=None))

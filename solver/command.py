"""`busload solve`: a problem file in, a plan file out. Plain arguments in, an exit status out; app/cli.py wraps it."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from solver import compiled
from solver.checking import check_plan
from solver.picture import draw_svg
from solver.plan import encode_plan
from solver.problem import ProblemError
from solver.reading import load_problem
from solver.report import write_html
from solver.result import Progress, Result
from solver.search import Search
from solver.stopping import TimeLimit


def to_stderr(message: str) -> None:
    sys.stderr.write(message + "\n")


def write_answers(result: Result, *, out: str | Path | None, svg: str | Path | None, html: str | Path | None) -> None:
    """Writes the plan, and the picture and report where asked for. Raises OSError."""
    data = encode_plan(result.plan)
    if out is None:
        sys.stdout.write(data.decode() + "\n")
    else:
        Path(out).write_bytes(data)
    if svg is not None:
        Path(svg).write_text(draw_svg(result.problem, result.plan), encoding="utf-8")
    if html is not None:
        Path(html).write_text(write_html(result), encoding="utf-8")


CHECKED_PER_S = 20_000  # parties
SOLVED, FAULTY_PLAN, BROKEN_FILE = 0, 1, 2


def solve_file(
    problem_path: str | Path,
    *,
    out: str | Path | None = None,
    time_limit_s: float = 10.0,
    seed: int = 1,
    threads: int = 1,
    svg: str | Path | None = None,
    html: str | Path | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> int:
    """Solves a problem file and writes the plan (to standard output without `out`).

    -> 0 with a plan, even one that leaves parties unserved; 2 for a file that breaks the format (one message per fault)
    or cannot be read or written; 1 if our own check finds a fault, which would be a bug.
    """
    complain, started = say or to_stderr, time.monotonic()
    try:
        problem = load_problem(problem_path)
    except ProblemError as error:
        for fault in error.faults:
            complain(fault)
        return BROKEN_FILE
    except OSError as error:
        complain(f"{problem_path}: cannot be read ({error.strerror})")
        return BROKEN_FILE
    # the limit is on the wall clock of the whole command: reading, and writing and checking a large plan, count too
    searching_s = max(0.0, time_limit_s - (time.monotonic() - started) - len(problem.parties) / CHECKED_PER_S)
    result = Search(problem, TimeLimit(searching_s), seed, on_progress=on_progress, threads=threads).run()
    try:
        write_answers(result, out=out, svg=svg, html=html)
    except OSError as error:
        complain(f"{error.filename}: cannot be written ({error.strerror})")
        return BROKEN_FILE
    if not compiled.ready():
        complain("part of the search ran interpreted, which makes dearer plans: run `python -m solver.warm` once, it compiles it")
    faults = check_plan(problem, result.plan)
    for fault in faults:
        complain(f"fault in our own plan, please report it: {fault}")
    return FAULTY_PLAN if faults else SOLVED

"""`make bench-solver`: our solver beside OR-Tools routing, PyVRP and VROOM, same problem, same budget, same core, in turns.

    python -m tests.bench.bench_solver [--all | --rows S,T,M] [--seeds 1,2,3] [--seconds 10] [--problems FILE ...] [--no-write]

Prints a line per run, a table of geometric means, and one JSON object as the last line; exit status 1 if a bar of
docs/solver.md is missed. Writes the solver's section of docs/benchmarks.md, where rows that were not run
stay as they were. A row is a scale with a budget (ROWS); S, T and M are
run unless told otherwise, `--all` runs every row, L with one seed. Rows with an F have every rule in play (full_rules.py), which no
rival can express; rows H13 to H20 are public problems with mixed fleets (hfvrp/instances.py), each with a limited and a free fleet.
`--problems` runs other files: in the rows asked for, those whose name begins with the row's scale.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from solver import load_problem
from tests.bench.benchmarks_page import finish, read_section, write_section
from tests.bench.event_generator import event_problem
from tests.bench.full_rules import with_every_rule
from tests.bench.hfvrp.instances import best_known_minor, hfvrp_problem
from tests.bench.solver_page import RIVALS, section

ROOT = Path(__file__).parents[2]
USUAL = ("S", "T", "M")
TITLE = "Solver"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: problems of a scale, a budget, cores, and what each figure may be at most."""

    scale: str
    seconds: float
    cores: int = 1
    phases: str = ""  # how the rivals take the problem in two phases (two_phase.py)
    seeds: int | None = None  # so many of those asked for
    rivals: tuple[str, ...] = tuple(RIVALS)
    public: int | None = None  # the number of a public problem
    bars: dict[str, float]


ALWAYS = {"late_s": 1.0, "faults": 0.0, "fewer_people": 0.0}
LARGE = {"gap": 0.04, "memory_mb": 1500, "first_plan_s": 2.0}
ROWS = {
    "S2": Row(scale="S", seconds=2, bars={"ortools": 1.0, "pyvrp": 1.0}),
    "S": Row(scale="S", seconds=5, bars={"gap": 0.12, "ortools": 1.0, "pyvrp": 1.0}),
    "T": Row(scale="T", seconds=10, bars={"gap": 0.06, "ortools": 0.97, "pyvrp": 1.00}),
    "M": Row(scale="M", seconds=10, bars={"gap": 0.085, "ortools": 0.96, "pyvrp": 0.97, "memory_mb": 300}),
    "M60": Row(scale="M", seconds=60, bars={"gap": 0.055, "ortools": 0.94, "pyvrp": 0.99, "memory_mb": 300}),
    "C": Row(scale="C", seconds=10, bars={"ortools": 1.0}),
    "L": Row(scale="L", seconds=300, cores=2, phases="-sectors", seeds=1, bars=LARGE | {"ortools": 0.84, "pyvrp": 0.97}),
    "LB": Row(scale="L", seconds=300, cores=2, phases="-full", seeds=1, bars=LARGE | {"ortools": 0.84, "pyvrp": 0.97}),
    "SF": Row(scale="SF", seconds=5, rivals=(), bars={}),
    "TF": Row(scale="TF", seconds=10, rivals=(), bars={}),
    "MF": Row(scale="MF", seconds=10, rivals=(), bars={}),
    **{f"H{number}": Row(scale=f"H{number}", seconds=10, public=number, bars={}) for number in (13, 14, 17, 18, 20)},
}


@cache
def one(who: str, problem: Path, seconds: float, cores: int) -> dict[str, Any]:
    """One run in a process of its own, pinned to so many cores; ours on the same problem serves all rows that ask for it."""
    with tempfile.NamedTemporaryFile(suffix=".json") as plan:
        module = "tests.bench.rival_vroom" if who.startswith("vroom") else "tests.bench.solver_rivals"
        command = [sys.executable, "-m", module, who, str(problem), str(seconds), plan.name, str(cores)]
        allowed = sorted(os.sched_getaffinity(0))[:cores]
        done = subprocess.run(
            command, cwd=ROOT, check=True, capture_output=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, allowed)
        )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def mean(values: list[float]) -> float:
    """The geometric mean."""
    return math.exp(sum(map(math.log, values)) / len(values))


def compare(told: Row, problem: Path, seconds: float) -> dict[str, float]:
    """Everybody on one problem -> our figures and, by rival, our cost over theirs."""
    ours = one("busload", problem, seconds, told.cores)
    row = {
        "cost": ours["cost"],
        "gap": math.inf if ours["gap"] is None else ours["gap"],
        "memory_mb": ours["memory_mb"],
        "late_s": ours["seconds"] - seconds,
        "faults": ours["faults"],
        "optimal": float(ours["status"] == "optimal"),
        "first_plan_s": ours["first_plan_s"],
        "people": ours["persons"],
        "waiting": sum(party.persons for party in load_problem(problem).parties),
        "fewer_people": 0,
    }
    for rival in told.rivals:
        theirs = one(f"{rival}{told.phases}", problem, seconds, told.cores)
        row[rival] = ours["cost"] / theirs["cost"] if theirs["persons"] <= ours["persons"] else math.inf
        row["fewer_people"] = max(row["fewer_people"], theirs["persons"] - ours["persons"])
    if told.public is not None:
        complete = row["people"] == row["waiting"]
        row["best_known"] = ours["cost"] / best_known_minor(told.public, problem.stem.rpartition("-")[2]) if complete else math.inf
    print(
        f"{problem.stem:14} " + "  ".join(f"{key} {value:,.4f}" if value is not None else f"{key} none" for key, value in row.items()),
        flush=True,
    )
    return row


def summary(rows: list[dict[str, float]]) -> dict[str, float]:
    """One row's figures: ratios as geometric means, people in all, memory, lateness and faults at their worst."""
    result = {name: mean([row[name] for row in rows]) for name in (*RIVALS, "best_known") if name in rows[0]}
    result |= {"gap": mean([1 + row["gap"] for row in rows]) - 1, "optimal": sum(row["optimal"] for row in rows), "problems": len(rows)}
    result |= {key: sum(row[key] for row in rows) for key in ("people", "waiting")}
    return result | {key: max(row[key] for row in rows) for key in ("memory_mb", "late_s", "faults", "first_plan_s", "fewer_people")}


def main(arguments: list[str]) -> int:
    """Runs everything -> exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", default=",".join(USUAL), help=f"of {', '.join(ROWS)}")
    parser.add_argument("--all", action="store_true", help="every row")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--seconds", type=float, help="another budget than the usual one")
    parser.add_argument("--problems", nargs="*", type=Path)
    parser.add_argument("--no-write", action="store_true")
    given = parser.parse_args(arguments)
    figures, budgets = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ROWS if given.all else given.rows.split(","):
            row = ROWS[name]
            seeds = [int(seed) for seed in given.seeds.split(",")][: row.seeds]
            files = given.problems or made_for(row, Path(folder), seeds)
            mine = [file.resolve() for file in files if file.stem.removeprefix("bench-").startswith(f"{row.scale}-")]
            if mine:
                budgets[name] = given.seconds or row.seconds
                figures[name] = summary([compare(row, file, budgets[name]) for file in mine])
    missed = [miss for name, found in figures.items() for miss in missed_bars(name, found)]
    text = section(figures, budgets, missed, before=read_section(TITLE), order=list(ROWS))
    print(text)
    if not given.no_write:
        write_section(TITLE, text)
    return finish({"figures": figures, "budget_s": budgets}, missed)


def missed_bars(name: str, found: dict[str, float]) -> list[str]:
    """The figures of a row that are above their bar, in words."""
    bars = ROWS[name].bars | ALWAYS
    return [f"{name} {figure} {found[figure]:.4g} > {most:g}" for figure, most in bars.items() if figure in found and found[figure] > most]


def made_for(row: Row, folder: Path, seeds: list[int]) -> list[Path]:
    """The problems of a row as files."""
    if row.public is not None:
        made = {f"H{row.public}-{fleet}": hfvrp_problem(row.public, fleet) for fleet in ("limited", "free")}
    elif row.scale.endswith("F"):
        made = {f"bench-{row.scale}-{seed}": with_every_rule(event_problem(row.scale[0], seed), seed) for seed in seeds}
    else:
        made = {f"bench-{row.scale}-{seed}": event_problem(row.scale, seed) for seed in seeds}
    for name, problem in made.items():
        (folder / f"{name}.json").write_bytes(msgspec.json.encode(problem))
    return [folder / f"{name}.json" for name in made]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

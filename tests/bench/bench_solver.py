"""`make bench-solver`: our solver beside OR-Tools routing and PyVRP, same problem, same budget, same core, in turns.

    python -m tests.bench.bench_solver [--all | --rows S,T,M] [--seeds 1,2,3] [--seconds 10] [--problems FILE ...] [--no-write]

Prints a line per run, a table of geometric means, and one JSON object as the last line; exit status 1 if a bar of
docs/solver.md is missed. Writes the solver's section of docs/benchmarks.md. A row is a scale with a budget (ROWS); S, T and M are
run unless told otherwise, `--all` runs every row, L with one seed. `--problems` runs other files: in the rows asked for, those
whose name begins with the row's scale.
"""

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from tests.bench.event_generator import event_problem

ROOT = Path(__file__).parents[2]
RIVALS = ("ortools", "pyvrp")
USUAL = ("S", "T", "M")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: problems of a scale, a budget, cores, and what each figure may be at most."""

    scale: str
    seconds: float
    cores: int = 1
    sectors: bool = False  # the rivals get sectors of the problem
    seeds: int | None = None  # so many of those asked for
    bars: dict[str, float]


ALWAYS = {"late_s": 1.0, "faults": 0.0}
ROWS = {
    "S2": Row(scale="S", seconds=2, bars={"ortools": 1.0, "pyvrp": 1.0}),
    "S": Row(scale="S", seconds=5, bars={"gap": 0.12, "ortools": 1.0, "pyvrp": 1.0}),
    "T": Row(scale="T", seconds=10, bars={"gap": 0.06, "ortools": 0.97, "pyvrp": 1.00}),
    "M": Row(scale="M", seconds=10, bars={"gap": 0.085, "ortools": 0.96, "pyvrp": 0.97, "memory_mb": 300}),
    "M60": Row(scale="M", seconds=60, bars={"gap": 0.055, "ortools": 0.94, "pyvrp": 0.99, "memory_mb": 300}),
    "C": Row(scale="C", seconds=10, bars={"ortools": 1.0}),
    "L": Row(
        scale="L",
        seconds=300,
        cores=2,
        sectors=True,
        seeds=1,
        bars={"gap": 0.04, "ortools": 0.84, "pyvrp": 0.97, "memory_mb": 1500, "first_plan_s": 2.0},
    ),
}


def one(who: str, problem: Path, seconds: float, cores: int) -> dict[str, Any]:
    """One run in a process of its own, pinned to so many cores."""
    with tempfile.NamedTemporaryFile(suffix=".json") as plan:
        command = [sys.executable, "-m", "tests.bench.solver_rivals", who, str(problem), str(seconds), plan.name, str(cores)]
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
    }
    for rival in RIVALS:
        theirs = one(f"{rival}-sectors" if told.sectors else rival, problem, seconds, told.cores)
        row[rival] = ours["cost"] / theirs["cost"] if theirs["persons"] <= ours["persons"] else math.inf
    print(
        f"{problem.stem:14} " + "  ".join(f"{key} {value:,.4f}" if value is not None else f"{key} none" for key, value in row.items()),
        flush=True,
    )
    return row


def summary(rows: list[dict[str, float]]) -> dict[str, float]:
    """One scale's figures: ratios as geometric means, memory, lateness and faults at their worst."""
    result = {rival: mean([row[rival] for row in rows]) for rival in RIVALS if rival in rows[0]}
    result |= {"gap": mean([1 + row["gap"] for row in rows]) - 1, "optimal": sum(row["optimal"] for row in rows), "problems": len(rows)}
    return result | {key: max(row[key] for row in rows) for key in ("memory_mb", "late_s", "faults", "first_plan_s")}


def table(figures: dict[str, dict[str, float]], budgets: dict[str, float], bars: int) -> str:
    """The section of docs/benchmarks.md."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("ortools", "pyvrp", "numpy"))
    lines = [
        "## Solver",
        "",
        f"`make bench-solver`, {datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores.",
        f"Python {platform.python_version()}, {versions}.",
        "Problems of tests/bench/event_generator.py; each run on one core (L: two, the rivals by sectors); ratios are our cost over theirs",
        f"(geometric mean). C is collection by small buses with up to 40 stops. {bars} bars missed.",
        "",
        "| row | problems | seconds | / OR-Tools | / PyVRP | proven gap | optimal | first plan s | memory MB | over the limit s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for scale, row in figures.items():
        ratios = [f"{row[rival]:.3f}" if rival in row else "-" for rival in RIVALS]
        cells = [scale, f"{row['problems']:.0f}", f"{budgets[scale]:.0f}", *ratios, f"{100 * row['gap']:.1f} %", f"{row['optimal']:.0f}"]
        cells.append(f"{row['first_plan_s']:.2f}")
        lines.append("| " + " | ".join([*cells, f"{row['memory_mb']:.0f}", f"{row['late_s']:.2f}"]) + " |")
    return "\n".join(lines) + "\n"


def write_section(text: str) -> None:
    """Replaces the solver's section of docs/benchmarks.md and leaves the others alone."""
    page = ROOT / "docs" / "benchmarks.md"
    old = page.read_text() if page.exists() else "# Benchmarks\n"
    before, _, rest = old.partition("## Solver\n")
    _, found, after = rest.partition("\n## ")
    page.write_text(before.rstrip() + "\n\n" + text + (f"\n## {after}" if found else ""))


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
            files = given.problems or [generated(Path(folder), row.scale, seed) for seed in seeds]
            mine = [file.resolve() for file in files if file.stem.removeprefix("bench-").startswith(row.scale)]
            if mine:
                budgets[name] = given.seconds or row.seconds
                figures[name] = summary([compare(row, file, budgets[name]) for file in mine])
    missed = [miss for name, found in figures.items() for miss in missed_bars(name, found)]
    section = table(figures, budgets, len(missed))
    print(section)
    if not given.no_write:
        write_section(section)
    print(json.dumps({"figures": figures, "budget_s": budgets, "missed": missed}))
    return int(bool(missed))


def missed_bars(name: str, found: dict[str, float]) -> list[str]:
    """The figures of a row that are above their bar, in words."""
    bars = ROWS[name].bars | ALWAYS
    return [f"{name} {figure} {found[figure]:.4g} > {most:g}" for figure, most in bars.items() if figure in found and found[figure] > most]


def generated(folder: Path, scale: str, seed: int) -> Path:
    """Writes a problem of our own generator to a file."""
    path = folder / f"bench-{scale}-{seed}.json"
    path.write_bytes(msgspec.json.encode(event_problem(scale, seed)))
    return path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

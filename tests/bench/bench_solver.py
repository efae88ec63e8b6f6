"""`make bench-solver`: our solver beside OR-Tools routing and PyVRP, same problem, same budget, same core, in turns.

    python -m tests.bench.bench_solver [--scales S,T,M] [--seeds 1,2,3,4,5] [--seconds 10] [--problems FILE ...] [--no-write]

Prints a line per run, a table of geometric means, and one JSON object as the last line; exit status 1 if a bar of
docs/solver.md is missed. Writes the solver's section of docs/benchmarks.md. `--problems` runs other files (their scale is the
first letter of the file's name).
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
BUDGET_S = {"S": 5.0, "T": 10.0, "M": 10.0, "L": 300.0}
CORES = {"L": 2}


@dataclass(frozen=True)
class Bar:
    """A promise about one figure of a scale: at most so much."""

    scale: str
    figure: str
    most: float


BARS = (
    Bar("S", "gap", 0.12),
    Bar("T", "gap", 0.06),
    Bar("T", "ortools", 0.97),
    Bar("T", "pyvrp", 1.00),
    Bar("M", "gap", 0.085),
    Bar("M", "ortools", 0.96),
    Bar("M", "pyvrp", 0.97),
    Bar("M", "memory_mb", 300),
    Bar("L", "gap", 0.04),
    Bar("L", "memory_mb", 1500),
    *(Bar(scale, "late_s", 1.0) for scale in "STML"),
    *(Bar(scale, "faults", 0) for scale in "STML"),
)


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


def compare(scale: str, problem: Path, seconds: float) -> dict[str, float]:
    """Everybody on one problem -> our figures and, by rival, our cost over theirs."""
    cores = CORES.get(scale, 1)
    ours = one("busload", problem, seconds, cores)
    row = {
        "cost": ours["cost"],
        "gap": math.inf if ours["gap"] is None else ours["gap"],
        "memory_mb": ours["memory_mb"],
        "late_s": ours["seconds"] - seconds,
        "faults": ours["faults"],
        "optimal": float(ours["status"] == "optimal"),
    }
    for rival in RIVALS if scale != "L" else ():
        theirs = one(rival, problem, seconds, cores)
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
    return result | {key: max(row[key] for row in rows) for key in ("memory_mb", "late_s", "faults")}


def table(figures: dict[str, dict[str, float]], budgets: dict[str, float]) -> str:
    """The section of docs/benchmarks.md."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("ortools", "pyvrp", "numpy"))
    lines = [
        "## Solver",
        "",
        f"`make bench-solver`, {datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores.",
        f"Python {platform.python_version()}, {versions}.",
        "Problems of tests/bench/event_generator.py; each run on one core (L: two); ratios are our cost over theirs (geometric mean).",
        "",
        "| scale | problems | seconds | / OR-Tools | / PyVRP | proven gap | optimal | memory MB | over the limit s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for scale, row in figures.items():
        ratios = [f"{row[rival]:.3f}" if rival in row else "-" for rival in RIVALS]
        cells = [scale, f"{row['problems']:.0f}", f"{budgets[scale]:.0f}", *ratios, f"{100 * row['gap']:.1f} %", f"{row['optimal']:.0f}"]
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
    parser.add_argument("--scales", default="S,T,M")
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--seconds", type=float, help="another budget than the usual one")
    parser.add_argument("--problems", nargs="*", type=Path)
    parser.add_argument("--no-write", action="store_true")
    given = parser.parse_args(arguments)
    figures, budgets = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        files = given.problems or [
            generated(Path(folder), scale, int(seed)) for scale in given.scales.split(",") for seed in given.seeds.split(",")
        ]
        for scale in dict.fromkeys(file.stem.removeprefix("bench-")[0] for file in files):
            budgets[scale] = given.seconds or BUDGET_S[scale]
            rows = [compare(scale, file.resolve(), budgets[scale]) for file in files if file.stem.removeprefix("bench-")[0] == scale]
            figures[scale] = summary(rows)
    missed = [f"{bar.scale} {bar.figure} {figures[bar.scale][bar.figure]:.4g} > {bar.most:g}" for bar in BARS if is_missed(bar, figures)]
    section = table(figures, budgets)
    print(section)
    if not given.no_write:
        write_section(section)
    print(json.dumps({"figures": figures, "budget_s": budgets, "missed": missed}))
    return int(bool(missed))


def is_missed(bar: Bar, figures: dict[str, dict[str, float]]) -> bool:
    """Whether a figure that was measured is above its bar."""
    return bar.scale in figures and figures[bar.scale].get(bar.figure, 0.0) > bar.most


def generated(folder: Path, scale: str, seed: int) -> Path:
    """Writes a problem of our own generator to a file."""
    path = folder / f"bench-{scale}-{seed}.json"
    path.write_bytes(msgspec.json.encode(event_problem(scale, seed)))
    return path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

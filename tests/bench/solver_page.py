"""The solver's section of docs/benchmarks.md."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from tests.bench.benchmarks_page import table, where_and_when

RIVALS = {"ortools": "OR-Tools", "pyvrp": "PyVRP", "vroom": "VROOM"}
HEAD = ("row", "problems", "seconds", *(f"/ {name}" for name in RIVALS.values()), "/ best known", "people served", "proven gap", "optimal")
WORDS = """
Problems of tests/bench/event_generator.py; each run on one core. L: two cores, the rivals in two phases, by sectors (L) or after full
buses (LB: stops that fill a bus get their own first, the rival routes everybody else); ours is the same run. Ratios are our cost over
theirs (geometric mean); a dash: left out; inf: they serve more people. Every plan is recomputed by the independent checker.
VROOM explores at its highest level and stops by itself, mostly long before its budget is over.
C is collection by small buses with up to 40 stops. SF, TF and MF are S, T and M with every rule in play: one-way riders, minimum
hires, second drivers, breaks, riders' minutes, uneven directions. OR-Tools routing, PyVRP and VROOM are left out there by name: none
can express a hire that is the larger of two sums, drivers decided by the whole duty, or two legs with different riders on one bus.
H13 to H20 are public problems with mixed fleets (tests/bench/hfvrp/instances.py names the sources), each with a limited and a free
fleet; best known are the costs of the literature.
"""


def section(
    figures: Mapping[str, Mapping[str, float]], budgets: Mapping[str, float], missed: Sequence[str], *, before: str, order: Sequence[str]
) -> str:
    """The text under the title: a row of the table per row that was run, and those of the text before that were not run now."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("ortools", "numba", "numpy", "pyvrp", "pyvroom"))
    head = (*HEAD, "first plan s", "memory MB", "over the limit s", "faults", "on")
    found_before = {cells[0]: cells for cells in map(cells_of, before.splitlines()) if len(cells) == len(head)}
    rows = found_before | {name: line(name, found, budgets[name]) for name, found in figures.items()}
    short = f"{len(missed)} bars missed by the rows run last" + (f": {'; '.join(missed)}." if missed else ".")
    listed = table(head, [rows[name] for name in order if name in rows])
    return f"{where_and_when('make bench-solver')}\n{versions}.\n{WORDS}\n{short}\n\n{listed}\n"


def cells_of(text: str) -> list[str]:
    """The cells of a line of a Markdown table; one cell for any other line."""
    return [cell.strip() for cell in text.strip().strip("|").split("|")]


def line(name: str, found: Mapping[str, float], budget_s: float) -> list[str]:
    """One row's cells."""
    ratios = [f"{found[figure]:.3f}" if figure in found else "-" for figure in (*RIVALS, "best_known")]
    people = f"{found['people']:,.0f} of {found['waiting']:,.0f}"
    return [
        name,
        f"{found['problems']:.0f}",
        f"{budget_s:.0f}",
        *ratios,
        people,
        f"{100 * found['gap']:.1f} %",
        f"{found['optimal']:.0f}",
        f"{found['first_plan_s']:.2f}",
        f"{found['memory_mb']:.0f}",
        f"{found['late_s']:.2f}",
        f"{found['faults']:.0f}",
        f"{datetime.now(UTC):%Y-%m-%d}",
    ]

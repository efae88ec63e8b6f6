"""Plays seeds of the simulation. Run by `make simulate`; the last line is one JSON object, the exit code 1 when a seed fails.

A range of seeds writes its section of docs/benchmarks.md. `--mutations` plays the seeds of copies of the service with a fault put in each,
until one finds it, and fails when none does; or when one finds a fault that another guard is said to make harmless.
"""

import argparse
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.bench.benchmarks_page import PAGE, finish, table, where_and_when, write_section
from tests.simulation.many import Wanted, play_many
from tests.simulation.mutants import Finding, play_mutants
from tests.simulation.mutations import MUTATIONS
from tests.simulation.play import LOOK_EVERY, Told

TITLE, MUTATIONS_TITLE = "Simulation", "Simulation: faults put in"
ABOUT = (
    "Whole events played from a seed, some over two nights with their own buses back: a virtual clock, the real flows on a real database, "
    "an in-memory bank whose calls fail, hands that take turns at calls to the outside world and between transactions, and die there; "
    "while money is under way riders leave, news comes and charges take too long, and while people are out buses are lost. "
    "Counters and confirmations are checked after each step; every "
    "invariant each {n} steps of selling, each {n} deadlines and at the end, where nothing may be left open and the bank's books match "
    'ours. CI plays seeds 1 to 200. A single seed (`ARGS="--seed 7"`) is played with every invariant after each step.'
)
ABOUT_MUTATIONS = (
    "Each line is one edit in a copy of the service, and the first seed that finds it. Hands change places at calls to the outside world "
    "and between transactions, so a row lock left out is no edit for these seeds: the race tests, each with its negative control, are for "
    "those. Where no seed finds a fault, the last column says which guard makes it harmless, or which test fails with it."
)
FIGURES = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")  # ids say nothing here
ALL_SEEDS, MUTANTS_SEEDS = "1-200", "1-60"


def main(arguments: list[str]) -> int:
    """See `--help`."""
    given = read_arguments(arguments)
    first, _, last = (given.seeds or (MUTANTS_SEEDS if given.mutations else ALL_SEEDS)).partition("-")
    seeds = [given.seed] if given.seed is not None else list(range(int(first), int(last or first) + 1))
    began = time.perf_counter()
    if given.mutations:
        return tell_mutations(play_and_show(given.only, seeds, jobs=given.jobs), seeds, began, writes=given.page)
    told = []
    for played in play_many(seeds, wanted_of(given), jobs=given.jobs):
        show(played, steps=given.seed is not None or not given.brief, holds=given.seed is not None)
        told.append(played)
    figures = figures_of(told, seeds, time.perf_counter() - began, jobs=given.jobs)
    if given.page and given.seed is None:
        write_section(TITLE, section(figures, " ".join(arguments)))
    return finish(figures, [f"seed {seed}" for seed in figures["failed"]])


def read_arguments(arguments: list[str]) -> argparse.Namespace:
    """What is wanted."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seed", type=int, help="one seed, with its steps and all invariants after each")
    parser.add_argument("--seeds", help=f"first-last; {ALL_SEEDS} unless told, {MUTANTS_SEEDS} of mutated copies")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--again", action="store_true", help="plays each seed twice and compares the steps")
    parser.add_argument("--closely", action="store_true", help="all invariants after each step")
    parser.add_argument("--first", action="store_true", help="stops at the first seed that fails")
    parser.add_argument("--mutations", action="store_true", help="plays the seeds of mutated copies: which is the first to find each?")
    parser.add_argument("--only", default="", help="the mutations whose name matches; the page keeps what it says of the others")
    parser.add_argument("--brief", action="store_true", help="says of a failing seed what is wrong, without its steps")
    parser.add_argument("--no-page", dest="page", action="store_false", help="leaves docs/benchmarks.md alone")
    return parser.parse_args(arguments)


def wanted_of(given: argparse.Namespace) -> Wanted:
    """How the seeds are to be played."""
    return Wanted(again=given.again, closely=given.closely or given.seed is not None, first=given.first)


def play_and_show(pattern: str, seeds: Sequence[int], *, jobs: int) -> list[Finding]:
    """Plays the mutations whose name matches, and prints each as it is known."""
    findings = []
    for one in play_mutants([mutation for mutation in MUTATIONS if re.search(pattern, mutation.what)], seeds, jobs=jobs):
        print(f"{one.mutation.what}: {f'seed {one.seed}: {one.said}' if one.seed else f'none of {one.played}'}", flush=True)
        findings.append(one)
    return findings


def show(told: Told, *, steps: bool, holds: bool) -> None:
    """A failing seed, and the one that was asked for."""
    if told.faults or holds:
        if steps:
            print("\n".join(told.steps))
        print(f"seed {told.seed}: {'; '.join(told.faults) or 'holds'} ({told.seconds:.2f} s)", flush=True)


def figures_of(told: Sequence[Told], seeds: Sequence[int], seconds: float, *, jobs: int) -> dict[str, Any]:
    """The figures of a run."""
    pledges: Counter[str] = Counter()
    met: Counter[str] = Counter()
    for one in told:
        pledges.update(one.outcome["states"])
        met.update(one.outcome["faults_met"])
    banks = [one.outcome["bank"] for one in told]
    return {
        "seeds": f"{seeds[0]}-{seeds[-1]}", "played": len(told), "failed": sorted(one.seed for one in told if one.faults), "jobs": jobs,
        "steps": sum(len(one.steps) for one in told), "all_invariants_every_n_steps": LOOK_EVERY, "pledges": dict(sorted(pledges.items())),
        "charges": sum(len(bank["charges"]) for bank in banks), "refunds": sum(len(bank["refunds"]) for bank in banks),
        "disputes": sum(len(bank["disputes"]) for bank in banks), "transfers": sum(len(bank["transfers"]) for bank in banks),
        "faults_met": dict(sorted(met.items())), "seconds": round(seconds, 1),
        "seconds_per_seed": round(sum(one.seconds for one in told) / max(1, len(told)), 2),
    }  # fmt: skip


def section(figures: dict[str, Any], arguments: str) -> str:
    """What docs/benchmarks.md says of a run."""
    what = where_and_when(f'make simulate ARGS="{arguments}"' if arguments else "make simulate")
    outcome = ", ".join(f"{many} {state}" for state, many in figures["pledges"].items())
    rows = [
        ("seeds played, that failed", f"{figures['played']} ({figures['seeds']}), **{len(figures['failed'])}**"),
        ("steps", figures["steps"]),
        ("pledges at the end", outcome),
        ("charges, refunds, disputes, transfers", ", ".join(str(figures[x]) for x in ("charges", "refunds", "disputes", "transfers"))),
        ("calls to the bank that went wrong", ", ".join(f"{many} {fault}" for fault, many in figures["faults_met"].items())),
        ("seconds in all, per seed", f"{figures['seconds']} on {figures['jobs']} processes, {figures['seconds_per_seed']}"),
    ]
    told = ABOUT.replace("{n}", str(figures["all_invariants_every_n_steps"]))
    return f"{what}\n\n{told}\n\n{table(['', ''], rows)}"


def tell_mutations(findings: Sequence[Finding], seeds: Sequence[int], began: float, *, writes: bool) -> int:
    """The figures of the mutations; one that no seed finds is a bar missed, unless it says what else catches it, or which test does."""
    if writes:
        write_section(MUTATIONS_TITLE, f"{where_and_when('make simulate ARGS=--mutations')}\n\n{ABOUT_MUTATIONS}\n\n{rows_with(findings)}")
    figures = {
        "seeds": f"{seeds[0]}-{seeds[-1]}", "found_by": {one.mutation.what: one.seed for one in findings},
        "seconds": round(time.perf_counter() - began, 1),
    }  # fmt: skip
    return finish(figures, [one.mutation.what for one in findings if is_missed(one)])


def is_missed(one: Finding) -> bool:
    """Whether seeds and the mutation's own words do not agree."""
    if one.seed is None:
        return not (one.mutation.caught_by or one.mutation.tested_by)
    return bool(one.mutation.caught_by)


def said_of(one: Finding) -> str:
    """Which guard makes it harmless, what the seed said, or which test fails."""
    mutation = one.mutation
    if one.seed is None and mutation.tested_by:
        return f"too rare for these seeds; `{mutation.tested_by}` fails"
    return f"harmless: {mutation.caught_by}" if mutation.caught_by else FIGURES.sub("...", one.said)


def rows_with(findings: Sequence[Finding]) -> str:
    """The page's table: what these findings say, and of all other mutations what it said before."""
    before = {line.split(" | ")[0].removeprefix("| "): line for line in PAGE.read_text(encoding="utf-8").splitlines()}
    now = {one.mutation.what: one for one in findings}
    rows: list[tuple[object, ...]] = []
    for mutation in MUTATIONS:
        if (one := now.get(mutation.what)) is not None:
            rows.append((mutation.what, one.seed or f"none of {one.played}", said_of(one)))
        elif mutation.what in before:
            rows.append(tuple(before[mutation.what].strip("| ").split(" | ")))
    return table(["fault put in", "found by seed", "which says"], rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

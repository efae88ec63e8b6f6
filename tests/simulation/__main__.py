"""Plays seeds of the simulation. Run by `make simulate`; the last line is one JSON object, the exit code 1 when a seed fails.

A range of seeds writes its section of docs/benchmarks.md. `--mutations` plays the seeds of copies of the service with a fault put in each,
and fails when one is not found.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.bench.benchmarks_page import finish, table, where_and_when, write_section
from tests.simulation.many import Wanted, play_many
from tests.simulation.mutants import Finding, play_mutants
from tests.simulation.mutations import MUTATIONS
from tests.simulation.play import LOOK_EVERY, Told

TITLE, MUTATIONS_TITLE = "Simulation", "Simulation: faults put in"
ABOUT = (
    "Whole events played from a seed: a virtual clock, the real flows on a real database, an in-memory bank whose calls fail, hands that "
    "take turns at every call to the outside world and die between them. Counters and confirmations are checked after each step; every "
    "invariant each {n} steps of selling, each {n} deadlines and at the end, where nothing may be left open and the bank's books match "
    'ours. CI plays seeds 1 to 200. A single seed (`ARGS="--seed 7"`) is played with every invariant after each step.'
)
ABOUT_MUTATIONS = (
    "Each line is one edit in a copy of the service, played with the first 10 seeds; where none finds it with 40, then with all. "
    "Hands change places at calls to the outside world only, so a row lock left out is no edit for these seeds: the race tests, each with "
    "its negative control, are there for those."
)


def main(arguments: list[str]) -> int:
    """See `--help`."""
    given = read_arguments(arguments)
    first, _, last = given.seeds.partition("-")
    seeds = [given.seed] if given.seed is not None else list(range(int(first), int(last or first) + 1))
    began = time.perf_counter()
    if given.mutations:
        findings = []
        for one in play_mutants(MUTATIONS, seeds, jobs=given.jobs):
            print(f"{len(one.found):4} of {one.played} find: {one.what} ({one.said})", flush=True)
            findings.append(one)
        return tell_mutations(findings, given.seeds, time.perf_counter() - began, writes=given.page)
    told = []
    for played in play_many(seeds, Wanted(again=given.again, closely=given.closely or given.seed is not None), jobs=given.jobs):
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
    parser.add_argument("--seeds", default="1-200", help="first-last")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--again", action="store_true", help="plays each seed twice and compares the steps")
    parser.add_argument("--closely", action="store_true", help="all invariants after each step")
    parser.add_argument("--mutations", action="store_true", help="plays the seeds of mutated copies: which of them find the mutation?")
    parser.add_argument("--brief", action="store_true", help="says of a failing seed what is wrong, without its steps")
    parser.add_argument("--no-page", dest="page", action="store_false", help="leaves docs/benchmarks.md alone")
    return parser.parse_args(arguments)


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


def tell_mutations(findings: Sequence[Finding], seeds: str, seconds: float, *, writes: bool) -> int:
    """The figures of the mutations; one that no seed finds is a bar missed."""
    command = where_and_when(f'make simulate ARGS="--mutations --seeds {seeds}"')
    rows = [(one.what, f"{len(one.found)} of {one.played}", min(one.found, default="none")) for one in findings]
    if writes:
        found = table(["fault put in", "seeds that find it", "the first"], rows)
        write_section(MUTATIONS_TITLE, f"{command}\n\n{ABOUT_MUTATIONS}\n\n{found}")
    figures = {"seeds": seeds, "mutations": {one.what: len(one.found) for one in findings}, "seconds": round(seconds, 1)}
    return finish(figures, [one.what for one in findings if not one.found])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

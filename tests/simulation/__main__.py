"""Plays seeds of the simulation. Run by `make simulate`; the last line is one JSON object, the exit code 1 when a seed fails."""

import argparse
import asyncio
import sys
import time
from collections import Counter

import msgspec

from app.core.log import set_up_logging
from tests.simulation.play import Told, play_seed
from tests.simulation.stage import open_stage
from tests.support.server import migrated_template, scratch_database, session_server


class Report(msgspec.Struct, kw_only=True):
    """Many seeds in one line."""

    seeds: str
    played: int
    failed: list[int]
    steps: int
    pledges: dict[str, int]
    charges: int
    refunds: int
    disputes: int
    transfers: int
    faults_met: dict[str, int]
    seconds: float
    seconds_per_seed: float


async def play(seeds: range, *, show_steps: bool, again: bool) -> list[Told]:
    """One after the other on one database."""
    told: list[Told] = []
    with session_server() as server:
        async with (
            migrated_template(server) as template,
            scratch_database(server, template=template, purpose="simulation") as dsn,
            open_stage(dsn) as stage,
        ):
            for seed in seeds:
                one = await play_seed(stage, seed)
                if again and (repeated := await play_seed(stage, seed)).steps != one.steps:
                    one.faults.append(f"replays differently from step {differing(one.steps, repeated.steps)} on")
                told.append(one)
                if one.faults or show_steps:
                    print("\n".join(one.steps))
                    print(f"seed {seed}: {'; '.join(one.faults) or 'holds'} ({one.seconds:.2f} s)", flush=True)
    return told


def differing(one: list[str], other: list[str]) -> str:
    """Where two step lists part."""
    for number, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return f"{number}: {left!r} / {right!r}"
    return f"{min(len(one), len(other))}"


def main(arguments: list[str]) -> int:
    """See `--help`."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seed", type=int, help="one seed, with its steps")
    parser.add_argument("--seeds", default="1-200", help="first-last")
    parser.add_argument("--again", action="store_true", help="plays each seed twice and compares the steps")
    given = parser.parse_args(arguments)
    first, _, last = given.seeds.partition("-")
    seeds = range(given.seed, given.seed + 1) if given.seed is not None else range(int(first), int(last or first) + 1)
    set_up_logging(level="CRITICAL")  # refusals and faults are what is played; the step list tells them
    began = time.perf_counter()
    told = asyncio.run(play(seeds, show_steps=given.seed is not None, again=given.again))
    report = report_of(told, seeds, time.perf_counter() - began)
    print(msgspec.json.encode(report).decode())
    return int(bool(report.failed))


def report_of(told: list[Told], seeds: range, seconds: float) -> Report:
    """The figures of a run."""
    pledges: Counter[str] = Counter()
    met: Counter[str] = Counter()
    for one in told:
        pledges.update(one.outcome["states"])
        met.update(one.outcome["faults_met"])
    banks = [one.outcome["bank"] for one in told]
    return Report(
        seeds=f"{seeds.start}-{seeds.stop - 1}", played=len(told), failed=[one.seed for one in told if one.faults],
        steps=sum(len(one.steps) for one in told), pledges=dict(sorted(pledges.items())), charges=sum(len(b["charges"]) for b in banks),
        refunds=sum(len(b["refunds"]) for b in banks), disputes=sum(len(b["disputes"]) for b in banks),
        transfers=sum(len(b["transfers"]) for b in banks), faults_met=dict(sorted(met.items())), seconds=round(seconds, 1),
        seconds_per_seed=round(sum(one.seconds for one in told) / max(1, len(told)), 2),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`make soak`: one event after another is played while everything breaks, until each fault has happened often enough. Nothing is lost.

    python -m tests.soak.soak_faults [--each 100] [--riders 60] [--jobs 1] [--seed N] [--no-write]

Each play has a service of its own (`busload rehearse --chaos`) and is audited at its end: invariants, books and ledger, reconciliation,
acknowledged writes. Prints a line per play, and the figures as one JSON object on its last line; exit status 1 when a bar is missed. Writes
its section of docs/benchmarks.md. SIGTERM ends it with what the plays so far have found.
"""

import argparse
import asyncio
import os
import secrets
import signal
import sys
import time
from collections import Counter
from contextlib import suppress

import msgspec
from rich.console import Console

from app.core.log import set_up_logging
from app.stage.chaos.director import RECOVERY_S, Chaos, ChaosPlan
from app.stage.interruption import until_told
from app.stage.rehearsal.rehearse import run_rehearsal
from app.stage.rehearsal.report import Report
from app.stage.tether import tethered
from tests.bench.benchmarks_page import finish, table, where_and_when, write_section

TITLE = "Faults"
ROUNDS_A_PLAY = 5  # so many of each fault in one play, most of them while the crowd is still coming
SILENCE_S = 4  # more than a lock may be waited for; a statement without an answer for so long is given up
MOST_UNFINISHED = 3
LAST_WORDS = 2_000
DOUBLE, LOST = "charged once in the books", "acknowledged writes survive"
UNACCOUNTED = frozenset(
    {"charges match the books", "refunds match the books", "charges match the ledger", "refunds match the ledger", "ledger sums to zero",
     "ledger and Stripe agree", "hires match the transfers", "payouts match the ledger", "operators are paid once"}
)  # fmt: skip


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What one play found."""

    report: Report
    chaos: Chaos


class Tally(msgspec.Struct, kw_only=True):
    """What all plays together found."""

    plays: int = 0
    pledges: int = 0
    acknowledged: int = 0
    charged_minor: dict[str, int] = {}
    faults: dict[str, int] = {}
    skipped: list[str] = []
    slowest_recovery_s: dict[str, float] = {}
    not_recovered: list[str] = []
    unfinished: list[str] = []
    lost: int = 0
    double_charges: int = 0
    unaccounted: int = 0
    violations: dict[str, int] = {}

    def add(self, report: Report, broken: Chaos) -> None:
        """One more play."""
        self.plays += 1
        self.pledges += report.pledges
        self.acknowledged += broken.acknowledged
        self.charged_minor = dict(Counter(self.charged_minor) + Counter(report.charged_minor))
        self.faults = dict(sorted((Counter(self.faults) + Counter(broken.faults)).items()))
        self.skipped = broken.skipped
        for name, seconds in broken.slowest_recovery_s.items():
            self.slowest_recovery_s[name] = max(seconds, self.slowest_recovery_s.get(name, 0.0))
        self.not_recovered += broken.not_recovered
        found = Counter(report.violations)
        self.double_charges += found[DOUBLE]
        self.lost += found[LOST]
        self.unaccounted += sum(found[name] for name in UNACCOUNTED)
        self.violations = dict(Counter(self.violations) + found)

    def missing(self, each: int) -> int:
        """How often the rarest fault must still happen."""
        return max(0, each - min(self.faults.values(), default=0))

    def missed(self, each: int) -> list[str]:
        """The bars that were not kept."""
        slow = {name: seconds for name, seconds in self.slowest_recovery_s.items() if seconds >= RECOVERY_S}
        bars = {
            f"every play to its end: {self.unfinished}": not self.unfinished,
            f"every fault at least {each} times": self.missing(each) == 0,
            f"recovery in less than {RECOVERY_S:g} s: {slow or self.not_recovered}": not (slow or self.not_recovered),
            f"0 acknowledged writes lost, not {self.lost}": not self.lost,
            f"0 double charges, not {self.double_charges}": not self.double_charges,
            f"0 unaccounted, not {self.unaccounted}": not self.unaccounted,
            f"0 violations, not {self.violations}": not self.violations,
        }
        return [bar for bar, is_kept in bars.items() if not is_kept]


async def play(seed: int, *, riders: int, rounds: int) -> Played:
    """One event in this process, each fault so many times."""
    os.environ.pop("DATABASE_URL", None)  # every play has a server of its own, which may be killed and filled
    plan = ChaosPlan(at_least=rounds, at_most=rounds, silence_s=SILENCE_S)
    report, broken = await run_rehearsal(riders=riders, seed=seed, url=None, console=Console(width=140, stderr=True), chaos=plan)
    assert broken is not None
    return Played(report=report, chaos=broken)


class Soak:
    """Plays one event after another, some at a time, each in a process of its own: what one does to its loop is not felt by the other."""

    def __init__(self, *, each: int, riders: int, seed: int, jobs: int) -> None:
        self.each, self.riders, self.seed, self.jobs = each, riders, seed, jobs
        self.tally = Tally()
        self._begun = 0
        self._planned = 0

    async def run(self) -> None:
        """Until each fault has happened so often. Cancelled, it ends the plays under way; the tally stands."""
        async with asyncio.TaskGroup() as lanes:
            for _ in range(self.jobs):
                lanes.create_task(self._lane())

    async def _lane(self) -> None:
        while (rounds := min(ROUNDS_A_PLAY, self.each - self._planned)) > 0 and len(self.tally.unfinished) < MOST_UNFINISHED:
            self._planned += rounds
            number, self._begun = self._begun + 1, self._begun + 1
            seed = self.seed + number - 1
            print(f"play {number}, seed {seed}, each fault {rounds} times", flush=True)
            began = time.monotonic()
            played, said = await self._play(seed, rounds)
            if played is None:
                self._planned -= rounds
                self.tally.unfinished.append(f"play {number}, seed {seed}: {said.strip()[-LAST_WORDS:]}")
            else:
                self.tally.add(played.report, played.chaos)
                self._tell(number, played, time.monotonic() - began)
            if played is None or played.report.violations or played.chaos.not_recovered:
                print(said, flush=True)

    async def _play(self, seed: int, rounds: int) -> tuple[Played | None, str]:
        """What the play found, None when it did not come to its end; and everything it said."""
        command = [sys.executable, "-m", "tests.soak.soak_faults", "--play", str(seed)]
        child = await asyncio.create_subprocess_exec(
            *tethered([*command, "--riders", str(self.riders), "--each", str(rounds)], on_parent_death=signal.SIGTERM),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        try:
            stdout, stderr = await child.communicate()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                child.terminate()
            await child.wait()
            raise
        lines = stdout.decode().splitlines()
        if child.returncode != 0 or not lines:
            return None, stderr.decode()
        return msgspec.json.decode(lines[-1], type=Played), stderr.decode()

    def _tell(self, number: int, played: Played, seconds: float) -> None:
        """One line of progress."""
        tally, slowest = self.tally, max(played.chaos.slowest_recovery_s.items(), key=lambda one: one[1])
        print(
            f"play {number} over after {seconds:.0f} s: slowest {slowest[0]} {slowest[1]:.1f} s, violations {played.report.violations}; "
            f"so far {sum(tally.faults.values())} faults, each at least {min(tally.faults.values())} times, lost {tally.lost}",
            flush=True,
        )


def section(tally: Tally, *, each: int, riders: int, seed: int, jobs: int, seconds: float) -> str:
    """What docs/benchmarks.md says of a run."""
    slowest = sorted(tally.slowest_recovery_s.items(), key=lambda one: -one[1])
    broken = sum(tally.violations.values())
    figures = table(
        ("", ""),
        [
            ("events played, pledges, seconds", f"{tally.plays}, {tally.pledges:,}, {seconds:,.0f}"),
            ("faults, of each kind at least", f"{sum(tally.faults.values()):,}, {min(tally.faults.values())}"),
            ("acknowledged writes looked for, lost", f"{tally.acknowledged:,}, **{tally.lost}**"),
            ("double charges, unaccounted, violations", f"**{tally.double_charges}, {tally.unaccounted}, {broken}**"),
            ("not recovered within a minute", f"**{len(tally.not_recovered)}**"),
            ("not possible on this machine", ", ".join(tally.skipped) or "nothing"),
        ],
    )  # fmt: skip
    recoveries = table(("fault", "times", "slowest recovery, s"), [(name, tally.faults[name], f"{slow:.1f}") for name, slow in slowest])
    command = f'make soak ARGS="--each {each} --riders {riders} --seed {seed} --jobs {jobs}"'
    words = (
        "Everything breaks, mostly two things at once, while whole events are played: selling, charging, planning, the day itself. "
        "A fault is over once a page is served, a sign-in is written and the worker has sent a mail; "
        "the clock of a death starts with `kill -9` and includes the new process's start. The machine was shared with other work."
    )
    return "\n\n".join([where_and_when(command), words, figures, recoveries])


async def soak_until_told(soak: Soak) -> bool:
    """Runs the soak; True when it was ended early, by SIGTERM or Ctrl-C."""
    running = asyncio.create_task(soak.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        return True
    return False


def main(arguments: list[str]) -> int:
    """Runs the soak -> exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--each", type=int, default=100, help="how often every fault happens")
    parser.add_argument("--riders", type=int, default=60, help="in one play")
    parser.add_argument("--jobs", type=int, default=1, help="plays at a time")
    parser.add_argument("--seed", type=int, help="repeats the dice of an earlier run")
    parser.add_argument("--no-write", action="store_true")
    parser.add_argument("--play", type=int, metavar="SEED", help="this one play only; its figures are the last line")
    given = parser.parse_args(arguments)
    set_up_logging(level="ERROR")
    if given.play is not None:
        played = until_told(play(given.play, riders=given.riders, rounds=given.each))
        print(msgspec.json.encode(played).decode())
        return 0
    seed = given.seed if given.seed is not None else secrets.randbelow(1_000_000)
    soak = Soak(each=given.each, riders=given.riders, seed=seed, jobs=given.jobs)
    began = time.monotonic()
    ended_early = asyncio.run(soak_until_told(soak))
    seconds, tally = time.monotonic() - began, soak.tally
    reached = min(tally.faults.values(), default=0) if ended_early else given.each
    missed = tally.missed(given.each)
    for line in [*tally.not_recovered, *missed]:
        print(f"MISSED {line}")
    if not given.no_write and tally.plays and not tally.missed(reached):
        write_section(TITLE, section(tally, each=reached, riders=given.riders, seed=seed, jobs=given.jobs, seconds=seconds))
    return finish({**msgspec.to_builtins(tally), "ended_early": ended_early, "seed": seed, "seconds": round(seconds)}, missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

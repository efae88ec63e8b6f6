"""`make soak`: one event after another is played while everything breaks, until each fault has happened often enough. Nothing is lost.

    python -m tests.soak.soak_faults [--each 100] [--riders 60] [--seed N] [--no-write]

Each play has a service of its own (`busload rehearse --chaos`) and is audited at its end: invariants, books and ledger, reconciliation,
acknowledged writes. Prints the figures as one JSON object on its last line; exit status 1 when a bar is missed. Writes its section of
docs/benchmarks.md.
"""

import argparse
import asyncio
import os
import secrets
import sys
import time
from collections import Counter

import msgspec
from rich.console import Console

from app.core.log import set_up_logging
from app.stage.chaos.director import RECOVERY_S, Chaos, ChaosPlan
from app.stage.errors import StageError
from app.stage.rehearsal.rehearse import run_rehearsal
from app.stage.rehearsal.report import Report
from tests.bench.benchmarks_page import finish, table, where_and_when, write_section

TITLE = "Faults"
ROUNDS_A_PLAY = 3  # so many of each fault in one play: with more of them the last would strike an event that is over
DOUBLE, LOST = "charged once in the books", "acknowledged writes survive"
UNACCOUNTED = frozenset(
    {"charges match the books", "refunds match the books", "charges match the ledger", "refunds match the ledger", "ledger sums to zero",
     "ledger and Stripe agree", "hires match the transfers", "payouts match the ledger", "operators are paid once"}
)  # fmt: skip


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


async def soak(*, each: int, riders: int, seed: int) -> Tally:
    """Plays until each fault has happened so often."""
    tally, console = Tally(), Console(width=140)
    while tally.missing(each):
        rounds = min(ROUNDS_A_PLAY, tally.missing(each))
        print(f"play {tally.plays + 1}, seed {seed + tally.plays}, each fault {rounds} times", flush=True)
        plan = ChaosPlan(at_least=rounds, at_most=rounds)
        try:
            report, broken = await run_rehearsal(riders=riders, seed=seed + tally.plays, url=None, console=console, chaos=plan)
        except StageError as error:
            tally.unfinished.append(str(error))
            return tally
        assert broken is not None
        tally.add(report, broken)
    return tally


def section(tally: Tally, *, each: int, riders: int, seed: int, seconds: float) -> str:
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
    command = f'make soak ARGS="--each {each} --riders {riders} --seed {seed}"'
    words = (
        "Everything breaks, one thing after another, while whole events are played: selling, charging, planning, the day itself. "
        "A fault is over once a page is served, a sign-in is written and the worker has sent a mail; "
        "the clock of a death starts with `kill -9` and includes the new process's start. The machine was shared with other work."
    )
    return "\n\n".join([where_and_when(command), words, figures, recoveries])


def main(arguments: list[str]) -> int:
    """Runs the soak -> exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--each", type=int, default=100, help="how often every fault happens")
    parser.add_argument("--riders", type=int, default=60, help="in one play")
    parser.add_argument("--seed", type=int, help="repeats the dice of an earlier run")
    parser.add_argument("--no-write", action="store_true")
    given = parser.parse_args(arguments)
    seed = given.seed if given.seed is not None else secrets.randbelow(1_000_000)
    os.environ.pop("DATABASE_URL", None)  # every play has a server of its own, which may be killed and filled
    set_up_logging(level="ERROR")
    began = time.monotonic()
    tally = asyncio.run(soak(each=given.each, riders=given.riders, seed=seed))
    seconds = time.monotonic() - began
    missed = tally.missed(given.each)
    for line in [*tally.not_recovered, *missed]:
        print(f"MISSED {line}")
    if not given.no_write and not missed:
        write_section(TITLE, section(tally, each=given.each, riders=given.riders, seed=seed, seconds=seconds))
    return finish({**msgspec.to_builtins(tally), "seed": seed, "seconds": round(seconds)}, missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

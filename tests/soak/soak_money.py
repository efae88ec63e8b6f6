"""`make soak-money`: thousands of charges and refunds while workers are killed and Stripe misbehaves; nothing is lost, nothing is twice.

    python -m tests.soak.soak_money [--charges 5000] [--old-key-charges N] [--seconds-between-kills 30] [--seed N] [--no-write]

Real worker, web, fake Stripe and inbox processes on a database of their own. Prints the figures as one JSON object on its last line;
exit status 1 when a bar is missed. Writes its section of docs/benchmarks.md.
"""

import argparse
import asyncio
import os
import platform
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tests.soak.play import RATES, Plan, Report, run_soak

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
TITLE = "## Money"
FAULTS_SHOWN = 20


def main(arguments: list[str]) -> int:
    """Runs the soak -> exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--charges", type=int, default=5000)
    parser.add_argument("--old-key-charges", type=int, help="in the second pass; a sixth of the first unless given")
    parser.add_argument("--seconds-between-kills", type=float, default=30.0)
    parser.add_argument("--seed", type=int, help="repeats the dice of an earlier run")
    parser.add_argument("--no-write", action="store_true")
    given = parser.parse_args(arguments)
    seed = given.seed if given.seed is not None else secrets.randbelow(1_000_000)
    old = given.old_key_charges if given.old_key_charges is not None else max(20, given.charges // 6)
    plan = Plan(charges=given.charges, old_key_charges=old, seconds_between_kills=given.seconds_between_kills, seed=seed)
    print(f"seed {seed}", flush=True)
    report, faults = asyncio.run(run_soak(plan, told=lambda line: print(line, flush=True)))
    for fault in faults[:FAULTS_SHOWN]:
        print(f"FAULT {fault}")
    for bar in report.missed:
        print(f"MISSED {bar}")
    if not given.no_write and not report.missed:
        write_section(section(report, plan))
    print(msgspec.json.encode(report).decode())
    return int(bool(report.missed))


def section(report: Report, plan: Plan) -> str:
    """What docs/benchmarks.md says of a run."""
    nothing = [report.double_charges, report.unaccounted, report.cents_apart, report.movements_not_matched, sum(report.violations.values())]
    rows = [
        ("charges: first pass, with keys forgotten", f"{plan.charges:,}, {plan.old_key_charges:,}"),
        ("succeeded, dropped by the rules, refunds", f"{report.succeeded:,}, {report.dropped:,}, {report.refunds:,}"),
        ("charges tried per second (Stripe's limit: 25)", f"{report.charges_per_s:.1f}"),
        ("workers killed with -9, requests under way then", f"{report.kills}, {report.caught_in_flight:,}"),
        ("requests under way while Stripe forgot their keys, keys forgotten", f"{report.in_flight_over_24_h}, {report.keys_forgotten:,}"),
        ("faults", ", ".join(f"{times:,} {name.replace('_', ' ')}" for name, times in sorted(report.faults.items()))),
        ("simulated days, seconds", f"{report.simulated_days:.1f}, {report.seconds:.0f}"),
        ("movements at Stripe that the reconciliation matched, requests beyond Stripe's limits",
            f"{report.movements_matched:,}, {report.over_limit}"),
        ("double charges, unaccounted, cents apart, movements not matched, violations",
            f"**{', '.join(map(str, nothing))}**"),
    ]  # fmt: skip
    told = ", ".join(f"{name.removesuffix('_rate').replace('_', ' ')} {rate:g}" for name, rate in RATES.items())
    lines = [
        TITLE,
        "",
        f"`make soak-money`, {datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, seed {report.seed}.",
        f"The machine was shared with other work. The worker dies every {plan.seconds_between_kills:g} s. Rates: {told}.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows),
    ]
    return "\n".join(lines) + "\n"


def write_section(text: str) -> None:
    """Replaces the soak's section of docs/benchmarks.md and leaves the others alone."""
    old = PAGE.read_text() if PAGE.exists() else "# Benchmarks\n"
    before, _, rest = old.partition(f"{TITLE}\n")
    _, found, after = rest.partition("\n## ")
    PAGE.write_text(before.rstrip() + "\n\n" + text + (f"\n## {after}" if found else ""))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`make bench-pledges`: how many pledges one hot trip takes, beside an empty route and a one-statement rival of the same run."""

import argparse
import asyncio
import os
import resource
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from app.stage.postgres import EmbeddedPostgres
from tests.bench.benchmarks_page import finish, table, where_and_when, write_section
from tests.bench.pledges import stages
from tests.bench.pledges.world import add_riders, durable_server, open_world

BARS = {"of_empty": 0.5, "of_rival": 1.5, "steady_p99_ms": 250.0, "watchers_p99_ms": 200.0, "trip_page_p99_ms": 200.0}
EXPECTED = {"201", "429"}


def read_arguments() -> argparse.Namespace:
    """What to measure; the defaults are the whole of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each rate in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steady-per-s", type=float, default=400.0)
    parser.add_argument("--steady-seconds", type=float, default=120.0)
    parser.add_argument("--watchers", type=int, default=2_000)
    parser.add_argument("--confirmed", type=int, default=48_000, help="pledges of the trip whose confirmation is measured")
    parser.add_argument("--times", type=int, default=10, help="the overload, in what the trip can take")
    parser.add_argument("--keep", action="store_true", help="leave docs/benchmarks.md alone")
    return parser.parse_args()


async def measure(server: EmbeddedPostgres, folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Every stage in turn; the crash comes last."""
    sizes = stages.Sizes(
        connections=asked.connections, seconds=asked.seconds, rounds=asked.rounds, steady_per_s=asked.steady_per_s,
        steady_s=asked.steady_seconds, watchers=asked.watchers, confirmed=asked.confirmed, times=asked.times,
    )  # fmt: skip
    riders = max(asked.confirmed, int(asked.steady_per_s * asked.steady_seconds), int(asked.seconds * asked.rounds * 2_500))
    async with open_world(server, folder) as world:
        await add_riders(world.pool, riders)
        rounds = await stages.measure_rates(world, sizes, riders)
        say("rates", rounds)
        served = median(r.pledges_per_s for r in rounds)
        steady = await stages.measure_steady(world, sizes, 0)
        say("steady", steady)
        seconds = min(sizes.seconds, riders / served / sizes.times)
        overload = await stages.measure_overload(world, msgspec.structs.replace(sizes, seconds=seconds), 0, served)
        say("overload", overload)
        confirmation = await stages.measure_confirmation(world, asked.confirmed, 0)
        say("confirmation", confirmation)
        crash = await stages.measure_crash(world, sizes, riders, min(3.0, asked.seconds))
        say("crash", crash)
        return {
            "rounds": msgspec.to_builtins(rounds), "of_empty": round(median(r.pledges_per_s / r.empty_per_s for r in rounds), 2),
            "of_rival": round(median(r.pledges_per_s / r.rival_per_s for r in rounds), 2),
            "steady": {name: msgspec.to_builtins(value) for name, value in steady.items()}, "overload": msgspec.to_builtins(overload),
            "confirmation": confirmation, "crash": crash, "violations": await stages.count_violations(world), "cores": stages.cores(),
        }  # fmt: skip


def say(stage: str, found: object) -> None:
    """Progress, before the last line."""
    print(f"{stage}: {msgspec.json.encode(found).decode()}", flush=True)


def missed_bars(found: dict[str, Any], times: int) -> list[str]:
    """Which bars were missed, each with its figure."""
    steady, overload = found["steady"], found["overload"]
    checks = {
        f"pledges {found['of_empty']} x the empty route, want {BARS['of_empty']}": found["of_empty"] >= BARS["of_empty"],
        f"pledges {found['of_rival']} x the rival, want {BARS['of_rival']}": found["of_rival"] >= BARS["of_rival"],
        f"p99 {steady['pledges']['p99_ms']} ms at a steady rate": steady["pledges"]["p99_ms"] < BARS["steady_p99_ms"],
        f"steady answers {steady['pledges']['statuses']}": set(steady["pledges"]["statuses"]) <= {"201"},
        f"watchers' p99 {steady['watchers']['p99_ms']} ms": steady["watchers"]["p99_ms"] <= BARS["watchers_p99_ms"],
        f"the trip page's p99 {steady['trip_page_p99_ms']} ms": steady["trip_page_p99_ms"] <= BARS["trip_page_p99_ms"],
        f"at {times} x: {overload['statuses']}, {overload['broken']} without an answer": set(overload["statuses"]) <= EXPECTED
        and overload["broken"] == 0,
        f"{found['crash']['lost']} acknowledged pledges lost": found["crash"]["lost"] == 0 and found["crash"]["acknowledged"] > 0,
        f"{found['violations']} invariants violated": found["violations"] == 0,
    }
    return [text for text, kept in checks.items() if not kept]


def write_page(found: dict[str, Any], asked: argparse.Namespace, missed: list[str]) -> None:
    """The section of docs/benchmarks.md."""
    steady, overload = found["steady"], found["overload"]
    rows = [
        [number, r["empty_per_s"], r["rival_per_s"], r["bare_rival_per_s"], r["pledges_per_s"],
         f"{r['pledges_per_s'] / r['empty_per_s']:.2f}", f"{r['pledges_per_s'] / r['rival_per_s']:.2f}",
         f"{r['pledges_per_s'] / r['bare_rival_per_s']:.2f}", costs(r["empty_cost"]), costs(r["pledge_cost"])]
        for number, r in enumerate(found["rounds"], start=1)
    ]  # fmt: skip
    head = [
        "round",
        "empty POST/s",
        "rival/s",
        "bare rival/s",
        "pledges/s",
        "of empty",
        "of rival",
        "of bare rival",
        "empty, us",
        "pledge, us",
    ]
    pledges, watchers, crash = steady["pledges"], steady["watchers"], found["crash"]
    lines = [
        where_and_when("make bench-pledges"),
        f"One trip, {asked.connections} connections, one web process, PostgreSQL with fsync; load generator and server on one machine,",
        f"load average {found['load_before']} before it began, so the ratios count.",
        "A pledge: session, idempotency key, rules, audit row, mail and its job, threshold.",
        "The rival is pgbench with one prepared statement on the service's own tables, with their indexes, keys and audit trigger:",
        "counter, a guest's pledge, its job. It leaves out HTTP, session, idempotency key, mail, card, rules and threshold. The bare rival",
        "(no bar) writes tables of its own with next to no index, no audit and no notification.",
        "CPU time of one request, in us: web process + PostgreSQL + load generator.",
        "",
        table(head, rows),
        "",
        f"- Steady {asked.steady_per_s:.0f}/s for {asked.steady_seconds:.0f} s (open loop, latency from the planned moment), the trip",
        f"  tipping on the way: p50 {pledges['p50_ms']} ms, p99 {pledges['p99_ms']} ms, answers {pledges['statuses']}.",
        f"- {watchers['open']} watchers meanwhile: {watchers['messages']} messages, p99 {watchers['p99_ms']} ms from reading the counters",
        f"  to the socket; the trip's page p99 {steady['trip_page_p99_ms']} ms.",
        f"- {asked.times} x what the trip takes: {overload['statuses']}, {overload['broken']} without an answer.",
        f"- Confirming {found['confirmation']['pledges']} pledges in one transaction: {found['confirmation']['seconds']} s.",
        f"- kill -9 of web and PostgreSQL under load: {crash['acknowledged']} acknowledged, {crash['lost']} lost.",
        f"- {found['violations']} invariants violated. Bars missed: {'; '.join(missed) or 'none'}.",
    ]
    write_section("Pledges on one trip", "\n".join(lines))


def costs(cost: dict[str, float]) -> str:
    """The CPU time of a request, by process."""
    return f"{cost['web_us']:.0f} + {cost['database_us']:.0f} + {cost['load_us']:.0f}"


def main() -> int:
    """Measures, writes, and says whether every bar was kept."""
    asked = read_arguments()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65_536)), hard))
    busy = round(os.getloadavg()[0], 1)  # what else this machine was doing: pledges wait for the processor more often than the rivals do
    with durable_server() as server, tempfile.TemporaryDirectory() as folder:
        found = {**asyncio.run(measure(server, Path(folder), asked)), "load_before": busy}
    missed = missed_bars(found, asked.times)
    if not asked.keep:
        write_page(found, asked, missed)
    return finish(found, missed)


if __name__ == "__main__":
    raise SystemExit(main())

"""`make bench-march`: the Women's March of 2017 in one run, 48,000 pledges over 200 origins, from the first pledge to the last manifest.

    python -m tests.bench.march [--scale L|M|T] [--seed 1] [--no-write]

Two web processes, two workers, PostgreSQL, the fake Stripe at its limits (25/s per endpoint, 100/s in all), 3 % of the cards decline.
Where waiting is the limit, time is made short: a real second stands for PACE of Stripe's, retries come at once.
Prints one JSON object as the last line; exit status 1 when a bar is missed.
"""

import argparse
import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from app.core.database import transaction
from app.flows.invariants import find_violations
from tests.bench.benchmarks_page import finish, table, where_and_when, write_section
from tests.bench.crowd import gather_crowd
from tests.bench.march.books import Books, compare_books, money_settled
from tests.bench.march.collecting import Clock, Collected, collect, wait_until
from tests.bench.march.country import Country, settle_country
from tests.bench.march.dispatching import Dispatched, dispatch
from tests.bench.march.selling import Sold, sell
from tests.bench.march.stack import PACE, Field, marching_field

FAILING_SHARE = 0.03
MOST_LEFT_SHARE = 0.01  # people no bus can take
TITLE = "March"
LIMITS_SAID = f"Two web processes, two workers, fake Stripe at 25/s per endpoint and 100/s in all ({PACE} of its seconds in a real one)."


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a run came to."""

    people: int
    origins: int
    buses: int
    operators: int
    sold: Sold
    collected: Collected
    dispatched: Dispatched
    books: Books
    violations: int
    seconds: dict[str, float]
    cpu_s: dict[str, dict[str, float]]
    peak_memory_mb: dict[str, int]


class Watch:
    """Seconds per stage, and the CPU seconds of each process in it."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self.seconds: dict[str, float] = {}
        self.cpu_s: dict[str, dict[str, float]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a stage and says so."""
        print(f"{name} ...", flush=True)
        began, before = time.monotonic(), self._field.cpu_s()
        yield
        self.seconds[name] = round(time.monotonic() - began, 1)
        self.cpu_s[name] = {process: round(used - before.get(process, 0.0), 1) for process, used in self._field.cpu_s().items()}
        print(f"{name}: {self.seconds[name]:.1f} s, CPU {cpu_in_words(self.cpu_s[name])}", flush=True)


def cpu_in_words(used: dict[str, float]) -> str:
    """Seconds by process and together: `12.3 s: web 4.1, worker 8.2`."""
    return f"{sum(used.values()):.1f} s: " + ", ".join(f"{process} {seconds:.1f}" for process, seconds in used.items())


async def march(*, scale: str, seed: int) -> Outcome:
    """Plays all stages."""
    async with marching_field() as field:
        watch = Watch(field)
        with watch.stage("country"):
            country = await settle_country(field.pool, scale=scale, seed=seed)
        with watch.stage("crowd"):
            riders = await gather_crowd(field.pool, field.stripe, people=country.people, failing_share=FAILING_SHARE, seed=seed)
        with watch.stage("selling"):
            sold = await sell(field.webs, country, riders, seed=seed)
        print(sold, flush=True)
        clock = Clock(field)
        with watch.stage("charging"):
            collected = await collect(field, clock)
        print(collected, flush=True)
        with watch.stage("dispatch"):
            dispatched = await dispatch(field, clock, country)
        print(dispatched, flush=True)
        with watch.stage("mails"):
            await wait_until(lambda: mailed(field), "the mails")
        with watch.stage("checks"):
            async with transaction(field.pool) as conn:
                violations = await find_violations(conn)
            for name, found in violations.items():
                print(name, found[:3], flush=True)
        with watch.stage("books"):
            await wait_until(lambda: money_settled(field), "the last refunds")
            books = await compare_books(field)
            print(books, flush=True)
        return outcome(country, sold, collected, dispatched, watch, field, violations=sum(map(len, violations.values())), books=books)


async def mailed(field: Field) -> bool:
    """Whether every mail has gone."""
    return not await field.pool.fetchval("SELECT EXISTS (SELECT FROM mails WHERE sent_at IS NULL)")


def outcome(
    country: Country, sold: Sold, collected: Collected, dispatched: Dispatched, watch: Watch, field: Field, *, violations: int, books: Books
) -> Outcome:  # fmt: skip
    """The figures together."""
    return Outcome(
        people=country.people, origins=len(country.origins), buses=country.vehicles, operators=country.operators, sold=sold,
        collected=collected, dispatched=dispatched, books=books, violations=violations, seconds=watch.seconds,
        cpu_s=watch.cpu_s, peak_memory_mb=field.peak_memory_mb(),
    )  # fmt: skip


def missed_bars(run: Outcome) -> list[str]:
    """What a march must come to."""
    charged = run.collected.states.get("succeeded", 0)
    bars = {
        f"{run.people - run.sold.pledges} pledges were not taken": run.sold.pledges == run.people,
        f"{run.violations} violations": run.violations == 0,
        f"books {run.books.apart_minor} minor units apart": run.books.apart_minor == 0,
        f"the reconciliation found {run.books.findings[:3]}": not run.books.findings,
        f"payments left over: {run.collected.states}": set(run.collected.states) <= {"succeeded", "abandoned"},
        f"{run.dispatched.riders_on_manifests} of {charged} charged people are on a manifest": (
            run.dispatched.riders_on_manifests + run.dispatched.unserved == charged
        ),
        f"{run.dispatched.unserved} people have no bus": run.dispatched.unserved <= MOST_LEFT_SHARE * charged,
    }
    return [fault for fault, held in bars.items() if not held]


def section(run: Outcome, *, scale: str, seed: int) -> str:
    """The text of docs/benchmarks.md."""
    sold, collected, dispatched = run.sold, run.collected, run.dispatched
    gap = "none" if dispatched.gap is None else f"{100 * dispatched.gap:.1f} %"
    rows: list[tuple[str, str, str]] = [
        ("on sale", f"{run.seconds['country']:.0f}", f"{run.origins} origins, {run.buses} buses of {run.operators} operators"),
        (
            "selling", f"{run.seconds['selling']:.0f}",
            f"{sold.pledges:,} pledges, {sold.per_s:.0f}/s: {sold.per_s / sold.plain_per_s:.2f} x the rate of empty requests",
        ),
        (
            "charging", f"{run.seconds['charging']:.0f}",
            f"{collected.states}, {collected.simulated_s / 60:.0f} simulated minutes, retries after 48 h included",
        ),
        ("freezing", f"{dispatched.freezing_s:.0f}", "booking closes, prices settle, demand and travel times are frozen"),
        ("solving", f"{dispatched.solving_s:.0f}", f"{dispatched.duties} duties, gap {gap}, {dispatched.unserved} people without a bus"),
        ("offers", f"{dispatched.accepting_s:.0f}", f"all accepted, {dispatched.manifests} manifests issued"),
        ("mails", f"{run.seconds['mails']:.0f}", "those still waiting"),
        ("checks", f"{run.seconds['checks']:.0f}", f"{run.violations} violations"),
        (
            "books", f"{run.seconds['books']:.0f}",
            f"{run.books.matched:,} movements matched, {len(run.books.findings)} findings, balances {run.books.apart_minor} cents apart",
        ),
    ]  # fmt: skip
    charges = sum(collected.states.values())
    used = run.cpu_s["charging"]
    each_ms = 1000 * sum(used.values()) / max(1, charges)
    cpu = f"CPU time of charging: {cpu_in_words(used)}; {each_ms:.0f} ms a charge, with its news and the mails sent meanwhile."
    memory = ", ".join(f"{name} {held} MB" for name, held in run.peak_memory_mb.items())
    command = f'make bench-march ARGS="--scale {scale} --seed {seed}"'
    return "\n".join(
        [where_and_when(command), LIMITS_SAID, "",
         table(["stage", "seconds", "what"], rows), "", cpu, f"Peak memory: {memory}."]
    )  # fmt: skip


def main() -> int:
    """Runs -> exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", default="L", choices=["T", "M", "L"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-write", action="store_true")
    given = parser.parse_args()
    run = asyncio.run(march(scale=given.scale, seed=given.seed))
    text = section(run, scale=given.scale, seed=given.seed)
    print(text)
    if not given.no_write:
        write_section(TITLE, text)
    return finish(msgspec.to_builtins(run), missed_bars(run))


if __name__ == "__main__":
    raise SystemExit(main())

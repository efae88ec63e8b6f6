"""Stepping a load of requests up until a budget breaks: what held last, what broke, and what was used up then."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from app.core.database import Pool
from app.stage.roles import HOST
from tests.bench.limits.gauges import Gauges, Used
from tests.bench.limits.generator import Plan, Seen, generate

PROBE_CONNECTIONS, CONNECTIONS = 64, 256
MOST_POOL = 20  # connections of a web process (app/main.py)
KEPT_UP = 0.95  # of the rate asked for; below that work is left over at the end
GOOD = ("200", "201", "204", "303")


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how often. Steps begin at `first_share` of what a closed loop got and grow by `growth`; the hard one is `hard_times`
    what broke, to see how it breaks.
    """

    probe_s: float
    step_s: float
    first_share: float
    growth: float
    most_steps: int
    hard_times: float
    hard_s: float
    watchers: tuple[int, ...]
    mails: int
    trips: int
    buses: int

    def rates_per_s(self, probe_per_s: float) -> list[float]:
        """What is asked for, step by step."""
        return [probe_per_s * self.first_share * self.growth**number for number in range(self.most_steps)]


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """The 99th percentile that must hold, and where it is stated."""

    p99_ms: float
    stated: str


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of load. make: so many different requests, good for one run (`again`: they may be repeated within it).

    kept: how many writes of this kind the database holds; acknowledged: how many a run was promised. None: nothing is written.
    """

    name: str
    budget: Budget
    make: Callable[[int], Awaitable[list[bytes]]]
    again: bool = False
    marker: str = ""
    tally: list[str] = []
    kept: Callable[[], Awaitable[int]] | None = None
    acknowledged: Callable[[Seen], int] | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step: the rate asked for (or what else is stepped up), what came back, what it used. broke: what was over its budget."""

    asked: float
    of_empty: float
    p50_ms: float
    p99_ms: float
    answers: dict[str, int]
    used: Used
    broke: list[str]
    bad: list[str]
    at_its_end: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A load's limit. held: the last step within the budget; broke: the first beyond it; hard: far beyond it."""

    name: str
    unit: str
    budget: str
    empty_per_s: float
    held: Step | None
    broke: Step | None
    hard: Step | None

    @property
    def bad(self) -> list[str]:
        """What broke in a way it must not."""
        return [f"{self.name}: {fault}" for step in (self.held, self.broke, self.hard) if step for fault in step.bad]


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured: a web process on a port, by its process id, on a database server."""

    pool: Pool
    port: int
    web: int
    postmaster: int
    sizes: Sizes
    folder: Path

    def plan(self, requests: list[bytes], **more: Any) -> Plan:
        """A closed loop, unless told otherwise."""
        given: dict[str, Any] = {
            "again": True,
            "seconds": self.sizes.probe_s,
            "connections": PROBE_CONNECTIONS,
            "rate_per_s": None,
            "marker": "",
            "tally": [],
        }
        return Plan(host=HOST, port=self.port, requests=requests, **{**given, **more})

    async def empty_per_s(self) -> float:
        """What the empty POST route gives in a closed loop, just now."""
        request = f"POST /api/bench/empty HTTP/1.1\r\nHost: {HOST}:{self.port}\r\nContent-Length: 0\r\n\r\n".encode()
        return (await generate(self.plan([request]))).answers_per_s


async def find_limit(bench: Bench, load: Load) -> Found:
    """Measures the empty route, probes what the load gets in a closed loop, then steps up around that until its budget breaks."""
    sizes, empty_per_s = bench.sizes, await bench.empty_per_s()
    probe = await generate(bench.plan(await load.make(int(empty_per_s * sizes.probe_s)), again=load.again, seconds=sizes.probe_s))
    held = broke = hard = None
    for rate_per_s in sizes.rates_per_s(probe.answers_per_s):
        step = await take_step(bench, load, rate_per_s=rate_per_s, seconds=sizes.step_s, empty_per_s=empty_per_s)
        if step.broke or step.bad:
            broke = step
            break
        held = step
    if broke is not None:
        hard_per_s = sizes.hard_times * broke.asked
        hard = await take_step(bench, load, rate_per_s=hard_per_s, seconds=sizes.hard_s, empty_per_s=empty_per_s)
    return Found(
        name=load.name, unit="/s", budget=f"p99 {load.budget.p99_ms:.0f} ms ({load.budget.stated})", empty_per_s=empty_per_s, held=held,
        broke=broke, hard=hard,
    )  # fmt: skip


async def take_step(bench: Bench, load: Load, *, rate_per_s: float, seconds: float, empty_per_s: float) -> Step:
    """One rate for some seconds."""
    requests = await load.make(int(rate_per_s * seconds) + 1)
    plan = bench.plan(
        requests, again=load.again, seconds=seconds, connections=CONNECTIONS, rate_per_s=rate_per_s, marker=load.marker, tally=load.tally
    )
    before = await load.kept() if load.kept else 0
    async with Gauges(bench.pool, process=bench.web, postmaster=bench.postmaster) as gauges:
        seen = await generate(plan)
    lost = 0
    if load.kept and load.acknowledged:
        lost = max(0, load.acknowledged(seen) - (await load.kept() - before))
    used = gauges.used(generator_s=seen.cpu_s)
    return Step(
        asked=round(rate_per_s, 1), of_empty=round(rate_per_s / empty_per_s, 2), p50_ms=seen.p50_ms, p99_ms=seen.p99_ms,
        answers=seen.statuses, used=used, broke=broken_budgets(load.budget, seen), bad=faults_of(seen, lost),
        at_its_end=used.at_its_end(process="web process", most_connections=MOST_POOL),
    )  # fmt: skip


def broken_budgets(budget: Budget, seen: Seen) -> list[str]:
    """What was over the budget, politely."""
    refused = sum(many for status, many in seen.statuses.items() if status == "429")
    found = [f"p99 {seen.p99_ms:.0f} ms"] if seen.p99_ms > budget.p99_ms else []
    return found + ([f"{refused} sent to wait (429)"] if refused else [])


def faults_of(seen: Seen, lost: int) -> list[str]:
    """What must not happen at any load."""
    failed = {status: many for status, many in seen.statuses.items() if status not in GOOD and status != "429"}
    faults = [f"{many} answers {status}" for status, many in failed.items()]
    counted = {"refusals without Retry-After": seen.rude, "wrong answers": seen.wrong, "requests without an answer": seen.broken}
    faults += [f"{many} {what}" for what, many in counted.items() if many]
    return faults + ([f"{lost} acknowledged writes lost"] if lost else [])

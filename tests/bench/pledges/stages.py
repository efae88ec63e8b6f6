"""The stages of the measurement: each returns its figures, and all of them share one server."""

import asyncio
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from time import perf_counter

import httpx
import msgspec

from app.flows.invariants import find_violations
from app.flows.pledge_batch import place_batch
from app.flows.pledge_wish import PledgeWish, request_pledge
from app.stage.processes import Child
from app.stage.roles import HOST
from tests.bench.pledges.cpu import Cost, cost_of, read_used
from tests.bench.pledges.load import LoadPlan, LoadSeen
from tests.bench.pledges.rival import BARE_RIVAL, make_bare_tables, run_rival
from tests.bench.pledges.watchers import WatchersSeen
from tests.bench.pledges.world import World, add_active_pledges, hot_trip, serving
from tests.support.threshold import SECRET, Sale

EMPTY = "/api/bench/empty"
PAGE_EVERY_S = 0.1


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured."""

    connections: int
    seconds: float
    rounds: int
    steady_per_s: float
    steady_s: float
    watchers: int
    confirmed: int
    times: int


async def load(plan: LoadPlan) -> LoadSeen:
    """Runs the load generator as a process of its own."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.pledges.load", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await child.communicate(msgspec.json.encode(plan))
    return msgspec.json.decode(out, type=LoadSeen)


def plan_for(sale: Sale, port: int, *, first: int, count: int, seconds: float, connections: int) -> LoadPlan:
    """A closed loop on one trip."""
    return LoadPlan(
        host=HOST, port=port, path=f"/api/trips/{sale.trip_id}/pledges", stop_id=str(sale.stop_id), first=first, count=count,
        seconds=seconds, connections=connections,
    )  # fmt: skip


async def costed_load(world: World, web: Child, plan: LoadPlan) -> tuple[LoadSeen, Cost]:
    """The same, and the CPU time that each answer cost."""
    assert web.pid is not None
    assert world.server.pid is not None
    before = read_used(web=web.pid, database=world.server.pid)
    seen = await load(plan)
    after = read_used(web=web.pid, database=world.server.pid)
    return seen, cost_of(before, after, load_s=seen.cpu_s, requests=seen.requests)


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """Rates of the empty route, the rivals and pledges, one after the other, and the CPU time of a request to each route."""

    empty_per_s: float
    rival_per_s: float
    bare_rival_per_s: float
    pledges_per_s: float
    empty_cost: Cost
    pledge_cost: Cost


async def measure_rates(world: World, sizes: Sizes, riders: int) -> list[Round]:
    """Empty route, one-statement rival, pledges: one after the other, in each round; the threshold is decided for every pledge."""
    await make_bare_tables(world.pool)
    found: list[Round] = []
    share = riders // sizes.rounds
    async with serving(world) as (web, port):
        for number in range(sizes.rounds):
            sale = await hot_trip(world.pool, minimum=riders + 1, cap=2 * riders)
            plan = plan_for(sale, port, first=number * share, count=share, seconds=sizes.seconds, connections=sizes.connections)
            empty, empty_cost = await costed_load(world, web, msgspec.structs.replace(plan, path=EMPTY))
            rival, bare = await measure_rivals(world, sizes, riders)
            pledges, pledge_cost = await costed_load(world, web, plan)
            assert pledges.statuses.keys() == {"201"}, pledges
            found.append(
                Round(
                    empty_per_s=empty.rate_per_s, rival_per_s=rival, bare_rival_per_s=bare, pledges_per_s=pledges.rate_per_s,
                    empty_cost=empty_cost, pledge_cost=pledge_cost,
                )
            )  # fmt: skip
    return found


async def measure_rivals(world: World, sizes: Sizes, riders: int) -> tuple[float, float]:
    """Pledges per second of the rival, on a trip of its own, and of the bare one."""
    sale = await hot_trip(world.pool, minimum=100 * riders, cap=200 * riders)
    both = [
        await run_rival(world.dsn, sale, connections=sizes.connections, seconds=sizes.seconds, folder=world.folder, **more)
        for more in ({}, {"statement": BARE_RIVAL})
    ]
    return round(both[0], 1), round(both[1], 1)


async def measure_steady(world: World, sizes: Sizes, first: int) -> dict[str, object]:
    """Pledges at a steady rate, open loop, while people watch; the trip confirms on the way and charges from then on."""
    count = int(sizes.steady_per_s * sizes.steady_s)
    sale = await hot_trip(world.pool, minimum=max(2, count // 10), cap=2 * count)
    async with serving(world) as (_, port):
        watching = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.pledges.watchers", HOST, str(port), f"/api/trips/{sale.trip_id}/live", str(sizes.watchers),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert watching.stdout is not None
        assert (await watching.stdout.readline()).strip() == b"ready"
        code = await world.pool.fetchval("SELECT public_code FROM trips WHERE id = $1", sale.trip_id)
        pages = asyncio.create_task(open_pages(f"http://{HOST}:{port}/trips/{code}", sizes.steady_s))
        plan = plan_for(sale, port, first=first, count=count, seconds=sizes.steady_s, connections=4 * sizes.connections)
        seen = await load(msgspec.structs.replace(plan, rate_per_s=sizes.steady_per_s))
        out, _ = await watching.communicate(b"\n")
        watched = msgspec.json.decode(out, type=WatchersSeen)
        return {"pledges": seen, "watchers": watched, "trip_page_p99_ms": await pages}


async def open_pages(url: str, seconds: float) -> float:
    """Opens the trip's page ten times a second; the 99th percentile in ms."""
    took: list[float] = []
    until = perf_counter() + seconds
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        while perf_counter() < until:
            begin = perf_counter()
            (await http.get(url)).raise_for_status()
            took.append(perf_counter() - begin)
            await asyncio.sleep(max(0.0, PAGE_EVERY_S - took[-1]))
    return round(1000 * sorted(took)[int(len(took) * 0.99)], 1)


async def measure_overload(world: World, sizes: Sizes, first: int, served_per_s: float) -> LoadSeen:
    """Many times what a trip can take, open loop: pledges and places in line, nothing else."""
    rate_per_s = sizes.times * served_per_s
    count = int(rate_per_s * sizes.seconds)
    sale = await hot_trip(world.pool, minimum=10 * count, cap=20 * count)
    async with serving(world) as (_, port):
        plan = plan_for(sale, port, first=first, count=count, seconds=sizes.seconds, connections=32 * sizes.connections)
        return await load(msgspec.structs.replace(plan, rate_per_s=rate_per_s))


async def measure_confirmation(world: World, people: int, first: int) -> dict[str, float]:
    """The pledge that tips a trip on which tens of thousands have pledged, and what the process's memory grew by."""
    sale = await hot_trip(world.pool, minimum=people + 21, cap=2 * people + 100)
    await add_active_pledges(world.pool, sale, first=first, count=people)
    accounts = await world.pool.fetch("SELECT id, email::text FROM accounts WHERE email LIKE 'rider-%' ORDER BY id DESC LIMIT 21")
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took_s = 0.0
    for row in accounts:  # the same connection as before: its plans are as generic as they become
        wish = PledgeWish(
            stop_id=sale.stop_id, name="Ada", email=f"tip-{row['email']}", phone="", needs="", locale="en", seats=1, wheelchairs=0,
            legs=("outbound", "return"), payment_method="saved",
        )  # fmt: skip
        request = request_pledge(wish, key=row["email"], body=b"", secret=SECRET, account_id=row["id"], partner_key_id=None)
        begin = perf_counter()
        (answer,) = await place_batch(world.pool, sale.trip_id, [request], secret=SECRET)
        took_s = perf_counter() - begin
        assert not isinstance(answer, Exception), answer
    counts = await world.pool.fetchrow(
        """
        SELECT (SELECT count(*) FROM payments p JOIN pledges g ON g.id = p.reference WHERE g.trip_id = $1) AS payments,
               (SELECT count(*) FROM pledges WHERE trip_id = $1 AND state = 'confirmed') AS confirmed
        """,
        sale.trip_id,
    )
    assert counts is not None
    assert counts["payments"] == counts["confirmed"] == people + 21
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    return {"pledges": people + 21, "seconds": round(took_s, 2), "memory_grown_mb": round(grown_kb / 1024, 1)}


async def measure_crash(world: World, sizes: Sizes, riders: int, seconds: float) -> dict[str, int]:
    """`kill -9` of web and PostgreSQL in the middle of the load: every 201 is in the database afterwards, and the cap is kept."""
    count = min(20_000, riders)
    sale = await hot_trip(world.pool, minimum=count // 20, cap=count)
    kept = Path(world.folder) / "acknowledged"
    kept.write_bytes(b"")
    async with serving(world) as (web, port):
        plan = plan_for(sale, port, first=0, count=count, seconds=60, connections=sizes.connections)
        loading = asyncio.create_task(load(msgspec.structs.replace(plan, acknowledged=str(kept))))
        await asyncio.sleep(seconds)
        await web.kill()
        world.server.kill()
        await loading
    world.server.start()
    acknowledged = {f"bench-{line}" for line in kept.read_text().split()}
    await world.pool.expire_connections()
    async with asyncio.timeout(60):
        while True:
            with suppress(Exception):
                rows = await world.pool.fetch(
                    "SELECT k.key FROM idempotency_keys k JOIN pledges p ON p.id = k.effect_id WHERE p.trip_id = $1", sale.trip_id
                )
                break
            await asyncio.sleep(0.1)
    stored = {row["key"] for row in rows}
    return {"acknowledged": len(acknowledged), "lost": len(acknowledged - stored), "stored": len(stored)}


async def count_violations(world: World) -> int:
    """Of the domain's invariants, over everything measured."""
    async with world.pool.acquire() as conn:
        await conn.execute("SET statement_timeout = 0")
        return len(await find_violations(conn))


def cores() -> int:
    """Of this machine."""
    return os.cpu_count() or 1

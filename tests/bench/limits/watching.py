"""Open pages of one trip while its counter moves: more and more streams, until news or the page itself come late.

As a process (`python -m tests.bench.limits.watching HOST PORT PATH`) it holds the streams; each line on standard input opens so many more
and prints `ready`, or, with `measure SECONDS`, prints what came in that time.
"""

import asyncio
import sys
import time
from contextlib import suppress
from statistics import quantiles

import httpx
import msgspec
import uvloop

from app.stage.roles import HOST
from tests.bench.keep_alive import Line
from tests.bench.limits.gauges import Gauges
from tests.bench.limits.requests import ask
from tests.bench.limits.selling import PAGE, pledge_bytes
from tests.bench.limits.stepping import MOST_POOL, Bench, Found, Step
from tests.bench.pledges.watchers import OPENED_AT_ONCE, Stream
from tests.bench.pledges.world import hot_trip
from tests.support.threshold import Sale

PLEDGES_PER_S = 8
PAGES_PER_S = 10
OPEN_PATIENCE_S = 60.0


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """What all streams saw in a while: lateness in ms from the reading of the counters to each socket."""

    open: int
    messages: int
    p50_ms: float
    p99_ms: float
    cpu_s: float


async def hold_streams(host: str, port: int, path: str) -> None:
    """The process: does what each line says until there are no more."""
    loop = asyncio.get_running_loop()
    head = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: text/event-stream\r\n\r\n".encode()
    streams: list[Stream] = []
    late_ms: list[float] = []
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        word, _, more = line.partition(" ")
        if word == "measure":
            late_ms.clear()
            begun_s = time.process_time()
            await asyncio.sleep(float(more))
            print(msgspec.json.encode(summary(streams, list(late_ms), time.process_time() - begun_s)).decode(), flush=True)
            continue
        for begin in range(0, int(word), OPENED_AT_ONCE):
            fresh = [Stream(head, late_ms) for _ in range(min(OPENED_AT_ONCE, int(word) - begin))]
            await asyncio.gather(*(loop.create_connection(lambda stream=stream: stream, host, port) for stream in fresh))  # type: ignore[misc]
            streams += fresh
            with suppress(TimeoutError):
                async with asyncio.timeout(OPEN_PATIENCE_S):
                    await asyncio.gather(*(stream.opened.wait() for stream in fresh))
        print("ready", flush=True)


def summary(streams: list[Stream], late_ms: list[float], cpu_s: float) -> Watched:
    """The figures of a while."""
    ordered = sorted(late_ms) or [0.0]
    return Watched(
        open=sum(stream.open for stream in streams), messages=len(late_ms), p50_ms=round(ordered[len(ordered) // 2], 1),
        p99_ms=round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 1), cpu_s=cpu_s,
    )  # fmt: skip


async def watch_one_trip(bench: Bench, *, riders: int) -> Found:
    """Steps up the number of open pages of one trip."""
    sale = await hot_trip(bench.pool, minimum=riders + 1, cap=2 * riders)
    empty_per_s = await bench.empty_per_s()
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.limits.watching", HOST, str(bench.port), f"/api/trips/{sale.trip_id}/live",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    moving = asyncio.create_task(move_counter(bench, sale, riders))
    held = broke = None
    there = 0
    try:
        for wanted in bench.sizes.watchers:
            await tell(child, str(wanted - there))
            there = wanted
            step = await look_at(bench, child, sale, wanted, empty_per_s)
            if step.broke or step.bad:
                broke = step
                break
            held = step
    finally:
        moving.cancel()
        assert child.stdin is not None
        child.stdin.close()
        await child.wait()
    return Found(
        name="watchers, one trip", unit=" open", budget=f"p99 {PAGE.p99_ms:.0f} ms ({PAGE.stated})", empty_per_s=empty_per_s, held=held,
        broke=broke, hard=None,
    )  # fmt: skip


async def tell(child: asyncio.subprocess.Process, line: str) -> bytes:
    """One command to the process that watches, and its answer."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(f"{line}\n".encode())
    await child.stdin.drain()
    return await child.stdout.readline()


async def look_at(bench: Bench, child: asyncio.subprocess.Process, sale: Sale, wanted: int, empty_per_s: float) -> Step:
    """So many streams for the length of a step, and the page beside them."""
    seconds = bench.sizes.step_s
    async with Gauges(bench.pool, process=bench.web, postmaster=bench.postmaster) as gauges:
        seen_by_all, (page_p99_ms, failed) = await asyncio.gather(tell(child, f"measure {seconds}"), open_pages(bench, sale, seconds))
    seen = msgspec.json.decode(seen_by_all, type=Watched)
    used = gauges.used(generator_s=seen.cpu_s)
    late = {"news": seen.p99_ms, "the trip page": page_p99_ms}
    bad = [f"{wanted - seen.open} of {wanted} streams closed"] if seen.open < wanted else []
    bad += [f"{failed} pages failed"] if failed else []
    bad += ["no news came"] if not seen.messages else []
    return Step(
        asked=wanted, of_empty=round(seen.messages / seconds / empty_per_s, 2), p50_ms=seen.p50_ms, p99_ms=max(late.values()),
        answers={"messages": seen.messages, "news p99 ms": round(seen.p99_ms), "page p99 ms": round(page_p99_ms)}, used=used,
        broke=[f"{what} p99 {p99_ms:.0f} ms" for what, p99_ms in late.items() if p99_ms > PAGE.p99_ms], bad=bad,
        at_its_end=used.at_its_end(process="web process", most_connections=MOST_POOL),
    )  # fmt: skip


async def move_counter(bench: Bench, sale: Sale, riders: int) -> None:
    """Pledges at a steady, low pace."""
    async with Line(f"http://{HOST}:{bench.port}") as line:
        for number in range(riders):
            await line.ask(pledge_bytes(bench.port, sale.trip_id, sale.stop_id, rider=number, key=f"watched-{sale.trip_id}-{number}"))
            await asyncio.sleep(1 / PLEDGES_PER_S)


async def open_pages(bench: Bench, sale: Sale, seconds: float) -> tuple[float, int]:
    """Opens the trip's page some times a second -> (99th percentile in ms from the planned moment, how many failed)."""
    code = await bench.pool.fetchval("SELECT public_code FROM trips WHERE id = $1", sale.trip_id)
    loop, took, failed = asyncio.get_running_loop(), [], 0
    request = ask("GET", f"/trips/{code}", port=bench.port, number=1, headers={"Accept": "text/html"})
    begin = loop.time()
    async with Line(f"http://{HOST}:{bench.port}") as line:
        for number in range(int(seconds * PAGES_PER_S)):
            planned = begin + number / PAGES_PER_S
            await asyncio.sleep(max(0.0, planned - loop.time()))
            status, _ = await line.ask(request)
            failed += status != httpx.codes.OK
            took.append(1000 * (loop.time() - planned))
    return round(quantiles(took, n=100)[-1], 1), failed


def main() -> None:
    """Reads its arguments."""
    host, port, path = sys.argv[1:4]
    uvloop.run(hold_streams(host, int(port), path))


if __name__ == "__main__":
    main()

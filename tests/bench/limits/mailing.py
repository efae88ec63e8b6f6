"""Mails of one worker: a real worker process, a mail server that takes everything at once, more and more mails a second.

As a process (`python -m tests.bench.limits.mailing PORT`) it is that mail server, and prints how many it took when it is told to stop.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from typing import cast
from uuid import uuid4

import uvloop

from app.core.database import transaction
from app.domain.notifications.model import NewMail
from app.domain.notifications.service import queue_mails
from app.stage.ports import free_port
from app.stage.processes import Child, Role
from app.stage.roles import HOST
from tests.bench.limits.gauges import Gauges
from tests.bench.limits.stepping import Bench, Budget, Found, Step

MAIL = Budget(p99_ms=5_000, stated="ours: somebody waits for the link to sign in")
WORKER_POOL = 24  # connections of a worker (app/worker.py)
EVERY_S = 0.1
DRAIN_S = 60.0
REPLIES = {b"EHLO": b"250 HELP\r\n", b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}


class Sink(asyncio.Protocol):
    """One SMTP session: yes to everything."""

    def __init__(self, taken: list[int]) -> None:
        self._taken = taken
        self._buffer = b""
        self._in_data = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greets."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        """Answers each line; a mail ends with a dot on a line of its own."""
        assert self._transport is not None
        self._buffer += data
        while True:
            if self._in_data:
                mail, dot, rest = self._buffer.partition(b"\r\n.\r\n")
                if not dot:
                    return
                self._in_data, self._buffer = False, rest
                self._taken.append(len(mail))
                self._transport.write(b"250 taken\r\n")
                continue
            line, end, rest = self._buffer.partition(b"\r\n")
            if not end:
                return
            self._buffer, word = rest, line[:4].upper()
            self._in_data = word == b"DATA"
            self._transport.write(REPLIES.get(word, b"250 yes\r\n"))
            if word == b"QUIT":
                self._transport.close()


async def take_mails(port: int) -> None:
    """Serves until standard input ends."""
    loop, taken = asyncio.get_running_loop(), list[int]()
    server = await loop.create_server(lambda: Sink(taken), HOST, port)
    async with server:
        print("ready", flush=True)
        await loop.run_in_executor(None, sys.stdin.readline)
    print(len(taken), flush=True)


async def mail_with_one_worker(bench: Bench, settings: dict[str, str]) -> Found:
    """A pile first, to learn what the worker does in a second; then steady rates around that."""
    sizes, empty_per_s = bench.sizes, await bench.empty_per_s()
    async with mail_server() as port, working({**settings, "BUSLOAD_SMTP_URL": f"smtp://{HOST}:{port}"}, bench) as worker:
        await queue(bench, 10)
        await until_sent(bench)  # it has begun
        begin = time.monotonic()
        await queue(bench, sizes.mails)
        await until_sent(bench)
        probe_per_s = sizes.mails / (time.monotonic() - begin)
        held = broke = None
        for rate_per_s in sizes.rates_per_s(probe_per_s):
            step = await take_step(bench, worker, rate_per_s=rate_per_s, empty_per_s=empty_per_s)
            if step.broke or step.bad:
                broke = step
                break
            held = step
    return Found(
        name="mails, one worker", unit="/s", budget=f"p99 {MAIL.p99_ms:.0f} ms ({MAIL.stated})", empty_per_s=empty_per_s, held=held,
        broke=broke, hard=None,
    )  # fmt: skip


@contextlib.asynccontextmanager
async def mail_server() -> AsyncIterator[int]:
    """The port of a mail server that takes everything."""
    port = free_port()
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.limits.mailing", str(port), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    assert (await child.stdout.readline()).strip() == b"ready"
    try:
        yield port
    finally:
        await child.communicate(b"\n")


@contextlib.asynccontextmanager
async def working(settings: dict[str, str], bench: Bench) -> AsyncIterator[Child]:
    """A worker process."""
    worker = Child(Role(name="worker", module="app.cli", arguments=("worker",), settings=settings), log_folder=bench.folder)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


async def queue(bench: Bench, count: int) -> None:
    """So many mails about pledges, as a commit of pledges queues them."""
    data = {
        "needs_card": False, "code": "ABCDEF", "name": "Ada Lovelace", "people": 1, "origin": "Baltimore", "event": "Women's March",
        "amount_minor": 3200, "currency": "USD", "deadline_at": "2030-05-12T16:00:00+00:00", "zone": "America/New_York",
    }  # fmt: skip
    mails = [
        NewMail(
            dedupe_key=f"limits:{uuid4()}", recipient="ada@rider.example", template="pledge_placed", locale="en",
            data={**data, "pledge_id": str(uuid4())}, subject_id=None,
        )
        for _ in range(count)
    ]  # fmt: skip
    async with transaction(bench.pool) as conn:
        await queue_mails(conn, mails)


async def until_sent(bench: Bench) -> int:
    """Waits until no mail waits; how many still did after DRAIN_S."""
    until = time.monotonic() + DRAIN_S
    while True:
        left = int(await bench.pool.fetchval("SELECT count(*) FROM mails WHERE sent_at IS NULL"))
        if not left or time.monotonic() > until:
            return left
        await asyncio.sleep(0.05)


async def take_step(bench: Bench, worker: Child, *, rate_per_s: float, empty_per_s: float) -> Step:
    """One rate for some seconds, and until the last mail has gone: from the queue to the mail server's yes."""
    assert worker.pid is not None
    since = await bench.pool.fetchval("SELECT clock_timestamp()")
    begin, queued, queuing_s = time.monotonic(), 0, time.process_time()
    async with Gauges(bench.pool, process=worker.pid, postmaster=bench.postmaster) as gauges:
        while (passed_s := time.monotonic() - begin) < bench.sizes.step_s:
            due = int(passed_s * rate_per_s) - queued
            if due > 0:
                await queue(bench, due)
                queued += due
            await asyncio.sleep(EVERY_S)
    used = gauges.used(generator_s=time.process_time() - queuing_s)
    left = await until_sent(bench)
    row = await bench.pool.fetchrow(
        """
        WITH gone AS (
            SELECT 1000 * extract(epoch FROM sent_at - created_at)::float8 AS ms, tries FROM mails
            WHERE created_at >= $1 AND sent_at IS NOT NULL
        )
        SELECT coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), 0) AS p50, count(*) AS sent,
               coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY ms), 0) AS p99, coalesce(max(tries), 0) AS tries
        FROM gone
        """,
        since,
    )
    assert row is not None
    late = [f"p99 {row['p99']:.0f} ms"] if row["p99"] > MAIL.p99_ms else []
    return Step(
        asked=round(rate_per_s, 1), of_empty=round(rate_per_s / empty_per_s, 3), p50_ms=round(row["p50"], 1), p99_ms=round(row["p99"], 1),
        answers={"sent": row["sent"]}, used=used, broke=late,
        bad=[f"{left} mails never went"] if left else [f"a mail was tried {row['tries']} times"] if row["tries"] > 1 else [],
        at_its_end=used.at_its_end(process="worker", most_connections=WORKER_POOL),
    )  # fmt: skip


def main() -> None:
    """Reads its argument."""
    uvloop.run(take_mails(int(sys.argv[1])))


if __name__ == "__main__":
    main()

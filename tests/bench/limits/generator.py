"""The load generator of the limits: a process of its own that writes ready-made requests of any kind to raw sockets.

`python -m tests.bench.limits.generator < plan` (MessagePack): prints what it saw as one JSON object. Open loop with `rate_per_s`: each
request has its moment beforehand and its latency counts from there, whether or not a connection was free. Closed loop without.
"""

import asyncio
import gzip
import sys
import time
from collections import Counter, deque
from time import perf_counter
from typing import cast

import msgspec
import uvloop

GRACE_S = 20.0
LOOKED_AT = 20  # every so many answers one is read; the generator shares its cores with what it measures
TICK_S = 0.001
END = b"\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
POLITE = {"429", "503"}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to send: `requests` one after the other, from the start again when `again`; for `seconds`, over so many connections.

    marker: what every good answer holds. tally: texts to count in all answers.
    """

    host: str
    port: int
    requests: list[bytes]
    again: bool
    seconds: float
    connections: int
    rate_per_s: float | None
    marker: str
    tally: list[str]


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. Latencies in ms, of all answers; rude: 429 or 503 without Retry-After; wrong: good answers that lack the marker.

    broken: connections lost and requests without an answer. late_ms: how far the generator itself fell behind its plan.
    """

    seconds: float
    sent: int
    answers_per_s: float
    statuses: dict[str, int]
    rude: int
    wrong: int
    broken: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    late_ms: float
    tallies: dict[str, int]
    cpu_s: float


class Wire(asyncio.Protocol):
    """One connection: one request at a time."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self.since = 0.0
        self.is_busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready for a request."""
        self._transport = cast("asyncio.Transport", transport)
        self._load.idle.append(self)

    def send(self, request: bytes, since: float) -> None:
        """Writes a request whose latency counts from `since`."""
        assert self._transport is not None
        self.since, self.is_busy = since, True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Waits for the whole answer."""
        self._buffer += data
        end = self._buffer.find(END)
        if end < 0:
            return
        head = self._buffer[:end].lower()
        begin = head.find(b"content-length:")
        if begin < 0:
            if b"chunked" in head and not self._buffer.endswith(LAST_CHUNK):
                return
        elif len(self._buffer) < end + 4 + int(head[begin + 15 :].split(b"\r\n", 1)[0]):
            return
        body, self._buffer, self.is_busy = self._buffer[end + 4 :], b"", False
        self._load.answered(self, head, body)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        """A request under way has no answer."""
        self._load.lost(self)


class Load:
    """All connections, what is still to be sent and what was seen."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.idle: list[Wire] = []
        self._due: deque[float] = deque()
        self._number = self._under_way = self._broken = self._rude = self._wrong = self._lost = 0
        self._latencies: list[float] = []
        self._statuses: Counter[str] = Counter()
        self._tallies: Counter[str] = Counter()
        self._late_s = 0.0
        self._is_over = False
        self._done = asyncio.Event()

    async def run(self) -> Seen:
        """Connects everything, sends, and waits for the last answers."""
        loop, plan = asyncio.get_running_loop(), self.plan
        await asyncio.gather(*(loop.create_connection(lambda: Wire(self), plan.host, plan.port) for _ in range(plan.connections)))
        begin, cpu_s = perf_counter(), time.process_time()
        if plan.rate_per_s is None:
            loop.call_later(plan.seconds, self._end)
            for wire in list(self.idle):
                self._go_on(wire)
        else:
            await self._pace(begin, plan.rate_per_s)
            self._end()
        try:
            async with asyncio.timeout(plan.seconds + GRACE_S):
                await self._done.wait()
        except TimeoutError:
            self._broken += self._under_way + len(self._due)
        return self._seen(perf_counter() - begin, time.process_time() - cpu_s)

    async def _pace(self, begin: float, rate_per_s: float) -> None:
        """Makes requests due at their moments; a free connection takes them at once, else the next that becomes free."""
        count = int(self.plan.seconds * rate_per_s)
        if not self.plan.again:
            count = min(count, len(self.plan.requests))
        number = 0
        while number < count:
            now = perf_counter()
            while number < count and (moment := begin + number / rate_per_s) <= now:
                self._late_s = max(self._late_s, now - moment)
                number += 1
                self._due.append(moment)
                if self.idle:
                    self._take_due(self.idle.pop())
            await asyncio.sleep(TICK_S)

    def _take_due(self, wire: Wire) -> None:
        self._send(wire, self._due.popleft())

    def _send(self, wire: Wire, since: float) -> None:
        requests = self.plan.requests
        if self._number >= len(requests) and not self.plan.again:
            self._end()
            return
        self._under_way += 1
        wire.send(requests[self._number % len(requests)], since)
        self._number += 1

    def _go_on(self, wire: Wire) -> None:
        """A connection is free."""
        if self._due:
            self._take_due(wire)
        elif self.plan.rate_per_s is None and not self._is_over:
            if wire in self.idle:
                self.idle.remove(wire)
            self._send(wire, perf_counter())
        else:
            self.idle.append(wire)

    def answered(self, wire: Wire, head: bytes, body: bytes) -> None:
        """Counts an answer and goes on."""
        self._under_way -= 1
        self._latencies.append(perf_counter() - wire.since)
        status = head[9:12].decode()
        self._statuses[status] += 1
        if status in POLITE and b"retry-after:" not in head:
            self._rude += 1
        if self.plan.tally or (status < "300" and len(self._latencies) % LOOKED_AT == 0):
            text = gzip.decompress(body) if b"content-encoding: gzip" in head else body
            self._tallies.update({one: text.count(one.encode()) for one in self.plan.tally})
            self._wrong += status < "300" and self.plan.marker.encode() not in text
        if b"connection: close" not in head:
            self._go_on(wire)
        self._end_if_done()

    def lost(self, wire: Wire) -> None:
        """A connection broke."""
        if wire in self.idle:
            self.idle.remove(wire)
        elif wire.is_busy:
            self._under_way -= 1
            self._broken += 1
        self._lost += 1
        if self._lost >= self.plan.connections:
            self._broken += len(self._due)
            self._due.clear()
            self._end()
        self._end_if_done()

    def _end(self) -> None:
        self._is_over = True
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._is_over and self._under_way == 0 and not self._due:
            self._done.set()

    def _seen(self, seconds: float, cpu_s: float) -> Seen:
        ordered = sorted(self._latencies) or [0.0]
        p50, p99, most = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], ordered[-1]
        return Seen(
            seconds=round(seconds, 2), sent=self._number, answers_per_s=round(len(self._latencies) / seconds, 1),
            statuses=dict(self._statuses), rude=self._rude, wrong=self._wrong, broken=self._broken, p50_ms=round(1000 * p50, 1),
            p99_ms=round(1000 * p99, 1), max_ms=round(1000 * most, 1), late_ms=round(1000 * self._late_s, 1),
            tallies=dict(self._tallies), cpu_s=round(cpu_s, 2),
        )  # fmt: skip


async def generate(plan: Plan) -> Seen:
    """Runs a generator as a process of its own."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.limits.generator", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await child.communicate(msgspec.msgpack.encode(plan))
    return msgspec.json.decode(out, type=Seen)


def main() -> None:
    """Reads the plan from standard input."""
    plan = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Plan)

    async def run() -> Seen:
        return await Load(plan).run()

    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(run())) + b"\n")


if __name__ == "__main__":
    main()

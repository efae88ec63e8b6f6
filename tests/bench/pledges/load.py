"""The load generator: a process of its own that writes ready-made bytes to raw sockets and looks at little more than the status line.

`python -m tests.bench.pledges.load < plan.json`: prints what it saw as one JSON object. It shares its cores with what it measures.
Open loop (`rate_per_s`): requests have their moments beforehand and latency counts from those, whether or not a connection was free, so
that a stalled server is not spared the requests it would have got (no coordinated omission). Closed loop without.
"""

import asyncio
import sys
from collections import Counter, deque
from pathlib import Path
from time import perf_counter, process_time
from typing import cast

import msgspec
import uvloop

GRACE_S = 120.0
CHUNK = b"0\r\n\r\n"


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to send: to `path`, one request per rider from `first` on; stops after `count` or `seconds`."""

    host: str
    port: int
    path: str
    stop_id: str
    first: int
    count: int
    seconds: float
    connections: int
    rate_per_s: float | None = None
    acknowledged: str | None = None  # a file that gets the number of every rider answered with 201, as soon as it was


class LoadSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. Latencies in ms; `codes` counts refusals by their own code; `cpu_s` is what sending and reading cost here."""

    seconds: float
    rate_per_s: float
    requests: int
    cpu_s: float
    statuses: dict[str, int]
    codes: dict[str, int]
    broken: int
    p50_ms: float
    p99_ms: float
    max_ms: float


def rider_token(number: int) -> str:
    """The session token of a rider of the bench's world."""
    return f"bench-rider-{number}-" + "x" * 24


def pledge_bytes(plan: LoadPlan, number: int) -> bytes:
    """One rider's whole request."""
    body = f'{{"stop_id":"{plan.stop_id}","name":"Ada Lovelace","email":"rider-{number}@bench.example","seats":1,"payment_method":"saved"}}'
    return (
        f"POST {plan.path} HTTP/1.1\r\nHost: {plan.host}:{plan.port}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {rider_token(number)}\r\nIdempotency-Key: bench-{number}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


class Wire(asyncio.Protocol):
    """One connection: one request at a time."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._number = -1
        self._since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the first request."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._load.idle(self)

    def send(self, number: int, request: bytes, since: float) -> None:
        """Writes a request whose latency counts from `since`."""
        assert self._transport is not None
        self._number, self._since = number, since
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Waits for the whole answer."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        begin = head.find(b"content-length:")
        if begin < 0:
            if b"chunked" in head and not self._buffer.endswith(CHUNK):
                return
        elif len(self._buffer) < end + 4 + int(head[begin + 15 :].split(b"\r\n", 1)[0]):
            return
        answer, self._buffer = self._buffer, b""
        self._load.answered(self, self._number, answer, perf_counter() - self._since)
        self._number = -1
        self._load.idle(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        """A request under way has no answer."""
        self._load.lost(self, under_way=self._number >= 0)


class Load:
    """All connections, what is still to be sent and what was seen."""

    def __init__(self, plan: LoadPlan) -> None:
        self.plan = plan
        self._requests = [pledge_bytes(plan, plan.first + i) for i in range(plan.count)]
        self._next = 0
        self._under_way = 0
        self._due: deque[tuple[int, float]] = deque()
        self._idle: list[Wire] = []
        self._latencies: list[float] = []
        self._statuses: Counter[str] = Counter()
        self._codes: Counter[str] = Counter()
        self._broken = 0
        self._lost = 0
        self._open = False
        self._until = 0.0
        self._done = asyncio.Event()
        self._kept = Path(plan.acknowledged).open("ab", buffering=0) if plan.acknowledged else None  # noqa: SIM115

    async def run(self) -> LoadSeen:
        """Connects everything, sends, and waits for the last answers."""
        loop = asyncio.get_running_loop()
        await asyncio.gather(
            *(loop.create_connection(lambda: Wire(self), self.plan.host, self.plan.port) for _ in range(self.plan.connections))
        )
        begin, used_s = perf_counter(), process_time()
        self._until, self._open = begin + self.plan.seconds, True
        if self.plan.rate_per_s is None:
            for wire in self._take_idle():
                self._send_next(wire)
        else:
            await self._pace(begin, self.plan.rate_per_s)
        try:
            async with asyncio.timeout(self.plan.seconds + GRACE_S):
                await self._done.wait()
        except TimeoutError:
            self._broken += self._under_way
        return self._seen(perf_counter() - begin, process_time() - used_s)

    async def _pace(self, begin: float, rate_per_s: float) -> None:
        """Makes requests due at their moments; a free connection takes them at once, else the next that becomes free."""
        count = min(self.plan.count, int(self.plan.seconds * rate_per_s))
        for number in range(count):
            moment = begin + number / rate_per_s
            if (left := moment - perf_counter()) > 0.0005:
                await asyncio.sleep(left)
            self._next += 1
            if self._idle:
                self._begin(self._idle.pop(), number, moment)
            else:
                self._due.append((number, moment))
        self._open = False
        self._end_if_done()

    def _take_idle(self) -> list[Wire]:
        idle, self._idle = self._idle, []
        return idle

    def _begin(self, wire: Wire, number: int, since: float) -> None:
        self._under_way += 1
        wire.send(self.plan.first + number, self._requests[number], since)

    def _send_next(self, wire: Wire) -> None:
        if self._next >= self.plan.count or perf_counter() >= self._until:
            self._open = False
            self._idle.append(wire)
            self._end_if_done()
            return
        number, self._next = self._next, self._next + 1
        self._begin(wire, number, perf_counter())

    def idle(self, wire: Wire) -> None:
        """A connection is free."""
        if self._due:
            self._begin(wire, *self._due.popleft())
        elif self._open and self.plan.rate_per_s is None:
            self._send_next(wire)
        else:
            self._idle.append(wire)
            self._end_if_done()

    def answered(self, _wire: Wire, number: int, answer: bytes, latency_s: float) -> None:
        """Counts an answer."""
        self._under_way -= 1
        self._latencies.append(latency_s)
        status = answer[9:12].decode()
        self._statuses[status] += 1
        if status == "201":
            if self._kept is not None:
                self._kept.write(b"%d\n" % number)
        elif (begin := answer.find(b'"code":"')) > 0:
            self._codes[answer[begin + 8 : answer.index(b'"', begin + 8)].decode()] += 1

    def lost(self, wire: Wire, *, under_way: bool) -> None:
        """A connection broke."""
        if under_way:
            self._under_way -= 1
            self._broken += 1
        elif wire in self._idle:
            self._idle.remove(wire)
        self._lost += 1
        if self._lost >= self.plan.connections:
            self._done.set()  # the server is gone
        self._end_if_done()

    def _end_if_done(self) -> None:
        if not self._open and self._under_way == 0 and not self._due and self._until:
            self._done.set()

    def _seen(self, seconds: float, cpu_s: float) -> LoadSeen:
        ordered = sorted(self._latencies) or [0.0]
        return LoadSeen(
            seconds=round(seconds, 2), rate_per_s=round(len(self._latencies) / seconds, 1), requests=len(self._latencies),
            cpu_s=round(cpu_s, 3), statuses=dict(self._statuses), codes=dict(self._codes), broken=self._broken,
            p50_ms=round(1000 * ordered[len(ordered) // 2], 1),
            p99_ms=round(1000 * ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 1), max_ms=round(1000 * ordered[-1], 1),
        )  # fmt: skip


def main() -> None:
    """Reads the plan from standard input."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=LoadPlan)

    async def run() -> LoadSeen:
        return await Load(plan).run()

    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(run())) + b"\n")


if __name__ == "__main__":
    main()

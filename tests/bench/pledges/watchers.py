"""Two thousand open pages: a process of its own that holds event streams and notes how late each message arrives.

`python -m tests.bench.pledges.watchers HOST PORT PATH COUNT`: prints `ready` once all are open; at the first line on standard input it
prints what it saw as JSON. A message's id is when its counters were read (Unix ms), so lateness is what the telling took.
"""

import asyncio
import sys
import time

import msgspec
import uvloop

OPENED_AT_ONCE = 50


class WatchersSeen(msgspec.Struct, frozen=True, kw_only=True):
    """Lateness in ms from the reading of the counters to the arrival at each socket."""

    open: int
    messages: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Stream(asyncio.Protocol):
    """One open page."""

    def __init__(self, head: bytes, late_ms: list[float]) -> None:
        self._head = head
        self._late_ms = late_ms
        self.opened = asyncio.Event()
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the stream."""
        transport.write(self._head)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Notes every message's lateness; the first one is how things were, not news."""
        now_ms = time.time() * 1000
        at = data.find(b"id: ")
        if at < 0:
            return
        if self.open:
            self._late_ms.append(now_ms - int(data[at + 4 : data.index(b"\n", at)]))
        self.open = True
        self.opened.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        """The page is gone."""
        self.open = False


async def watch(host: str, port: int, path: str, count: int) -> None:
    """Opens the streams and waits to be asked."""
    loop = asyncio.get_running_loop()
    late_ms: list[float] = []
    head = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: text/event-stream\r\n\r\n".encode()
    streams: list[Stream] = []
    for begin in range(0, count, OPENED_AT_ONCE):
        more = [Stream(head, late_ms) for _ in range(min(OPENED_AT_ONCE, count - begin))]
        await asyncio.gather(*(loop.create_connection(lambda stream=stream: stream, host, port) for stream in more))  # type: ignore[misc]
        streams += more
        async with asyncio.timeout(60):
            await asyncio.gather(*(stream.opened.wait() for stream in more))
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    ordered = sorted(late_ms) or [0.0]
    seen = WatchersSeen(
        open=sum(stream.open for stream in streams), messages=len(late_ms), p50_ms=round(ordered[len(ordered) // 2], 1),
        p99_ms=round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 1), max_ms=round(ordered[-1], 1),
    )  # fmt: skip
    print(msgspec.json.encode(seen).decode(), flush=True)


def main() -> None:
    """Reads its arguments."""
    host, port, path, count = sys.argv[1:5]
    uvloop.run(watch(host, int(port), path, int(count)))


if __name__ == "__main__":
    main()

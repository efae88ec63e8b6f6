"""More open pages than the 1,024 files (here fewer) that systems start a service with."""

import asyncio
import resource
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.core.open_files import MOST
from app.stage.ports import free_port
from app.stage.processes import Child
from tests.faults.test_killed_processes import process
from tests.support.service import Service
from tests.support.waiting import wait_until_async

FEW, STREAMS = 256, 400


@contextmanager
def few_files(number: int) -> Iterator[None]:
    """What this process starts meanwhile may have so many files open, unless it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2 * STREAMS, reason="this machine's hard limit on open files is too low"
)
async def test_a_web_process_takes_more_watchers_than_the_soft_limit_on_files_it_was_started_with(service: Service, tmp_path: Path) -> None:
    trip = await service.trip(await service.event())
    port = free_port()
    web = process(service, tmp_path, "web", "serve", "--port", str(port), ready_url=f"http://127.0.0.1:{port}/readyz")
    with few_files(FEW):
        await web.start()
    try:
        assert web.pid is not None
        assert FEW < resource.prlimit(web.pid, resource.RLIMIT_NOFILE)[0] <= MOST
        assert await watched(trip, port, STREAMS) == {b"HTTP/1.1 200 OK": STREAMS}

        await wait_until_async(lambda: has_few_open(web), "their sockets to be closed")
        resource.prlimit(web.pid, resource.RLIMIT_NOFILE, (STREAMS, resource.prlimit(web.pid, resource.RLIMIT_NOFILE)[1]))
        heads = await watched(trip, port, STREAMS * 5 // 6, then=f"http://127.0.0.1:{port}/trips/{trip['code']}")
        assert heads.keys() == {b"HTTP/1.1 200 OK", b"HTTP/1.1 429 Too Many Requests"}, "the last sockets are for requests"
    finally:
        await web.stop()


async def has_few_open(web: Child) -> bool:
    """Whether nobody watches any more."""
    return len(list(Path(f"/proc/{web.pid}/fd").iterdir())) < STREAMS // 4


async def watched(trip: dict[str, Any], port: int, streams: int, *, then: str | None = None) -> Counter[bytes]:
    """Opens so many pages of a trip -> how each stream was answered. `then`: a page that is served while they are open."""
    request = f"GET /api/trips/{trip['id']}/live HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    heads: Counter[bytes] = Counter()
    lines = []
    async with asyncio.timeout(30):
        for _ in range(streams):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            lines.append(writer)
            writer.write(request)
            heads[(await reader.readline()).strip()] += 1
        if then is not None:
            async with httpx.AsyncClient(trust_env=False) as http:
                assert (await http.get(then)).status_code == httpx.codes.OK
    for writer in lines:
        writer.close()
    return heads

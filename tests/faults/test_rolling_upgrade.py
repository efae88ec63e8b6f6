"""One web process takes another one's place while pledges come in, as docs/operations.md has it: nobody is refused, nothing is twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from app.stage.ports import free_port
from app.stage.processes import Child
from tests.bench.keep_alive import Line, request_bytes
from tests.faults.test_killed_processes import process
from tests.support.service import Service
from tests.support.waiting import wait_until_async

RIDERS = 8
MORE = 20  # pledges before the next part of the upgrade
CREATED = 201


class Balancer:
    """What stands in front: which web processes are in rotation, and what riders were answered by whom.

    A request on a line that its process closed is sent again with its key, to whoever is in rotation then.
    """

    def __init__(self) -> None:
        self.rotation: list[str] = []
        self.answers: Counter[int] = Counter()
        self.served: Counter[str] = Counter()
        self.is_open = True

    async def serve(self, trip: dict[str, Any]) -> None:
        """One rider after the other, on lines that are kept open, until the box office closes."""
        lines: dict[str, Line] = {}
        while self.is_open:
            self.answers[await self._place(trip, uuid4().hex, lines)] += 1
        for line in lines.values():
            line.hang_up()

    async def _place(self, trip: dict[str, Any], key: str, lines: dict[str, Line]) -> int:
        while True:
            base = self.rotation[sum(self.served.values()) % len(self.rotation)]
            with suppress(ConnectionError):
                status, _ = await lines.setdefault(base, Line(base)).ask(pledge(base, trip, key))
                self.served[base] += 1
                return status


def pledge(base: str, trip: dict[str, Any], key: str) -> bytes:
    """Somebody new, known by their key."""
    body = {"stop_id": trip["stops"][0]["id"], "name": "Ada", "email": f"{key}@example.org", "seats": 1}
    return request_bytes(
        "POST", f"/api/trips/{trip['id']}/pledges", host=base.removeprefix("http://"), body=body, headers={"Idempotency-Key": key}
    )


@asynccontextmanager
async def web_process(service: Service, folder: Path, name: str) -> AsyncIterator[tuple[Child, str]]:
    """A web process that is ready, and its address."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    child = process(service, folder, name, "serve", "--port", str(port), ready_url=f"{base}/readyz")
    await child.start()
    try:
        yield child, base
    finally:
        await child.stop()


async def test_a_web_process_is_replaced_while_pledges_come_and_each_is_placed_once(service: Service, tmp_path: Path) -> None:
    trip = await service.trip(await service.event(), minimum=5_000, cap=10_000)
    balancer = Balancer()
    async with web_process(service, tmp_path, "old") as (old, old_base):
        balancer.rotation = [old_base]
        riders = asyncio.gather(*(balancer.serve(trip) for _ in range(RIDERS)))
        try:
            await wait_until_async(lambda: served(balancer, old_base, MORE), "the old process to have served")
            async with web_process(service, tmp_path, "new") as (_, new_base):
                balancer.rotation = [old_base, new_base]
                await wait_until_async(lambda: served(balancer, new_base, MORE), "both to have served")
                balancer.rotation = [new_base]
                await old.stop(grace_s=25.0)  # with requests under way
                alone = balancer.served[new_base]
                await wait_until_async(lambda: served(balancer, new_base, alone + MORE), "the new one to have served alone")
                balancer.is_open = False
                await riders
        finally:
            balancer.is_open = False
            riders.cancel()
    assert "timeout graceful shutdown exceeded" not in old.log_tail()
    assert set(balancer.answers) == {CREATED}
    placed = await service.pool.fetchval("SELECT count(*) FROM pledges WHERE trip_id = $1", UUID(trip["id"]))
    assert placed == balancer.answers[CREATED]


async def served(balancer: Balancer, base: str, number: int) -> bool:
    """Whether a process has served so many."""
    return balancer.served[base] >= number

"""The processes of a march: two web processes and two workers on one database, the fake Stripe at its real limits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import msgspec

from app.core.clock import Mark, shift_clock
from app.core.database import Pool, open_pool, transaction
from app.stage.ports import free_port
from app.stage.private_stack import PrivateStack, private_stack
from app.stage.processes import Child, start_together, stop_in_order
from app.stage.roles import HOST, web_role, worker_role
from tests.bench.pledges.cpu import family_s, own_s, stat_of

PACE = 4  # seconds of Stripe's in a real one: its limits are met in a quarter of the time they would take
LIMITS = ("--rate-limited", "--account-requests-per-s", str(100 * PACE), "--endpoint-requests-per-s", str(25 * PACE))


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """Where the march is played. `webs` are the addresses of both web processes."""

    stack: PrivateStack
    pool: Pool
    stripe: httpx.AsyncClient
    webs: tuple[str, ...]
    children: dict[str, Child]

    async def set_clocks(self, ahead: timedelta) -> None:
        """Database and fake Stripe run so far ahead of real time."""
        async with transaction(self.pool) as conn:
            await shift_clock(conn, ahead)
        (await self.stripe.post("/_stage/clock", json={"offset_s": ahead.total_seconds()})).raise_for_status()

    def peak_memory_mb(self) -> dict[str, int]:
        """The most each process has held so far (VmHWM), by its name; one that cannot be read is left out."""
        found = {}
        for name, child in self.children.items():
            status = Path(f"/proc/{child.pid}/status")
            if child.pid is not None and status.exists():
                held = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")]
                found[name] = int(held[0]) // 1024 if held else 0
        return found

    def cpu_s(self) -> dict[str, float]:
        """Seconds of CPU time each process has used so far, by its name; the database's is that of all its backends."""
        used = {name: own_s(fields) for name, child in self.children.items() if child.pid and (fields := stat_of(child.pid))}
        if self.stack.server is not None and self.stack.server.pid is not None:
            used["postgres"] = family_s(self.stack.server.pid)
        return used


@asynccontextmanager
async def marching_field() -> AsyncIterator[Field]:
    """Starts everything and stops it at the end."""
    async with private_stack(mark=Mark.TEST, stripe_options=LIMITS) as stack:
        other = msgspec.structs.replace(stack.addresses, web_port=free_port())
        web = Child(msgspec.structs.replace(web_role(stack.settings, other), name="web-2"), log_folder=stack.folder)
        worker = Child(worker_role(stack.settings, number=2), log_folder=stack.folder)
        await start_together([web, worker])
        try:
            async with (
                await open_pool(stack.dsn, min_size=1, max_size=8) as pool,
                httpx.AsyncClient(base_url=stack.stripe_url, timeout=120.0, trust_env=False) as stripe,
            ):
                yield Field(
                    stack=stack, pool=pool, stripe=stripe,
                    webs=tuple(f"http://{HOST}:{port}" for port in (stack.addresses.web_port, other.web_port)),
                    children={"web": stack.web, "web-2": web, "worker": stack.worker, "worker-2": worker, "fake-stripe": stack.stripe,
                              "inbox": stack.inbox},
                )  # fmt: skip
        finally:
            await stop_in_order([web, worker])

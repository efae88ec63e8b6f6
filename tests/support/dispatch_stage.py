"""An event about to be dispatched through the running service, with the operators' people signed in."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import httpx
import msgspec

from app.core.database import Pool
from app.domain.accounts.model import Role
from tests.support.dispatch_world import World, add_party, build_world
from tests.support.service import Service, signed_in

DISPATCH_JOBS = ("freeze_demand", "solve_event", "send_offers")


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """The service, the world and a client per operator."""

    service: Service
    world: World
    operators: dict[UUID, httpx.AsyncClient]

    @property
    def pool(self) -> Pool:
        """The service's database."""
        return self.service.pool

    async def plan(self) -> None:
        """The organiser closes booking and the worker plans."""
        answer = await self.service.organiser.post(f"/api/events/{self.world.event_id}/dispatch")
        assert answer.status_code == 202, answer.text
        await self.work()

    async def work(self) -> None:
        """What the worker does for dispatch."""
        await self.service.work(*DISPATCH_JOBS)


@asynccontextmanager
async def dispatch_stage(service: Service) -> AsyncIterator[Stage]:
    """Sixty paid people from three origins and three operators with two buses each."""
    async with service.pool.acquire() as conn:
        world = await build_world(conn)
        for origin in world.trips:
            for _ in range(10):
                await add_party(conn, world, origin, seats=2)
    async with AsyncExitStack() as clients:
        operators = {}
        for number, operator_id in enumerate(world.operators):
            token = await signed_in(service.pool, f"staff{number}@coaches.example", Role.OPERATOR, operator_id=operator_id)
            client = httpx.AsyncClient(
                base_url=service.http.base_url, trust_env=False, timeout=30, headers={"Authorization": f"Bearer {token}"}
            )
            operators[operator_id] = await clients.enter_async_context(client)
        yield Stage(service=service, world=world, operators=operators)

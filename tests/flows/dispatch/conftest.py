"""Fixtures of the dispatch stories: a committed world and its pool."""

from collections.abc import AsyncIterator

import pytest_asyncio

from app.core.database import Pool
from app.flows.invariants import read_invariants, violations_of
from tests.support.dispatch_world import World, add_party, build_world
from tests.support.server import ScratchDatabase

DISPATCH_INVARIANTS = ("I07", "I08", "I09")


@pytest_asyncio.fixture
async def pool(database: ScratchDatabase) -> AsyncIterator[Pool]:
    """A pool; what dispatch promises of manifests, seats, vehicles and drivers holds after every story."""
    pool = await database.pool()
    yield pool
    async with pool.acquire() as conn:
        broken = {
            invariant.name: await violations_of(conn, invariant)
            for invariant in read_invariants()
            if invariant.name.startswith(DISPATCH_INVARIANTS)
        }
    assert len(broken) == len(DISPATCH_INVARIANTS)
    assert not any(broken.values()), broken


@pytest_asyncio.fixture
async def world(pool: Pool) -> World:
    """Sixty people from three origins: more than one bus, less than the fleet."""
    async with pool.acquire() as conn:
        built = await build_world(conn)
        for origin in built.trips:
            for _ in range(10):
                await add_party(conn, built, origin, seats=2)
    return built

"""Fixtures of the dispatch stories: a committed world and its pool."""

from collections.abc import Awaitable, Callable

import pytest_asyncio

from app.core.database import Pool
from tests.support.dispatch_world import World, add_party, build_world
from tests.support.server import ScratchDatabase

Build = Callable[..., Awaitable[World]]


@pytest_asyncio.fixture
async def pool(database: ScratchDatabase) -> Pool:
    return await database.pool()


@pytest_asyncio.fixture
async def world(pool: Pool) -> World:
    """Sixty people from three origins: more than one bus, less than the fleet."""
    async with pool.acquire() as conn:
        built = await build_world(conn)
        for origin in built.trips:
            for _ in range(10):
                await add_party(conn, built, origin, seats=2)
    return built

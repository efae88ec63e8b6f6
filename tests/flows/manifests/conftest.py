from collections.abc import AsyncIterator
from datetime import timedelta

import pytest_asyncio

from app.core.clock import shift_clock
from app.core.database import Connection, Pool
from tests.support.server import ScratchDatabase, scratch_database


@pytest_asyncio.fixture(scope="session")
async def pool(server: tuple[str, str]) -> AsyncIterator[Pool]:
    """A pool on one database for these tests: each has a world of its own in it."""
    async with scratch_database(server[0], template=server[1], purpose="manifests") as dsn:
        database = ScratchDatabase(dsn)
        yield await database.pool()
        database.close()


@pytest_asyncio.fixture
async def db(pool: Pool) -> AsyncIterator[Connection]:
    """A connection beside the flows' own, where every statement commits; the clock is set right afterwards."""
    async with pool.acquire() as connection:
        yield connection
        await shift_clock(connection, timedelta(0))

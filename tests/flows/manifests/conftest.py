from collections.abc import AsyncIterator

import pytest_asyncio

from app.core.database import Connection, Pool
from tests.support.server import ScratchDatabase


@pytest_asyncio.fixture
async def pool(database: ScratchDatabase) -> Pool:
    """A pool on a database of this test's own."""
    return await database.pool()


@pytest_asyncio.fixture
async def db(pool: Pool) -> AsyncIterator[Connection]:
    """A connection beside the flows' own, where every statement commits."""
    async with pool.acquire() as connection:
        yield connection

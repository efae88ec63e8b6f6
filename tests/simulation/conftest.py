"""One stage for all seeds that a test worker plays: its statements stay prepared."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.simulation.stage import Stage, open_stage
from tests.support.server import scratch_database


@pytest_asyncio.fixture(scope="session")
async def stage(server: tuple[str, str]) -> AsyncIterator[Stage]:
    async with scratch_database(server[0], template=server[1], purpose="simulation") as dsn, open_stage(dsn) as opened:
        yield opened

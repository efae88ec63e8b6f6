from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from tests.support.fake_stripe import FakeStripe
from tests.support.server import scratch_database
from tests.support.service import Service, running_service


@pytest_asyncio.fixture(scope="module")
async def shared_service(server: tuple[str, str], stripe: FakeStripe) -> AsyncIterator[Service]:
    """A service shared by tests that write nothing, or nothing that another one minds."""
    async with scratch_database(server[0], template=server[1], purpose="shared") as dsn, running_service(dsn, stripe) as running:
        yield running


@pytest_asyncio.fixture(scope="module")
async def shared_trip(shared_service: Service) -> dict[str, Any]:
    """A trip on sale that stays empty."""
    return await shared_service.trip(await shared_service.event())

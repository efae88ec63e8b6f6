"""An event about to be dispatched."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.dispatch_stage import Stage, dispatch_stage
from tests.support.service import Service


@pytest_asyncio.fixture
async def stage(service: Service) -> AsyncIterator[Stage]:
    async with dispatch_stage(service) as made:
        yield made

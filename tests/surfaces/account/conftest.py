from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest_asyncio

from app.core.clock import shift_clock
from tests.support.fake_stripe import FakeStripe
from tests.support.server import scratch_database
from tests.support.service import Service, running_service
from tests.surfaces.account.visitor import Visitor

Visitors = Callable[[], Visitor]


@pytest_asyncio.fixture(scope="module")
async def shop(server: tuple[str, str], stripe: FakeStripe) -> AsyncIterator[Service]:
    """One service for the checks of a module; each brings people of its own."""
    async with scratch_database(server[0], template=server[1], purpose="account") as dsn, running_service(dsn, stripe) as service:
        yield service


@pytest_asyncio.fixture
async def visitors(shop: Service) -> AsyncIterator[Visitors]:
    """Makes browsers, and closes them; the clock is set right afterwards."""
    made: list[Visitor] = []

    def make() -> Visitor:
        made.append(Visitor(shop))
        return made[-1]

    yield make
    for one in made:
        await one.http.aclose()
    async with shop.pool.acquire() as conn:
        await shift_clock(conn, timedelta(0))

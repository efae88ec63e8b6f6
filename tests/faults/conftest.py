from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.fake_stripe import FakeStripe
from tests.support.ledgers import assert_sound
from tests.support.server import ScratchDatabase
from tests.support.service import Service, running_service


@pytest_asyncio.fixture
async def service(database: ScratchDatabase, stripe: FakeStripe) -> AsyncIterator[Service]:
    """A service; every invariant holds after every fault."""
    async with running_service(database.dsn, stripe) as running:
        yield running
        await stripe.stage("faults", {"clear": True, "rates": {"slow_reply_s": 30.0}})
        await assert_sound(running.pool)

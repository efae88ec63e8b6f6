"""One well-behaved fake Stripe for all tests of this folder that do not spoil it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.fake_stripe import FakeStripe, fake_stripe


@pytest_asyncio.fixture(scope="session")
async def stripe(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FakeStripe]:
    async with fake_stripe(tmp_path_factory.mktemp("fake-stripe")) as fake:
        yield fake

"""Fixtures of the payout stories: a driven event, a fake Stripe whose accounts must be onboarded."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.core.database import Pool
from tests.support.fake_stripe import FakeStripe, fake_stripe
from tests.support.ledgers import assert_sound
from tests.support.payouts import Yard, build_yard
from tests.support.server import ScratchDatabase


@pytest_asyncio.fixture(scope="session")
async def bank(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FakeStripe]:
    """A fake whose new accounts must be onboarded."""
    async with fake_stripe(tmp_path_factory.mktemp("bank"), "--connect-onboarding") as running:
        yield running


@pytest_asyncio.fixture
async def pool(database: ScratchDatabase, bank: FakeStripe) -> AsyncIterator[Pool]:
    """A pool; every invariant holds after every story of payouts (mails have no worker here)."""
    pool = await database.pool()
    yield pool
    await bank.stage("faults", {"clear": True})
    await assert_sound(pool)


@pytest_asyncio.fixture
async def yard(pool: Pool, bank: FakeStripe) -> Yard:
    """One duty is home; nobody has an account yet."""
    return await build_yard(pool, bank)

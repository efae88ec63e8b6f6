"""Fixtures of the payout stories: a driven event, a fake Stripe whose accounts must be onboarded."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.core.database import Pool, fetch_all
from app.domain.notifications.letters import build_letter_environment, write_letter
from app.domain.notifications.model import Mail
from tests.support.fake_stripe import FakeStripe, fake_stripe
from tests.support.ledgers import assert_sound
from tests.support.payouts import Yard, build_yard
from tests.support.server import ScratchDatabase
from tests.support.travel_world import SECRET

MONEY_MAILS = ["payout_sent", "payout_account_needed", "payout_owed_back", "hire_corrected"]


@pytest_asyncio.fixture(scope="session")
async def bank(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FakeStripe]:
    """A fake whose new accounts must be onboarded."""
    async with fake_stripe(tmp_path_factory.mktemp("bank"), "--connect-onboarding") as running:
        yield running


@pytest_asyncio.fixture
async def pool(database: ScratchDatabase, bank: FakeStripe) -> AsyncIterator[Pool]:
    """A pool; every invariant holds after every story of payouts, and every mail it queued can be written."""
    pool = await database.pool()
    yield pool
    await bank.stage("faults", {"clear": True})
    await assert_sound(pool)
    await write_every_mail(pool)


async def write_every_mail(pool: Pool) -> None:
    """No mail is sent here; each is rendered all the same, and says in its subject how much."""
    letters = build_letter_environment(secret=SECRET, base_url="http://localhost")
    async with pool.acquire() as conn:
        mails = await fetch_all(
            conn,
            Mail,
            "SELECT id, recipient, template, locale, data, created_at, sent_at, tries FROM mails WHERE template = ANY($1)",
            MONEY_MAILS,
        )
    for letter in [write_letter(letters, mail) for mail in mails]:
        assert "USD" in letter.subject
        assert "http://localhost/" in letter.text


@pytest_asyncio.fixture
async def yard(pool: Pool, bank: FakeStripe) -> Yard:
    """One duty is home; nobody has an account yet."""
    return await build_yard(pool, bank)

"""A sign-in link used from two sides at once; and the same with its guard switched off, which must go wrong."""

import re
from collections.abc import Sequence

import pytest_asyncio

from app.core.database import Pool
from app.core.ids import derived_token
from app.flows.sign_in import PURPOSE, Session, ask_for_link, use_link
from tests.support.races import Race, refusal, without
from tests.support.server import ScratchDatabase
from tests.support.threshold import SECRET

ADA, BROWSER = "ada@example.org", "a browser's own token"
USED = "UPDATE sign_in_links SET used_at"
UNUSED = without("AND used_at IS NULL")


@pytest_asyncio.fixture
async def pool(database: ScratchDatabase) -> Pool:
    return await database.pool()


async def used_twice(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> tuple[object, object]:
    """What the button of one mailed link answers to each of two that press it."""
    await ask_for_link(pool, email=ADA, browser_token=BROWSER, next_path="/", secret=SECRET)
    link_id = await pool.fetchval("SELECT data ->> 'link_id' FROM mails WHERE template = 'sign_in'")
    token = derived_token(SECRET, PURPOSE, link_id)
    return await Race(pool, at=USED, off=off).run(
        lambda one: use_link(one, token=token, browser_token=BROWSER), lambda other: use_link(other, token=token, browser_token=BROWSER)
    )


async def test_a_link_used_twice_at_once_opens_one_session(pool: Pool) -> None:
    first, second = await used_twice(pool)
    assert (isinstance(first, Session), refusal(second)) == (True, "sign_in_link_invalid")
    assert await pool.fetchval("SELECT count(*) FROM sessions") == 1


async def test_control_without_the_guarded_update_one_link_opens_two_sessions(pool: Pool) -> None:
    first, second = await used_twice(pool, [UNUSED])
    assert (isinstance(first, Session), isinstance(second, Session)) == (True, True)
    assert await pool.fetchval("SELECT count(*) FROM sessions") == 2

"""A pledge sent twice at once under one Idempotency-Key; and each time the same with guards switched off, which must go wrong."""

import re
from collections.abc import Sequence

import asyncpg
import pytest_asyncio

from app.core.database import Pool
from app.flows.pledge_wish import PlacedPledge
from tests.support.paid_pledges import violated
from tests.support.races import LOCKS, Race
from tests.support.server import ScratchDatabase
from tests.support.threshold import Sale, on_sale, place, read

KEYS_READ = "FROM idempotency_keys k WHERE k.scope = $3"


@pytest_asyncio.fixture
async def pool(database: ScratchDatabase) -> Pool:
    return await database.pool()


async def sent_twice(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> tuple[Sale, object, object]:
    """One request of two seats, and its repetition that does not wait for the answer."""
    sale = await on_sale(pool)
    first, again = await Race(pool, at=KEYS_READ, off=off).run(
        lambda one: place(one, sale, seats=2, key="once"), lambda other: place(other, sale, seats=2, key="once")
    )
    return sale, first, again


async def test_a_pledge_sent_twice_at_once_under_one_key_is_one_pledge_and_one_answer(pool: Pool) -> None:
    sale, first, again = await sent_twice(pool)
    assert isinstance(first, PlacedPledge)
    assert isinstance(again, PlacedPledge)
    assert (first.replayed, again.replayed) == (False, True)
    assert (first.pledge.id, first.manage_token) == (again.pledge.id, again.manage_token)
    assert ((await read(pool, sale)).held, await violated(pool)) == (2, set())


async def test_control_without_the_lock_the_primary_key_stops_the_second_pledge_but_nobody_answers(pool: Pool) -> None:
    await pool.execute("DROP INDEX pledges_one_live")  # one address, one live pledge: it would stop the second as well
    sale, late, winner = await sent_twice(pool, [LOCKS])
    assert isinstance(late, asyncpg.UniqueViolationError), "no answer: the rules let it through"
    assert late.constraint_name == "idempotency_keys_pkey"
    assert isinstance(winner, PlacedPledge)
    assert (await read(pool, sale)).held == 2


async def test_control_without_the_lock_and_unique_keys_one_request_is_two_pledges(pool: Pool) -> None:
    await pool.execute("ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_pkey")
    await pool.execute("DROP INDEX pledges_one_live")
    sale, first, again = await sent_twice(pool, [LOCKS])
    assert isinstance(first, PlacedPledge)
    assert isinstance(again, PlacedPledge)
    assert first.pledge.id != again.pledge.id
    assert (again.replayed, (await read(pool, sale)).held) == (False, 4)

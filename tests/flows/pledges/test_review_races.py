"""Two organisers decide about the same held pledge; and the same with the locks switched off, which must go wrong."""

import re
from collections.abc import Sequence
from typing import Any

import pytest_asyncio

from app.core.database import Pool, transaction
from app.core.timers import set_timer
from app.domain.pledges import review_store
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge
from app.flows.card_saved import card_of
from app.flows.hold_for_review import refuse_pledge, release_pledge
from tests.support.paid_pledges import mailed, now, violated
from tests.support.races import LOCKS, Race, refusal
from tests.support.server import ScratchDatabase
from tests.support.threshold import Sale, on_sale, place, read, saved_card

CARD_READ = "held_for_review_at IS NOT NULL AND payment_method_ref IS NOT NULL"


@pytest_asyncio.fixture
async def pool(database: ScratchDatabase) -> Pool:
    return await database.pool()


async def held(pool: Pool, sale: Sale) -> Pledge:
    """A pledge with a verified card that waits for a look."""
    placed = (await place(pool, sale)).pledge
    trip, card = await read(pool, sale), card_of(saved_card(placed.id))
    assert card is not None
    async with transaction(pool) as conn:
        await pledges.set_card(conn, placed.id, card)
        await review_store.mark_held(conn, placed.id, because="a crowd", until=trip.deadline_at)
        await set_timer(conn, "pledge_hold", placed.id, trip.deadline_at)
    return await now(pool, placed.id)


async def decided(pool: Pool, second: Any, off: Sequence[re.Pattern[str]] = ()) -> tuple[Sale, Pledge, object]:
    """One organiser releases a pledge while another one decides too; a second pledge is held on the trip."""
    sale = await on_sale(pool)
    pledge, _ = await held(pool, sale), await held(pool, sale)
    end, other = await Race(pool, at=CARD_READ, off=off).run(
        lambda one: release_pledge(one, pledge.id, actor="organiser:1"), lambda two: second(two, pledge.id, actor="organiser:2")
    )
    assert end is None
    return sale, await now(pool, pledge.id), other


async def test_released_and_refused_at_once_the_first_decision_stands(pool: Pool) -> None:
    sale, pledge, other = await decided(pool, refuse_pledge)
    trip = await read(pool, sale)
    assert (pledge.state, refusal(other), trip.secured, trip.held) == ("active", "not_held", 1, 1)
    assert (await mailed(pool, "pledge_looked_at"), await violated(pool)) == ([pledge.email], set())


async def test_control_without_the_locks_a_refused_pledge_counts(pool: Pool) -> None:
    sale, pledge, other = await decided(pool, refuse_pledge, [LOCKS])
    trip = await read(pool, sale)
    assert (pledge.state, other, trip.secured, trip.held) == ("refused", None, 1, 0)
    assert "I06" in await violated(pool)


async def test_released_by_two_at_once_it_counts_once(pool: Pool) -> None:
    sale, pledge, other = await decided(pool, release_pledge)
    trip = await read(pool, sale)
    assert (pledge.state, refusal(other), trip.secured, trip.held) == ("active", "not_held", 1, 1)
    assert await violated(pool) == set()


async def test_control_without_the_locks_one_pledge_counts_twice(pool: Pool) -> None:
    sale, _, _ = await decided(pool, release_pledge, [LOCKS])
    trip = await read(pool, sale)
    assert (trip.secured, trip.held) == (2, 0)
    assert "I06" in await violated(pool)

"""A person is erased while a charge of theirs begins; and the same with the locks switched off, which must go wrong."""

import re
from collections.abc import Sequence

import pytest_asyncio

from app.core.database import Pool
from app.domain.pledges.model import Pledge
from app.flows.card_saved import card_saved
from app.flows.lapse_pledge import lapse_pledge
from app.flows.personal_data import Standing, erase_by_hand
from tests.support.paid_pledges import counted, now, set_clock, violated
from tests.support.races import LOCKS, Race
from tests.support.server import ScratchDatabase
from tests.support.threshold import on_sale, place, saved_card

NEEDS_READ = "SELECT 'undecided' AS kind"


@pytest_asyncio.fixture
async def pool(database: ScratchDatabase) -> Pool:
    return await database.pool()


async def erased_as_a_late_card_arrives(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> tuple[Pledge, int]:
    """A pledge of a confirmed trip has lapsed; its card arrives after all while its rider is erased. The pledge, and its charges."""
    sale = await on_sale(pool, minimum=1)
    await counted(pool, sale)
    lapsed = (await place(pool, sale)).pledge
    assert lapsed.hold_expires_at is not None
    await set_clock(pool, lapsed.hold_expires_at)
    assert await lapse_pledge(pool, lapsed.id)
    standing, _ = await Race(pool, at=NEEDS_READ, off=off).run(
        lambda person: erase_by_hand(person, email=lapsed.email), lambda stripe: card_saved(stripe, lapsed.id, saved_card(lapsed.id))
    )
    assert isinstance(standing, Standing)
    assert standing.is_done
    charges: int = await pool.fetchval("SELECT count(*) FROM payments WHERE reference = $1", lapsed.id)
    return await now(pool, lapsed.id), charges


async def test_who_is_erased_is_not_charged_by_a_card_that_arrives_at_the_same_moment(pool: Pool) -> None:
    pledge, charges = await erased_as_a_late_card_arrives(pool)
    assert (pledge.state, charges, pledge.email.endswith("@erased.invalid")) == ("lapsed", 0, True)
    assert await pool.fetchval("SELECT count(*) FROM pgqueuer WHERE entrypoint = 'detach_card'") == 1, "the card is forgotten"
    assert await violated(pool) == set()


async def test_control_without_the_locks_nobody_is_charged_for_seats_that_somebody_holds(pool: Pool) -> None:
    pledge, charges = await erased_as_a_late_card_arrives(pool, [LOCKS])
    assert (pledge.state, charges, pledge.email.endswith("@erased.invalid")) == ("confirmed", 1, True)

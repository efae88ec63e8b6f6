"""Many at once: one confirmation, exact counters, the cap kept, each refusal with its reason.

Each race has its control: the same story with the trip's lock switched off, its interleaving forced, goes wrong.
"""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest_asyncio

from app.core.clock import shift_clock
from app.core.database import Pool, transaction
from app.domain.accounts.store import find_or_add_account
from app.domain.pledges import store as pledges
from app.domain.pledges.model import PledgeState, SavedCard
from app.domain.trips import store as trips
from app.domain.trips.model import TripFull, TripState
from app.flows.cancel_trip import cancel_trip
from app.flows.card_saved import card_saved
from app.flows.expire_trip import expire_trip
from app.flows.withdraw_pledge import withdraw_pledge
from tests.support.ledgers import assert_sound
from tests.support.races import Race
from tests.support.server import ScratchDatabase
from tests.support.threshold import Sale, after, insisting, no_lock, on_sale, place, read, saved_card
from tests.support.waiting import wait_until_async

CONNECTIONS = 30


@pytest_asyncio.fixture
async def pool(database: ScratchDatabase) -> Pool:
    return await database.pool(size=CONNECTIONS)


async def count(pool: Pool, sql: str, *args: object) -> int:
    async with pool.acquire() as conn:
        found: int = await conn.fetchval(sql, *args)
    return found


async def held(pool: Pool, sale: Sale, people: int) -> list[Any]:
    """Pledges whose cards are about to be saved."""
    return [(await place(pool, sale)).pledge for _ in range(people)]


async def test_200_simultaneous_pledges_around_the_minimum_confirm_the_trip_once_and_keep_its_cap(pool: Pool) -> None:
    sale = await on_sale(pool, minimum=100, cap=150)
    answers = await asyncio.gather(
        *(insisting(lambda key=f"rider-{n}": place(pool, sale, key=key)) for n in range(200)),  # type: ignore[misc]
        return_exceptions=True,
    )
    placed = [answer.pledge for answer in answers if not isinstance(answer, BaseException)]
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert (len(placed), {type(answer) for answer in refused}) == (150, {TripFull})

    await asyncio.gather(
        *(insisting(lambda pledge=pledge: card_saved(pool, pledge.id, saved_card(pledge.id))) for pledge in placed)  # type: ignore[misc]
    )

    trip = await read(pool, sale)
    assert (trip.state, trip.secured, trip.held) == (TripState.CONFIRMED, 150, 0)
    assert await count(pool, "SELECT secured FROM confirmations") == 100, "decided by the pledge that reached the minimum"
    assert await count(pool, "SELECT count(*) FROM payments WHERE purpose = 'fare'") == 150
    assert await count(pool, "SELECT count(*) FROM pgqueuer WHERE entrypoint = 'charge_payment'") == 150
    await assert_sound(pool)


async def test_two_parties_want_the_last_seat_and_one_is_refused_with_the_reason(pool: Pool) -> None:
    sale = await on_sale(pool, minimum=1, cap=1)
    answers = await asyncio.gather(place(pool, sale), place(pool, sale), return_exceptions=True)
    assert [type(answer) for answer in answers if isinstance(answer, BaseException)] == [TripFull]
    assert (await read(pool, sale)).held == 1


async def test_control_without_the_lock_both_pass_the_check_for_the_last_seat(pool: Pool) -> None:
    sale = await on_sale(pool, minimum=1, cap=1)
    both_have_read = asyncio.Barrier(2)
    unlocked = after(no_lock, both_have_read.wait)
    answers = await asyncio.gather(place(pool, sale, lock_trip=unlocked), place(pool, sale, lock_trip=unlocked), return_exceptions=True)
    (loser,) = [answer for answer in answers if isinstance(answer, BaseException)]
    assert isinstance(loser, AssertionError), "no refusal: the check let it through, and only the guarded counter stopped it"


async def test_a_rider_who_leaves_as_the_trip_tips_is_out_or_bound_and_never_both(pool: Pool) -> None:
    for _ in range(4):
        sale = await on_sale(pool, minimum=3)
        first, second, last = await held(pool, sale, 3)
        for pledge in (first, second):
            await card_saved(pool, pledge.id, saved_card(pledge.id))
        left, _ = await asyncio.gather(
            withdraw_pledge(pool, first.id, actor="rider"),
            card_saved(pool, last.id, saved_card(last.id)),
            return_exceptions=True,
        )
        trip = await read(pool, sale)
        out = not isinstance(left, BaseException)
        assert (trip.state, trip.secured) == ((TripState.OPEN, 2) if out else (TripState.CONFIRMED, 3))
    await assert_sound(pool)


async def test_control_without_the_lock_leaving_and_tipping_block_each_other(pool: Pool) -> None:
    sale = await on_sale(pool, minimum=2)
    first, last = await held(pool, sale, 2)
    await card_saved(pool, first.id, saved_card(first.id))
    async with pool.acquire() as leaving, leaving.transaction():
        await pledges.lock_pledge(leaving, first.id)  # what leaving does first when the trip is not locked before
        tipping = asyncio.create_task(card_saved(pool, last.id, saved_card(last.id), lock_trip=no_lock))
        await waits_for_a_lock(pool)  # it has moved the counter and wants the pledges
        ends = await asyncio.gather(trips.move_people(leaving, sale.trip_id, secured=-1), tipping, return_exceptions=True)
        assert any(isinstance(end, asyncpg.DeadlockDetectedError | asyncpg.LockNotAvailableError) for end in ends)


async def waits_for_a_lock(pool: Pool) -> None:
    """Returns once some connection of this database waits for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    await wait_until_async(lambda: count(pool, waiting), "somebody to wait for a lock")


async def saved_for_account(pool: Pool) -> Any:
    """An account with a card."""
    async with transaction(pool) as conn:
        account = await find_or_add_account(conn, "ada@example.org")
        await pledges.keep_card(
            conn, account.id, SavedCard(customer_ref="cus_1", payment_method_ref="pm_1", card_fingerprint="f", card_label="Visa 4242")
        )
    return account.id


async def expire_now(pool: Pool, sale: Sale) -> bool:
    """The deadline comes and the timer fires."""
    trip = await read(pool, sale)
    async with transaction(pool) as conn:
        now = await conn.fetchval("SELECT clock_timestamp()")
        await shift_clock(conn, trip.deadline_at - now + timedelta(seconds=1))
    try:
        return await expire_trip(pool, sale.trip_id)
    finally:
        async with transaction(pool) as conn:
            await shift_clock(conn, timedelta())


async def states_of(pool: Pool, sale: Sale) -> tuple[str, list[str]]:
    async with pool.acquire() as conn:
        rows = await conn.fetch("SELECT state FROM pledges WHERE trip_id = $1", sale.trip_id)
    return (await read(pool, sale)).state.value, [row["state"] for row in rows]


async def test_the_deadline_comes_with_the_last_pledge_and_waits_for_it(pool: Pool) -> None:
    sale = await on_sale(pool, minimum=2)
    account_id = await saved_for_account(pool)
    expiry: list[asyncio.Task[bool]] = []

    async def deadline_comes() -> None:
        expiry.append(asyncio.create_task(expire_now(pool, sale)))
        await waits_for_a_lock(pool)
        async with transaction(pool) as conn:
            await shift_clock(conn, timedelta())  # the pledge was in time

    await place(pool, sale, account_id=account_id, lock_trip=after(trips.lock_trip, deadline_comes))
    assert (await expiry[0], await states_of(pool, sale)) == (False, ("open", ["active"]))
    assert (await expire_now(pool, sale), await states_of(pool, sale)) == (True, ("expired", ["released"]))
    await assert_sound(pool)


async def test_control_without_the_lock_a_pledge_counts_on_an_expired_trip(pool: Pool) -> None:
    sale = await on_sale(pool, minimum=2)
    account_id = await saved_for_account(pool)
    await place(pool, sale, account_id=account_id, lock_trip=after(no_lock, lambda: expire_now(pool, sale)))
    assert await states_of(pool, sale) == ("expired", ["active"]), "nobody will ever release it"


async def test_a_pledge_placed_as_its_trip_is_cancelled_is_released_with_it(pool: Pool) -> None:
    sale = await on_sale(pool)
    await Race(pool, at="FROM trips WHERE id = $1 FOR NO KEY UPDATE").run(
        lambda rider: place(rider, sale), lambda staff: cancel_trip(staff, sale.trip_id, actor="organiser", reason="no bus")
    )
    assert await states_of(pool, sale) == ("cancelled", [PledgeState.RELEASED.value])
    await assert_sound(pool)


async def test_control_without_the_lock_a_cancelled_trip_takes_a_pledge(pool: Pool) -> None:
    sale = await on_sale(pool)
    cancel = lambda: cancel_trip(pool, sale.trip_id, actor="organiser", reason="no bus")  # noqa: E731
    await place(pool, sale, lock_trip=after(no_lock, cancel))
    assert await states_of(pool, sale) == ("cancelled", [PledgeState.PENDING_CARD.value])


async def test_the_same_key_sent_twice_at_once_places_one_pledge(pool: Pool) -> None:
    sale = await on_sale(pool)
    answers = await asyncio.gather(*(insisting(lambda: place(pool, sale, key="once")) for _ in range(8)))
    assert len({answer.pledge.id for answer in answers}) == 1
    assert [answer.replayed for answer in answers].count(False) == 1
    assert (await read(pool, sale)).held == 1


async def test_a_trip_is_counted_and_tipped_by_the_same_moment(pool: Pool) -> None:
    """A pledge found in time tips the trip although the deadline passes before its transaction ends."""
    sale = await on_sale(pool, minimum=1)
    (last,) = await held(pool, sale, 1)
    trip = await read(pool, sale)
    real = await pool.fetchval("SELECT clock_timestamp()")
    async with transaction(pool) as conn:
        await shift_clock(conn, trip.deadline_at - real - timedelta(milliseconds=150))
    await card_saved(pool, last.id, saved_card(last.id))
    await expire_now(pool, sale)
    assert (await read(pool, sale)).state in {TripState.CONFIRMED, TripState.EXPIRED}, "never open for ever above its minimum"
    await assert_sound(pool)

"""The last seats, fought for: offered, taken, run out at once; and each time with its guard switched off, which must go wrong."""

import re
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest_asyncio

from app.core.database import Pool
from app.domain.pledges.model import Pledge
from app.flows.card_saved import card_saved
from app.flows.lapse_pledge import lapse_pledge
from app.flows.pledge_wish import PledgeWish
from app.flows.tend_waitlist import tend_waitlist
from app.flows.wait_for_seats import join_waitlist
from app.flows.withdraw_pledge import withdraw_pledge
from tests.support.paid_pledges import mailed, now, set_clock, violated
from tests.support.races import LOCKS, Race, without
from tests.support.server import ScratchDatabase
from tests.support.threshold import SECRET, Sale, on_sale, place, read, saved_card

TRIP_READ = "FROM trips WHERE id = $1 FOR NO KEY UPDATE"
SEATS_READ = "FROM pledges WHERE id = $1 FOR NO KEY UPDATE"
TRIP_LOCK = re.compile(r"(?<=FROM trips WHERE id = \$1) FOR NO KEY UPDATE")
WITHIN_CAP = without("AND ($2::int + $3::int <= 0 OR secured + held + $2::int + $3::int <= cap)")


@pytest_asyncio.fixture
async def pool(database: ScratchDatabase) -> Pool:
    return await database.pool()


async def line(pool: Pool, *, waiting: int, free: int = 1) -> Sale:
    """A full trip with a line; all of its seats come free."""
    sale = await on_sale(pool, minimum=free, cap=free)
    sold = [(await place(pool, sale)).pledge for _ in range(free)]
    for number in range(waiting):
        wish = PledgeWish(
            stop_id=sale.stop_id, name="Wanda", email=f"wanda-{number}@example.org", phone="", needs="", locale="en", seats=1,
            wheelchairs=0, legs=("outbound", "return"), payment_method=None,
        )  # fmt: skip
        await join_waitlist(pool, sale.trip_id, wish, secret=SECRET)
    for pledge in sold:
        await withdraw_pledge(pool, pledge.id, actor="rider")
    return sale


async def offers(pool: Pool, sale: Sale) -> list[UUID]:
    """The pledges that hold offered seats, in turn."""
    rows = await pool.fetch("SELECT pledge_id FROM waitlist WHERE trip_id = $1 AND pledge_id IS NOT NULL ORDER BY id", sale.trip_id)
    return [row["pledge_id"] for row in rows]


async def offered_by_two_workers(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> Sale:
    sale = await line(pool, waiting=2)
    one = lambda other: tend_waitlist(other, sale.trip_id, secret=SECRET)  # noqa: E731
    ends = await Race(pool, at=TRIP_READ, off=off).run(one, one)
    assert not [end for end in ends if isinstance(end, BaseException)]
    return sale


async def test_one_seat_is_offered_once_by_two_workers(pool: Pool) -> None:
    sale = await offered_by_two_workers(pool)
    assert (len(await offers(pool, sale)), (await read(pool, sale)).held) == (1, 1)
    assert await violated(pool) == set()


async def test_control_without_the_trips_lock_and_its_counters_guard_one_seat_is_offered_to_two(pool: Pool) -> None:
    await pool.execute("ALTER TABLE trips DROP CONSTRAINT trips_cap")
    sale = await offered_by_two_workers(pool, [TRIP_LOCK, WITHIN_CAP])
    assert (len(await offers(pool, sale)), (await read(pool, sale)).held) == (2, 2)
    assert "I06" in await violated(pool)


async def test_control_without_the_lock_alone_the_counter_stops_the_second_offer_but_nobody_answers(pool: Pool) -> None:
    sale = await line(pool, waiting=2)
    one = lambda other: tend_waitlist(other, sale.trip_id, secret=SECRET)  # noqa: E731
    late, _ = await Race(pool, at=TRIP_READ, off=[TRIP_LOCK]).run(one, one)
    assert isinstance(late, AssertionError), "the line was offered what does not fit"


async def two_offers_run_out(pool: Pool) -> tuple[Sale, Pledge, Pledge]:
    """Two seats are offered, and the time of both is over; nobody has looked yet."""
    sale = await line(pool, waiting=2, free=2)
    assert await tend_waitlist(pool, sale.trip_id, secret=SECRET) == 2
    first, second = [await now(pool, pledge_id) for pledge_id in await offers(pool, sale)]
    assert first.hold_expires_at is not None
    await set_clock(pool, first.hold_expires_at)
    return sale, first, second


async def taken_as_it_runs_out(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> tuple[Sale, Pledge]:
    sale, offer, _ = await two_offers_run_out(pool)
    await Race(pool, at=SEATS_READ, off=off).run(
        lambda timer: lapse_pledge(timer, offer.id), lambda rider: card_saved(rider, offer.id, saved_card(offer.id))
    )
    return sale, await now(pool, offer.id)


async def test_an_offer_taken_as_it_runs_out_is_readmitted_while_there_is_room(pool: Pool) -> None:
    sale, offer = await taken_as_it_runs_out(pool)
    trip = await read(pool, sale)
    assert (offer.state, trip.secured, trip.held) == ("active", 1, 1), "it ran out, and the card found its seat still free"
    assert await violated(pool) == set()


async def test_control_without_the_locks_its_seat_is_taken_and_free_at_the_same_time(pool: Pool) -> None:
    sale, offer = await taken_as_it_runs_out(pool, [LOCKS])
    trip = await read(pool, sale)
    assert (offer.state, trip.secured, trip.held) == ("active", 1, 0), "the other offer's seat is held no more"
    assert "I06" in await violated(pool)
    assert await mailed(pool, "waitlist_expired") == [offer.email], "told that the seats are gone, which they are not"


async def test_an_offer_that_ran_out_goes_to_the_next_and_a_card_saved_late_does_not_take_it(pool: Pool) -> None:
    sale = await line(pool, waiting=2)
    await tend_waitlist(pool, sale.trip_id, secret=SECRET)
    (first,) = [await now(pool, pledge_id) for pledge_id in await offers(pool, sale)]
    assert first.hold_expires_at is not None
    await set_clock(pool, first.hold_expires_at)
    await Race(pool, at=SEATS_READ).run(
        lambda timer: lapse_pledge(timer, first.id), lambda rider: card_saved(rider, first.id, saved_card(first.id))
    )
    assert await tend_waitlist(pool, sale.trip_id, secret=SECRET) == 1
    second = await now(pool, (await offers(pool, sale))[1])
    assert ((await now(pool, first.id)).state, second.state) == ("lapsed", "pending_card")
    assert await mailed(pool, "card_too_late") == [first.email]
    assert await violated(pool) == set()


async def freed_twice(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> tuple[Sale, list[object]]:
    sale, offer, _ = await two_offers_run_out(pool)
    ends = await Race(pool, at=SEATS_READ, off=off).run(
        lambda one: lapse_pledge(one, offer.id), lambda other: lapse_pledge(other, offer.id)
    )  # fmt: skip
    return sale, list(ends)


async def test_a_seat_that_two_workers_free_is_free_once(pool: Pool) -> None:
    sale, ends = await freed_twice(pool)
    assert (ends, (await read(pool, sale)).held) == ([True, False], 1)
    assert await violated(pool) == set()


async def test_control_without_the_locks_a_seat_is_freed_twice_and_sold_again_under_its_holder(pool: Pool) -> None:
    sale, ends = await freed_twice(pool, [LOCKS])
    assert (ends, (await read(pool, sale)).held) == ([True, True], 0)
    assert "I06" in await violated(pool)
    for _ in range(2):
        await place(pool, sale, key=uuid4().hex)  # two more, where one seat is free

"""Seats passed on while something else happens to them; and each time the same with its guard switched off, which must go wrong."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from app.core.database import Pool
from app.core.ids import token_hash
from app.domain.payments.model import PaymentState
from app.domain.pledges.model import Pledge
from app.domain.pledges.store import find_by_token
from app.domain.pledges.transfer_store import Transfer
from app.flows.cancel_trip import cancel_trip
from app.flows.change_pledge import PledgeChange, change_pledge
from app.flows.collect_payment import retry_payment
from app.flows.transfer_pledge import Accepted, accept_transfer, cancel_transfer, offer_transfer
from app.flows.withdraw_pledge import withdraw_pledge
from tests.support.paid_pledges import counted, fare_of, mailed, now, settle, violated
from tests.support.races import LOCKS, Race, refusal, without
from tests.support.server import ScratchDatabase
from tests.support.threshold import SECRET, Sale, on_sale

THEO, TINA = "theo@example.org", "tina@example.org"
LINK_READ = "FROM transfers WHERE id = $1"
SEATS_READ = "FROM pledges WHERE id = $1 FOR NO KEY UPDATE"
STILL_OFFERED = without("AND t.state = 'offered'")
Act = Callable[..., Awaitable[Any]]


@pytest_asyncio.fixture
async def pool(database: ScratchDatabase) -> Pool:
    return await database.pool()


async def offer(pool: Pool, pledge: Pledge, email: str = THEO) -> Transfer:
    return await offer_transfer(pool, pledge.id, name="A Taker", email=email, secret=SECRET, actor="rider")


def accepting(transfer: Transfer) -> Act:
    return lambda pool: accept_transfer(pool, transfer.id, phone="", needs="", secret=SECRET)


async def opens(pool: Pool, answer: object) -> bool:
    """Whether the link that somebody was given opens the seats."""
    assert isinstance(answer, Accepted)
    async with pool.acquire() as conn:
        return await find_by_token(conn, token_hash(answer.manage_token)) is not None


async def two_accept(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> tuple[object, object]:
    transfer = await offer(pool, await counted(pool, await on_sale(pool)))
    return await Race(pool, at=LINK_READ, off=off).run(accepting(transfer), accepting(transfer))


async def test_a_link_used_twice_at_once_gives_the_seats_to_one(pool: Pool) -> None:
    late, winner = await two_accept(pool)
    assert (refusal(late), await opens(pool, winner)) == ("transfer_over", True)
    assert await violated(pool) == set()


async def test_control_without_the_guarded_update_both_are_told_they_have_the_seats_and_one_link_is_dead(pool: Pool) -> None:
    late, winner = await two_accept(pool, [STILL_OFFERED])
    assert (await opens(pool, late), await opens(pool, winner)) == (True, False)


async def accepted_as_it_is_taken_back(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> tuple[object, object]:
    pledge = await counted(pool, await on_sale(pool))
    transfer = await offer(pool, pledge)
    return await Race(pool, at=LINK_READ, off=off).run(
        accepting(transfer), lambda other: cancel_transfer(other, pledge.id, actor="rider")
    )  # fmt: skip


async def test_seats_taken_back_as_they_are_accepted_stay(pool: Pool) -> None:
    answer, taken_back = await accepted_as_it_is_taken_back(pool)
    assert (refusal(answer), taken_back) == ("transfer_over", True)
    assert (await mailed(pool, "transfer_accepted_to"), await violated(pool)) == ([], set())


async def test_control_without_the_guarded_update_only_the_state_machine_stops_it(pool: Pool) -> None:
    answer, taken_back = await accepted_as_it_is_taken_back(pool, [STILL_OFFERED])
    assert isinstance(answer, asyncpg.CheckViolationError), "no refusal: the update let it through"
    assert taken_back is True


async def accepted_as_its_giver_acts(pool: Pool, act: Act, off: Sequence[re.Pattern[str]] = ()) -> tuple[Pledge, object]:
    """Somebody accepts seats while who gives them away has asked for something else with them, through the old link."""
    pledge = await counted(pool, await on_sale(pool))
    transfer = await offer(pool, pledge)
    answer, other = await Race(pool, at=SEATS_READ, off=off).run(accepting(transfer), lambda giver: act(giver, pledge))
    assert isinstance(answer, Accepted)
    return await now(pool, pledge.id), other


def leaves(pool: Pool, pledge: Pledge) -> Awaitable[Any]:
    return withdraw_pledge(pool, pledge.id, actor="rider")


def takes_fewer(pool: Pool, pledge: Pledge) -> Awaitable[Any]:
    fewer = PledgeChange(stop_id=None, seats=None, wheelchairs=None, legs=("outbound",), needs=None)
    return change_pledge(pool, pledge.id, fewer, actor="rider")


def offers_elsewhere(pool: Pool, pledge: Pledge) -> Awaitable[Any]:
    return offer(pool, pledge, TINA)


@pytest.mark.parametrize("act", [leaves, takes_fewer, offers_elsewhere])
async def test_who_has_just_given_seats_away_does_nothing_with_them_any_more(pool: Pool, act: Act) -> None:
    pledge, other = await accepted_as_its_giver_acts(pool, act)
    assert (pledge.state, pledge.email, len(pledge.legs), refusal(other)) == ("active", THEO, 2, "pledge_passed_on")
    assert await violated(pool) == set()


async def test_control_without_the_locks_seats_are_accepted_that_were_given_up(pool: Pool) -> None:
    pledge, other = await accepted_as_its_giver_acts(pool, leaves, [LOCKS])
    assert (pledge.state, pledge.email, refusal(other)) == ("withdrawn", THEO, None)
    assert await mailed(pool, "transfer_accepted_to") == [THEO]


async def accepted_as_the_trip_is_cancelled(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> Pledge:
    sale = await on_sale(pool)
    pledge = await counted(pool, sale)
    transfer = await offer(pool, pledge)
    answer, _ = await Race(pool, at=SEATS_READ, off=off).run(
        accepting(transfer), lambda other: cancel_trip(other, sale.trip_id, actor="organiser", reason="no bus")
    )
    assert isinstance(answer, Accepted)
    return await now(pool, pledge.id)


async def test_who_accepts_seats_as_their_trip_is_cancelled_is_told_so(pool: Pool) -> None:
    pledge = await accepted_as_the_trip_is_cancelled(pool)
    assert (pledge.state, pledge.email, await mailed(pool, "trip_cancelled")) == ("released", THEO, [THEO])
    assert await violated(pool) == set()


async def test_control_without_the_locks_seats_of_a_cancelled_trip_are_accepted_and_the_wrong_person_is_told(pool: Pool) -> None:
    pledge = await accepted_as_the_trip_is_cancelled(pool, [LOCKS])
    assert (pledge.state, pledge.email) == ("released", THEO)
    assert THEO not in await mailed(pool, "trip_cancelled")
    assert await mailed(pool, "transfer_accepted_to") == [THEO]


async def accepted_as_the_charge_is_given_up(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> Pledge:
    pledge = await counted(pool, await on_sale(pool, minimum=1))
    await settle(pool, pledge.id, PaymentState.RETRYABLE)
    await pool.execute("UPDATE payments SET next_attempt_at = NULL")  # its last attempt was that one
    payment = await fare_of(pool, pledge.id)
    transfer = await offer(pool, pledge)
    answer, _ = await Race(pool, at=SEATS_READ, off=off).run(accepting(transfer), lambda other: retry_payment(other, payment.id))
    assert isinstance(answer, Accepted)
    return await now(pool, pledge.id)


async def test_who_accepts_seats_as_their_charge_is_given_up_is_told_so(pool: Pool) -> None:
    pledge = await accepted_as_the_charge_is_given_up(pool)
    assert (pledge.state, pledge.email, await mailed(pool, "pledge_dropped")) == ("dropped", THEO, [THEO])
    assert await violated(pool) == set()


async def test_control_without_the_locks_dropped_seats_are_accepted_and_the_wrong_person_is_told(pool: Pool) -> None:
    pledge = await accepted_as_the_charge_is_given_up(pool, [LOCKS])
    assert (pledge.state, pledge.email) == ("dropped", THEO)
    assert THEO not in await mailed(pool, "pledge_dropped")


async def offered_to_two(pool: Pool) -> tuple[Pledge, object, object]:
    pledge = await counted(pool, await on_sale(pool))
    first, second = await Race(pool, at=SEATS_READ).run(
        lambda one: offer(one, pledge, THEO), lambda other: offer(other, pledge, TINA)
    )  # fmt: skip
    return pledge, first, second


async def test_seats_offered_to_two_people_at_once_are_offered_to_one(pool: Pool) -> None:
    _, first, second = await offered_to_two(pool)
    assert (isinstance(first, Transfer), refusal(second)) == (True, "transfer_open")
    assert await violated(pool) == set()


async def test_control_without_its_index_two_people_accept_the_same_seats(pool: Pool) -> None:
    await pool.execute("DROP INDEX transfers_one_open")
    _, first, second = await offered_to_two(pool)
    assert isinstance(first, Transfer)
    assert isinstance(second, Transfer)
    theirs, hers = await accepting(first)(pool), await accepting(second)(pool)
    assert (await opens(pool, theirs), await opens(pool, hers)) == (False, True)


async def both_given_to_one(pool: Pool) -> tuple[Sale, object, object]:
    sale = await on_sale(pool)
    one, other = [await offer(pool, await counted(pool, sale)) for _ in range(2)]
    first, second = await Race(pool, at=SEATS_READ).run(accepting(one), accepting(other))
    return sale, first, second


async def people_with_two(pool: Pool, sale: Sale) -> list[UUID]:
    rows = await pool.fetch(
        """
        SELECT email_normalised FROM pledges WHERE trip_id = $1 AND state IN ('active', 'confirmed', 'paid')
        GROUP BY email_normalised HAVING count(*) > 1
        """,
        sale.trip_id,
    )
    return [row["email_normalised"] for row in rows]


async def test_who_accepts_two_peoples_seats_at_once_has_one_pledge_on_the_trip(pool: Pool) -> None:
    sale, first, second = await both_given_to_one(pool)
    assert (isinstance(first, Accepted), refusal(second)) == (True, "already_pledged")
    assert (await people_with_two(pool, sale), await violated(pool)) == ([], set())


async def test_control_without_its_index_one_person_has_two_pledges_on_a_trip(pool: Pool) -> None:
    await pool.execute("DROP INDEX pledges_one_live")
    sale, *_ = await both_given_to_one(pool)
    assert await people_with_two(pool, sale) == [THEO]

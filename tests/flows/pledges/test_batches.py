"""Pledges that come at once share a commit and nothing else: each has its own answer, and the trip tips where it would have tipped."""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from uuid import UUID, uuid4

import asyncpg
import pytest_asyncio

from app.core.database import Connection, Pool
from app.core.errors import Refusal
from app.core.jobs import enqueue_for
from app.domain.pledges.model import PledgeState
from app.domain.trips import store as trips
from app.domain.trips.model import Trip, TripFull, TripState
from app.domain.trips.store import TripLock
from app.flows.pledge_batch import Answer, Choose, place_batch
from app.flows.pledge_queue import PledgeQueue, pledge_queue
from app.flows.pledge_wish import PlacedPledge, PledgeRequest
from app.flows.waiting_room import waiting_rooms
from tests.support.batches import request_of, rider_with_card, saved_requests
from tests.support.ledgers import assert_sound
from tests.support.server import ScratchDatabase
from tests.support.threshold import SECRET, Sale, no_lock, on_sale, read


@pytest_asyncio.fixture
async def pool(database: ScratchDatabase) -> Pool:
    return await database.pool(size=12)


async def batch(pool: Pool, sale: Sale, requests: Sequence[PledgeRequest], *, lock_trip: TripLock = trips.lock_trip) -> list[Answer]:
    return await place_batch(pool, sale.trip_id, requests, secret=SECRET, lock_trip=lock_trip)


def words(answers: Sequence[Answer]) -> list[str]:
    """Each answer in a word: the pledge's state, or the refusal's code."""
    return [
        answer.pledge.state.value if isinstance(answer, PlacedPledge) else answer.code if isinstance(answer, Refusal) else repr(answer)
        for answer in answers
    ]


async def test_each_of_a_batch_has_its_own_answer_and_what_is_refused_fails_no_neighbour(pool: Pool) -> None:
    sale = await on_sale(pool, minimum=20, cap=21, price_one_way_minor=None)
    ada, bob = await rider_with_card(pool, "ada"), await rider_with_card(pool, "bob")
    before = request_of(sale, "before", key="before")
    assert words(await batch(pool, sale, [before])) == ["pending_card"]

    answers = await batch(
        pool,
        sale,
        [
            request_of(sale, "ada", account_id=ada, saved=True, key="ada"),
            request_of(sale, "carol", stop_id=uuid4()),
            request_of(sale, "dan"),
            request_of(sale, "ada", account_id=ada, saved=True),
            request_of(sale, "erin", saved=True, account_id=None),
            request_of(sale, "before", key="before"),
            request_of(sale, "before", key="before-2"),
            request_of(sale, "frank", legs=("outbound",)),
            request_of(sale, "ada-2", account_id=ada, saved=True, seats=8),
            request_of(sale, "ada-3", account_id=ada, saved=True, seats=8),
            request_of(sale, "gina", seats=8),
            request_of(sale, "hank", seats=3),
            request_of(sale, "bob", account_id=bob, saved=True, seats=2),
        ],
    )

    assert words(answers) == [
        "active", "unknown_stop", "pending_card", "already_pledged", "no_saved_card", "pending_card", "already_pledged", "round_trip_only",
        "active", "card_limit", "pending_card", "trip_full", "active",
    ]  # fmt: skip
    again = answers[5]
    assert isinstance(again, PlacedPledge)
    assert again.replayed
    (reused,) = await batch(pool, sale, [request_of(sale, "before", key="before", seats=2)])
    assert words([reused]) == ["idempotency_key_reused"]
    trip = await read(pool, sale)
    assert (trip.state, trip.secured, trip.held) == (TripState.OPEN, 11, 10)
    actors = {r["actor"] for r in await pool.fetch("SELECT actor FROM audit WHERE machine = 'pledge'")}
    assert actors == {"rider", f"rider:{ada}", f"rider:{bob}"}
    assert await pool.fetchval("SELECT count(*) FROM idempotency_keys") == 6, "a refused request keeps no key"
    assert await pool.fetchval("SELECT count(*) FROM pgqueuer WHERE entrypoint = 'send_mail'") == 6
    await assert_sound(pool)


async def test_the_trip_tips_inside_a_batch_at_the_very_pledge_that_reaches_the_minimum(pool: Pool) -> None:
    sale = await on_sale(pool, minimum=4, cap=20, tiers=[(4, 3000)])
    requests = await saved_requests(pool, sale, [f"rider-{n}" for n in range(6)])
    requests.insert(1, request_of(sale, "no-card"))
    assert words(await batch(pool, sale, requests[:1])) == ["active"]

    answers = await batch(pool, sale, requests[1:])

    assert words(answers) == ["pending_card", "confirmed", "confirmed", "confirmed", "confirmed", "confirmed"]
    prices = [answer.pledge.price_minor for answer in answers if isinstance(answer, PlacedPledge)]
    assert prices == [3200, 3200, 3200, 3200, 3000, 3000], "the price of each is that of its moment"
    row = await pool.fetchrow("SELECT pledge_id, secured FROM confirmations")
    assert row is not None
    assert (row["pledge_id"], row["secured"]) == (requests[4].pledge_id, 4)
    charges = {answer.pledge.id: answer.charges for answer in answers if isinstance(answer, PlacedPledge)}
    assert [len(charges[r.pledge_id]) for r in requests[1:]] == [0, 1, 1, 1, 1, 1]
    assert await pool.fetchval("SELECT count(*) FROM payments WHERE state = 'due'") == 6
    assert await pool.fetchval("SELECT count(*) FROM pgqueuer WHERE entrypoint = 'charge_payment'") == 6
    assert await pool.fetchval("SELECT count(*) FROM mails WHERE template = 'trip_confirmed'") == 6
    births = await pool.fetch("SELECT subject_id, to_state FROM audit WHERE machine = 'pledge' AND from_state = '' ORDER BY id")
    assert {r["subject_id"]: r["to_state"] for r in births}[requests[-1].pledge_id] == "confirmed", "what comes after is born confirmed"
    await assert_sound(pool)


async def test_a_batch_queues_its_mails_as_the_queue_itself_would(pool: Pool) -> None:
    """The batch writes the queue's tables by itself, in its one statement: a queue that wants more of its rows must not be overlooked."""
    sale = await on_sale(pool)
    await batch(pool, sale, [request_of(sale, "ada"), request_of(sale, "bob")])
    mail_ids = {r["id"] for r in await pool.fetch("SELECT id FROM mails WHERE template = 'pledge_placed'")}
    assert {UUID(bytes=r["payload"]) for r in await pool.fetch("SELECT payload FROM pgqueuer")} == mail_ids
    async with pool.acquire() as conn:
        await enqueue_for(conn, "send_mail", sorted(mail_ids))
    jobs = await pool.fetch("SELECT to_jsonb(j) - '{id,payload,created,updated,heartbeat,execute_after}'::text[] AS job FROM pgqueuer j")
    logged = await pool.fetch("SELECT to_jsonb(l) - '{id,job_id,created}'::text[] AS line FROM pgqueuer_log l ORDER BY id")
    assert (len(jobs), len(logged)) == (4, 4)
    assert all({**r["job"], "headers": None} == {**jobs[0]["job"], "headers": None} for r in jobs)
    assert all(r["line"] == logged[0]["line"] for r in logged)
    assert await pool.fetchval("SELECT count(*) FROM pgqueuer WHERE execute_after > now()") == 0


async def test_what_only_the_database_refuses_fails_alone(pool: Pool) -> None:
    sale = await on_sale(pool)
    stranger = request_of(sale, "mallory", account_id=uuid4())
    answers = await batch(pool, sale, [request_of(sale, "ada"), stranger, request_of(sale, "bob")])
    assert isinstance(answers[1], asyncpg.ForeignKeyViolationError)
    assert words([answers[0], answers[2]]) == ["pending_card", "pending_card"]
    assert (await read(pool, sale)).held == 2
    await assert_sound(pool)


class Gate:
    """A lane whose first batch waits for `open`; `sizes` of all batches in their order."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.sizes: list[int] = []
        self.begun, self.open = asyncio.Event(), asyncio.Event()

    async def place(self, trip_id: UUID, choose: Choose) -> Sequence[Answer]:
        requests = choose()
        self.sizes.append(len(requests))
        self.begun.set()
        await self.open.wait()
        return await place_batch(self._pool, trip_id, requests, secret=SECRET)


async def placed_behind(pool: Pool, sale: Sale, waiting: Sequence[PledgeRequest]) -> tuple[list[int], list[PlacedPledge]]:
    """The sizes of the batches and all answers, when these wait while a batch of one commits."""
    gate = Gate(pool)
    queue = PledgeQueue(lambda: nullcontext(gate.place), waiting_rooms(pool, secret=SECRET))
    first = asyncio.create_task(queue.place(sale.trip_id, request_of(sale, "first")))
    await gate.begun.wait()
    tasks = [asyncio.create_task(queue.place(sale.trip_id, request)) for request in waiting]
    await asyncio.sleep(0)
    gate.open.set()
    placed = await asyncio.gather(first, *tasks)
    await queue.close()
    return gate.sizes, placed


async def born(pool: Pool) -> set[UUID]:
    """The pledges whose birth is in the audit trail."""
    return {row["subject_id"] for row in await pool.fetch("SELECT subject_id FROM audit WHERE machine = 'pledge'")}


async def test_what_waits_while_a_batch_commits_goes_into_the_next_one_in_its_order_and_each_key_once(pool: Pool) -> None:
    sale = await on_sale(pool, minimum=200, cap=300)
    rest = [request_of(sale, f"rider-{n}") for n in range(20)]
    sizes, placed = await placed_behind(pool, sale, [*rest, request_of(sale, "rider-0", key=rest[0].key)])

    assert sizes == [1, 20, 1]
    assert placed[-1].replayed
    assert placed[-1].pledge.id == placed[1].pledge.id
    assert await born(pool) == {one.pledge.id for one in placed}


async def test_a_crowd_goes_in_halves_and_few_go_at_once(pool: Pool) -> None:
    sale = await on_sale(pool, minimum=2_000, cap=3_000)
    sizes, placed = await placed_behind(pool, sale, [request_of(sale, f"rider-{n}") for n in range(100)])
    assert sizes == [1, 51, 49]
    assert len({one.pledge.id for one in placed}) == 101
    assert await born(pool) == {one.pledge.id for one in placed}


async def test_two_processes_keep_the_cap_and_confirm_once_at_the_minimum(pool: Pool, database: ScratchDatabase) -> None:
    sale = await on_sale(pool, minimum=25, cap=40)
    requests = await saved_requests(pool, sale, [f"rider-{n}" for n in range(60)])
    queues = [pledge_queue(p, secret=SECRET) for p in (pool, await database.pool(size=4))]
    answers = await asyncio.gather(
        *(queues[n % 2].place(sale.trip_id, request) for n, request in enumerate(requests)), return_exceptions=True
    )
    for queue in queues:
        await queue.close()
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert (len(refused), {type(answer) for answer in refused}) == (20, {TripFull})
    trip = await read(pool, sale)
    assert (trip.state, trip.secured) == (TripState.CONFIRMED, 40)
    assert await pool.fetchval("SELECT secured FROM confirmations") == 25
    assert await pool.fetchval("SELECT count(*) FROM payments") == 40
    await assert_sound(pool)


async def two_halves_of_a_minimum(pool: Pool, sale: Sale, lock: TripLock) -> None:
    """Two batches that reach the minimum only together, at the same time."""
    requests = await saved_requests(pool, sale, [f"rider-{n}" for n in range(4)])
    await asyncio.gather(batch(pool, sale, requests[:2], lock_trip=lock), batch(pool, sale, requests[2:], lock_trip=lock))


async def test_two_batches_at_once_tip_the_trip_together(pool: Pool) -> None:
    sale = await on_sale(pool, minimum=4)
    await two_halves_of_a_minimum(pool, sale, trips.lock_trip)
    assert (await read(pool, sale)).state is TripState.CONFIRMED


async def test_control_without_the_lock_two_batches_reach_the_minimum_and_neither_tips_the_trip(pool: Pool) -> None:
    sale = await on_sale(pool, minimum=4)
    both_have_read = asyncio.Barrier(2)

    async def unlocked(conn: Connection, trip_id: UUID) -> Trip | None:
        trip = await no_lock(conn, trip_id)
        await both_have_read.wait()
        return trip

    await two_halves_of_a_minimum(pool, sale, unlocked)
    trip = await read(pool, sale)
    assert (trip.state, trip.secured) == (TripState.OPEN, 4), "at its minimum and open for ever"
    assert {r["state"] for r in await pool.fetch("SELECT state FROM pledges")} == {PledgeState.ACTIVE.value}

"""A job that fails while the database refuses to take it back is done later all the same, and a timer fired too early fires again."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from pgqueuer.models import Job
from pgqueuer.types import JobId, QueueEntrypoint

from app.core.database import DATABASE_LOST, Pool, transaction
from app.core.jobs import enqueue_for
from app.core.timers import claim_due, is_set, mark_fired, set_timer
from app.web.problems import EXCEPTION_HANDLERS
from app.worker import JobQueries, Wiring, run_queue
from tests.support.races import Race, without
from tests.support.service import Service
from tests.support.waiting import wait_until_async

NOW = datetime(2026, 11, 21, tzinfo=UTC)
CUT_OFF = (asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.ConnectionDoesNotExistError, ConnectionResetError)
REFUSES = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON pgqueuer FOR EACH ROW WHEN (OLD.status = 'picked' AND NEW.status = 'queued')
EXECUTE FUNCTION refuse();
"""


async def test_a_job_that_cannot_be_put_back_is_not_held_and_comes_again(service: Service) -> None:
    tries: list[UUID] = []

    async def fail_once(_: Wiring, subject_id: UUID) -> None:
        tries.append(subject_id)
        if len(tries) == 1:
            raise ConnectionError("the database is away")

    subject_id, stop = uuid4(), asyncio.Event()
    async with transaction(service.pool) as conn:
        await enqueue_for(conn, "detach_card", [subject_id])
    await service.pool.execute(REFUSES)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run_queue(service.wiring, stop, {"detach_card": fail_once}))
        try:
            await wait_until_async(lambda: are_tried(tries, 1), "the first try")
            await service.pool.execute("DROP TRIGGER refuse ON pgqueuer")
            await wait_until_async(lambda: are_tried(tries, 2), "the second try", timeout_s=60.0)
        finally:
            stop.set()
    assert tries == [subject_id] * 2
    assert await service.pool.fetchval("SELECT count(*) FROM pgqueuer WHERE entrypoint = 'detach_card'") == 0


async def are_tried(tries: list[UUID], times: int) -> bool:
    return len(tries) >= times


async def test_a_hold_asked_for_by_a_clock_that_was_ahead_still_ends_when_it_is_over(service: Service) -> None:
    trip = await service.trip(await service.event())
    placed = (await service.pledge(trip, email="ada@example.org")).json()
    pledge_id = UUID(placed["pledge"]["id"])
    ahead = timedelta(days=1)
    await service.jump(ahead)
    async with transaction(service.pool) as conn:
        claimed = [timer for timer in await claim_due(conn, limit=20) if timer.subject_id == pledge_id and timer.kind == "pledge_hold"]
    await service.jump(timedelta())
    assert len(claimed) == 1
    async with transaction(service.pool) as conn:
        await mark_fired(conn, claimed[0])
        assert await is_set(conn, "pledge_hold", pledge_id)

    await service.jump(ahead)
    await service.sweep()
    assert (await service.show(placed))["state"] == "lapsed"


async def is_live_when_set_again(pool: Pool, *off: re.Pattern[str]) -> bool:
    """Whether a timer is still to fire that another flow sets for the very same time while its own is under way."""
    subject, due_at = uuid4(), datetime(2020, 1, 1, tzinfo=UTC)
    async with transaction(pool) as conn:
        await set_timer(conn, "payment_retry", subject, due_at)

    async def fire(pool: Pool) -> None:
        async with transaction(pool) as conn:
            [claimed] = [timer for timer in await claim_due(conn, limit=20) if timer.subject_id == subject]
        async with transaction(pool) as conn:
            await conn.execute("SELECT 'its flow'")
        async with transaction(pool) as conn:
            await mark_fired(conn, claimed)

    async def set_again(pool: Pool) -> None:
        async with transaction(pool) as conn:
            await set_timer(conn, "payment_retry", subject, due_at)

    assert await Race(pool, at="'its flow'", off=off).run(fire, set_again) == (None, None)
    async with transaction(pool) as conn:
        return await is_set(conn, "payment_retry", subject)


async def test_a_timer_set_again_for_the_same_time_while_it_is_fired_stays_live(service: Service) -> None:
    """A charge given up is asked of its bank first; the answer may set the very same deadline before the timer is done."""
    assert await is_live_when_set_again(service.pool)


async def test_control_without_the_lease_a_timer_set_again_meanwhile_is_lost(service: Service) -> None:
    assert not await is_live_when_set_again(service.pool, without("AND leased_until = $4"))


async def test_a_timer_nobody_has_set_again_is_done(service: Service) -> None:
    subject = uuid4()
    async with transaction(service.pool) as conn:
        await set_timer(conn, "payment_retry", subject, datetime(2020, 1, 1, tzinfo=UTC))
        [claimed] = [timer for timer in await claim_due(conn, limit=20) if timer.subject_id == subject]
        await mark_fired(conn, claimed)
        assert not await is_set(conn, "payment_retry", subject)


class CutOff:
    """A driver whose connection is cut off in mid-air."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        async def fail(*_: object, **__: object) -> None:
            raise self.error

        return fail


@pytest.mark.parametrize("error", [asyncpg.InternalClientError("release() called on a free connection holder"), ConnectionResetError()])
async def test_a_job_that_cannot_be_put_back_because_its_connection_was_cut_off_is_not_held(error: Exception) -> None:
    job = Job(
        id=JobId(1), priority=0, created=NOW, updated=NOW, heartbeat=NOW, execute_after=NOW, status="picked",
        entrypoint=QueueEntrypoint("charge_payment"), payload=None, queue_manager_id=None, headers=None,
    )  # fmt: skip
    await JobQueries(CutOff(error)).retry_job(job, timedelta(seconds=1), None)


def test_a_request_whose_connection_was_cut_off_is_told_to_come_again() -> None:
    assert all(any(issubclass(kind, known) for known in EXCEPTION_HANDLERS if known is not Exception) for kind in CUT_OFF)
    assert all(issubclass(kind, DATABASE_LOST) for kind in CUT_OFF)

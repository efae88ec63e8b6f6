"""Two answers at the same moment, the interleaving forced; and the same with the guard taken away, which must go wrong."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

from app.core.database import Pool
from app.core.errors import Conflict
from app.domain.dispatch.model import OfferState
from app.flows.answer_offer import accept_offer
from app.flows.close_booking import dispatch_event
from app.flows.invariants import find_violations
from tests.support.dispatch_world import World, add_party, build_world, offers_in, plan_once
from tests.support.server import ScratchDatabase

MEETING = "count(*)::int FROM plans p JOIN plan_duties"
WITH_LOCKS_S, WITHOUT_S = 1.0, 60.0  # with locks the other one cannot come before we have committed


class Meddled:
    """A connection that waits for the other one around counting open duties, and that may be made to forget its row locks."""

    def __init__(self, conn: Any, barrier: asyncio.Barrier, *, locks: bool) -> None:
        self._conn, self._barrier, self._locks = conn, barrier, locks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conn, name)

    async def _meet(self) -> None:
        with suppress(TimeoutError, asyncio.BrokenBarrierError):
            await asyncio.wait_for(self._barrier.wait(), WITH_LOCKS_S if self._locks else WITHOUT_S)

    def _unlocked(self, sql: str) -> str:
        return sql if self._locks else re.sub(r"FOR NO KEY UPDATE( OF \w+)?", "", sql)

    async def fetch(self, sql: str, *args: object) -> Any:
        return await self._conn.fetch(self._unlocked(sql), *args)

    async def fetchrow(self, sql: str, *args: object) -> Any:
        return await self._conn.fetchrow(self._unlocked(sql), *args)

    async def fetchval(self, sql: str, *args: object) -> Any:
        if MEETING not in " ".join(sql.split()):
            return await self._conn.fetchval(self._unlocked(sql), *args)
        await self._meet()
        counted = await self._conn.fetchval(sql, *args)
        await self._meet()  # nobody commits before both have counted
        return counted


class MeddledPool:
    """A pool of such connections."""

    def __init__(self, pool: Pool, barrier: asyncio.Barrier, *, locks: bool) -> None:
        self._pool, self._barrier, self._locks = pool, barrier, locks

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Meddled]:
        async with self._pool.acquire() as conn:
            yield Meddled(conn, self._barrier, locks=self._locks)


async def two_last_yeses(pool: Pool, world: World, *, locks: bool) -> set[str]:
    """Both offers of an event are accepted at once; the states its trips end up in."""
    await dispatch_event(pool, world.event_id, actor="organiser")
    await plan_once(pool, world)
    sent = await offers_in(pool, world, OfferState.SENT)
    assert len(sent) == 2
    meddled = cast("Pool", MeddledPool(pool, asyncio.Barrier(2), locks=locks))
    await asyncio.gather(*(accept_offer(meddled, offer.id, actor="operator") for offer in sent))
    async with pool.acquire() as conn:
        return {row["state"] for row in await conn.fetch("SELECT state FROM trips WHERE event_id = $1", world.event_id)}


async def test_the_last_two_yeses_at_once_allocate(pool: Pool, world: World) -> None:
    assert await two_last_yeses(pool, world, locks=True) == {"allocated"}


async def test_without_the_events_lock_both_overlook_each_other_and_nobody_allocates(pool: Pool, world: World) -> None:
    assert await two_last_yeses(pool, world, locks=False) == {"confirmed"}


async def rivals(pool: Pool) -> list[Any]:
    """Two events' offers for the same, only bus."""
    async with pool.acquire() as conn:
        first = await build_world(conn, operators=1, buses_each=1, price_minor=100_000)
        second = await build_world(conn, operators=0, price_minor=100_000)
        for world in (first, second):
            await add_party(conn, world, "baltimore", seats=2, price_minor=100_000)
    for world in (first, second):
        await dispatch_event(pool, world.event_id, actor="organiser")
        await plan_once(pool, world)
    return [(await offers_in(pool, world, OfferState.SENT))[0] for world in (first, second)]


async def test_one_bus_wanted_by_two_events_goes_to_one(pool: Pool) -> None:
    wanted = await rivals(pool)
    answers = await asyncio.gather(*(accept_offer(pool, offer.id, actor="operator") for offer in wanted), return_exceptions=True)
    assert [answer.code for answer in answers if isinstance(answer, Conflict)] == ["vehicle_busy"]
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM offers WHERE state = 'accepted'") == 1


async def test_without_the_exclusion_constraint_it_is_promised_twice_and_the_invariant_says_so(database: ScratchDatabase) -> None:
    pool = await database.pool()
    wanted = await rivals(pool)
    async with pool.acquire() as conn:
        await conn.execute("ALTER TABLE offers DROP CONSTRAINT offers_vehicle_free")
    await asyncio.gather(*(accept_offer(pool, offer.id, actor="operator") for offer in wanted))
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM offers WHERE state = 'accepted'") == 2
        broken = await find_violations(conn)
    assert [name for name in broken if name.startswith("I09")]

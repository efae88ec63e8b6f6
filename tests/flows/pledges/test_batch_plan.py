"""What a batch reads under its trip's lock costs the same on a young trip and on one with tens of thousands of pledges."""

from typing import Any
from uuid import uuid4

from app.core.database import Connection, Pool
from app.domain.trips import store as trips
from app.flows.pledge_batch import place_batch
from app.flows.pledge_store import read_batch
from tests.support.batches import request_of, saved_requests
from tests.support.server import ScratchDatabase
from tests.support.threshold import SECRET, Sale, on_sale


class Planned(Exception):
    """The plan, in place of rows."""


class Planning:
    """Stands where a connection does; raises the plan that is kept for any arguments."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    async def fetchval(self, sql: str, *args: object) -> None:
        rows = await self._conn.fetch(f"EXPLAIN (GENERIC_PLAN) {sql}", *args)
        raise Planned("\n".join(row[0] for row in rows))


async def test_the_plan_made_in_an_empty_database_finds_addresses_and_cards_by_their_own_index(database: ScratchDatabase) -> None:
    pool: Pool = await database.pool(size=2)
    assert await indexes_used(pool, await on_sale(pool)) == ["pledges_fingerprint", "pledges_one_live"]


async def test_a_trip_opened_since_the_last_analyze_is_not_read_whole(database: ScratchDatabase) -> None:
    pool: Pool = await database.pool(size=2)
    for trip in range(6):
        other = await on_sale(pool)
        await place_batch(pool, other.trip_id, await saved_requests(pool, other, [f"rider-{trip}-{n}" for n in range(20)]), secret=SECRET)
    await pool.execute("ANALYZE pledges")
    assert await indexes_used(pool, await on_sale(pool)) == ["pledges_fingerprint", "pledges_one_live"]


async def indexes_used(pool: Pool, sale: Sale) -> list[str]:
    """How a batch of this trip finds pledges."""
    async with pool.acquire() as conn:
        trip = await trips.get_trip(conn, sale.trip_id)
        assert trip is not None
        planning: Any = Planning(conn)
        try:
            await read_batch(planning, trip, scope="pledge:", requests=[request_of(sale, "ada", account_id=uuid4(), saved=True)])
        except Planned as planned:
            lines = [line.strip() for line in str(planned).splitlines() if " on pledges " in line]
    return [line.split(" using ")[1].split()[0] if " using " in line else line for line in lines]

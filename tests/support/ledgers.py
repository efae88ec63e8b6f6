"""Looking into a test's database: what is written, whether anything half-done is, whether all invariants hold."""

from typing import Any
from uuid import UUID

from app.core.database import Pool
from app.flows.invariants import find_violations
from tests.support.service import Service

TABLES = ("pledges", "payments", "refunds", "mails", "pgqueuer", "idempotency_keys", "timers", "audit", "stops", "trip_stops")


async def written(pool: Pool) -> dict[str, Any]:
    """Rows per table, and every trip's state and counters: equal before and after means that nothing was written."""
    async with pool.acquire() as conn:
        counts = {table: await conn.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES}
        trips = await conn.fetch("SELECT id, state, secured, held, minimum, deadline_at FROM trips ORDER BY id")
    return {**counts, "trips": [tuple(row) for row in trips]}


async def assert_sound(pool: Pool) -> None:
    """Every invariant holds."""
    async with pool.acquire() as conn:
        assert await find_violations(conn) == {}


async def charges_at_stripe(service: Service, placed: dict[str, Any]) -> list[dict[str, Any]]:
    """The succeeded charges of a pledge in Stripe's own books."""
    books = await service.stripe.books()
    intents = {one["id"] for one in books["payment_intents"] if one["metadata"].get("busload_reference") == placed["pledge"]["id"]}
    return [one for one in books["charges"] if one["payment_intent"] in intents and one["status"] == "succeeded"]


async def payment_ids(pool: Pool, placed: dict[str, Any]) -> list[UUID]:
    """The payments of a pledge, oldest first."""
    async with pool.acquire() as conn:
        rows = await conn.fetch("SELECT id FROM payments WHERE reference = $1 ORDER BY id", UUID(placed["pledge"]["id"]))
    return [row["id"] for row in rows]

"""What thousands of open pages and every scan ask for is found by an index, however large its tables become."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from app.core.database import Connection
from app.domain.manifests import day_store, rider_store, store

HOT: dict[str, Callable[[Any], Awaitable[object]]] = {
    "the tracking page": lambda conn: rider_store.read_travel(conn, uuid4()),
    "its link": lambda conn: rider_store.find_pledge_by_code(conn, "K7M2Q9XA"),
    "its bus": lambda conn: rider_store.read_pledge_manifests(conn, uuid4()),
    "where it is": lambda conn: day_store.read_last_position(conn, uuid4()),
    "who of a party is aboard": lambda conn: day_store.read_pledge_check_ins(conn, uuid4()),
    "a party's passes": lambda conn: store.read_pledge_passes(conn, uuid4()),
    "a driver's link": lambda conn: day_store.read_link(conn, b"hash"),
    "a driver's manifest": lambda conn: store.read_current_manifest(conn, uuid4()),
    "who is aboard": lambda conn: day_store.read_duty_check_ins(conn, uuid4()),
    "a duty's passes": lambda conn: store.read_duty_passes(conn, uuid4()),
    "who may board": lambda conn: day_store.read_riders_ever(conn, uuid4()),
    "the check-in that counts": lambda conn: day_store.read_first_check_in(conn, uuid4(), 1, "outbound"),
    "a duty's incidents": lambda conn: day_store.read_duty_incidents(conn, uuid4()),
}


class Explaining:
    """Stands where a connection does; keeps the plan of each query instead of its rows."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.plans: list[str] = []

    async def _explain(self, sql: str, *args: object) -> None:
        rows = await self._conn.fetch(f"EXPLAIN {sql}", *args)
        self.plans.append("\n".join(str(row[0]) for row in rows))

    async def fetch(self, sql: str, *args: object) -> list[object]:
        await self._explain(sql, *args)
        return []

    async def fetchrow(self, sql: str, *args: object) -> None:
        await self._explain(sql, *args)

    async def fetchval(self, sql: str, *args: object) -> None:
        await self._explain(sql, *args)


@pytest.mark.parametrize("name", HOT)
async def test_it_is_found_by_an_index(conn: Connection, name: str) -> None:
    await conn.execute("SET LOCAL enable_seqscan = off")  # a scan that remains is one that no index can replace
    explaining = Explaining(conn)
    await HOT[name](explaining)
    (plan,) = explaining.plans
    scans = [line for line in plan.splitlines() if "Seq Scan" in line and "installation" not in line]
    assert scans == [], plan

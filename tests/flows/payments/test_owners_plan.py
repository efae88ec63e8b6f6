"""Whose a movement is, for a stadium's movements: by hashing names, never by comparing each with each."""

from typing import Any, cast

import asyncpg

from app.core.database import Connection
from app.core.ids import new_id
from app.domain.payments.reconcile_store import list_owners


class Explaining:
    """A connection that shows how it would read instead of reading."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.plan = ""

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        rows = await self._conn.fetch(f"EXPLAIN {sql}", *args)
        self.plan = "\n".join(row[0] for row in rows)
        return []


async def test_a_stadiums_movements_find_their_owners_by_hash(conn: Connection) -> None:
    explaining = Explaining(conn)
    await list_owners(cast("Connection", explaining), refs=[f"ch_{number}" for number in range(5000)], ids=[new_id() for _ in range(5000)])
    assert "Hash" in explaining.plan
    assert " OR " not in explaining.plan

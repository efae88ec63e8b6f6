"""The pool as those at work see it: between two transactions somebody else may have a turn, just as at calls to the outside world."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from app.core.database import Connection, Pool
from tests.simulation.turns import Turns


class Door:
    """Hands rest here before they get a connection: they hold no lock then, and what they have read may be stale when they go on."""

    def __init__(self, pool: Pool, turns: Turns, tell: Callable[[str], None]) -> None:
        self._pool, self._turns, self._tell = pool, turns, tell

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """A connection; two at once would let a full pool wait for itself."""
        with self._turns.keeping() as is_first:
            if is_first:
                await self._turns.at_the_door()
            else:
                self._tell("a connection is asked for while one is kept")
            async with self._pool.acquire() as conn:
                yield conn

    async def execute(self, sql: str, *args: object) -> str:
        """See asyncpg."""
        async with self.acquire() as conn:
            return await conn.execute(sql, *args)

    async def fetch(self, sql: str, *args: object) -> list[Any]:
        """See asyncpg."""
        async with self.acquire() as conn:
            return await conn.fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: object) -> Any:
        """See asyncpg."""
        async with self.acquire() as conn:
            return await conn.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: object) -> Any:
        """See asyncpg."""
        async with self.acquire() as conn:
            return await conn.fetchval(sql, *args)


def pool_behind_door(pool: Pool, turns: Turns, tell: Callable[[str], None]) -> Pool:
    """What flows are given for their pool."""
    return cast("Pool", Door(pool, turns, tell))

"""PostgreSQL through asyncpg: the pool, transactions with a lock timeout, rows as Structs."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID
from weakref import WeakSet

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from app.core.log import logger

if TYPE_CHECKING:  # generic in its stubs only
    PlainConnection = asyncpg.Connection[asyncpg.Record]
    Connection = PlainConnection | PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    PlainConnection = asyncpg.Connection
    Connection = asyncpg.Connection | PoolConnectionProxy
    Pool = asyncpg.Pool
T = TypeVar("T")

log = logger(__name__)
LOCK_TIMEOUT_MS = 3_000
CLOSE_S = 10.0
STATEMENT_TIMEOUT_MS = 30_000
CLIENT_CHECK_MS = 2_000  # the server drops a statement nobody waits for any more
RANDOM_PAGE_COST = "1.1"  # of solid state; with the default of disks a plan made for 100 rows reads them all, and 10,000 a minute later
SILENCE_S = 38.0
"""How long a statement may go unanswered: the server itself gives up after STATEMENT_TIMEOUT_MS, so beyond that nobody is there."""
DATABASE_LOST = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What talking to a database may raise that is away, broken or busy; the last is what a connection cut off in mid-air leaves in asyncpg."""
BUILTIN_TYPES = (bytes, datetime, date, UUID)


class WatchedConnection(PlainConnection):
    """Hangs up on a peer that has fallen silent (a half-open socket), so that callers get an error and the pool a new connection.

    asyncpg's own `command_timeout` would ask the same silent peer to cancel, and wait for its answer for ever.
    """

    silence_s = SILENCE_S
    companions: Collection["WatchedConnection"] = ()
    is_waiting = False

    def _hang_up(self) -> None:
        """Ends this connection and the pool's others that nobody waits on: they are likely to be as silent, and cheap to open again."""
        self.terminate()
        for other in list(self.companions):
            if not other.is_waiting and not other.is_closed():
                other.terminate()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Whatever is asked within is answered in time, or the connection is gone.

        A cancelled statement takes its connection with it: asyncpg would wait for the peer to confirm the cancellation before the pool
        gets the connection back, and neither a silent peer nor a dead one ever does.
        """
        watch = asyncio.get_running_loop().call_later(self.silence_s, self._hang_up)
        self.is_waiting = True
        try:
            yield
        except asyncio.CancelledError:
            self.terminate()
            raise
        finally:
            self.is_waiting = False
            watch.cancel()

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:
        """See asyncpg."""
        with self.watched():
            return await super().execute(query, *args, timeout=timeout)

    async def fetch(self, query: str, *args: object, **more: Any) -> Any:
        """See asyncpg."""
        with self.watched():
            return await super().fetch(query, *args, **more)

    async def fetchrow(self, query: str, *args: object, **more: Any) -> Any:
        """See asyncpg."""
        with self.watched():
            return await super().fetchrow(query, *args, **more)

    async def fetchval(self, query: str, *args: object, **more: Any) -> Any:
        """See asyncpg."""
        with self.watched():
            return await super().fetchval(query, *args, **more)


async def set_up_connection(conn: Connection) -> None:
    """jsonb travels as Python objects, encoded by msgspec."""
    await conn.set_type_codec(
        "jsonb", encoder=lambda value: msgspec.json.encode(value).decode(), decoder=msgspec.json.decode, schema="pg_catalog"
    )


async def open_pool(dsn: str, *, min_size: int = 2, max_size: int = 10, silence_s: float = SILENCE_S) -> Pool:
    """A pool whose connections read jsonb and never wait for ever; raises OSError or asyncpg errors when there is no server."""
    companions: WeakSet[WatchedConnection] = WeakSet()

    async def set_up(conn: PlainConnection) -> None:
        assert isinstance(conn, WatchedConnection)
        conn.companions, conn.silence_s = companions, silence_s
        companions.add(conn)
        with conn.watched():
            await set_up_connection(conn)

    pool: Pool = await asyncpg.create_pool(
        dsn,
        min_size=min_size,
        max_size=max_size,
        timeout=silence_s,
        init=set_up,
        connection_class=WatchedConnection,
        server_settings={
            "lock_timeout": str(LOCK_TIMEOUT_MS),
            "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            "client_connection_check_interval": str(CLIENT_CHECK_MS),
            "timezone": "UTC",
            "application_name": "busload",
            "random_page_cost": RANDOM_PAGE_COST,
        },
    )
    return pool


async def close_in_time(pool: Pool, *, patience_s: float = CLOSE_S) -> None:
    """Closes a pool; what is still in use after `patience_s` is cut off: a lost connection must not keep a process from ending."""
    try:
        async with asyncio.timeout(patience_s):
            await pool.close()
    except TimeoutError:
        log.warning("database.close_forced", patience_s=patience_s)
        pool.terminate()


class KeptConnection:
    """One connection of a pool from use to use, for who has many short transactions to do in a row.

    asyncpg resets a connection whenever it goes back to its pool: one round trip for each transaction. Here it is acquired at the first use
    and goes back at the end. After anything raised, or when the server has cut it between two uses, the next use acquires another.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._kept: PoolConnectionProxy[asyncpg.Record] | None = None

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """The connection; one user at a time."""
        if self._kept is not None and is_lost(self._kept):
            await self.give_back()
        if self._kept is None:
            self._kept = await self._pool.acquire()
        try:
            yield self._kept
        except BaseException:
            await self.give_back()
            raise

    async def give_back(self) -> None:
        """It goes back to its pool, reset; a lost one has nothing to go back."""
        kept, self._kept = self._kept, None
        if kept is not None:
            with suppress(*DATABASE_LOST):
                await self._pool.release(kept)


def is_lost(conn: "PoolConnectionProxy[asyncpg.Record]") -> bool:
    """Whether the connection has gone; its pool may have taken note of that already."""
    try:
        return conn.is_closed()
    except asyncpg.InterfaceError:
        return True


@asynccontextmanager
async def kept_connection(pool: Pool) -> AsyncIterator[KeptConnection]:
    """A KeptConnection that is given back at the end."""
    kept = KeptConnection(pool)
    try:
        yield kept
    finally:
        await kept.give_back()


@asynccontextmanager
async def transaction(pool: Pool | KeptConnection) -> AsyncIterator[Connection]:
    """One connection, one transaction: commits at the end, rolls back on any exception."""
    async with pool.acquire() as conn:
        opened = conn.transaction()
        await opened.start()
        try:
            yield conn
        except BaseException:
            with suppress(*DATABASE_LOST):  # a lost connection has rolled back
                await opened.rollback()
            raise
        await opened.commit()


def to_struct(row: asyncpg.Record, into: type[T]) -> T:
    """A row as a frozen Struct; msgspec.ValidationError when a column does not fit its field."""
    return msgspec.convert(dict(row), into, strict=False, builtin_types=BUILTIN_TYPES)


async def fetch_all(conn: Connection, into: type[T], sql: str, *args: object) -> list[T]:
    """Every row of a statement as `into`."""
    return [to_struct(row, into) for row in await conn.fetch(sql, *args)]


async def fetch_maybe(conn: Connection, into: type[T], sql: str, *args: object) -> T | None:
    """The one row of a statement as `into`, or None."""
    row = await conn.fetchrow(sql, *args)
    return None if row is None else to_struct(row, into)


async def fetch_one(conn: Connection, into: type[T], sql: str, *args: object) -> T:
    """The one row of a statement as `into`; LookupError when there is none (the caller knew it exists)."""
    found = await fetch_maybe(conn, into, sql, *args)
    if found is None:
        raise LookupError(f"a row of {into.__name__} is gone")
    return found

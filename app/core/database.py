"""PostgreSQL through asyncpg: the pool, transactions with a lock timeout, rows as Structs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

if TYPE_CHECKING:  # generic in its stubs only
    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection | PoolConnectionProxy
    Pool = asyncpg.Pool
T = TypeVar("T")

LOCK_TIMEOUT_MS = 3_000
STATEMENT_TIMEOUT_MS = 30_000
BUILTIN_TYPES = (bytes, datetime, date, UUID)


async def set_up_connection(conn: Connection) -> None:
    """jsonb travels as Python objects, encoded by msgspec."""
    await conn.set_type_codec(
        "jsonb", encoder=lambda value: msgspec.json.encode(value).decode(), decoder=msgspec.json.decode, schema="pg_catalog"
    )


async def open_pool(dsn: str, *, min_size: int = 2, max_size: int = 10) -> Pool:
    """A pool whose connections read jsonb and never wait for ever; raises OSError or asyncpg errors when there is no server."""
    return await asyncpg.create_pool(
        dsn,
        min_size=min_size,
        max_size=max_size,
        init=set_up_connection,
        server_settings={
            "lock_timeout": str(LOCK_TIMEOUT_MS),
            "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            "timezone": "UTC",
            "application_name": "busload",
        },
    )


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """One connection, one transaction: commits at the end, rolls back on any exception."""
    async with pool.acquire() as conn, conn.transaction():
        yield conn


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

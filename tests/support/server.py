"""The database server of a test session: DATABASE_URL when set, else the embedded one; and databases cloned from one template."""

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg

from app.core.clock import Mark
from app.core.database import Connection, Pool, open_pool, set_up_connection
from app.stage.databases import create_database, drop_database, prepare_database, with_database
from app.stage.postgres import temporary_server


@contextmanager
def session_server() -> Iterator[str]:
    """Yield the address of a server on which databases may be made; a test session has exactly one."""
    given = os.environ.get("DATABASE_URL")
    if given:
        yield given
        return
    with temporary_server() as server:
        yield server.dsn()


@asynccontextmanager
async def migrated_template(server_dsn: str) -> AsyncIterator[str]:
    """Yield the name of a database that is migrated, marked `test`, and left alone, so that it can be copied."""
    async with scratch_database(server_dsn, template="template0", purpose="template") as dsn:
        await prepare_database(dsn, Mark.TEST)
        yield dsn.rsplit("/", 1)[1]


@asynccontextmanager
async def scratch_database(server_dsn: str, *, template: str, purpose: str) -> AsyncIterator[str]:
    """Yield the address of a new copy of `template`, dropped afterwards whoever is still connected."""
    name = f"busload_{purpose}_{secrets.token_hex(6)}"
    await create_database(server_dsn, name, template=template)
    try:
        yield with_database(server_dsn, name)
    finally:
        await drop_database(server_dsn, name)


async def connect(dsn: str) -> Connection:
    """Open one connection that reads and writes values as the service's own do."""
    connection: Connection = await asyncpg.connect(dsn)
    await set_up_connection(connection)
    return connection


class ScratchDatabase:
    """A committed database of one test's own; connections and pools opened through it are closed with it."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._open: list[Connection | Pool] = []

    async def connect(self) -> Connection:
        """Open a connection."""
        connection = await connect(self.dsn)
        self._open.append(connection)
        return connection

    async def pool(self, *, size: int = 10) -> Pool:
        """Open a pool as the service does."""
        pool = await open_pool(self.dsn, min_size=1, max_size=size)
        self._open.append(pool)
        return pool

    def close(self) -> None:
        """Cut everything that is still open: a test's end needs no good-byes, and a hung statement must not delay it."""
        for opened in self._open:
            opened.terminate()

"""Making, marking, cloning and dropping whole databases on a server; never used by the service itself."""

from urllib.parse import urlsplit, urlunsplit

import asyncpg

from app.core.clock import Mark, mark_database, read_mark
from app.core.migrate import migrate
from app.stage.errors import StageError

FIRST_REVISION = "0001"


def with_database(dsn: str, name: str) -> str:
    """Return `dsn` pointing at another database of the same server."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


async def create_database(server_dsn: str, name: str, *, template: str = "template0") -> str:
    """Create the database `name` as a copy of `template`, to which nobody may be connected, and return its address."""
    await _run_quoted(server_dsn, "CREATE DATABASE {} TEMPLATE {}", name, template)
    return with_database(server_dsn, name)


async def drop_database(server_dsn: str, name: str) -> None:
    """Drop the database `name`, disconnecting whoever still uses it; a missing one is fine."""
    await _run_quoted(server_dsn, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


async def prepare_database(dsn: str, mark: Mark) -> list[str]:
    """Migrate the database, make sure it bears `mark`, and return the revisions applied.

    Only a database that was empty before is marked: StageError when it belongs to a live service or plays another part.
    """
    applied = await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    try:
        if FIRST_REVISION in applied:
            await mark_database(connection, mark)
        elif (found := await read_mark(connection)) is not mark:
            raise StageError(f"this database is marked {found}, not {mark}: give DATABASE_URL an empty database of its own")
    finally:
        await connection.close()
    return applied


async def _run_quoted(server_dsn: str, statement: str, *names: str) -> None:
    """Run a statement that takes names and no parameters, the names quoted by the server itself."""
    connection = await asyncpg.connect(server_dsn)
    try:
        quoted = [await connection.fetchval("SELECT quote_ident($1)", name) for name in names]
        await connection.execute(statement.format(*quoted))
    finally:
        await connection.close()

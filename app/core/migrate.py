"""Bringing a database to the newest schema."""

from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
_LOCK_KEY = 0x6275736C  # "busl"; any number that every version of this service agrees on


async def migrate(dsn: str) -> list[str]:
    """Apply all pending revisions to the database at `dsn` and return their ids (`0001`) in order; an up-to-date database gives [].

    Each revision is one transaction: a failing one leaves the earlier ones applied and nothing of itself. Callers on any number of
    hosts may run at once: one works, the others wait for it and then find nothing left to do.
    """
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(dsn), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK_KEY})
            await connection.commit()  # the lock is the session's and goes with the connection
            return await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def newest_revision() -> str | None:
    """The newest revision this version of the service brings."""
    return ScriptDirectory.from_config(_configuration()).get_current_head()


def _configuration() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


def _upgrade(connection: Connection) -> list[str]:
    config = _configuration()
    config.attributes["connection"] = connection
    config.attributes["applied"] = applied = list[str]()
    command.upgrade(config, "head")
    connection.commit()
    return applied

"""What a seed is played on: a real database whose clock stands still until it is moved, ids that the seed makes, mail kept in memory."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from random import Random
from types import SimpleNamespace
from typing import Any

import asyncpg

from app.core import ids
from app.core.database import Pool, open_pool

EPOCH = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)
KEPT = frozenset({"alembic_version", "installation", "state_transitions", "driver_rules", "terms", "ledger_accounts"})


class MailServer:
    """Takes mails and counts them; `fault_share` of them it does not take."""

    def __init__(self, dice: Random) -> None:
        self.dice, self.fault_share, self.taken = dice, 0.0, 0

    async def send(self, message: EmailMessage) -> None:  # noqa: ARG002  nobody reads it
        """Takes one, or does not."""
        if self.dice.random() < self.fault_share:
            raise OSError("the mail server does not answer")
        self.taken += 1


class Stage:
    """One database, used for one seed after the other."""

    def __init__(self, pool: Pool, tables: str) -> None:
        self.pool, self._tables = pool, tables
        self.shift = timedelta(0)

    @property
    def now(self) -> datetime:
        """The simulation's time, which is the database's."""
        return EPOCH + self.shift

    async def clear(self) -> None:
        """Everything of the seed before is gone; append-only tables are emptied past their guards."""
        self.shift = timedelta(0)
        async with self.pool.acquire() as conn, conn.transaction():
            await conn.execute("SET LOCAL session_replication_role = 'replica'")
            await conn.execute(f"TRUNCATE {self._tables} RESTART IDENTITY CASCADE")
            await conn.execute("UPDATE installation SET clock_shift = $1", self.shift)

    async def pass_time(self, by: timedelta) -> None:
        """The clock goes on."""
        self.shift += by
        async with self.pool.acquire() as conn:
            await conn.execute("UPDATE installation SET clock_shift = $1", self.shift)


@asynccontextmanager
async def open_stage(dsn: str) -> AsyncIterator[Stage]:
    """A stage on a database of its own, which is changed for good: its clock and its ids are the simulation's."""
    async with await open_pool(dsn, min_size=1, max_size=8) as pool:
        async with pool.acquire() as conn:
            await freeze_clock(conn)
            rows = await conn.fetch("SELECT format('%I', tablename) AS name FROM pg_tables WHERE schemaname = 'public'")
        yield Stage(pool, ", ".join(sorted(row["name"] for row in rows if row["name"] not in KEPT)))


async def freeze_clock(conn: asyncpg.Connection | asyncpg.pool.PoolConnectionProxy) -> None:
    """`busload_now()` is the epoch and the shift, and columns that make their own ids number them."""
    await conn.execute(
        f"""
        CREATE OR REPLACE FUNCTION busload_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE AS
        $$ SELECT '{EPOCH.isoformat()}'::timestamptz + (SELECT clock_shift FROM installation) $$;
        CREATE SEQUENCE own_ids;
        CREATE FUNCTION own_id() RETURNS uuid LANGUAGE sql AS
        $$ SELECT ('ffff0000-0000-7000-8000-' || lpad(to_hex(nextval('own_ids')), 12, '0'))::uuid $$;
        """
    )
    made = await conn.fetch(
        """
        SELECT format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT own_id()', d.adrelid::regclass, a.attname) AS change
        FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
        WHERE pg_get_expr(d.adbin, d.adrelid) IN ('uuidv7()', 'gen_random_uuid()')
        """
    )
    for row in made:
        await conn.execute(row["change"])


@contextmanager
def seeded_ids(seed: int) -> Iterator[None]:
    """Ids and codes come from the seed, in order of birth. The one place where the code under test is given another source of chance."""
    dice = Random(seed)
    born = iter(range(1, 1 << 40))
    replaced = {
        "os": SimpleNamespace(urandom=dice.randbytes),
        "time": SimpleNamespace(time=lambda: EPOCH.timestamp() + next(born) / 1000),
        "secrets": SimpleNamespace(choice=dice.choice, token_urlsafe=secrets.token_urlsafe),
    }
    before: dict[str, Any] = {name: getattr(ids, name) for name in replaced}
    try:
        for name, source in replaced.items():
            setattr(ids, name, source)
        yield
    finally:
        for name, source in before.items():
            setattr(ids, name, source)

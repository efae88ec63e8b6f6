"""What a seed is played on: a real database whose clock stands still until it is moved, ids that the seed makes, mail kept in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from random import Random

import asyncpg

from app.core.database import Connection, PlainConnection, Pool, set_up_connection
from app.domain.partners.sending import WebhookClient

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

    def __init__(self, pool: Pool, sweeper: Connection, clear: str) -> None:
        self.pool, self._sweeper, self._clear = pool, sweeper, clear
        self.webhooks = WebhookClient()  # no partner listens; reading the trusted certificates for each seed would be a tenth of its time
        self.shift = timedelta(0)

    @property
    def now(self) -> datetime:
        """The simulation's time, which is the database's."""
        return EPOCH + self.shift

    async def clear(self) -> None:
        """Everything of the seed before is gone; append-only tables are emptied past their guards."""
        self.shift = timedelta(0)
        await self._sweeper.execute(self._clear)

    @asynccontextmanager
    async def supposing(self, change: str) -> AsyncIterator[Connection]:
        """A connection that sees everything as if `change` had been made, past all guards; nothing of it is kept."""
        supposed = self._sweeper.transaction()
        await supposed.start()
        try:
            await self._sweeper.execute(change)
            yield self._sweeper
        finally:
            await supposed.rollback()

    async def pass_time(self, by: timedelta) -> None:
        """The clock goes on."""
        self.shift += by
        async with self.pool.acquire() as conn:
            await conn.execute("UPDATE installation SET clock_shift = $1", self.shift)


@asynccontextmanager
async def open_stage(dsn: str) -> AsyncIterator[Stage]:
    """A stage on a database of its own, which is changed for good: its clock and its ids are the simulation's.

    Statements stay prepared from seed to seed, each with its one plan. The connection that empties the tables past their guards is another
    one, because changing that role forgets every plan.
    """
    sweeper = await asyncpg.connect(dsn)
    try:
        await freeze_clock(sweeper)
        clear = await clearing_of(sweeper)
        await sweeper.execute("SET session_replication_role = 'replica'")
        async with await asyncpg.create_pool(
            dsn, min_size=1, max_size=8, init=set_up_connection, reset=stay_as_it_is, statement_cache_size=4000,
            max_cached_statement_lifetime=0, max_inactive_connection_lifetime=0,
            server_settings={"lock_timeout": "3000", "statement_timeout": "30000", "timezone": "UTC", "jit": "off",
                "plan_cache_mode": "force_generic_plan",
                "synchronous_commit": "off", "application_name": "simulation"},
        ) as pool:  # fmt: skip
            yield Stage(pool, sweeper, clear)
    finally:
        sweeper.terminate()


async def stay_as_it_is(conn: PlainConnection) -> None:
    """A connection goes back to the pool: flows leave nothing on it that would have to be reset."""


async def clearing_of(conn: Connection) -> str:
    """The statement that empties every table a seed may have filled and starts its sequences anew.

    Truncated and not deleted: rows that nothing orders are read as they lie, so they must lie the same whatever was played before.
    """
    rows = await conn.fetch("SELECT tablename AS name, format('%I', tablename) AS quoted FROM pg_tables WHERE schemaname = 'public'")
    filled = ", ".join(sorted(row["quoted"] for row in rows if row["name"] not in KEPT))
    return f"TRUNCATE {filled} RESTART IDENTITY CASCADE; UPDATE installation SET clock_shift = '0'; ALTER SEQUENCE own_ids RESTART"


async def freeze_clock(conn: Connection) -> None:
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


class SeededBirths:
    """Ids and codes in order of birth, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._dice, self._born = Random(seed), 0

    def now_ms(self) -> int:
        """A millisecond later at each birth."""
        self._born += 1
        return round(EPOCH.timestamp() * 1000) + self._born

    def bits(self, count: int) -> bytes:
        """Drawn from the seed."""
        return self._dice.randbytes(count)

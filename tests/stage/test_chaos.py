"""What breaks things must itself be sound: a cut commit is cut where it says, a silent socket is silent, a full disk full."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

import asyncpg
import pytest
import pytest_asyncio

from app.core.database import open_pool, transaction
from app.stage.chaos.disk import NoBoundedDisk, bounded_server, keep_wal_small
from app.stage.chaos.faults import FAULTS
from app.stage.chaos.proxy import Cut, DatabaseProxy
from tests.support.server import ScratchDatabase

SMALL_MB = 256


@pytest_asyncio.fixture
async def proxy(database: ScratchDatabase) -> AsyncIterator[DatabaseProxy]:
    async with DatabaseProxy(database.dsn) as running:
        yield running


async def count_rows(database: ScratchDatabase) -> int:
    connection = await asyncpg.connect(database.dsn)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM terms WHERE version = 'chaos'"))
    finally:
        await connection.close()


async def write_one(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    async with connection.transaction():
        await connection.execute("INSERT INTO terms (version, body, mandate) VALUES ('chaos', 'a text', 'another')")


@pytest.mark.parametrize(("where", "rows"), [(Cut.BEFORE, 0), (Cut.AFTER, 1)])
async def test_a_commit_is_cut_where_it_says(proxy: DatabaseProxy, database: ScratchDatabase, where: Cut, rows: int) -> None:
    connection = await asyncpg.connect(proxy.dsn)
    proxy.cut_next_commits(where, 1)
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, ConnectionError)):
        await write_one(connection)
    assert proxy.all_cut.is_set()
    assert await count_rows(database) == rows
    await write_nothing_more(proxy)


async def write_nothing_more(proxy: DatabaseProxy) -> None:
    """The next connection is as good as any."""
    connection = await asyncpg.connect(proxy.dsn)
    async with connection.transaction():
        assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


async def test_a_silent_connection_answers_nothing_and_a_new_one_does(proxy: DatabaseProxy) -> None:
    silent = await asyncpg.connect(proxy.dsn)
    assert proxy.fall_silent() == 1
    asking = asyncio.create_task(silent.fetchval("SELECT 1"))
    await write_nothing_more(proxy)
    assert not asking.done()
    silent.terminate()
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
        await asking


async def test_the_service_waits_once_for_a_database_that_has_fallen_silent_and_renews_every_connection(proxy: DatabaseProxy) -> None:
    async with await open_pool(proxy.dsn, min_size=4, max_size=4, silence_s=0.5) as pool:
        assert proxy.fall_silent() == 4
        with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
            await pool.fetchval("SELECT 1")
        assert [await pool.fetchval("SELECT 2") for _ in range(4)] == [2] * 4


async def test_a_statement_cancelled_while_the_database_is_silent_gives_its_connection_back(proxy: DatabaseProxy) -> None:
    async with await open_pool(proxy.dsn, min_size=1, max_size=1, silence_s=0.5) as pool, asyncio.timeout(20):
        connection = await pool.acquire()
        proxy.fall_silent()
        asking = asyncio.create_task(connection.fetchval("SELECT 1"))
        done, _ = await asyncio.wait({asking}, timeout=0.05)
        assert not done
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await pool.release(connection)
        assert await pool.fetchval("SELECT 2") == 2


async def test_a_cancelled_transaction_is_rolled_back_and_nothing_hides_the_cancellation(
    proxy: DatabaseProxy, database: ScratchDatabase
) -> None:
    async with await open_pool(proxy.dsn, min_size=1, max_size=1, silence_s=0.5) as pool:
        is_written = asyncio.Event()

        async def write_and_wait() -> None:
            async with transaction(pool) as connection:
                await connection.execute("INSERT INTO terms (version, body, mandate) VALUES ('chaos', 'a text', 'another')")
                is_written.set()
                await connection.execute("SELECT pg_sleep(60)")

        writing = asyncio.create_task(write_and_wait())
        await is_written.wait()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert await pool.fetchval("SELECT 2") == 2
    assert await count_rows(database) == 0


async def test_a_reset_ends_every_connection(proxy: DatabaseProxy) -> None:
    connection = await asyncpg.connect(proxy.dsn)
    assert proxy.reset_all() == 1
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, ConnectionError)):
        await connection.fetchval("SELECT 1")


async def test_a_full_disk_refuses_and_a_freed_one_takes_again() -> None:
    try:
        with bounded_server(size_mb=SMALL_MB) as (server, disk):
            await keep_wal_small(server)
            connection = await asyncpg.connect(server.dsn())
            await connection.execute("CREATE TABLE ballast (bytes bytea)")
            disk.fill()
            with pytest.raises((asyncpg.DiskFullError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
                await connection.execute("INSERT INTO ballast SELECT $1 FROM generate_series(1, 400)", Random(1).randbytes(1_000_000))
            disk.free()
            if server.pid is None:
                server.start()
            again = await asyncpg.connect(server.dsn())
            await again.execute("INSERT INTO ballast VALUES ('\\x00')")
            await again.close()
            connection.terminate()
    except NoBoundedDisk as reason:
        pytest.skip(f"disk full: {reason}")


def test_every_fault_says_what_it_does() -> None:
    assert all(fault.__doc__ for fault in FAULTS.values())

"""A connection kept from use to use: one session for many transactions, another one after anything went wrong, and nothing left behind."""

import asyncio

import asyncpg
import pytest
import pytest_asyncio

from app.core.database import DATABASE_LOST, KeptConnection, Pool, close_in_time, kept_connection, open_pool, transaction
from tests.support.server import ScratchDatabase

SESSION = "SELECT pg_backend_pid()"


@pytest_asyncio.fixture
async def lone_pool(database: ScratchDatabase) -> Pool:
    """A pool of one: whatever is not given back is missed at once."""
    return await open_pool(database.dsn, min_size=1, max_size=1)


async def session(kept: KeptConnection) -> int:
    async with transaction(kept) as conn:
        pid: int = await conn.fetchval(SESSION)
        return pid


async def cut(database: ScratchDatabase, pid: int) -> None:
    """The server has ended a session."""
    pool = await database.pool()
    assert await pool.fetchval("SELECT pg_terminate_backend($1, 5000)", pid)


async def cut_while_in_use(database: ScratchDatabase, kept: KeptConnection) -> None:
    async with transaction(kept) as conn:
        await cut(database, await conn.fetchval(SESSION))
        await conn.execute("SELECT 1")


async def test_it_is_one_session_until_the_end_and_then_the_pools_again(lone_pool: Pool) -> None:
    async with kept_connection(lone_pool) as kept:
        assert await session(kept) == await session(kept)
        assert lone_pool.get_idle_size() == 0
    assert await lone_pool.fetchval("SELECT 1") == 1
    await lone_pool.close()


async def test_what_a_use_left_behind_is_undone_when_it_goes_back(lone_pool: Pool) -> None:
    async with kept_connection(lone_pool) as kept, kept.acquire() as conn:
        await conn.execute("SET application_name = 'left behind'")
    assert await lone_pool.fetchval("SHOW application_name") == "busload"
    await lone_pool.close()


async def test_after_an_error_the_next_use_is_sound(lone_pool: Pool) -> None:
    async with kept_connection(lone_pool) as kept:
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with transaction(kept) as conn:
                await conn.execute("SELECT 1 / 0")
        assert await session(kept) > 0
    await lone_pool.close()


async def test_cut_between_two_uses_it_is_replaced_unseen(database: ScratchDatabase, lone_pool: Pool) -> None:
    async with kept_connection(lone_pool) as kept:
        first = await session(kept)
        await cut(database, first)
        await asyncio.sleep(0)  # the loop reads the socket's end
        second = await session(kept)
    assert second != first
    assert await lone_pool.fetchval("SELECT 1") == 1
    await lone_pool.close()


async def test_cut_during_a_use_its_user_hears_of_it_and_nothing_is_held_for_ever(database: ScratchDatabase, lone_pool: Pool) -> None:
    for _ in range(5):
        async with kept_connection(lone_pool) as kept:
            with pytest.raises(DATABASE_LOST):
                await cut_while_in_use(database, kept)
            assert await session(kept) > 0
    async with asyncio.timeout(5):
        await close_in_time(lone_pool, patience_s=60.0)

"""The fixtures keep their promises."""

import socket

import asyncpg
import httpx
import pytest

from app.core.database import Connection
from tests.support.network import is_local
from tests.support.server import ScratchDatabase


@pytest.mark.parametrize("host", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "example.org", "10.0.0.1"])
def test_a_test_cannot_reach_another_machine(host: str) -> None:
    assert not is_local(host)
    with pytest.raises(ConnectionRefusedError, match="may not reach"):
        socket.create_connection((host, 80), timeout=0.1)


async def test_an_http_client_cannot_either() -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("http://example.org/")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_can_be_reached(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize("turn", [1, 2])
async def test_what_a_test_writes_is_gone_for_the_next(conn: Connection, turn: int) -> None:
    del turn
    await conn.execute("CREATE TABLE written_by_a_test (number integer)")


async def test_the_rolled_back_database_is_migrated_and_marked(conn: Connection) -> None:
    assert await conn.fetchval("SELECT mark FROM installation") == "test"


async def test_a_scratch_database_commits_for_everyone(database: ScratchDatabase) -> None:
    writer, reader = await database.connect(), await database.connect()
    await writer.execute("CREATE TABLE committed (document jsonb)")
    await writer.execute("INSERT INTO committed VALUES ($1)", {"answer": 42})
    assert await reader.fetchval("SELECT document FROM committed") == {"answer": 42}
    async with (await database.pool(size=2)).acquire() as pooled:
        assert await pooled.fetchval("SELECT count(*) FROM committed") == 1


async def test_scratch_databases_are_apart_from_each_other(database: ScratchDatabase, worker_dsn: str) -> None:
    assert database.dsn != worker_dsn
    connection = await database.connect()
    with pytest.raises(asyncpg.UndefinedTableError):
        await connection.fetchval("SELECT count(*) FROM committed")

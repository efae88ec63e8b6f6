import asyncpg
import httpx
import pytest

from app.stage.private_stack import PrivateStack, private_stack
from tests.support.server import connect

pytestmark = pytest.mark.slow


async def status_of(stack: PrivateStack, path: str) -> int:
    async with httpx.AsyncClient(base_url=stack.base_url, trust_env=False, timeout=10) as client:
        return (await client.get(path)).status_code


async def test_a_stack_serves_and_is_gone_afterwards(server: tuple[str, str]) -> None:
    async with private_stack(server_dsn=server[0], template=server[1]) as stack:
        assert await status_of(stack, "/readyz") == 200
        assert await status_of(stack, "/api/events") == 200
        assert all(child.pid for child in stack.children)
        migrated = await stack.run_cli("migrate")
        assert (migrated.status, migrated.stderr) == (0, "")
        assert "nothing to do" in migrated.stdout
    assert not any(child.pid for child in stack.children)
    assert not stack.folder.exists()
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(stack.dsn)


async def test_a_stack_survives_the_death_of_each_of_its_parts() -> None:
    async with private_stack() as stack:
        assert stack.server is not None
        await stack.web.kill()
        await stack.worker.kill()
        await stack.web.start()
        await stack.worker.start()
        stack.server.kill()
        assert await status_of(stack, "/livez") == 200
        assert await status_of(stack, "/readyz") == 503
        stack.server.start()
        assert await status_of(stack, "/readyz") == 200
        connection = await connect(stack.dsn)
        assert await connection.fetchval("SELECT mark FROM installation") == "test"
        await connection.close()


async def test_an_error_carries_the_ends_of_the_logs(server: tuple[str, str]) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        async with private_stack(server_dsn=server[0], template=server[1]):
            raise ZeroDivisionError
    assert any("web's log" in note for note in raised.value.__notes__)

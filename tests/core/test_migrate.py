import asyncio
from pathlib import Path

import asyncpg
import pytest

from app.core.migrate import migrate
from tests.support.server import connect, scratch_database

ROOT = Path(__file__).resolve().parents[2]


async def test_concurrent_migrations_apply_each_revision_once(server_dsn: str) -> None:
    async with scratch_database(server_dsn, template="template0", purpose="migrate") as dsn:
        reports = await asyncio.gather(*(migrate(dsn) for _ in range(3)))
    everything = sorted(path.name[:4] for path in (ROOT / "migrations" / "versions").glob("[0-9]*.py"))
    assert sorted(reports) == [[], [], everything]


async def test_migrating_again_changes_nothing(worker_dsn: str) -> None:
    assert await migrate(worker_dsn) == []


def test_every_sql_file_is_run_by_the_revision_of_its_name() -> None:
    folder = ROOT / "migrations"
    called = {path.stem for path in (folder / "versions").glob("[0-9]*.py") if f'run_sql("{path.stem}.sql")' in path.read_text()}
    assert called == {path.stem for path in (folder / "sql").glob("*.sql")}


async def test_a_failing_revision_leaves_nothing_of_itself(server_dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    history = _copy_history_with_broken_revision(tmp_path)
    monkeypatch.setattr("app.core.migrate.MIGRATIONS", history)
    async with scratch_database(server_dsn, template="template0", purpose="broken") as dsn:
        with pytest.raises(asyncpg.PostgresError):
            await migrate(dsn)
        connection = await connect(dsn)
        assert await connection.fetchval("SELECT version_num FROM alembic_version") == "0002"
        assert await connection.fetchval("SELECT to_regclass('half_made')") is None
        await connection.close()


def _copy_history_with_broken_revision(folder: Path) -> Path:
    (folder / "versions").mkdir()
    (folder / "env.py").write_text((ROOT / "migrations" / "env.py").read_text())
    for number in ("0001", "0002"):
        original = next((ROOT / "migrations" / "versions").glob(f"{number}_*.py"))
        (folder / "versions" / original.name).write_text(original.read_text())
    (folder / "versions" / "0003_broken.py").write_text(
        "from migrations.run_sql import execute_script\n"
        "revision = '0003'\ndown_revision = '0002'\n"
        "def upgrade() -> None:\n    execute_script('CREATE TABLE half_made (); SELECT 1 / 0')\n"
    )
    return folder

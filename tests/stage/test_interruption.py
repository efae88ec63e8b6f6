"""A rehearsal that is told to end leaves nothing: no process, no file, no mounted disk."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from app.stage.chaos.disk import NoBoundedDisk, bounded_server, mounted
from app.stage.postgres_home import TEMPORARY_PREFIX
from app.stage.processes import PROJECT_ROOT
from app.stage.server_user import server_user
from tests.support.waiting import wait_until


@pytest.fixture
def room() -> Iterator[Path]:
    """A place for temporary files that every user can reach, and nobody else uses."""
    place = Path(tempfile.mkdtemp(prefix="busload-room-", dir="/tmp"))
    place.chmod(0o755)
    yield place
    for leftover in disks_in(place):
        subprocess.run(["umount", "--lazy", str(leftover)], check=False)
    shutil.rmtree(place)


def disks_in(place: Path) -> list[Path]:
    return [Path(line.split()[1]) for line in Path("/proc/mounts").read_text().splitlines() if line.split()[1].startswith(f"{place}/")]


def can_mount(room: Path) -> bool:
    try:
        with mounted(room, server_user(), 1):
            return True
    except NoBoundedDisk:
        return False


@contextmanager
def rehearsal_in(room: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | {"TMPDIR": str(room)}
    rehearsal = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "rehearse", "--chaos", "--riders", "20"], cwd=PROJECT_ROOT, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        yield rehearsal
    finally:
        rehearsal.kill()
        rehearsal.wait()


def is_of_the_service(child: psutil.Process) -> bool:
    try:
        return "app.cli" in child.cmdline()
    except psutil.NoSuchProcess:  # a short-lived one, gone meanwhile
        return False


def has_its_service(rehearsal: psutil.Process) -> bool:
    return sum(is_of_the_service(child) for child in rehearsal.children(recursive=True)) >= 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_rehearsal_that_is_told_to_end_leaves_no_process_and_no_disk(room: Path, number: signal.Signals) -> None:
    makes_disks = can_mount(room)
    with rehearsal_in(room) as rehearsal:
        seen = psutil.Process(rehearsal.pid)
        wait_until(lambda: has_its_service(seen), "web and worker to be started", timeout_s=120.0)
        children = seen.children(recursive=True)
        assert len(children) > 4
        assert bool(disks_in(room)) == makes_disks
        rehearsal.send_signal(number)
        assert rehearsal.wait(timeout=60.0) == 128 + number
    _, alive = psutil.wait_procs(children, timeout=30.0)
    assert alive == []
    assert disks_in(room) == []
    assert list(room.iterdir()) == []


def test_the_disk_of_a_rehearsal_that_was_killed_is_taken_back_by_the_next_one(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not can_mount(room):
        pytest.skip("no bounded file system can be mounted here")
    with rehearsal_in(room) as rehearsal:
        wait_until(lambda: any(room.glob(f"{TEMPORARY_PREFIX}*/home/data/PG_VERSION")), "the first one's server", timeout_s=120.0)
        rehearsal.kill()
    (abandoned,) = disks_in(room)
    monkeypatch.setattr(tempfile, "tempdir", str(room))
    with bounded_server(size_mb=256):
        assert abandoned not in disks_in(room)
        assert not abandoned.exists()
    assert disks_in(room) == []

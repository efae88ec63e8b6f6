"""A disk of limited size for the embedded PostgreSQL, so that it can be full without filling anybody else's."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from app.stage.errors import StageError
from app.stage.orphans import end_orphans
from app.stage.postgres import EmbeddedPostgres, lock_home
from app.stage.postgres_home import TEMPORARY_PREFIX, give, make_temporary_home
from app.stage.server_user import ServerUser, server_user

SIZE_MB = 768
BLOCK = b"\0" * 65_536
WAL_LIMITS = ("ALTER SYSTEM SET max_wal_size = '64MB'", "ALTER SYSTEM SET min_wal_size = '32MB'", "SELECT pg_reload_conf()")


class NoBoundedDisk(StageError):
    """This machine mounts no file system for us; the fault is skipped by name."""


class BoundedDisk:
    """A mounted file system with a server's home on it."""

    def __init__(self, mount: Path) -> None:
        self._ballast = mount / "ballast"

    def fill(self) -> int:
        """Takes every free byte; returns how many it took."""
        with self._ballast.open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
            while ballast.write(BLOCK) == len(BLOCK):
                pass
        return self._ballast.stat().st_size

    def free(self) -> None:
        """Gives them back."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def bounded_server(*, size_mb: int = SIZE_MB) -> Iterator[tuple[EmbeddedPostgres, BoundedDisk]]:
    """Runs a throw-away server on a disk of its own. Raises NoBoundedDisk where none can be mounted."""
    user = server_user()
    mount = make_temporary_home(user)
    try:
        with mounted(mount, user, size_mb):
            _sweep_abandoned(mount)
            home = mount / "home"
            home.mkdir(mode=0o700)
            give(home, user)
            with EmbeddedPostgres(home=home, durable=False) as server:
                yield server, BoundedDisk(mount)
    finally:
        shutil.rmtree(mount, ignore_errors=True)


@contextmanager
def mounted(place: Path, user: ServerUser | None, size_mb: int) -> Iterator[None]:
    """A file system in memory of this size, for the server's user alone."""
    if os.geteuid() != 0 or user is None or shutil.which("mount") is None:
        raise NoBoundedDisk("only root can mount a bounded file system")
    options = f"size={size_mb}m,mode=700,uid={user.uid},gid={user.gid}"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoBoundedDisk(f"mount refused: {done.stderr.strip()}")
    try:
        yield
    finally:
        _unmount(place)


def _unmount(place: Path) -> None:
    subprocess.run(["umount", "--lazy", str(place)], capture_output=True, check=False)


def _sweep_abandoned(own: Path) -> None:
    """Takes back the memory of bounded disks whose supervisor was killed before it could."""
    for place in own.parent.glob(f"{TEMPORARY_PREFIX}*"):
        home = place / "home"
        if place == own or not place.is_mount() or not (home / "supervisor.lock").exists():
            continue
        lock = lock_home(home)
        if lock is not None:
            with lock:
                end_orphans(home / "data")
            _unmount(place)
            shutil.rmtree(place, ignore_errors=True)


async def keep_wal_small(server: EmbeddedPostgres) -> None:
    """Lets the write-ahead log fit the disk."""
    connection = await asyncpg.connect(server.dsn())
    try:
        for statement in WAL_LIMITS:
            await connection.execute(statement)
    finally:
        await connection.close()

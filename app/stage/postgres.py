"""The embedded PostgreSQL server: made on first use, supervised, and gone when its supervisor is."""

import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from app.stage.errors import StageError
from app.stage.orphans import end_orphans
from app.stage.ports import free_port
from app.stage.postgres_home import TEMPORARY_PREFIX, give, kept_home, make_temporary_home, reachable_bin, temporary_parents
from app.stage.server_user import ServerUser, server_user
from app.stage.tether import tethered

SUPERUSER = "busload"
_POLL_S = 0.02
_START_DEADLINE_S = 60.0
_STOP_DEADLINE_S = 20.0
_BASE_SETTINGS = (
    "unix_socket_directories=",
    "listen_addresses=127.0.0.1",
    "timezone=UTC",
    "log_timezone=UTC",
    "max_connections=200",
)
# Gives up surviving a crash of the machine, not of the server: fault tests kill it and look for every acknowledged commit.
_FAST_SETTINGS = ("fsync=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0", "max_wal_size=512MB")


class EmbeddedPostgres:
    """One server in one home directory. Not a pool, not thread-safe; start it from the main thread (see `tethered`).

    home: a directory that `user` owns; holds `data/`, `password`, `server.log`, `supervisor.lock`.
    durable: False switches off fsync and what goes with it.
    """

    def __init__(self, *, home: Path, durable: bool = True) -> None:
        self._home = home
        self._durable = durable
        self._user: ServerUser | None = server_user()
        self._bin: Path | None = None
        self._lock: IO[str] | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._port: int | None = None

    @property
    def home(self) -> Path:
        """Where everything of this server lies."""
        return self._home

    @property
    def log_path(self) -> Path:
        """The server's own log."""
        return self._home / "server.log"

    @property
    def pid(self) -> int | None:
        """Process id of the running postmaster."""
        return self._child.pid if self._child and self._child.poll() is None else None

    def dsn(self, database: str = "postgres") -> str:
        """Return the address of `database` as superuser, reachable from this machine only."""
        if self._port is None:
            raise StageError("the embedded PostgreSQL is not running")
        password = (self._home / "password").read_text().strip()
        return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{self._port}/{database}"

    def start(self, *, lock_timeout_s: float = 5.0) -> None:
        """Take the home's lock, recover from a crashed predecessor, start, and return once connections are accepted.

        A second start after `stop` or `kill` listens on the same port, so that waiting clients find it again.
        Raises StageError when another supervisor keeps the lock for `lock_timeout_s` or the server does not come up.
        """
        self._take_lock(lock_timeout_s)
        self._bin = self._bin or reachable_bin(self._user)
        data = self._home / "data"
        if not (data / "PG_VERSION").exists():
            self._create_cluster(data)
        end_orphans(data)
        self._start_server(data)

    def stop(self) -> None:
        """Shut down cleanly, disconnecting clients, and release the lock. Idempotent."""
        if self._child and self._child.poll() is None:
            self._child.send_signal(signal.SIGINT)
            try:
                self._child.wait(_STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self._child.send_signal(signal.SIGQUIT)
                self._child.wait(_STOP_DEADLINE_S)
        self._child = None
        if self._lock:
            self._lock.close()
            self._lock = None

    def kill(self) -> None:
        """Crash the server (`kill -9` of the postmaster), as fault tests do; `start` recovers."""
        if self._child:
            self._child.kill()
            self._child.wait(_STOP_DEADLINE_S)
            self._child = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop."""
        self.stop()

    def _take_lock(self, timeout_s: float) -> None:
        if self._lock:
            return
        deadline = time.monotonic() + timeout_s
        while (lock := lock_home(self._home)) is None:
            if time.monotonic() > deadline:
                raise StageError(f"another process is using {self._home}: stop it first (is a demo running in another terminal?)")
            time.sleep(_POLL_S)
        self._lock = lock

    def _create_cluster(self, data: Path) -> None:
        """Run initdb beside the final place and rename: an interrupted first start leaves nothing half-made."""
        assert self._bin is not None
        password = self._home / "password"
        password.write_text(secrets.token_urlsafe(32))
        password.chmod(0o600)
        give(password, self._user)
        fresh = self._home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        arguments = [
            f"--pgdata={fresh}", f"--username={SUPERUSER}", "--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8",
            "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            "--set=scram_iterations=1",  # stretching protects guessable passwords; this one has 256 random bits
            *([] if self._durable else ["--no-sync"]),
        ]  # fmt: skip
        command = tethered([str(self._bin / "initdb"), *arguments], on_parent_death=signal.SIGKILL, user=self._user)
        done = subprocess.run(command, cwd=self._home, env=_environment(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StageError(f"initdb failed ({done.returncode}): {done.stderr.strip() or done.stdout.strip()}")
        fresh.rename(data)

    def _start_server(self, data: Path) -> None:
        assert self._bin is not None
        deadline = time.monotonic() + _START_DEADLINE_S
        kept_port = self._port
        while time.monotonic() < deadline:
            self._port = kept_port or free_port()
            settings = [*_BASE_SETTINGS, f"port={self._port}", *(() if self._durable else _FAST_SETTINGS)]
            arguments = [str(self._bin / "postgres"), "-D", str(data), *(part for setting in settings for part in ("-c", setting))]
            with self.log_path.open("ab") as log:
                self._child = subprocess.Popen(
                    tethered(arguments, on_parent_death=signal.SIGINT, user=self._user),
                    cwd=self._home, env=_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True,  # Ctrl-C in a terminal goes to the supervisor only, which stops things in order
                )  # fmt: skip
            if self._wait_until_ready(data, self._child, deadline):
                return
        tail = self.log_path.read_text(errors="replace")[-2000:]
        raise StageError(f"PostgreSQL did not start; the end of {self.log_path}:\n{tail}")

    def _wait_until_ready(self, data: Path, child: subprocess.Popen[bytes], deadline: float) -> bool:
        """Return True once the server says it is ready; False when it gave up because its port was taken."""
        while time.monotonic() < deadline:
            if child.poll() is not None:
                tail = self.log_path.read_text(errors="replace")[-2000:]
                if "Address already in use" in tail:
                    return False
                raise StageError(f"PostgreSQL ended while starting ({child.returncode}); the end of {self.log_path}:\n{tail}")
            if _is_ready(data, child.pid):
                return True
            time.sleep(_POLL_S)
        return False


def lock_home(home: Path) -> IO[str] | None:
    """Take the exclusive lock of a server's home, or return None when another process holds it. Closing the file releases it."""
    path = home / "supervisor.lock"
    with suppress(FileExistsError, FileNotFoundError):  # appears locked, so that nobody takes it for an abandoned one
        fresh, name = tempfile.mkstemp(dir=home, prefix="lock-")
        fcntl.flock(fresh, fcntl.LOCK_EX)
        try:
            os.link(name, path)
            return os.fdopen(fresh, "w")
        except FileExistsError:
            os.close(fresh)
        finally:
            Path(name).unlink()
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _is_ready(data: Path, pid: int) -> bool:
    """Read the server's own status file: first line its process id, eighth line its state."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return lines[:1] == [str(pid)] and [line.strip() for line in lines[7:8]] == ["ready"]


def _environment() -> dict[str, str]:
    """Return what the server needs and nothing of the caller's: no PG* variables, no secrets, no locale."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


@contextmanager
def kept_server(state: Path) -> Iterator[EmbeddedPostgres]:
    """Run the durable server whose data lies under `state` (normally the project's `.busload/`)."""
    with EmbeddedPostgres(home=kept_home(state, server_user())) as server:
        yield server


@contextmanager
def temporary_server() -> Iterator[EmbeddedPostgres]:
    """Run a fast, throw-away server, in memory where there is room; its files go with it, and those of killed predecessors too."""
    user = server_user()
    home = make_temporary_home(user, in_memory=True)
    _sweep_abandoned(home)
    try:
        with EmbeddedPostgres(home=home, durable=False) as server:
            yield server
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _sweep_abandoned(own: Path) -> None:
    """Remove temporary homes, beside `own` and in the other places, whose supervisor was killed before it could."""
    owner = own.stat().st_uid
    for home in chain.from_iterable(parent.glob(f"{TEMPORARY_PREFIX}*") for parent in temporary_parents(in_memory=True)):
        with suppress(OSError):
            if home == own or home.is_symlink() or home.stat().st_uid != owner or not (home / "supervisor.lock").exists():
                continue
            lock = lock_home(home)
            if lock is not None:
                with lock:
                    end_orphans(home / "data")
                    shutil.rmtree(home, ignore_errors=True)

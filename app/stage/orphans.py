"""Finding and ending what a killed supervisor left behind in a data directory."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from app.stage.errors import StageError

_POLL_S = 0.02


def processes_in(directory: Path) -> list[int]:
    """Return the ids of processes whose working directory is `directory`: the server and its backends change to their data."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone meanwhile, or somebody else's
            if (entry / "cwd").readlink() == directory:
                found.append(int(entry.name))
    return found


def end_orphans(data: Path, *, patience_s: float = 10.0) -> None:
    """End servers and backends still living in `data`, then remove the stale lock file.

    The caller holds the lock of the directory, so whatever still runs there has lost its supervisor. The lock file has to go because
    PostgreSQL refuses to start while the process id in it exists, and after a crash that id may belong to anything.
    """
    deadline = time.monotonic() + patience_s
    postmaster = _postmaster(data)
    while orphans := processes_in(data):
        overdue = time.monotonic() > deadline
        if time.monotonic() > deadline + patience_s:
            raise StageError(f"processes {orphans} hold {data} and cannot be ended")
        for pid in orphans if overdue else [pid for pid in orphans if pid == postmaster]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if overdue else signal.SIGINT)
        time.sleep(_POLL_S)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _postmaster(data: Path) -> int | None:
    try:
        return int((data / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None

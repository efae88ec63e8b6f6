"""Command lines for children that must not outlive their starter."""

import os
import signal
import sys
from pathlib import Path

from app.stage.server_user import ServerUser

_LAUNCHER = Path(__file__).with_name("launch.py")


def tethered(command: list[str], *, on_parent_death: signal.Signals, user: ServerUser | None = None) -> list[str]:
    """Return `command` wrapped so that it runs as `user` (None: as now) and is signalled when the starter dies.

    Start it from the main thread: the kernel's parent is the thread, and a finished pool thread would take the child with it.
    """
    credentials = f"{user.uid}:{user.gid}" if user else "-"
    isolated = [sys.executable, "-I", "-S", str(_LAUNCHER)]
    return [*isolated, str(os.getpid()), str(int(on_parent_death)), credentials, "--", *command]

"""Child processes under supervision: started, waited for until ready, stopped in order, never left behind."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import httpx
import msgspec

from app.stage.errors import StageError
from app.stage.tether import tethered

PROJECT_ROOT = Path(__file__).resolve().parents[2]
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "SSL_CERT_FILE", "COVERAGE_PROCESS_START")
_POLL_S = 0.05
_TAIL_CHARS = 3_000


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """What a child is started as.

    name: for messages and the log file. module: run as `python -m module arguments...`. settings: its whole configuration; of our own
    environment it sees only what a program needs to run. ready_url: answers below 500 once the child is ready; None: no waiting.
    """

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    settings: Mapping[str, str] = {}
    ready_url: str | None = None


class Child:
    """One supervised process, which may be stopped, killed and started again. Start it from the main thread (see `tethered`)."""

    def __init__(self, role: Role, *, log_folder: Path) -> None:
        self.role = role
        self.log_path = log_folder / f"{role.name}.log"
        self._running: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._running.pid if self._running and self._running.returncode is None else None

    async def start(self, *, timeout_s: float = 30.0) -> None:
        """Start and return once ready. StageError with the end of its log when it ends early or is not ready in time."""
        command = [sys.executable, "-m", self.role.module, *self.role.arguments]
        with self.log_path.open("ab") as log:
            self._running = await asyncio.create_subprocess_exec(
                *tethered(command, on_parent_death=signal.SIGTERM),
                cwd=PROJECT_ROOT, env=child_environment(self.role.settings), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,  # Ctrl-C in a terminal goes to the supervisor only, which stops things in order
            )  # fmt: skip
        try:
            await self._wait_until_ready(timeout_s)
        except BaseException:
            await self.stop(grace_s=1.0)
            raise

    async def stop(self, *, grace_s: float = 10.0) -> int | None:
        """Ask it to end, insist after `grace_s`, and return its exit status (negative: the signal that ended it). Idempotent."""
        if self._running is None:
            return None
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._running.wait(), grace_s)
        except TimeoutError:
            await self.kill()
        return self._running.returncode

    async def kill(self) -> None:
        """End it as a crash would (`kill -9`)."""
        if self._running is not None:
            self._signal(signal.SIGKILL)
            await self._running.wait()

    async def restart(self, *, timeout_s: float = 30.0) -> None:
        """Stop and start it."""
        await self.stop()
        await self.start(timeout_s=timeout_s)

    async def wait(self) -> int:
        """Return its exit status once it has ended."""
        assert self._running is not None, f"{self.role.name} was never started"
        return await self._running.wait()

    def log_tail(self) -> str:
        """Return the end of what it has written."""
        with suppress(FileNotFoundError):
            return self.log_path.read_text(errors="replace")[-_TAIL_CHARS:]
        return ""

    def _signal(self, number: signal.Signals) -> None:
        assert self._running is not None
        with suppress(ProcessLookupError):
            self._running.send_signal(number)

    async def _wait_until_ready(self, timeout_s: float) -> None:
        if self.role.ready_url is None:
            return
        deadline = time.monotonic() + timeout_s
        async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
            while not await _answers(client, self.role.ready_url):
                if self.pid is None:
                    raise StageError(f"{self.role.name} ended while starting; the end of {self.log_path}:\n{self.log_tail()}")
                if time.monotonic() > deadline:
                    raise StageError(
                        f"{self.role.name} was not ready after {timeout_s:.0f} s; the end of {self.log_path}:\n{self.log_tail()}"
                    )
                await asyncio.sleep(_POLL_S)


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code < httpx.codes.INTERNAL_SERVER_ERROR
    except httpx.TransportError:
        return False


def child_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return a child's environment: what any program needs, and its settings; never our own secrets or database."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(PROJECT_ROOT), **settings}


async def start_together(children: list[Child], *, timeout_s: float = 30.0) -> None:
    """Start children that do not need each other and return once all are ready; the first failure is raised when all have settled."""
    outcomes = await asyncio.gather(*(child.start(timeout_s=timeout_s) for child in children), return_exceptions=True)
    for outcome in outcomes:
        if outcome is not None:
            raise outcome


async def stop_in_order(children: list[Child]) -> None:
    """Stop children in the reverse order of their start, all of them even if one resists."""
    for child in reversed(children):
        await child.stop()

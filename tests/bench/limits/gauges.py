"""What a step used: processor time by process, memory, sockets, database connections and what they waited for."""

import asyncio
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Self

import asyncpg
import msgspec

from app.core.database import Pool

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SAMPLE_S = 0.2
AT_ITS_END = 0.85  # of what there is
CORES = os.cpu_count() or 1


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """Over one step. Cores: processor seconds per second. connections: most at work at once; waits: what for, most often first."""

    process_cores: float
    database_cores: float
    generator_cores: float
    other_cores: float
    idle_cores: float
    memory_mb: int
    sockets: int
    connections: int
    waits: list[str]

    def at_its_end(self, *, process: str, most_connections: int) -> str:
        """Which resource had nothing left, in words."""
        ends = {
            f"the {process}'s core": self.process_cores,
            "the database's cores": self.database_cores / CORES,
            "the generator itself": self.generator_cores,
            "the pool's connections": self.connections / most_connections,
        }
        name, share = max(ends.items(), key=lambda pair: pair[1])
        if share >= AT_ITS_END:
            return name
        if self.idle_cores < (1 - AT_ITS_END) * CORES:
            parts = f"{process} {self.process_cores:.1f}, PostgreSQL {self.database_cores:.1f}, generator {self.generator_cores:.1f}"
            return f"all {CORES} cores ({parts}, others {self.other_cores:.1f})"
        return f"none; waiting ({', '.join(self.waits) or 'no lock, no disk'})"


class Gauges:
    """Reads while a step runs: `async with Gauges(...) as gauges: ...`, then `gauges.used(generator_s=...)`."""

    def __init__(self, pool: Pool, *, process: int, postmaster: int) -> None:
        self._pool, self._process, self._postmaster = pool, process, postmaster
        self._waits: Counter[str] = Counter()
        self._connections = self._sockets = 0
        self._task: asyncio.Task[None] | None = None
        self._began = self._ended = (0.0, 0.0, 0.0, 0.0, 0.0)

    async def __aenter__(self) -> Self:
        self._began = self._read()
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ended = self._read()
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    def used(self, *, generator_s: float) -> Used:
        """The step in figures."""
        seconds, process_s, database_s, busy_s, idle_s = (end - begin for begin, end in zip(self._began, self._ended, strict=True))
        known_s = process_s + database_s + generator_s
        return Used(
            process_cores=round(process_s / seconds, 2), database_cores=round(database_s / seconds, 2),
            generator_cores=round(generator_s / seconds, 2), other_cores=round(max(0.0, busy_s - known_s) / seconds, 2),
            idle_cores=round(idle_s / seconds, 2), memory_mb=memory_mb(self._process), sockets=self._sockets,
            connections=self._connections, waits=[name for name, _ in self._waits.most_common(3)],
        )  # fmt: skip

    def _read(self) -> tuple[float, float, float, float, float]:
        machine = [int(ticks) / TICKS_PER_S for ticks in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        idle_s = machine[3] + machine[4]
        return perf_counter(), own_s(self._process), family_s(self._postmaster), sum(machine) - idle_s, idle_s

    async def _watch(self) -> None:
        while True:
            self._sockets = max(self._sockets, open_files(self._process))
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                rows = await self._pool.fetch(
                    """
                    SELECT coalesce(wait_event_type || ' ' || wait_event, '') AS wait FROM pg_stat_activity
                    WHERE backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid()
                    """
                )
                self._connections = max(self._connections, len(rows))
                self._waits.update(row["wait"] for row in rows if row["wait"].startswith(("Lock", "LWLock", "IO")))
            await asyncio.sleep(SAMPLE_S)


def stat_of(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on; none when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def own_s(pid: int) -> float:
    """Processor seconds of a process with all its threads."""
    return sum(int(ticks) for ticks in stat_of(pid)[11:13]) / TICKS_PER_S


def family_s(pid: int) -> float:
    """The same of a process and its children, those that have ended included."""
    family = [found for entry in Path("/proc").iterdir() if entry.name.isdigit() and (found := stat_of(int(entry.name)))]
    children = sum(sum(int(ticks) for ticks in found[11:13]) for found in family if int(found[1]) == pid)
    ended = sum(int(ticks) for ticks in stat_of(pid)[13:15])
    return own_s(pid) + (children + ended) / TICKS_PER_S


def memory_mb(pid: int) -> int:
    """What a process holds in memory now."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) // 1024
    return 0


def open_files(pid: int) -> int:
    """How many files and sockets a process has open."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return 0

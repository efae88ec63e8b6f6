"""What a request costs in CPU time, by process: steady where other work shares the cores, as rates are not."""

import os
from pathlib import Path

import msgspec

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
USER, CHILDREN = slice(11, 13), slice(13, 15)  # of /proc/PID/stat after the name: utime and stime, then those of children that ended
PARENT = 1


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of CPU time that the processes under measurement have used so far."""

    web_s: float
    database_s: float


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Microseconds of CPU time of one request, by process."""

    web_us: float
    database_us: float
    load_us: float
    all_us: float


def read_used(*, web: int, database: int) -> Used:
    """Of a web process and of a postmaster with all its children, by their ids."""
    return Used(web_s=own_s(stat_of(web)), database_s=family_s(database))


def cost_of(before: Used, after: Used, *, load_s: float, requests: int) -> Cost:
    """What each of `requests` cost between two readings; `load_s` is what the load generator says of itself."""
    seconds = (after.web_s - before.web_s, after.database_s - before.database_s, load_s)
    web_us, database_us, load_us = (round(1e6 * used / max(1, requests)) for used in seconds)
    return Cost(web_us=web_us, database_us=database_us, load_us=load_us, all_us=web_us + database_us + load_us)


def family_s(pid: int) -> float:
    """A process with its children, those that have ended included."""
    fields = [found for entry in Path("/proc").iterdir() if entry.name.isdigit() and (found := stat_of(int(entry.name)))]
    ended_s = sum(int(ticks) for ticks in stat_of(pid)[CHILDREN]) / TICKS_PER_S
    return own_s(stat_of(pid)) + ended_s + sum(own_s(found) for found in fields if int(found[PARENT]) == pid)


def own_s(fields: list[str]) -> float:
    """A process without its children."""
    return sum(int(ticks) for ticks in fields[USER]) / TICKS_PER_S


def stat_of(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on; none when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []

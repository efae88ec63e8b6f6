"""The clock seam: all domain time is the database's `busload_now()`, which only test and demo databases may shift."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import cast

from app.core.database import Connection

CLOCKS_APART = timedelta(seconds=30)
"""Clocks that differ by more cannot both be right: nothing is decided by time until they agree."""


class ClocksDisagree(Exception):
    """The database's clock and this host's are too far apart. `by`: how far the database's is ahead; negative when it is behind."""

    def __init__(self, by: timedelta) -> None:
        super().__init__(f"the database's clock is {by.total_seconds():+.0f} s from this host's")
        self.by = by


class Mark(StrEnum):
    """What a database is: only `demo` and `test` may shift the clock, use the fake Stripe or open the demo's doors."""

    LIVE = "live"
    DEMO = "demo"
    TEST = "test"


async def busload_now(conn: Connection) -> datetime:
    """Now, aware, UTC. Read it after taking the lock it shall be compared under."""
    return cast("datetime", await conn.fetchval("SELECT busload_now()"))


async def read_mark(conn: Connection) -> Mark:
    """What this database is marked as."""
    return Mark(await conn.fetchval("SELECT mark FROM installation"))


async def mark_database(conn: Connection, mark: Mark) -> None:
    """Marks a database once; `live` databases that hold events keep their mark (the guard is `doctor`'s too)."""
    await conn.execute("UPDATE installation SET mark = $1", mark.value)


async def shift_clock(conn: Connection, shift: timedelta) -> None:
    """Lets a marked database run `shift` ahead of (or behind) real time; the check constraint refuses it on a live one."""
    await conn.execute("UPDATE installation SET clock_shift = $1", shift)


async def clock_error(conn: Connection) -> timedelta:
    """How far the database's clock is ahead of this host's (negative: behind), but for the time the question took and a test's shift."""
    asked = datetime.now(UTC)
    there = cast("datetime", await conn.fetchval("SELECT busload_now() - clock_shift FROM installation"))
    answered = datetime.now(UTC)
    return there - min(max(there, asked), answered)


async def trust_clock(conn: Connection) -> None:
    """Raises ClocksDisagree rather than let a deadline be decided by a clock that may be wrong."""
    if abs(by := await clock_error(conn)) > CLOCKS_APART:
        raise ClocksDisagree(by)

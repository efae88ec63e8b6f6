"""The clock seam: all domain time is the database's `busload_now()`, which only test and demo databases may shift."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import cast

from app.core.database import Connection


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

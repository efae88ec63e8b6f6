"""Counters that all web processes share: how often somebody did something within a window, in one statement."""

from datetime import datetime, timedelta

import msgspec

from app.core.database import Connection, fetch_one


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """`used` times within the window that ends after `left_s` seconds."""

    used: int
    left_s: float


async def count_up(conn: Connection, *, policy: str, who: bytes, window: timedelta) -> Count:
    """Counts once more; a window that is over begins anew. Refused ones count too: who does not wait waits longer."""
    return await fetch_one(
        conn,
        Count,
        """
        INSERT INTO rate_counters AS c (policy, who, window_end, used) VALUES ($1, $2, busload_now() + $3, 1)
        ON CONFLICT (policy, who) DO UPDATE SET
            used = CASE WHEN c.window_end > busload_now() THEN c.used + 1 ELSE 1 END,
            window_end = CASE WHEN c.window_end > busload_now() THEN c.window_end ELSE excluded.window_end END
        RETURNING used, extract(epoch FROM window_end - busload_now())::float8 AS left_s
        """,
        policy,
        who,
        window,
    )


async def forget_counters(conn: Connection, *, before: datetime) -> int:
    """Removes windows that ended before a moment; how many."""
    return len(await conn.fetch("DELETE FROM rate_counters WHERE window_end < $1 RETURNING 1", before))

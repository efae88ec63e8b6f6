"""Timers: due rows compared with `busload_now()`. One per (kind, subject); setting it again moves it."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_maybe


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """A deadline that has come."""

    kind: str
    subject_id: UUID
    due_at: datetime
    attempts: int


async def set_timer(conn: Connection, kind: str, subject_id: UUID, due_at: datetime) -> None:
    """Sets or moves a timer; a fired one becomes live again."""
    await set_timers(conn, kind, [subject_id], due_at)


async def set_timers(conn: Connection, kind: str, subject_ids: list[UUID], due_at: datetime) -> None:
    """The same timer for many subjects."""
    await conn.execute(
        """
        INSERT INTO timers (kind, subject_id, due_at) SELECT $1, unnest($2::uuid[]), $3
        ON CONFLICT (kind, subject_id) DO UPDATE SET due_at = excluded.due_at, fired_at = NULL, attempts = 0
        """,
        kind,
        subject_ids,
        due_at,
    )


async def clear_timer(conn: Connection, kind: str, subject_id: UUID) -> None:
    """Forgets a timer that is not needed any more."""
    await conn.execute("DELETE FROM timers WHERE kind = $1 AND subject_id = $2", kind, subject_id)


async def claim_due(conn: Connection, *, max_attempts: int = 20) -> Timer | None:
    """Locks the timer that is most overdue and not being fired elsewhere, within the caller's transaction."""
    return await fetch_maybe(
        conn,
        Timer,
        """
        SELECT kind, subject_id, due_at, attempts FROM timers
        WHERE fired_at IS NULL AND due_at <= busload_now() AND attempts < $1
        ORDER BY attempts, due_at FOR UPDATE SKIP LOCKED LIMIT 1
        """,
        max_attempts,
    )


async def mark_fired(conn: Connection, timer: Timer) -> None:
    """The timer's work is done (same transaction). A flow that set it anew for later keeps it."""
    await conn.execute(
        "UPDATE timers SET fired_at = busload_now() WHERE kind = $1 AND subject_id = $2 AND due_at = $3",
        timer.kind,
        timer.subject_id,
        timer.due_at,
    )


async def mark_attempt(conn: Connection, timer: Timer) -> None:
    """The timer's work failed: it goes behind the others and is tried again."""
    await conn.execute(
        "UPDATE timers SET attempts = attempts + 1 WHERE kind = $1 AND subject_id = $2", timer.kind, timer.subject_id
    )


async def seconds_to_next(conn: Connection) -> float | None:
    """Seconds until the next timer is due (0 when one is overdue), None when there is none."""
    left = await conn.fetchval(
        "SELECT extract(epoch FROM min(due_at) - busload_now())::float8 FROM timers WHERE fired_at IS NULL"
    )
    return None if left is None else max(0.0, float(left))

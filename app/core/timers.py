"""Timers: due rows compared with `busload_now()`. One per (kind, subject); setting it again moves it."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """A deadline that has come, and until when it is ours to fire."""

    kind: str
    subject_id: UUID
    due_at: datetime
    attempts: int
    leased_until: datetime


async def set_timer(conn: Connection, kind: str, subject_id: UUID, due_at: datetime) -> None:
    """Sets or moves a timer; a fired one becomes live again."""
    await set_timers(conn, kind, [subject_id], due_at)


async def set_timers(conn: Connection, kind: str, subject_ids: list[UUID], due_at: datetime) -> None:
    """The same timer for many subjects."""
    await set_timers_at(conn, kind, dict.fromkeys(subject_ids, due_at))


async def set_timers_at(conn: Connection, kind: str, due: Mapping[UUID, datetime]) -> None:
    """A timer for each of many subjects at its own time."""
    await conn.execute(
        """
        INSERT INTO timers (kind, subject_id, due_at) SELECT $1, * FROM unnest($2::uuid[], $3::timestamptz[])
        ON CONFLICT (kind, subject_id) DO UPDATE SET due_at = excluded.due_at, fired_at = NULL, attempts = 0,
            leased_until = NULL
        """,
        kind,
        list(due),
        list(due.values()),
    )


async def clear_timer(conn: Connection, kind: str, subject_id: UUID) -> None:
    """Forgets a timer that is not needed any more."""
    await conn.execute("DELETE FROM timers WHERE kind = $1 AND subject_id = $2", kind, subject_id)


async def is_set(conn: Connection, kind: str, subject_id: UUID) -> bool:
    """Whether a timer is still to fire."""
    found = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM timers WHERE kind = $1 AND subject_id = $2 AND fired_at IS NULL)", kind, subject_id
    )
    return bool(found)


async def claim_due(conn: Connection, *, limit: int) -> list[Timer]:
    """Leases the timers that are most overdue and not being fired elsewhere, for two minutes.

    Past and not at their time: a flow that asks whether its deadline has passed must hear yes.
    A lease and not a lock, because the flow that a timer starts may move or clear the very same timer. The clock is read once: asked for
    every row it could not be looked up in the index, and tens of thousands of timers wait for their time.
    """
    return await fetch_all(
        conn,
        Timer,
        """
        UPDATE timers SET attempts = attempts + 1, leased_until = busload_now() + interval '2 minutes'
        WHERE (kind, subject_id) IN (
            SELECT kind, subject_id FROM timers
            WHERE fired_at IS NULL AND due_at < (SELECT busload_now()) AND coalesce(leased_until <= (SELECT busload_now()), true)
            ORDER BY attempts, due_at FOR UPDATE SKIP LOCKED LIMIT $1)
        RETURNING kind, subject_id, due_at, attempts, leased_until
        """,
        limit,
    )


async def mark_fired(conn: Connection, timer: Timer) -> None:
    """The timer's work is done. One that has been set anew since it was claimed stays live, for whatever time: that ends its lease.

    So does one whose clock was set back meanwhile: its flow may have heard that it is too early.
    """
    await conn.execute(
        """
        UPDATE timers SET fired_at = CASE WHEN due_at < busload_now() THEN busload_now() END, leased_until = NULL
        WHERE kind = $1 AND subject_id = $2 AND due_at = $3 AND leased_until = $4
        """,
        timer.kind,
        timer.subject_id,
        timer.due_at,
        timer.leased_until,
    )


async def mark_failed(conn: Connection, timer: Timer, *, pause_s: float) -> None:
    """The timer's work failed: it is tried again after a pause, behind those that did not fail."""
    await conn.execute(
        """
        UPDATE timers SET leased_until = busload_now() + make_interval(secs => $4)
        WHERE kind = $1 AND subject_id = $2 AND due_at = $3
        """,
        timer.kind,
        timer.subject_id,
        timer.due_at,
        pause_s,
    )

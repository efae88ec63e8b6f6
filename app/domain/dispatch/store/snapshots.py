"""SQL of wishes to re-plan and of frozen problems."""

from datetime import datetime
from uuid import UUID

from app.core.database import Connection, fetch_all, fetch_maybe
from app.domain.dispatch.model import Cause, Scope, Snapshot


async def want_plan(conn: Connection, event_id: UUID, cause: Cause) -> None:
    """Wishes for a plan. A wish that is already there keeps the cause that counts most: the organiser's, then booking close."""
    await conn.execute(
        """
        INSERT INTO replans (event_id, cause) VALUES ($1, $2)
        ON CONFLICT (event_id) DO UPDATE SET cause = excluded.cause
        WHERE excluded.cause IN ('organiser', 'booking_close') AND replans.cause <> 'organiser'
        """,
        event_id,
        cause.value,
    )


async def wanted_cause(conn: Connection, event_id: UUID) -> Cause | None:
    """Why a plan is wanted that has no snapshot yet."""
    found = await conn.fetchval("SELECT cause FROM replans WHERE event_id = $1", event_id)
    return None if found is None else Cause(found)


async def drop_wish(conn: Connection, event_id: UUID) -> None:
    """The wish is met (or moot)."""
    await conn.execute("DELETE FROM replans WHERE event_id = $1", event_id)


async def add_snapshot(conn: Connection, snapshot: Snapshot) -> None:
    """Stores a frozen problem."""
    await conn.execute(
        """
        INSERT INTO snapshots (id, event_id, scope, round, hash, epoch_at, problem, fixed, cause)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        snapshot.id,
        snapshot.event_id,
        snapshot.scope.value,
        snapshot.round,
        snapshot.hash,
        snapshot.epoch_at,
        snapshot.problem,
        snapshot.fixed,
        snapshot.cause.value,
    )


async def get_snapshot(conn: Connection, snapshot_id: UUID) -> Snapshot | None:
    """A snapshot by id."""
    return await fetch_maybe(
        conn,
        Snapshot,
        """
        SELECT id, event_id, scope, round, hash, epoch_at, problem, fixed, cause, created_at FROM snapshots WHERE id = $1
        """,
        snapshot_id,
    )


async def newest_snapshot(conn: Connection, event_id: UUID, scope: Scope) -> Snapshot | None:
    """The snapshot of the highest round of a scope."""
    return await fetch_maybe(
        conn,
        Snapshot,
        """
        SELECT id, event_id, scope, round, hash, epoch_at, problem, fixed, cause, created_at
        FROM snapshots WHERE event_id = $1 AND scope = $2 ORDER BY round DESC LIMIT 1
        """,
        event_id,
        scope.value,
    )


async def list_unsolved(conn: Connection, event_id: UUID) -> list[UUID]:
    """The newest snapshot of each scope that has no plan yet."""
    rows = await conn.fetch(
        """
        SELECT s.id FROM (
            SELECT DISTINCT ON (scope) id, scope FROM snapshots WHERE event_id = $1 ORDER BY scope, round DESC
        ) s WHERE NOT EXISTS (SELECT FROM plans WHERE snapshot_id = s.id) ORDER BY s.scope
        """,
        event_id,
    )
    return [row["id"] for row in rows]


async def drop_unsolved(conn: Connection, event_id: UUID) -> None:
    """Problems of a cancelled event that have no plan: nobody needs one any more."""
    await conn.execute("DELETE FROM snapshots s WHERE event_id = $1 AND NOT EXISTS (SELECT FROM plans WHERE snapshot_id = s.id)", event_id)


async def rounds_since_decision(conn: Connection, event_id: UUID) -> int:
    """Re-solves since booking close or the organiser's last word (each counted once over both scopes)."""
    found: int = await conn.fetchval(
        """
        SELECT count(DISTINCT round)::int FROM snapshots
        WHERE event_id = $1 AND cause NOT IN ('booking_close', 'organiser') AND round > coalesce((
            SELECT max(round) FROM snapshots WHERE event_id = $1 AND cause IN ('booking_close', 'organiser')), 0)
        """,
        event_id,
    )
    return found


async def next_round(conn: Connection, event_id: UUID) -> int:
    """The number of an event's next round; its scopes share the count."""
    found: int = await conn.fetchval("SELECT coalesce(max(round), 0) + 1 FROM snapshots WHERE event_id = $1", event_id)
    return found


async def list_snapshots(conn: Connection, event_id: UUID) -> list[Snapshot]:
    """The history of an event's rounds, newest first, without their problems."""
    return await fetch_all(
        conn,
        Snapshot,
        """
        SELECT id, event_id, scope, round, hash, epoch_at, '{}'::jsonb AS problem, fixed, cause, created_at
        FROM snapshots WHERE event_id = $1 ORDER BY round DESC, scope
        """,
        event_id,
    )


async def read_seating_deadline(conn: Connection, event_id: UUID) -> datetime:
    """When whoever has no seat is refunded: the capacity deadline, or later when a bus was lost after it and another is looked for."""
    found: datetime = await conn.fetchval(
        """
        SELECT greatest(e.capacity_deadline_at, t.due_at)
        FROM events e LEFT JOIN timers t ON t.kind = 'capacity_deadline' AND t.subject_id = e.id WHERE e.id = $1
        """,
        event_id,
    )
    return found

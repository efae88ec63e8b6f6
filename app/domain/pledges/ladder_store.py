"""SQL of what pledges were shown of the refund ladder, and of those that left by it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all, fetch_maybe


class LadderExit(msgspec.Struct, frozen=True, kw_only=True):
    """A pledge that left after its confirmation: the share that goes back, and what stays in fares of all its charges."""

    pledge_id: UUID
    refund_bp: int
    kept_minor: int
    left_at: datetime


async def read_terms_shown(conn: Connection, pledge_id: UUID) -> dict[str, Any] | None:
    """What was shown when the pledge was placed: ladder and the dates it hung on; None for pledges from before ladders."""
    found: dict[str, Any] | None = await conn.fetchval("SELECT terms_shown FROM pledges WHERE id = $1", pledge_id)
    return found


async def add_exit(conn: Connection, pledge_id: UUID, *, refund_bp: int, kept_minor: int) -> None:
    """A pledge leaves by the ladder, once."""
    await conn.execute("INSERT INTO ladder_exits (pledge_id, refund_bp, kept_minor) VALUES ($1, $2, $3)", pledge_id, refund_bp, kept_minor)


async def find_exit(conn: Connection, pledge_id: UUID) -> LadderExit | None:
    """How a pledge left; None when it did not leave by the ladder."""
    return await fetch_maybe(
        conn, LadderExit, "SELECT pledge_id, refund_bp, kept_minor, left_at FROM ladder_exits WHERE pledge_id = $1", pledge_id
    )


async def keep_more(conn: Connection, pledge_id: UUID, more_minor: int) -> None:
    """A charge of a pledge that had left has settled: this part of it stays too."""
    await conn.execute("UPDATE ladder_exits SET kept_minor = kept_minor + $2 WHERE pledge_id = $1", pledge_id, more_minor)


async def list_exits_of_trip(conn: Connection, trip_id: UUID) -> list[LadderExit]:
    """Who left a trip by the ladder."""
    return await fetch_all(
        conn,
        LadderExit,
        """
        SELECT x.pledge_id, x.refund_bp, x.kept_minor, x.left_at
        FROM ladder_exits x JOIN pledges p ON p.id = x.pledge_id WHERE p.trip_id = $1 ORDER BY x.pledge_id
        """,
        trip_id,
    )


async def keep_nothing(conn: Connection, pledge_ids: Sequence[UUID]) -> None:
    """Their trip does not run: nothing of theirs stays."""
    await conn.execute("UPDATE ladder_exits SET refund_bp = 10000, kept_minor = 0 WHERE pledge_id = ANY($1::uuid[])", list(pledge_ids))

"""Who acts and why. Transitions are audited by the database itself; this sets the actor and reason it writes down."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all


async def act_as(conn: Connection, actor: str, reason: str) -> None:
    """Names the actor ('rider', 'timer', 'organiser:<id>') and reason of every transition until the transaction ends."""
    await conn.execute("SELECT set_config('busload.actor', $1, true), set_config('busload.reason', $2, true)", actor, reason)


async def record_change(conn: Connection, machine: str, subject_id: UUID, state: str, detail: Mapping[str, object]) -> None:
    """Records a change that is no transition (a later deadline, another stop); actor and reason are those of `act_as`."""
    await conn.execute(
        """
        INSERT INTO audit (actor, machine, subject_id, from_state, to_state, reason, detail)
        VALUES (coalesce(nullif(current_setting('busload.actor', true), ''), 'system'), $1, $2, $3, $3,
                coalesce(current_setting('busload.reason', true), ''), $4)
        """,
        machine,
        subject_id,
        state,
        dict(detail),
    )


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a trail."""

    id: int
    at: datetime
    actor: str
    machine: str
    subject_id: UUID
    from_state: str
    to_state: str
    reason: str
    detail: dict[str, object]


async def read_trail(conn: Connection, subject_ids: list[UUID], *, limit: int = 500) -> list[AuditEntry]:
    """The newest entries about these subjects, oldest first."""
    newest = await fetch_all(
        conn,
        AuditEntry,
        """
        SELECT id, at, actor, machine, subject_id, from_state, to_state, reason, detail
        FROM audit WHERE subject_id = ANY($1) ORDER BY id DESC LIMIT $2
        """,
        subject_ids,
        limit,
    )
    return newest[::-1]

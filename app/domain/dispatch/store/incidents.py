"""SQL of the incidents dispatch itself opens: people without a seat, no plan, an operator that pulled out."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all


class OpenIncident(msgspec.Struct, frozen=True, kw_only=True):
    """Something about an event's dispatch that waits for somebody."""

    id: UUID
    public_code: str
    kind: str
    summary: str
    opened_at: datetime


async def open_incident(
    conn: Connection, *, incident_id: UUID, public_code: str, event_id: UUID, duty_id: UUID | None, kind: str, summary: str
) -> None:
    """Opens an incident."""
    await conn.execute(
        """
        INSERT INTO incidents (id, public_code, event_id, duty_id, kind, summary, state) VALUES ($1, $2, $3, $4, $5, $6, 'open')
        """,
        incident_id,
        public_code,
        event_id,
        duty_id,
        kind,
        summary,
    )


async def put_on_incident(conn: Connection, incident_id: UUID, pledge_ids: Sequence[UUID]) -> None:
    """Lists who is concerned."""
    await conn.execute(
        "INSERT INTO incident_pledges (incident_id, pledge_id) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING",
        incident_id,
        list(pledge_ids),
    )


async def list_open_incidents(conn: Connection, event_id: UUID, kinds: Sequence[str]) -> list[OpenIncident]:
    """An event's open incidents of these kinds, oldest first."""
    return await fetch_all(
        conn,
        OpenIncident,
        """
        SELECT id, public_code, kind, summary, opened_at FROM incidents
        WHERE event_id = $1 AND state = 'open' AND kind = ANY($2) ORDER BY opened_at, id
        """,
        event_id,
        list(kinds),
    )


async def list_incident_pledges(conn: Connection, incident_ids: Sequence[UUID]) -> set[UUID]:
    """Who is on these incidents."""
    rows = await conn.fetch("SELECT pledge_id FROM incident_pledges WHERE incident_id = ANY($1)", list(incident_ids))
    return {row["pledge_id"] for row in rows}


async def resolve_incidents(conn: Connection, incident_ids: Sequence[UUID]) -> None:
    """They are over."""
    await conn.execute(
        "UPDATE incidents SET state = 'resolved', resolved_at = busload_now() WHERE id = ANY($1) AND state = 'open'", list(incident_ids)
    )

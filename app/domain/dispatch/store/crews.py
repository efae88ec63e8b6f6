"""SQL of who drives a duty."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all


class CrewSeat(msgspec.Struct, frozen=True, kw_only=True):
    """A driver on a duty; `seat` 1 is the first driver."""

    duty_id: UUID
    driver_id: UUID
    seat: int
    name: str
    phone: str
    link_expires_at: datetime
    assigned_at: datetime


async def list_crews(conn: Connection, duty_ids: Sequence[UUID]) -> list[CrewSeat]:
    """The drivers now on these duties."""
    return await fetch_all(
        conn,
        CrewSeat,
        """
        SELECT c.duty_id, c.driver_id, c.seat, d.name, d.phone, c.link_expires_at, c.assigned_at
        FROM duty_drivers c JOIN drivers d ON d.id = c.driver_id
        WHERE c.duty_id = ANY($1) AND c.ended_at IS NULL ORDER BY c.duty_id, c.seat
        """,
        list(duty_ids),
    )


async def free_seat(conn: Connection, duty_id: UUID, seat: int) -> UUID | None:
    """Takes the driver off a seat and revokes the link; returns who it was."""
    found: UUID | None = await conn.fetchval(
        "UPDATE duty_drivers SET ended_at = busload_now() WHERE duty_id = $1 AND seat = $2 AND ended_at IS NULL RETURNING driver_id",
        duty_id,
        seat,
    )
    return found


async def seat_driver(
    conn: Connection,
    *,
    duty_id: UUID,
    driver_id: UUID,
    seat: int,
    starts_at: datetime,
    ends_at: datetime,
    token_hash: bytes,
    link_expires_at: datetime,
) -> None:
    """Puts a driver on a seat. asyncpg.ExclusionViolationError `drivers_free` when the driver is on another duty then."""
    await conn.execute(
        """
        INSERT INTO duty_drivers (duty_id, driver_id, seat, during, token_hash, link_expires_at)
        VALUES ($1, $2, $3, tstzrange($4, $5), $6, $7)
        """,
        duty_id,
        driver_id,
        seat,
        starts_at,
        ends_at,
        token_hash,
        link_expires_at,
    )


async def dismiss_crew(conn: Connection, duty_id: UUID) -> list[UUID]:
    """Takes every driver off a duty and revokes their links; returns who they were."""
    rows = await conn.fetch(
        "UPDATE duty_drivers SET ended_at = busload_now() WHERE duty_id = $1 AND ended_at IS NULL RETURNING driver_id", duty_id
    )
    return [row["driver_id"] for row in rows]

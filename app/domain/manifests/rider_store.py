"""SQL of what riders see of their travel: pass page, calendar, tracking. Reads only."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all, fetch_maybe
from app.domain.manifests.model import Manifest


class Travel(msgspec.Struct, frozen=True, kw_only=True):
    """One party's travel as far as it is known; `changes` counts everything that ever changed about it and never falls."""

    pledge_id: UUID
    public_code: str
    holder: int
    name: str
    state: str
    seats: int
    wheelchairs: int
    legs: tuple[str, ...]
    trip_id: UUID
    trip_code: str
    trip_state: str
    stop_name: str
    stop_address: str
    stop_lat: float
    stop_lon: float
    stop_zone: str
    max_ride_s: int
    event_id: UUID
    event_code: str
    event_name: str
    event_state: str
    venue_name: str
    venue_address: str
    venue_lat: float
    venue_lon: float
    venue_zone: str
    arrive_by_at: datetime
    return_departs_at: datetime
    booking_closes_at: datetime
    dispatcher_phone: str
    changes: int
    changed_at: datetime
    now: datetime


async def read_travel(conn: Connection, pledge_id: UUID) -> Travel | None:
    """A party's travel."""
    return await fetch_maybe(
        conn,
        Travel,
        """
        SELECT p.id AS pledge_id, p.public_code, p.holder, p.name, p.state, p.seats, p.wheelchairs, p.legs,
               t.id AS trip_id, t.public_code AS trip_code, t.state AS trip_state,
               s.name AS stop_name, s.address AS stop_address, s.lat AS stop_lat, s.lon AS stop_lon, s.zone AS stop_zone, s.max_ride_s,
               e.id AS event_id, e.public_code AS event_code, e.name AS event_name, e.state AS event_state, e.venue_name,
               e.address AS venue_address, e.lat AS venue_lat, e.lon AS venue_lon, e.zone AS venue_zone, e.arrive_by_at,
               e.return_departs_at, e.booking_closes_at, e.contact_phone AS dispatcher_phone,
               (e.sequence + a.entries + m.ridings)::int AS changes, greatest(p.created_at, a.newest, m.newest) AS changed_at,
               busload_now() AS now
        FROM pledges p
        JOIN trips t ON t.id = p.trip_id JOIN stops s ON s.id = p.stop_id JOIN events e ON e.id = p.event_id
        CROSS JOIN LATERAL (SELECT count(*) AS entries, max(at) AS newest FROM audit WHERE subject_id IN (p.id, t.id, e.id)) a
        CROSS JOIN LATERAL (SELECT count(*) AS ridings, max(mf.created_at) AS newest
                            FROM manifest_people mp JOIN manifests mf ON mf.id = mp.manifest_id WHERE mp.pledge_id = p.id) m
        WHERE p.id = $1
        """,
        pledge_id,
    )


async def has_departed(conn: Connection, pledge_id: UUID) -> bool:
    """Whether a party's bus has left its last stop, or somebody of the party is aboard."""
    found = await conn.fetchval(
        """
        SELECT EXISTS (SELECT FROM check_ins WHERE pledge_id = $1) OR EXISTS (
            SELECT FROM current_manifests c JOIN manifest_people mp ON mp.manifest_id = c.manifest_id
            WHERE mp.pledge_id = $1 AND c.closed_at IS NOT NULL)
        """,
        pledge_id,
    )
    return bool(found)


async def find_pledge_by_code(conn: Connection, public_code: str) -> UUID | None:
    """The party with this public code."""
    pledge_id: UUID | None = await conn.fetchval("SELECT id FROM pledges WHERE public_code = $1", public_code)
    return pledge_id


async def read_pledge_manifests(conn: Connection, pledge_id: UUID) -> list[Manifest]:
    """The current manifests this party is on: one for both legs, or one for each."""
    return await fetch_all(
        conn,
        Manifest,
        """
        SELECT m.id, m.duty_id, m.offer_id, m.version, m.document, m.cause, m.created_at
        FROM manifests m JOIN current_manifests c ON c.manifest_id = m.id
        WHERE m.id IN (SELECT mp.manifest_id FROM manifest_people mp WHERE mp.pledge_id = $1) ORDER BY m.duty_id
        """,
        pledge_id,
    )

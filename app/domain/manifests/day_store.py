"""SQL of the day of travel: driver links, check-ins, positions, incidents, the end of duties and trips."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all, fetch_maybe
from app.domain.manifests.model import CheckIn, DutyState, IncidentKind, Leg, Position
from app.domain.manifests.news_store import Contact


class LinkRow(msgspec.Struct, frozen=True, kw_only=True):
    """A driver's link as it stands; `ended_at` is when the driver was taken off the duty."""

    duty_id: UUID
    driver_id: UUID
    event_id: UUID
    seat: int
    link_expires_at: datetime
    ended_at: datetime | None
    now: datetime


async def read_link(conn: Connection, token_hash: bytes) -> LinkRow | None:
    """The newest link with this hash, a live one before a revoked one."""
    return await fetch_maybe(
        conn,
        LinkRow,
        """
        SELECT dd.duty_id, dd.driver_id, d.event_id, dd.seat, dd.link_expires_at, dd.ended_at, busload_now() AS now
        FROM duty_drivers dd JOIN duties d ON d.id = dd.duty_id
        WHERE dd.token_hash = $1 ORDER BY dd.ended_at DESC NULLS FIRST LIMIT 1
        """,
        token_hash,
    )


async def add_check_in(conn: Connection, check_in: CheckIn) -> bool:
    """Writes a check-in; False when its id is taken, or, for one without conflict, when the person already is aboard."""
    added = await conn.fetchval(
        """
        INSERT INTO check_ins (id, pledge_id, person, leg, duty_id, method, checked_at, conflicts_with)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING true
        """,
        check_in.id,
        check_in.pledge_id,
        check_in.person,
        check_in.leg,
        check_in.duty_id,
        check_in.method.value,
        check_in.checked_at,
        check_in.conflicts_with,
    )
    return bool(added)


async def read_check_in(conn: Connection, check_in_id: UUID) -> CheckIn | None:
    """One check-in."""
    return await fetch_maybe(
        conn,
        CheckIn,
        "SELECT id, pledge_id, person, leg, duty_id, method, checked_at, conflicts_with FROM check_ins WHERE id = $1",
        check_in_id,
    )


async def read_first_check_in(conn: Connection, pledge_id: UUID, person: int, leg: Leg) -> CheckIn | None:
    """The check-in that counts for a person and leg."""
    return await fetch_maybe(
        conn,
        CheckIn,
        """
        SELECT id, pledge_id, person, leg, duty_id, method, checked_at, conflicts_with
        FROM check_ins WHERE pledge_id = $1 AND person = $2 AND leg = $3 AND conflicts_with IS NULL
        """,
        pledge_id,
        person,
        leg,
    )


async def read_duty_check_ins(conn: Connection, duty_id: UUID) -> list[CheckIn]:
    """Every check-in made on a duty, conflicting ones too, as they were recorded."""
    return await fetch_all(
        conn,
        CheckIn,
        """
        SELECT id, pledge_id, person, leg, duty_id, method, checked_at, conflicts_with
        FROM check_ins WHERE duty_id = $1 ORDER BY recorded_at, id
        """,
        duty_id,
    )


async def read_pledge_check_ins(conn: Connection, pledge_id: UUID) -> list[CheckIn]:
    """Every check-in of a party."""
    return await fetch_all(
        conn,
        CheckIn,
        """
        SELECT id, pledge_id, person, leg, duty_id, method, checked_at, conflicts_with
        FROM check_ins WHERE pledge_id = $1 ORDER BY recorded_at, id
        """,
        pledge_id,
    )


class ManifestRider(msgspec.Struct, frozen=True, kw_only=True):
    """A party on a leg of any version of a duty's manifest, with how many people it has now."""

    pledge_id: UUID
    leg: Leg
    people: int
    is_current: bool


async def read_riders_ever(conn: Connection, duty_id: UUID) -> list[ManifestRider]:
    """Who is or was on this duty's manifest: a phone without signal works from an older version."""
    return await fetch_all(
        conn,
        ManifestRider,
        """
        SELECT mp.pledge_id, mp.leg, max(mp.seats + mp.wheelchairs)::int AS people, bool_or(c.manifest_id IS NOT NULL) AS is_current
        FROM manifests m JOIN manifest_people mp ON mp.manifest_id = m.id
        LEFT JOIN current_manifests c ON c.manifest_id = m.id
        WHERE m.duty_id = $1 GROUP BY mp.pledge_id, mp.leg
        """,
        duty_id,
    )


async def add_positions(conn: Connection, duty_id: UUID, positions: list[Position]) -> int:
    """Writes positions that are not there yet; returns how many were new."""
    status = await conn.execute(
        """
        INSERT INTO positions (duty_id, at, lat, lon, accuracy_m)
        SELECT $1, p.at, p.lat, p.lon, p.accuracy_m
        FROM unnest($2::timestamptz[], $3::float8[], $4::float8[], $5::float8[]) AS p (at, lat, lon, accuracy_m)
        ON CONFLICT (duty_id, at) DO NOTHING
        """,
        duty_id,
        [position.at for position in positions],
        [position.lat for position in positions],
        [position.lon for position in positions],
        [position.accuracy_m for position in positions],
    )
    return int(status.rsplit(" ", 1)[1])


async def read_last_position(conn: Connection, duty_id: UUID) -> Position | None:
    """Where the bus was last seen."""
    return await fetch_maybe(
        conn, Position, "SELECT at, lat, lon, accuracy_m FROM positions WHERE duty_id = $1 ORDER BY at DESC LIMIT 1", duty_id
    )


async def delete_positions_before(conn: Connection, before: datetime) -> int:
    """Forgets positions taken before a time; returns how many."""
    status = await conn.execute("DELETE FROM positions WHERE at < $1", before)
    return int(status.rsplit(" ", 1)[1])


async def add_incident(
    conn: Connection, *, incident_id: UUID, public_code: str, event_id: UUID, duty_id: UUID, kind: IncidentKind, summary: str
) -> bool:
    """Opens an incident; False when this id was already reported."""
    added = await conn.fetchval(
        """
        INSERT INTO incidents (id, public_code, event_id, duty_id, kind, summary, state)
        VALUES ($1, $2, $3, $4, $5, $6, 'open') ON CONFLICT (id) DO NOTHING RETURNING true
        """,
        incident_id,
        public_code,
        event_id,
        duty_id,
        kind.value,
        summary,
    )
    return bool(added)


async def read_incident_duty(conn: Connection, incident_id: UUID) -> UUID | None:
    """The duty an incident is about."""
    duty_id: UUID | None = await conn.fetchval("SELECT duty_id FROM incidents WHERE id = $1", incident_id)
    return duty_id


async def add_incident_pledges(conn: Connection, incident_id: UUID, duty_id: UUID) -> list[Contact]:
    """Puts everybody on the duty's current manifest on the incident and returns them."""
    return await fetch_all(
        conn,
        Contact,
        """
        WITH riders AS (
            SELECT DISTINCT mp.manifest_id, mp.pledge_id
            FROM current_manifests c JOIN manifest_people mp ON mp.manifest_id = c.manifest_id
            WHERE c.duty_id = $2
        ), added AS (
            INSERT INTO incident_pledges (incident_id, pledge_id) SELECT $1, pledge_id FROM riders ON CONFLICT DO NOTHING
        )
        SELECT r.manifest_id, p.id AS pledge_id, p.public_code, p.name, p.email::text AS email, p.locale
        FROM riders r JOIN pledges p ON p.id = r.pledge_id ORDER BY p.id
        """,
        incident_id,
        duty_id,
    )


async def read_operator_email(conn: Connection, duty_id: UUID) -> str:
    """Where the duty's operator reads mail."""
    email: str = await conn.fetchval(
        "SELECT op.email::text FROM duties d JOIN operators op ON op.id = d.operator_id WHERE d.id = $1", duty_id
    )
    return email


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, in plain words."""

    id: UUID
    public_code: str
    kind: str
    summary: str
    state: str
    opened_at: datetime


async def read_duty_incidents(conn: Connection, duty_id: UUID) -> list[Incident]:
    """A duty's incidents, newest first."""
    return await fetch_all(
        conn,
        Incident,
        "SELECT id, public_code, kind, summary, state, opened_at FROM incidents WHERE duty_id = $1 ORDER BY opened_at DESC, id DESC",
        duty_id,
    )


async def read_depot_out(conn: Connection, duty_id: UUID) -> datetime:
    """When a duty begins."""
    found: datetime = await conn.fetchval("SELECT lower(during) FROM duties WHERE id = $1", duty_id)
    return found


async def mark_closed(conn: Connection, duty_id: UUID, at: datetime) -> bool:
    """The bus left its last outbound stop; False when that was known."""
    changed = await conn.fetchval(
        "UPDATE current_manifests SET closed_at = $2 WHERE duty_id = $1 AND closed_at IS NULL RETURNING true", duty_id, at
    )
    return bool(changed)


async def mark_ended(conn: Connection, duty_id: UUID, at: datetime) -> bool:
    """The duty is over; False when that was known. A duty never closed is closed with it."""
    changed = await conn.fetchval(
        """
        UPDATE current_manifests SET ended_at = $2, closed_at = coalesce(closed_at, $2)
        WHERE duty_id = $1 AND ended_at IS NULL RETURNING true
        """,
        duty_id,
        at,
    )
    return bool(changed)


async def lock_trips_aboard(conn: Connection, duty_id: UUID) -> list[UUID]:
    """Locks the trips that this duty carries people of, and those it was to run for and all of whose people have left, in id order."""
    rows = await conn.fetch(
        """
        SELECT t.id FROM trips t WHERE t.id IN (
            SELECT p.trip_id FROM current_manifests c JOIN manifest_people mp ON mp.manifest_id = c.manifest_id
            JOIN pledges p ON p.id = mp.pledge_id WHERE c.duty_id = $1
            UNION SELECT e.id FROM duty_parties dp JOIN pledges p ON p.id = dp.pledge_id JOIN trips e ON e.id = p.trip_id
            WHERE dp.duty_id = $1 AND e.secured = 0)
        ORDER BY t.id FOR NO KEY UPDATE
        """,
        duty_id,
    )
    return [row["id"] for row in rows]


async def mark_departed(conn: Connection, trip_ids: list[UUID]) -> list[UUID]:
    """allocated -> departed; returns the trips it happened to.

    A trip that has lost another of its buses is confirmed until that one is replaced. It departs all the same: what of it is seated runs.
    """
    await conn.execute("UPDATE trips SET state = 'allocated' WHERE id = ANY($1) AND state = 'confirmed'", trip_ids)
    rows = await conn.fetch("UPDATE trips SET state = 'departed' WHERE id = ANY($1) AND state = 'allocated' RETURNING id", trip_ids)
    return [row["id"] for row in rows]


async def mark_completed(conn: Connection, trip_ids: list[UUID]) -> list[UUID]:
    """departed -> completed for the trips none of whose people rides a duty that has not ended, or is still owed one.

    Who has paid and is on no manifest for a leg waits for a bus or for the money: only then their trip is over.
    """
    rows = await conn.fetch(
        """
        UPDATE trips t SET state = 'completed'
        WHERE t.id = ANY($1) AND t.state = 'departed' AND NOT EXISTS (
            SELECT FROM current_manifests c JOIN manifest_people mp ON mp.manifest_id = c.manifest_id
            JOIN pledges p ON p.id = mp.pledge_id WHERE p.trip_id = t.id AND c.ended_at IS NULL)
        AND NOT EXISTS (
            SELECT FROM pledges p CROSS JOIN LATERAL unnest(p.legs) AS way (leg)
            WHERE p.trip_id = t.id AND p.state = 'paid' AND NOT EXISTS (
                SELECT FROM manifest_people mp JOIN current_manifests c ON c.manifest_id = mp.manifest_id
                WHERE mp.pledge_id = p.id AND mp.leg = way.leg))
        RETURNING t.id
        """,
        trip_ids,
    )
    return [row["id"] for row in rows]


async def list_trips_at_home(conn: Connection, trip_ids: list[UUID]) -> list[UUID]:
    """Those of these trips that wait for no duty's end any more: each one that they have people on is written down as a hire."""
    rows = await conn.fetch(
        """
        SELECT t.id FROM trips t WHERE t.id = ANY($1) AND NOT EXISTS (
            SELECT FROM pledges p JOIN manifest_people mp ON mp.pledge_id = p.id JOIN current_manifests c ON c.manifest_id = mp.manifest_id
            WHERE p.trip_id = t.id AND NOT EXISTS (SELECT FROM hires h WHERE h.duty_id = c.duty_id))
        ORDER BY t.id
        """,
        trip_ids,
    )
    return [row["id"] for row in rows]


async def runs_for_anybody(conn: Connection, duty_id: UUID) -> bool:
    """Whether any trip this duty was planned for has not been cancelled; True of a duty planned for nobody."""
    found = await conn.fetchval(
        """
        SELECT NOT EXISTS (SELECT FROM duty_parties d WHERE d.duty_id = $1) OR EXISTS (
            SELECT FROM duty_parties d JOIN pledges p ON p.id = d.pledge_id JOIN trips t ON t.id = p.trip_id
            WHERE d.duty_id = $1 AND t.state <> 'cancelled')
        """,
        duty_id,
    )
    return bool(found)


async def is_last_home(conn: Connection, event_id: UUID) -> bool:
    """Whether no accepted duty of the event is ahead, on the road, or driven and not written down as a hire."""
    found = await conn.fetchval(
        """
        SELECT NOT EXISTS (
            SELECT FROM offers o LEFT JOIN current_manifests c ON c.duty_id = o.duty_id
            WHERE o.event_id = $1 AND o.state = 'accepted' AND NOT EXISTS (SELECT FROM hires h WHERE h.duty_id = o.duty_id)
                AND (c.duty_id IS NOT NULL OR upper(o.during) > busload_now()))
        """,
        event_id,
    )
    return bool(found)


async def settle_travellers(conn: Connection, trip_ids: list[UUID]) -> int:
    """paid -> travelled for seated parties of which anybody was checked in, else no_show; returns how many parties."""
    status = await conn.execute(
        """
        UPDATE pledges p SET state = CASE WHEN EXISTS (SELECT FROM check_ins c WHERE c.pledge_id = p.id) THEN 'travelled' ELSE 'no_show' END
        WHERE p.trip_id = ANY($1) AND p.state = 'paid' AND EXISTS (
            SELECT FROM manifest_people mp JOIN current_manifests m ON m.manifest_id = mp.manifest_id WHERE mp.pledge_id = p.id)
        """,
        trip_ids,
    )
    return int(status.rsplit(" ", 1)[1])


async def list_closed_duties(conn: Connection, duty_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these duties whose manifest is closed: the bus has left its last outbound stop, or its driver said so."""
    rows = await conn.fetch("SELECT duty_id FROM current_manifests WHERE duty_id = ANY($1) AND closed_at IS NOT NULL", list(duty_ids))
    return {row["duty_id"] for row in rows}


async def read_duty_state(conn: Connection, duty_id: UUID) -> DutyState | None:
    """How far a duty is, without a lock; None when it carries no manifest (any more)."""
    return await fetch_maybe(
        conn,
        DutyState,
        """
        SELECT c.duty_id, d.event_id, c.manifest_id, m.version, c.closed_at, c.ended_at
        FROM current_manifests c JOIN duties d ON d.id = c.duty_id JOIN manifests m ON m.id = c.manifest_id WHERE c.duty_id = $1
        """,
        duty_id,
    )

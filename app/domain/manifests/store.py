"""SQL of manifests and boarding passes. What happens on the day of travel is in `day_store.py`."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all, fetch_maybe
from app.domain.dispatch.model import Scope, Timetable
from app.domain.manifests.model import BoardingPass, DriverFacts, DutyState, Manifest, NewVersion, PassSlot, Riding


class DutyRow(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted duty with what a manifest says of its event, operator and bus; `timetable` is dispatch's."""

    duty_id: UUID
    duty_code: str
    offer_id: UUID
    offer_code: str
    scope: Scope
    timetable: Timetable
    event_id: UUID
    event_code: str
    event_name: str
    starts_at: datetime
    ends_at: datetime
    dispatcher_phone: str
    operator_name: str
    licence_number: str
    operator_phone: str
    plate: str
    vehicle_name: str
    vehicle_seats: int
    wheelchair_places: int


class PartyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A party that still rides a duty."""

    duty_id: UUID
    pledge_id: UUID
    public_code: str
    seats: int
    wheelchairs: int
    legs: tuple[str, ...]
    stop_id: UUID


async def lock_accepted_duties(conn: Connection, event_id: UUID) -> list[UUID]:
    """Locks the accepted duties of the event's current plans, in one order for everybody."""
    rows = await conn.fetch(
        """
        SELECT d.id FROM duties d
        WHERE d.id IN (SELECT pd.duty_id FROM plan_duties pd JOIN plans p ON p.id = pd.plan_id
                       WHERE p.event_id = $1 AND p.is_current)
          AND EXISTS (SELECT FROM offers o WHERE o.duty_id = d.id AND o.state = 'accepted')
        ORDER BY d.id FOR NO KEY UPDATE OF d
        """,
        event_id,
    )
    return [row["id"] for row in rows]


async def read_duties(conn: Connection, duty_ids: list[UUID]) -> list[DutyRow]:
    """The accepted duties with everything a manifest says that is not about riders, ordered by id."""
    return await fetch_all(
        conn,
        DutyRow,
        """
        SELECT d.id AS duty_id, d.public_code AS duty_code, o.id AS offer_id, o.public_code AS offer_code, d.scope, d.timetable,
               e.id AS event_id, e.public_code AS event_code, e.name AS event_name, e.starts_at, e.ends_at,
               e.contact_phone AS dispatcher_phone, op.name AS operator_name, op.licence_number, op.phone AS operator_phone,
               v.plate, v.name AS vehicle_name, v.seats AS vehicle_seats, v.wheelchair_places
        FROM duties d
        JOIN offers o ON o.duty_id = d.id AND o.state = 'accepted'
        JOIN events e ON e.id = d.event_id
        JOIN operators op ON op.id = d.operator_id
        JOIN vehicles v ON v.id = d.vehicle_id
        WHERE d.id = ANY($1) ORDER BY d.id
        """,
        duty_ids,
    )


async def read_parties(conn: Connection, duty_ids: list[UUID]) -> list[PartyRow]:
    """Who rides these duties: paid parties that have not left, ordered by name within a duty."""
    return await fetch_all(
        conn,
        PartyRow,
        """
        SELECT dp.duty_id, p.id AS pledge_id, p.public_code, p.seats, p.wheelchairs, p.legs, p.stop_id
        FROM duty_parties dp JOIN pledges p ON p.id = dp.pledge_id
        WHERE dp.duty_id = ANY($1) AND dp.left_at IS NULL AND p.state IN ('paid', 'travelled', 'no_show')
        ORDER BY dp.duty_id, p.name, p.public_code
        """,
        duty_ids,
    )


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """Who a party is."""

    pledge_id: UUID
    name: str
    needs: str


async def read_names(conn: Connection, manifest_id: UUID) -> list[Named]:
    """Who the parties of a manifest are."""
    return await fetch_all(
        conn,
        Named,
        """
        SELECT p.id AS pledge_id, p.name, p.needs FROM pledges p
        WHERE p.id IN (SELECT mp.pledge_id FROM manifest_people mp WHERE mp.manifest_id = $1)
        """,
        manifest_id,
    )


class AssignedDriver(DriverFacts, frozen=True, kw_only=True):
    """A driver on a duty."""

    duty_id: UUID


async def read_assigned_drivers(conn: Connection, duty_ids: list[UUID]) -> list[AssignedDriver]:
    """Who drives these duties now, first driver first."""
    return await fetch_all(
        conn,
        AssignedDriver,
        """
        SELECT dd.duty_id, dd.driver_id, dr.name, dd.seat
        FROM duty_drivers dd JOIN drivers dr ON dr.id = dd.driver_id
        WHERE dd.duty_id = ANY($1) AND dd.ended_at IS NULL ORDER BY dd.duty_id, dd.seat
        """,
        duty_ids,
    )


async def read_current_manifests(conn: Connection, event_id: UUID) -> list[Manifest]:
    """The versions that drivers of this event work from now."""
    return await fetch_all(
        conn,
        Manifest,
        """
        SELECT m.id, m.duty_id, m.offer_id, m.version, m.document, m.cause, m.created_at
        FROM current_manifests c JOIN manifests m ON m.id = c.manifest_id JOIN duties d ON d.id = c.duty_id
        WHERE d.event_id = $1 ORDER BY m.duty_id
        """,
        event_id,
    )


async def list_ended_duties(conn: Connection, event_id: UUID) -> set[UUID]:
    """The event's duties that are over."""
    rows = await conn.fetch(
        """
        SELECT c.duty_id FROM current_manifests c JOIN duties d ON d.id = c.duty_id WHERE d.event_id = $1 AND c.ended_at IS NOT NULL
        """,
        event_id,
    )
    return {row["duty_id"] for row in rows}


async def list_manifested_duties(conn: Connection, duty_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the duties that have a manifest to work from."""
    return {row["duty_id"] for row in await conn.fetch("SELECT duty_id FROM current_manifests WHERE duty_id = ANY($1)", list(duty_ids))}


async def read_current_manifest(conn: Connection, duty_id: UUID) -> Manifest | None:
    """The version that this duty's driver works from now."""
    return await fetch_maybe(
        conn,
        Manifest,
        """
        SELECT m.id, m.duty_id, m.offer_id, m.version, m.document, m.cause, m.created_at
        FROM current_manifests c JOIN manifests m ON m.id = c.manifest_id WHERE c.duty_id = $1
        """,
        duty_id,
    )


async def read_manifests(conn: Connection, manifest_ids: Sequence[UUID]) -> list[Manifest]:
    """Versions by id."""
    return await fetch_all(
        conn,
        Manifest,
        """
        SELECT m.id, m.duty_id, m.offer_id, m.version, m.document, m.cause, m.created_at FROM manifests m WHERE m.id = ANY($1) ORDER BY m.id
        """,
        list(manifest_ids),
    )


async def add_manifests(conn: Connection, new: Sequence[NewVersion], *, cause: str) -> None:
    """Writes each duty's next version, one per duty; the caller holds the duties' locks."""
    await conn.execute(
        """
        INSERT INTO manifests (id, duty_id, offer_id, version, document, cause)
        SELECT n.id, n.duty_id, n.offer_id, coalesce((SELECT max(m.version) FROM manifests m WHERE m.duty_id = n.duty_id), 0) + 1,
               n.document, $5
        FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::jsonb[]) AS n (id, duty_id, offer_id, document)
        """,
        [one.id for one in new],
        [one.document.duty_id for one in new],
        [one.offer_id for one in new],
        [one.document for one in new],
        cause,
    )


async def add_manifest_people(conn: Connection, riders: Sequence[tuple[UUID, Riding]]) -> None:
    """Writes who rides which manifest, leg by leg."""
    await conn.execute(
        """
        INSERT INTO manifest_people (manifest_id, pledge_id, leg, stop_id, seats, wheelchairs)
        SELECT r.manifest_id, r.pledge_id, r.leg, r.stop_id, r.seats, r.wheelchairs
        FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::int[], $6::int[])
            AS r (manifest_id, pledge_id, leg, stop_id, seats, wheelchairs)
        """,
        [manifest_id for manifest_id, _ in riders],
        [rider.pledge_id for _, rider in riders],
        [rider.leg for _, rider in riders],
        [rider.stop_id for _, rider in riders],
        [rider.seats for _, rider in riders],
        [rider.wheelchairs for _, rider in riders],
    )


async def point_to_manifests(conn: Connection, new: Sequence[NewVersion]) -> set[UUID]:
    """Makes these versions the ones to work from; returns the duties that had none before."""
    rows = await conn.fetch(
        """
        INSERT INTO current_manifests (duty_id, manifest_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])
        ON CONFLICT (duty_id) DO UPDATE SET manifest_id = excluded.manifest_id RETURNING duty_id, xmax = 0 AS fresh
        """,
        [one.document.duty_id for one in new],
        [one.id for one in new],
    )
    return {row["duty_id"] for row in rows if row["fresh"]}


async def withdraw_manifests(conn: Connection, event_id: UUID, kept: list[UUID]) -> list[UUID]:
    """Takes back the manifests of the event's other duties that have not ended; returns those duties."""
    rows = await conn.fetch(
        """
        DELETE FROM current_manifests c USING duties d
        WHERE d.id = c.duty_id AND d.event_id = $1 AND c.ended_at IS NULL AND NOT c.duty_id = ANY($2)
        RETURNING c.duty_id
        """,
        event_id,
        kept,
    )
    return sorted(row["duty_id"] for row in rows)


async def read_live_passes(conn: Connection, event_id: UUID) -> list[BoardingPass]:
    """The event's passes that are not revoked."""
    return await fetch_all(
        conn,
        BoardingPass,
        """
        SELECT b.id, b.pledge_id, b.person, b.leg, b.duty_id, b.valid_from, b.valid_until, b.revoked_at
        FROM boarding_passes b JOIN duties d ON d.id = b.duty_id WHERE d.event_id = $1 AND b.revoked_at IS NULL
        """,
        event_id,
    )


async def revoke_passes(conn: Connection, pass_ids: list[UUID]) -> None:
    """These passes hold no longer."""
    await conn.execute("UPDATE boarding_passes SET revoked_at = busload_now() WHERE id = ANY($1) AND revoked_at IS NULL", pass_ids)


async def revoke_passes_of(conn: Connection, pledge_id: UUID) -> None:
    """A party's passes hold no longer."""
    await conn.execute("UPDATE boarding_passes SET revoked_at = busload_now() WHERE pledge_id = $1 AND revoked_at IS NULL", pledge_id)


async def add_passes(conn: Connection, pass_ids: list[UUID], slots: list[PassSlot]) -> None:
    """Writes passes; a person and leg that already has a live one is a unique violation."""
    await conn.execute(
        """
        INSERT INTO boarding_passes (id, pledge_id, person, leg, duty_id, valid_from, valid_until)
        SELECT s.id, s.pledge_id, s.person, s.leg, s.duty_id, s.valid_from, s.valid_until
        FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::uuid[], $6::timestamptz[], $7::timestamptz[])
            AS s (id, pledge_id, person, leg, duty_id, valid_from, valid_until)
        """,
        pass_ids,
        [slot.pledge_id for slot in slots],
        [slot.person for slot in slots],
        [slot.leg for slot in slots],
        [slot.duty_id for slot in slots],
        [slot.valid_from for slot in slots],
        [slot.valid_until for slot in slots],
    )


async def read_pledge_passes(conn: Connection, pledge_id: UUID) -> list[BoardingPass]:
    """A party's live passes: outbound before return, person by person."""
    return await fetch_all(
        conn,
        BoardingPass,
        """
        SELECT id, pledge_id, person, leg, duty_id, valid_from, valid_until, revoked_at
        FROM boarding_passes WHERE pledge_id = $1 AND revoked_at IS NULL ORDER BY leg, person
        """,
        pledge_id,
    )


async def read_duty_passes(conn: Connection, duty_id: UUID) -> list[BoardingPass]:
    """Every pass ever issued for a duty, revoked ones too."""
    return await fetch_all(
        conn,
        BoardingPass,
        """
        SELECT id, pledge_id, person, leg, duty_id, valid_from, valid_until, revoked_at
        FROM boarding_passes WHERE duty_id = $1 ORDER BY id
        """,
        duty_id,
    )


async def keep_public_key(conn: Connection, key_id: str, public_key: bytes) -> None:
    """Puts a key on record before the first pass signed with it is shown."""
    await conn.execute("INSERT INTO pass_keys (key_id, public_key) VALUES ($1, $2) ON CONFLICT (key_id) DO NOTHING", key_id, public_key)


async def read_public_keys(conn: Connection) -> dict[str, bytes]:
    """The keys that passes may be signed with, by id."""
    rows = await conn.fetch("SELECT key_id, public_key FROM pass_keys WHERE retired_at IS NULL ORDER BY key_id")
    return {row["key_id"]: row["public_key"] for row in rows}


async def retire_other_keys(conn: Connection, key_id: str) -> list[str]:
    """Takes every key but this one off the record of accepted ones; which."""
    rows = await conn.fetch(
        "UPDATE pass_keys SET retired_at = busload_now() WHERE key_id <> $1 AND retired_at IS NULL RETURNING key_id", key_id
    )
    return sorted(row["key_id"] for row in rows)


async def lock_duty_state(conn: Connection, duty_id: UUID) -> DutyState | None:
    """Locks a duty's pointer; None when the duty carries no manifest (any more)."""
    return await fetch_maybe(
        conn,
        DutyState,
        """
        SELECT c.duty_id, d.event_id, c.manifest_id, m.version, c.closed_at, c.ended_at
        FROM current_manifests c JOIN duties d ON d.id = c.duty_id JOIN manifests m ON m.id = c.manifest_id
        WHERE c.duty_id = $1 FOR NO KEY UPDATE OF c
        """,
        duty_id,
    )

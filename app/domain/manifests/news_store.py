"""SQL of who is told what about rides and manifests."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all
from app.domain.manifests.model import Leg, Manifest


class ToldRiding(msgspec.Struct, frozen=True, kw_only=True):
    """The newest manifest that had a party on a leg."""

    pledge_id: UUID
    leg: Leg
    manifest_id: UUID


async def read_told_ridings(conn: Connection, event_id: UUID) -> list[ToldRiding]:
    """For each party and leg of the event the newest manifest that had them, current or not."""
    return await fetch_all(
        conn,
        ToldRiding,
        """
        SELECT DISTINCT ON (mp.pledge_id, mp.leg) mp.pledge_id, mp.leg, mp.manifest_id
        FROM duties d JOIN manifests m ON m.duty_id = d.id JOIN manifest_people mp ON mp.manifest_id = m.id
        WHERE d.event_id = $1 ORDER BY mp.pledge_id, mp.leg, m.created_at DESC, m.id DESC
        """,
        event_id,
    )


async def read_told_manifests(conn: Connection, event_id: UUID) -> list[Manifest]:
    """The manifests that `read_told_ridings` names."""
    return await fetch_all(
        conn,
        Manifest,
        """
        SELECT m.id, m.duty_id, m.offer_id, m.version, m.document, m.cause, m.created_at FROM manifests m WHERE m.id IN (
            SELECT DISTINCT ON (mp.pledge_id, mp.leg) mp.manifest_id
            FROM duties d JOIN manifests l ON l.duty_id = d.id JOIN manifest_people mp ON mp.manifest_id = l.id
            WHERE d.event_id = $1 ORDER BY mp.pledge_id, mp.leg, l.created_at DESC, l.id DESC)
        """,
        event_id,
    )


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """How a party of a manifest is told."""

    manifest_id: UUID
    pledge_id: UUID
    public_code: str
    name: str
    email: str
    locale: str


async def read_manifest_contacts(conn: Connection, manifest_ids: Sequence[UUID]) -> list[Contact]:
    """The parties on these manifests, each once per manifest."""
    return await fetch_all(
        conn,
        Contact,
        """
        SELECT r.manifest_id, p.id AS pledge_id, p.public_code, p.name, p.email::text AS email, p.locale
        FROM (SELECT DISTINCT mp.manifest_id, mp.pledge_id FROM manifest_people mp WHERE mp.manifest_id = ANY($1)) r
        JOIN pledges p ON p.id = r.pledge_id ORDER BY r.manifest_id, p.id
        """,
        list(manifest_ids),
    )


class DriverContact(msgspec.Struct, frozen=True, kw_only=True):
    """How a driver of a manifest is told."""

    manifest_id: UUID
    driver_id: UUID
    name: str
    email: str


async def read_informed_drivers(conn: Connection, manifest_ids: Sequence[UUID]) -> list[DriverContact]:
    """The duties' drivers who were on them before these versions and so may hold older ones."""
    return await fetch_all(
        conn,
        DriverContact,
        """
        SELECT m.id AS manifest_id, dd.driver_id, dr.name, dr.email::text AS email
        FROM manifests m JOIN manifests p ON p.duty_id = m.duty_id AND p.version = m.version - 1
        JOIN duty_drivers dd ON dd.duty_id = m.duty_id AND dd.ended_at IS NULL AND dd.assigned_at < p.created_at
        JOIN drivers dr ON dr.id = dd.driver_id WHERE m.id = ANY($1) ORDER BY m.id, dd.seat
        """,
        list(manifest_ids),
    )

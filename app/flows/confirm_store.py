"""SQL of a confirmation, over pledges, payments and mails at once: tens of thousands of rows that never travel through Python."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app.core.database import Connection


async def confirm_active(conn: Connection, trip_id: UUID) -> list[UUID]:
    """`active -> confirmed` for every pledge of a locked trip, locked in the order of their ids; returns them."""
    rows = await conn.fetch(
        """
        WITH active AS MATERIALIZED (
            SELECT id FROM pledges WHERE trip_id = $1 AND state = 'active' ORDER BY id FOR NO KEY UPDATE
        )
        UPDATE pledges SET state = 'confirmed' FROM active WHERE pledges.id = active.id RETURNING pledges.id
        """,
        trip_id,
    )
    return [row["id"] for row in rows]


async def add_fares(
    conn: Connection, pledge_ids: Sequence[UUID], *, book: str, origin: str, event_name: str, collect_until: datetime
) -> list[UUID]:
    """The charge of each of these confirmed pledges, due now; returns the payments. The database refuses a second fare of a pledge."""
    rows = await conn.fetch(
        """
        INSERT INTO payments (reference, purpose, book, amount_minor, currency, description, state, customer_ref, payment_method_ref,
            next_attempt_at, collect_until)
        SELECT id, 'fare', $2, amount_minor, currency, format('Busload %s: %s to %s', public_code, $3::text, $4::text), 'due',
            customer_ref, payment_method_ref, now.at, $5
        FROM pledges, (SELECT busload_now() AS at) now WHERE id = ANY($1::uuid[]) RETURNING payments.id
        """,
        list(pledge_ids),
        book,
        origin,
        event_name,
        collect_until,
    )
    return [row["id"] for row in rows]


async def add_confirmed_mails(conn: Connection, pledge_ids: Sequence[UUID], *, origin: str, event_name: str) -> list[UUID]:
    """The good news to the rider of each of these pledges, and what is charged; returns the mails."""
    rows = await conn.fetch(
        """
        INSERT INTO mails (dedupe_key, recipient, template, locale, subject_id, data)
        SELECT 'trip-confirmed:' || id, email, 'trip_confirmed', locale, id, jsonb_build_object('pledge_id', id, 'name', name,
            'code', public_code, 'origin', $2::text, 'event', $3::text, 'people', people, 'amount_minor', amount_minor,
            'currency', currency, 'card', card_label)
        FROM pledges WHERE id = ANY($1::uuid[]) ON CONFLICT (dedupe_key) DO NOTHING RETURNING mails.id
        """,
        list(pledge_ids),
        origin,
        event_name,
    )
    return [row["id"] for row in rows]

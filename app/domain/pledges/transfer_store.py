"""SQL of seats that are passed on to another person, and of who holds a pledge's links."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_maybe
from app.domain.pledges.model import TransferState


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """Seats offered by one person to another."""

    id: UUID
    pledge_id: UUID
    from_name: str
    from_email: str
    to_name: str
    to_email: str
    to_email_normalised: str
    state: TransferState
    expires_at: datetime
    created_at: datetime


class Payer(msgspec.Struct, frozen=True, kw_only=True):
    """Whose card paid for seats that somebody else has now, by the transfer that gave them away; `card_label` is the card they had then."""

    transfer_id: UUID
    pledge_id: UUID
    name: str
    email: str
    card_label: str
    passed_on_at: datetime


async def add_transfer(
    conn: Connection, *, transfer_id: UUID, pledge_id: UUID, from_name: str, from_email: str, to_name: str, to_email: str,
    to_email_normalised: str, token_hash: bytes, expires_at: datetime,
) -> None:  # fmt: skip
    """Offers seats to somebody; UniqueViolationError `transfers_one_open` when they are offered to somebody already."""
    await conn.execute(
        """
        INSERT INTO transfers (id, pledge_id, from_name, from_email, to_name, to_email, to_email_normalised, token_hash, expires_at, state)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'offered')
        """,
        transfer_id, pledge_id, from_name, from_email, to_name, to_email, to_email_normalised, token_hash, expires_at,
    )  # fmt: skip


async def find_open_transfer(conn: Connection, pledge_id: UUID) -> Transfer | None:
    """The person a pledge's seats are offered to."""
    return await fetch_maybe(
        conn,
        Transfer,
        """
        SELECT id, pledge_id, from_name, from_email::text, to_name, to_email::text, to_email_normalised, state, expires_at, created_at
        FROM transfers WHERE pledge_id = $1 AND state = 'offered'
        """,
        pledge_id,
    )


async def find_transfer_by_token(conn: Connection, token_hash: bytes) -> Transfer | None:
    """The offer of seats that a link opens."""
    return await fetch_maybe(
        conn,
        Transfer,
        """
        SELECT id, pledge_id, from_name, from_email::text, to_name, to_email::text, to_email_normalised, state, expires_at, created_at
        FROM transfers WHERE token_hash = $1
        """,
        token_hash,
    )


async def get_transfer(conn: Connection, transfer_id: UUID) -> Transfer | None:
    """An offer of seats by id."""
    return await fetch_maybe(
        conn,
        Transfer,
        """
        SELECT id, pledge_id, from_name, from_email::text, to_name, to_email::text, to_email_normalised, state, expires_at, created_at
        FROM transfers WHERE id = $1
        """,
        transfer_id,
    )


async def settle_transfer(conn: Connection, transfer_id: UUID, *, go_to: TransferState, payer_token_hash: bytes | None = None) -> bool:
    """The guarded transition; False when it was settled before. An accepted one remembers the card that pays, and its owner's link."""
    done = await conn.fetchval(
        """
        UPDATE transfers t SET state = $2, settled_at = busload_now(), payer_token_hash = $3,
            card_ref = CASE WHEN $2 = 'accepted' THEN (SELECT p.payment_method_ref FROM pledges p WHERE p.id = t.pledge_id) END,
            card_label = CASE WHEN $2 = 'accepted' THEN (SELECT p.card_label FROM pledges p WHERE p.id = t.pledge_id) END
        WHERE t.id = $1 AND t.state = 'offered' RETURNING true
        """,
        transfer_id,
        go_to.value,
        payer_token_hash,
    )
    return bool(done)


async def change_hands(
    conn: Connection, pledge_id: UUID, *, name: str, email: str, email_normalised: str, phone: str, needs: str, card_label: str,
    manage_token_hash: bytes,
) -> None:  # fmt: skip
    """Another person has the pledge and its one link; UniqueViolationError `pledges_one_live` when they have one on the trip already."""
    await conn.execute(
        """
        UPDATE pledges SET name = $2, email = $3, email_normalised = $4, phone = $5, needs = $6, card_label = $7, manage_token_hash = $8,
            account_id = NULL, holder = holder + 1
        WHERE id = $1
        """,
        pledge_id, name, email, email_normalised, phone, needs, card_label, manage_token_hash,
    )  # fmt: skip


async def read_holders(conn: Connection, pledge_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How often each of these pledges has changed hands."""
    rows = await conn.fetch("SELECT id, holder FROM pledges WHERE id = ANY($1::uuid[])", list(pledge_ids))
    return {row["id"]: row["holder"] for row in rows}


async def find_payer(conn: Connection, pledge_id: UUID, payment_method_ref: str) -> Payer | None:
    """Who gave seats away that this card paid for, with it or after it; None for a card of whoever has the seats now."""
    return await fetch_maybe(
        conn,
        Payer,
        """
        SELECT t.id AS transfer_id, t.pledge_id, t.from_name AS name, t.from_email::text AS email, coalesce(t.card_label, '') AS card_label,
            t.settled_at AS passed_on_at
        FROM transfers t
        WHERE t.pledge_id = $1 AND t.state = 'accepted' AND (t.card_ref = $2 OR EXISTS (
            SELECT FROM set_aside_cards s
            WHERE s.pledge_id = t.pledge_id AND s.payment_method_ref = $2 AND s.set_aside_at <= t.settled_at))
        ORDER BY t.id LIMIT 1
        """,
        pledge_id,
        payment_method_ref,
    )


async def find_payer_by_token(conn: Connection, payer_token_hash: bytes) -> Payer | None:
    """The person whose own receipt link this is."""
    return await fetch_maybe(
        conn,
        Payer,
        """
        SELECT id AS transfer_id, pledge_id, from_name AS name, from_email::text AS email, coalesce(card_label, '') AS card_label,
            settled_at AS passed_on_at
        FROM transfers WHERE payer_token_hash = $1
        """,
        payer_token_hash,
    )


async def last_passed_on(conn: Connection, pledge_id: UUID) -> tuple[datetime, str] | None:
    """When a pledge last changed hands and who had it before; None when it never did."""
    row = await conn.fetchrow(
        "SELECT settled_at, from_name FROM transfers WHERE pledge_id = $1 AND state = 'accepted' ORDER BY id DESC LIMIT 1", pledge_id
    )
    return None if row is None else (row["settled_at"], row["from_name"])

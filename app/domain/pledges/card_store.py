"""SQL of cards that a pledge does not use (any more): replaced ones, and those that stand for too many people already."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all, fetch_maybe


class SetAsideReason(StrEnum):
    """Why a pledge does not use a card."""

    REPLACED = "replaced"
    CARD_LIMIT = "card_limit"


class SetAsideCard(msgspec.Struct, frozen=True, kw_only=True):
    """A card of a pledge that it does not stand on; `forgotten_at` once Stripe has let go of it, or somebody else needs it."""

    id: UUID
    payment_method_ref: str
    pledge_id: UUID
    card_label: str
    reason: SetAsideReason
    set_aside_at: datetime
    forgotten_at: datetime | None


async def set_aside(conn: Connection, pledge_id: UUID, *, payment_method_ref: str, card_label: str, reason: SetAsideReason) -> UUID | None:
    """Remembers a card that a pledge does not stand on; None when it was set aside before."""
    found: UUID | None = await conn.fetchval(
        """
        INSERT INTO set_aside_cards (payment_method_ref, pledge_id, card_label, reason) VALUES ($1, $2, $3, $4)
        ON CONFLICT (payment_method_ref) DO NOTHING RETURNING id
        """,
        payment_method_ref,
        pledge_id,
        card_label,
        reason.value,
    )
    return found


async def is_set_aside(conn: Connection, pledge_id: UUID, payment_method_ref: str) -> bool:
    """Whether this pledge has parted with a card: news of it are old."""
    found = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM set_aside_cards WHERE payment_method_ref = $1 AND pledge_id = $2)", payment_method_ref, pledge_id
    )
    return bool(found)


async def get_set_aside(conn: Connection, card_id: UUID) -> SetAsideCard | None:
    """A card set aside, by our id."""
    return await fetch_maybe(
        conn,
        SetAsideCard,
        """
        SELECT id, payment_method_ref, pledge_id, card_label, reason, set_aside_at, forgotten_at FROM set_aside_cards WHERE id = $1
        """,
        card_id,
    )


async def list_set_aside(conn: Connection, pledge_id: UUID) -> list[SetAsideCard]:
    """The cards a pledge has parted with, oldest first."""
    return await fetch_all(
        conn,
        SetAsideCard,
        """
        SELECT id, payment_method_ref, pledge_id, card_label, reason, set_aside_at, forgotten_at FROM set_aside_cards
        WHERE pledge_id = $1 ORDER BY id
        """,
        pledge_id,
    )


async def mark_forgotten(conn: Connection, card_id: UUID) -> None:
    """The card is no business of this pledge any more."""
    await conn.execute("UPDATE set_aside_cards SET forgotten_at = busload_now() WHERE id = $1 AND forgotten_at IS NULL", card_id)


async def read_counted_at(conn: Connection, pledge_id: UUID) -> datetime | None:
    """When the pledge's card was saved and it began to count."""
    found: datetime | None = await conn.fetchval(
        """
        SELECT max(at) FROM audit
        WHERE subject_id = $1 AND machine = 'pledge'
            AND from_state IN ('', 'pending_card', 'lapsed') AND to_state IN ('active', 'confirmed')
        """,
        pledge_id,
    )
    return found

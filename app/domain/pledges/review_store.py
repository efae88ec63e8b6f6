"""SQL of pledges held for review, and of the networks they came from."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all, fetch_maybe
from app.domain.pledges.model import SavedCard
from app.domain.pledges.velocity import Burst


class HeldPledge(msgspec.Struct, frozen=True, kw_only=True):
    """A pledge that waits for an organiser, as the review list shows it."""

    id: UUID
    public_code: str
    origin: str
    zone: str
    name: str
    email: str
    people: int
    card_label: str
    held_for_review_at: datetime
    held_because: str
    hold_expires_at: datetime


async def note_network(conn: Connection, pledge_id: UUID, client_hash: bytes) -> None:
    """Remembers where a pledge without a card came from."""
    await conn.execute("UPDATE pledges SET client_hash = $2 WHERE id = $1 AND state = 'pending_card'", pledge_id, client_hash)


async def find_burst(conn: Connection, pledge_id: UUID, *, since: datetime) -> Burst | None:
    """What came to the pledge's trip from its network with a card since a moment; None when its network is not known, or nobody minds."""
    return await fetch_maybe(
        conn,
        Burst,
        """
        SELECT count(*) AS pledges, coalesce(sum(o.people), 0) AS people
        FROM pledges p JOIN events e ON e.id = p.event_id AND NOT e.crowd_expected
        JOIN pledges o ON o.trip_id = p.trip_id AND o.client_hash = p.client_hash
        WHERE p.id = $1 AND o.created_at >= $2
          AND (o.id = p.id OR o.state IN ('active', 'confirmed') OR (o.state = 'pending_card' AND o.held_for_review_at IS NOT NULL))
        HAVING count(*) > 0
        """,
        pledge_id,
        since,
    )


async def is_held(conn: Connection, pledge_id: UUID) -> bool:
    """Whether a pledge waits for an organiser."""
    return bool(await conn.fetchval("SELECT held_for_review_at IS NOT NULL FROM pledges WHERE id = $1", pledge_id))


async def mark_held(conn: Connection, pledge_id: UUID, *, because: str, until: datetime) -> None:
    """Holds a pledge; its seats stay held as long as its trip may still need them."""
    await conn.execute(
        "UPDATE pledges SET held_for_review_at = busload_now(), held_because = $2, hold_expires_at = $3 WHERE id = $1",
        pledge_id,
        because,
        until,
    )


async def unmark_held(conn: Connection, pledge_id: UUID) -> None:
    """An organiser has looked."""
    await conn.execute("UPDATE pledges SET held_for_review_at = NULL, held_because = '' WHERE id = $1", pledge_id)


async def card_of_held(conn: Connection, pledge_id: UUID) -> SavedCard | None:
    """The card that was saved for a held pledge."""
    return await fetch_maybe(
        conn,
        SavedCard,
        """
        SELECT customer_ref, payment_method_ref, card_fingerprint, card_label FROM pledges
        WHERE id = $1 AND state = 'pending_card' AND held_for_review_at IS NOT NULL AND payment_method_ref IS NOT NULL
        """,
        pledge_id,
    )


async def list_held(conn: Connection, event_id: UUID) -> list[HeldPledge]:
    """An event's pledges that wait for an organiser, oldest first."""
    return await fetch_all(
        conn,
        HeldPledge,
        """
        SELECT p.id, p.public_code, t.origin, t.zone, p.name, p.email::text, p.people, p.card_label, p.held_for_review_at, p.held_because,
               p.hold_expires_at
        FROM pledges p JOIN trips t ON t.id = p.trip_id
        WHERE p.event_id = $1 AND p.held_for_review_at IS NOT NULL AND p.state = 'pending_card' ORDER BY p.id LIMIT 1000
        """,
        event_id,
    )


async def expect_crowd(conn: Connection, event_id: UUID) -> None:
    """Nothing of this event is held from now on: an organiser knows where the crowd comes from."""
    await conn.execute("UPDATE events SET crowd_expected = true WHERE id = $1", event_id)

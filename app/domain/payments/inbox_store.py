"""SQL of the Stripe inbox: what was heard, by webhook or by the poller, and what is still to be worked on."""

from app.core.database import Connection
from app.domain.payments.gateway import StripeEvent


async def store_stripe_event(conn: Connection, event: StripeEvent) -> bool:
    """Puts an event in the inbox; False when it was there."""
    new = await conn.fetchval(
        """
        INSERT INTO stripe_events (id, type, object_ref, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING RETURNING true
        """,
        event.id,
        event.type,
        event.object_ref,
        event.created_at,
    )
    return bool(new)


async def list_open_stripe_events(conn: Connection, *, limit: int) -> list[tuple[str, str, str]]:
    """Events not worked on yet as (id, type, object), those of card pages first: seats wait for them, charges have a week."""
    rows = await conn.fetch(
        """
        SELECT id, type, object_ref FROM stripe_events WHERE settled_at IS NULL
        ORDER BY type NOT LIKE 'checkout.session.%', received_at LIMIT $1
        """,
        limit,
    )
    return [(row["id"], row["type"], row["object_ref"]) for row in rows]


async def put_back_stripe_event(conn: Connection, event_id: str) -> None:
    """The event could not be worked on: it goes behind those that came later."""
    await conn.execute("UPDATE stripe_events SET received_at = busload_now() WHERE id = $1 AND settled_at IS NULL", event_id)


async def settle_stripe_event(conn: Connection, event_id: str) -> None:
    """The event has been worked on."""
    await conn.execute("UPDATE stripe_events SET settled_at = busload_now() WHERE id = $1 AND settled_at IS NULL", event_id)


async def read_news_mark(conn: Connection) -> str | None:
    """The event the poller reads on from; None before the first poll. What webhooks bring does not move it."""
    found: str | None = await conn.fetchval("SELECT event_ref FROM stripe_news_mark")
    return found


async def set_news_mark(conn: Connection, event_ref: str) -> None:
    """The poller has stored every event of Stripe's list up to this one."""
    await conn.execute(
        "INSERT INTO stripe_news_mark (event_ref) VALUES ($1) ON CONFLICT (one) DO UPDATE SET event_ref = excluded.event_ref", event_ref
    )

"""SQL of webhook endpoints and deliveries."""

from datetime import datetime
from uuid import UUID

from app.core.database import Connection, fetch_all, fetch_maybe, fetch_one
from app.domain.partners.model import Delivery, DeliveryState, Endpoint, Outgoing


async def add_endpoint(conn: Connection, *, partner_id: UUID, url: str, secret: str) -> Endpoint:
    """Stores a new endpoint."""
    return await fetch_one(
        conn,
        Endpoint,
        """
        INSERT INTO webhook_endpoints (partner_id, url, secret) VALUES ($1, $2, $3)
        RETURNING id, partner_id, url, secret, created_at, disabled_at, disabled_reason
        """,
        partner_id,
        url,
        secret,
    )


async def count_live_endpoints(conn: Connection, partner_id: UUID) -> int:
    """Endpoints of a partner that are not disabled."""
    found = await conn.fetchval("SELECT count(*) FROM webhook_endpoints WHERE partner_id = $1 AND disabled_at IS NULL", partner_id)
    return int(found)


async def list_endpoints(conn: Connection, partner_ids: list[UUID]) -> list[Endpoint]:
    """Every endpoint of these partners, the live and newest ones first."""
    return await fetch_all(
        conn,
        Endpoint,
        """
        SELECT id, partner_id, url, secret, created_at, disabled_at, disabled_reason FROM webhook_endpoints
        WHERE partner_id = ANY($1) ORDER BY disabled_at IS NOT NULL, id DESC LIMIT 200
        """,
        partner_ids,
    )


async def get_endpoint(conn: Connection, endpoint_id: UUID, *, partner_ids: list[UUID]) -> Endpoint | None:
    """An endpoint of one of these partners."""
    return await fetch_maybe(
        conn,
        Endpoint,
        """
        SELECT id, partner_id, url, secret, created_at, disabled_at, disabled_reason FROM webhook_endpoints
        WHERE id = $1 AND partner_id = ANY($2)
        """,
        endpoint_id,
        partner_ids,
    )


async def disable_endpoint(conn: Connection, endpoint_id: UUID, reason: str) -> bool:
    """Disables an endpoint and gives up what still waits for it; False when it was disabled before."""
    done = await conn.fetchval(
        """
        WITH ended AS (
            UPDATE webhook_endpoints SET disabled_at = busload_now(), disabled_reason = $2
            WHERE id = $1 AND disabled_at IS NULL RETURNING id
        ), given_up AS (
            UPDATE webhook_deliveries SET state = 'failed', next_try_at = NULL, last_error = 'The endpoint was disabled.'
            WHERE endpoint_id IN (SELECT id FROM ended) AND state = 'pending' RETURNING id
        ), forgotten AS (
            DELETE FROM timers WHERE kind = 'webhook_try' AND subject_id IN (SELECT id FROM given_up)
        )
        SELECT true FROM ended
        """,
        endpoint_id,
        reason,
    )
    return bool(done)


async def add_deliveries(conn: Connection, *, partner_id: UUID, message_id: str, type: str, body: str) -> list[UUID]:
    """One delivery of a message per endpoint of a partner that is not disabled; returns the new ones."""
    rows = await conn.fetch(
        """
        INSERT INTO webhook_deliveries (endpoint_id, message_id, type, body, next_try_at)
        SELECT id, $2, $3, $4, busload_now() FROM webhook_endpoints WHERE partner_id = $1 AND disabled_at IS NULL
        ON CONFLICT (endpoint_id, message_id) DO NOTHING RETURNING id
        """,
        partner_id,
        message_id,
        type,
        body,
    )
    return [row["id"] for row in rows]


async def fold_deliveries(conn: Connection, *, partner_id: UUID, message_id: str, type: str, body: str, due_at: datetime) -> list[UUID]:
    """One delivery per endpoint due later, or newer words for the one that has not been tried yet; returns the new ones."""
    rows = await conn.fetch(
        """
        INSERT INTO webhook_deliveries (endpoint_id, message_id, type, body, next_try_at)
        SELECT id, $2, $3, $4, $5 FROM webhook_endpoints WHERE partner_id = $1 AND disabled_at IS NULL
        ON CONFLICT (endpoint_id, message_id) DO UPDATE SET body = excluded.body
            WHERE webhook_deliveries.state = 'pending' AND webhook_deliveries.tries = 0
        RETURNING id, xmax = 0 AS is_new
        """,
        partner_id,
        message_id,
        type,
        body,
        due_at,
    )
    return [row["id"] for row in rows if row["is_new"]]


async def add_test_delivery(conn: Connection, *, endpoint_id: UUID, message_id: str, body: str) -> UUID:
    """A message that only shows whether an endpoint answers."""
    found: UUID = await conn.fetchval(
        """
        INSERT INTO webhook_deliveries (endpoint_id, message_id, type, body, next_try_at) VALUES ($1, $2, 'webhook.test', $3, busload_now())
        RETURNING id
        """,
        endpoint_id,
        message_id,
        body,
    )
    return found


async def claim_try(conn: Connection, delivery_id: UUID) -> Outgoing | None:
    """Counts one try of a delivery that is due; None when it is not (any more), or another worker has claimed it."""
    return await fetch_maybe(
        conn,
        Outgoing,
        """
        UPDATE webhook_deliveries d SET tries = tries + 1, next_try_at = NULL
        FROM webhook_endpoints e
        WHERE d.id = $1 AND d.state = 'pending' AND d.next_try_at <= busload_now() AND e.id = d.endpoint_id AND e.disabled_at IS NULL
        RETURNING d.id, d.endpoint_id, e.url, e.secret, d.message_id, d.type, d.body, d.tries
        """,
        delivery_id,
    )


async def set_next_try(conn: Connection, delivery_id: UUID, due_at: datetime) -> None:
    """When a claimed delivery is tried again unless its try is answered."""
    await conn.execute("UPDATE webhook_deliveries SET next_try_at = $2 WHERE id = $1 AND state = 'pending'", delivery_id, due_at)


async def record_answer(conn: Connection, delivery_id: UUID, *, tries: int, state: DeliveryState, status: int | None, error: str) -> bool:
    """What came of try number `tries`; False when the delivery was settled, replayed or tried again meanwhile."""
    done = await conn.fetchval(
        """
        UPDATE webhook_deliveries SET state = $3, last_status = $4, last_error = $5,
            delivered_at = CASE WHEN $3 = 'delivered' THEN busload_now() END,
            next_try_at = CASE WHEN $3 = 'pending' THEN next_try_at END
        WHERE id = $1 AND tries = $2 AND state = 'pending' RETURNING true
        """,
        delivery_id,
        tries,
        state.value,
        status,
        error,
    )
    return bool(done)


async def list_deliveries(conn: Connection, endpoint_id: UUID, *, before: UUID | None, limit: int) -> list[Delivery]:
    """The newest deliveries to an endpoint, older than `before` when given (ids sort by birth)."""
    return await fetch_all(
        conn,
        Delivery,
        """
        SELECT id, endpoint_id, message_id, type, body, state, tries, next_try_at, last_status, last_error, created_at, delivered_at
        FROM webhook_deliveries WHERE endpoint_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
        """,
        endpoint_id,
        before,
        limit,
    )


async def get_delivery(conn: Connection, delivery_id: UUID) -> Delivery | None:
    """A delivery by id."""
    return await fetch_maybe(
        conn,
        Delivery,
        """
        SELECT id, endpoint_id, message_id, type, body, state, tries, next_try_at, last_status, last_error, created_at, delivered_at
        FROM webhook_deliveries WHERE id = $1
        """,
        delivery_id,
    )


async def reopen_delivery(conn: Connection, delivery_id: UUID) -> bool:
    """Lets a settled delivery be tried from the beginning, under the same message id; False when it still waits for a try."""
    done = await conn.fetchval(
        """
        UPDATE webhook_deliveries SET state = 'pending', tries = 0, next_try_at = busload_now(), delivered_at = NULL
        WHERE id = $1 AND state <> 'pending' RETURNING true
        """,
        delivery_id,
    )
    return bool(done)

"""SQL of refunds."""

from collections.abc import Sequence
from uuid import UUID

from app.core.database import Connection, fetch_all, fetch_maybe
from app.domain.payments.model import Refund


async def add_refund(conn: Connection, *, refund_id: UUID, payment_id: UUID, reason: str, amount_minor: int, currency: str) -> bool:
    """Money that is due back; False when that reason was refunded before."""
    done = await conn.fetchval(
        """
        INSERT INTO refunds (id, payment_id, reason, amount_minor, currency, state) VALUES ($1, $2, $3, $4, $5, 'due')
        ON CONFLICT (payment_id, reason) DO NOTHING RETURNING true
        """,
        refund_id,
        payment_id,
        reason,
        amount_minor,
        currency,
    )
    return bool(done)


async def refunded_minor(conn: Connection, payment_ids: Sequence[UUID]) -> dict[UUID, int]:
    """What has been (or is being) given back per payment."""
    rows = await conn.fetch(
        "SELECT payment_id, sum(amount_minor)::bigint AS amount_minor FROM refunds WHERE payment_id = ANY($1::uuid[]) GROUP BY payment_id",
        list(payment_ids),
    )
    return {row["payment_id"]: row["amount_minor"] for row in rows}


async def list_refunds_of(conn: Connection, payment_ids: Sequence[UUID]) -> list[Refund]:
    """The refunds of these payments."""
    return await fetch_all(
        conn,
        Refund,
        """
        SELECT id, payment_id, reason, amount_minor, currency, state, refund_ref, attempts, sending, held_by, elsewhere_at,
            submitted_at, settled_at, error_code, created_at
        FROM refunds WHERE payment_id = ANY($1::uuid[]) ORDER BY id
        """,
        list(payment_ids),
    )


async def list_refunds_waiting(conn: Connection, *, limit: int = 200) -> list[Refund]:
    """Refunds that wait for a person or a bank: failed, or held by a dispute, and not settled another way; the newest first."""
    return await fetch_all(
        conn,
        Refund,
        """
        SELECT id, payment_id, reason, amount_minor, currency, state, refund_ref, attempts, sending, held_by, elsewhere_at,
            submitted_at, settled_at, error_code, created_at
        FROM refunds WHERE elsewhere_at IS NULL AND (state = 'failed' OR (state = 'due' AND held_by IS NOT NULL)) ORDER BY id DESC LIMIT $1
        """,
        limit,
    )


async def get_refund(conn: Connection, refund_id: UUID) -> Refund | None:
    """A refund by id."""
    return await fetch_maybe(
        conn,
        Refund,
        """
        SELECT id, payment_id, reason, amount_minor, currency, state, refund_ref, attempts, sending, held_by, elsewhere_at,
            submitted_at, settled_at, error_code, created_at
        FROM refunds WHERE id = $1
        """,
        refund_id,
    )


async def claim_refund(conn: Connection, refund_id: UUID) -> Refund | None:
    """Takes a refund for an attempt; None when it is under way elsewhere, done, held by a dispute, or failed and nobody wants it again."""
    return await fetch_maybe(
        conn,
        Refund,
        """
        UPDATE refunds SET state = 'submitting', attempts = attempts + 1, submitted_at = busload_now(), send_again = false,
            sending = sending + CASE WHEN state = 'failed' THEN 1 ELSE 0 END, alarmed_at = NULL
        WHERE id = $1 AND held_by IS NULL AND (state IN ('due', 'unknown') OR (state = 'failed' AND send_again))
        RETURNING id, payment_id, reason, amount_minor, currency, state, refund_ref, attempts, sending, held_by, elsewhere_at,
            submitted_at, settled_at, error_code, created_at
        """,
        refund_id,
    )


async def settle_refund(conn: Connection, refund_id: UUID, *, state: str, refund_ref: str | None, error_code: str) -> bool:
    """What became of an attempt; False when it had been settled already. Sent again, a refund has another object at Stripe."""
    done = await conn.fetchval(
        """
        UPDATE refunds SET state = $2, refund_ref = coalesce($3, refund_ref), error_code = $4,
            settled_at = CASE WHEN $2 IN ('succeeded', 'failed') THEN busload_now() END
        WHERE id = $1 AND state IN ('submitting', 'unknown') AND state <> $2 RETURNING true
        """,
        refund_id,
        state,
        refund_ref,
        error_code,
    )
    return bool(done)

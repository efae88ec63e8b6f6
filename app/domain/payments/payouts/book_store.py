"""SQL of an event's book: what was kept, shared out and left."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all, fetch_maybe, fetch_one
from app.domain.payments.payouts.model import Book


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What a book's ledger says, minor units: fares kept (charges less every refund, those on their way too), subsidy, hire, rest.

    `fares_minor` is what `riders:fares` still holds once refunds on their way are gone.
    """

    kept_minor: int
    subsidy_minor: int
    hire_minor: int
    fares_minor: int


async def read_held(conn: Connection, book: str, currency: str) -> Held:
    """The figures that fee, share and margin are reckoned from."""
    return await fetch_one(
        conn,
        Held,
        """
        WITH posted AS (
            SELECT e.account, t.kind, e.amount_minor FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
            WHERE e.book = $1 AND e.currency = $2
        ), coming AS (
            SELECT coalesce(sum(r.amount_minor), 0) AS minor FROM refunds r JOIN payments p ON p.id = r.payment_id
            WHERE p.book = $1 AND p.currency = $2 AND r.state <> 'succeeded' AND r.elsewhere_at IS NULL
        )
        SELECT (coalesce(-sum(amount_minor) FILTER (
                    WHERE account = 'riders:fares' AND kind IN ('charge', 'refund', 'refund_failed', 'refund_elsewhere')), 0)
                - (SELECT minor FROM coming))::bigint AS kept_minor,
            coalesce(sum(amount_minor) FILTER (WHERE account = 'house:subsidy'), 0)::bigint AS subsidy_minor,
            coalesce(-sum(amount_minor) FILTER (WHERE account = 'operators:payable' AND kind IN ('hire', 'hire_correction')), 0)::bigint
                AS hire_minor,
            (coalesce(-sum(amount_minor) FILTER (WHERE account = 'riders:fares'), 0) - (SELECT minor FROM coming))::bigint AS fares_minor
        FROM posted
        """,
        book,
        currency,
    )


async def is_money_under_way(conn: Connection, book: str) -> bool:
    """Whether a charge or refund of the book has no outcome yet."""
    found = await conn.fetchval(
        """
        SELECT EXISTS (SELECT FROM payments WHERE book = $1 AND state IN ('submitting', 'unknown', 'needs_action', 'retryable', 'due'))
            OR EXISTS (SELECT FROM refunds r JOIN payments p ON p.id = r.payment_id
                WHERE p.book = $1 AND r.state <> 'succeeded' AND r.elsewhere_at IS NULL)
        """,
        book,
    )
    return bool(found)


async def add_book(conn: Connection, book: Book) -> bool:
    """The last bus is home; False when that was written before."""
    added = await conn.fetchval(
        """
        INSERT INTO books (book, event_id, partner_id, currency, kept_minor, fee_minor, share_minor, closes_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (book) DO NOTHING RETURNING true
        """,
        book.book,
        book.event_id,
        book.partner_id,
        book.currency,
        book.kept_minor,
        book.fee_minor,
        book.share_minor,
        book.closes_at,
    )
    return bool(added)


async def get_book(conn: Connection, event_id: UUID) -> Book | None:
    """An event's book; None before its last bus is home."""
    return await fetch_maybe(
        conn,
        Book,
        """
        SELECT book, event_id, partner_id, currency, kept_minor, fee_minor, share_minor, accrued_at, closes_at, closed_at, margin_minor
        FROM books WHERE event_id = $1
        """,
        event_id,
    )


async def list_books_of_partners(conn: Connection, partner_ids: Sequence[UUID], *, since: datetime, until: datetime) -> list[Book]:
    """The books of partners' events that were reckoned in a stretch of time, the newest first."""
    return await fetch_all(
        conn,
        Book,
        """
        SELECT book, event_id, partner_id, currency, kept_minor, fee_minor, share_minor, accrued_at, closes_at, closed_at, margin_minor
        FROM books WHERE partner_id = ANY($1::uuid[]) AND accrued_at >= $2 AND accrued_at < $3 ORDER BY accrued_at DESC, book LIMIT 500
        """,
        list(partner_ids),
        since,
        until,
    )


async def close_book(conn: Connection, event_id: UUID, *, kept_minor: int, fee_minor: int, share_minor: int, margin_minor: int) -> bool:
    """The final figures; False when it was closed before."""
    closed = await conn.fetchval(
        """
        UPDATE books SET kept_minor = $2, fee_minor = $3, share_minor = $4, margin_minor = $5, closed_at = busload_now()
        WHERE event_id = $1 AND closed_at IS NULL RETURNING true
        """,
        event_id,
        kept_minor,
        fee_minor,
        share_minor,
        margin_minor,
    )
    return bool(closed)

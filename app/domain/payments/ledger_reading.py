"""Reading the ledger for people: by day, page by page, one transaction whole."""

from datetime import date, datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all, fetch_maybe


class DaySum(msgspec.Struct, frozen=True, kw_only=True):
    """What one kind of movement did to one account on one day of a zone, minor units, debit positive."""

    day: date
    kind: str
    account: str
    currency: str
    amount_minor: int


class EntryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One entry with its transaction; `id` grows with time and is where the next page goes on."""

    id: int
    transaction_id: UUID
    posted_at: datetime
    kind: str
    cause: UUID
    external_ref: str | None
    account: str
    book: str
    amount_minor: int
    currency: str


class LedgerTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """One movement without its entries."""

    id: UUID
    posted_at: datetime
    kind: str
    cause: UUID
    external_ref: str | None


async def list_days(conn: Connection, book: str | None, zone: str) -> list[DaySum]:
    """Sums by day in an IANA zone, oldest first; of every book without one."""
    return await fetch_all(
        conn,
        DaySum,
        """
        SELECT (t.posted_at AT TIME ZONE $2)::date AS day, t.kind, e.account, e.currency, sum(e.amount_minor)::bigint AS amount_minor
        FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
        WHERE $1::text IS NULL OR e.book = $1 GROUP BY 1, t.kind, e.account, e.currency ORDER BY 1, t.kind, e.account
        """,
        book,
        zone,
    )


class BookSums(msgspec.Struct, frozen=True, kw_only=True):
    """What a book has moved at Stripe, minor units of its one currency; `held_minor` is what is there now."""

    book: str
    taken_minor: int
    refunded_minor: int
    paid_out_minor: int
    held_minor: int


async def sum_books(conn: Connection) -> dict[str, BookSums]:
    """Every book's sums, by book."""
    rows = await fetch_all(
        conn,
        BookSums,
        """
        SELECT e.book,
            coalesce(sum(e.amount_minor) FILTER (WHERE e.account = 'stripe:clearing' AND t.kind = 'charge'), 0)::bigint AS taken_minor,
            coalesce(sum(e.amount_minor) FILTER (WHERE e.account = 'riders:fares'
                AND t.kind IN ('refund', 'refund_failed', 'refund_elsewhere')), 0)::bigint AS refunded_minor,
            -coalesce(sum(e.amount_minor) FILTER (
                WHERE e.account = 'stripe:clearing' AND t.kind IN ('payout', 'payout_reversal')), 0)::bigint AS paid_out_minor,
            coalesce(sum(e.amount_minor) FILTER (WHERE e.account = 'stripe:clearing'), 0)::bigint AS held_minor
        FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
        WHERE e.account IN ('stripe:clearing', 'riders:fares') GROUP BY e.book
        """,
    )
    return {row.book: row for row in rows}


async def list_entries(
    conn: Connection, *, book: str, account: str | None = None, before: int | None = None, limit: int = 50
) -> list[EntryRow]:
    """A page of a book's entries, the newest first; of one account when it is named; those before an entry's id."""
    return await fetch_all(
        conn,
        EntryRow,
        """
        SELECT e.id, t.id AS transaction_id, t.posted_at, t.kind, t.cause, t.external_ref, e.account, e.book, e.amount_minor, e.currency
        FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
        WHERE e.book = $1 AND ($2::text IS NULL OR e.account = $2) AND ($3::bigint IS NULL OR e.id < $3) ORDER BY e.id DESC LIMIT $4
        """,
        book,
        account,
        before,
        limit,
    )


async def get_transaction(conn: Connection, transaction_id: UUID) -> LedgerTransaction | None:
    """A movement by id."""
    return await fetch_maybe(
        conn, LedgerTransaction, "SELECT id, posted_at, kind, cause, external_ref FROM ledger_transactions WHERE id = $1", transaction_id
    )


async def list_entries_of(conn: Connection, transaction_id: UUID) -> list[EntryRow]:
    """All entries of one movement; they sum to zero."""
    return await fetch_all(
        conn,
        EntryRow,
        """
        SELECT e.id, t.id AS transaction_id, t.posted_at, t.kind, t.cause, t.external_ref, e.account, e.book, e.amount_minor, e.currency
        FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id WHERE t.id = $1 ORDER BY e.id
        """,
        transaction_id,
    )


async def list_companions(conn: Connection, external_ref: str, *, without: UUID) -> list[LedgerTransaction]:
    """The other movements of the same Stripe object, oldest first."""
    return await fetch_all(
        conn,
        LedgerTransaction,
        """
        SELECT id, posted_at, kind, cause, external_ref FROM ledger_transactions WHERE external_ref = $1 AND id <> $2
        ORDER BY posted_at, id
        """,
        external_ref,
        without,
    )


async def find_duty_of(conn: Connection, cause: UUID) -> UUID | None:
    """The duty a movement of hire was for."""
    found: UUID | None = await conn.fetchval(
        """
        SELECT duty_id FROM hires WHERE duty_id = $1
        UNION ALL SELECT duty_id FROM hire_corrections WHERE id = $1
        UNION ALL SELECT reference FROM payouts WHERE id = $1 AND kind <> 'share'
        UNION ALL SELECT o.reference FROM payout_reversals r JOIN payouts o ON o.id = r.payout_id WHERE r.id = $1 AND o.kind <> 'share'
        LIMIT 1
        """,
        cause,
    )
    return found


async def paid_out_by_duty(conn: Connection, book: str) -> dict[UUID, int]:
    """What has left for each duty of a book, less what was taken back, minor units."""
    rows = await conn.fetch(
        """
        SELECT coalesce(o.reference, back.reference) AS duty_id, -sum(e.amount_minor)::bigint AS amount_minor
        FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
        LEFT JOIN payouts o ON o.id = t.cause AND o.kind <> 'share'
        LEFT JOIN payout_reversals r ON r.id = t.cause LEFT JOIN payouts back ON back.id = r.payout_id AND back.kind <> 'share'
        WHERE e.book = $1 AND e.account = 'stripe:clearing' AND t.kind IN ('payout', 'payout_reversal')
            AND coalesce(o.reference, back.reference) IS NOT NULL
        GROUP BY 1
        """,
        book,
    )
    return {row["duty_id"]: row["amount_minor"] for row in rows}

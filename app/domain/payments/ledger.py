"""The double-entry ledger: append-only, integer minor units, zero per transaction and currency (the database insists)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all

CLEARING = "stripe:clearing"
FARES = "riders:fares"
STRIPE_FEES = "house:stripe_fees"
SUBSIDY = "house:subsidy"
OPERATORS_PAYABLE = "operators:payable"
OPERATORS_RECEIVABLE = "operators:receivable"
PARTNERS_PAYABLE = "partners:payable"
FEES = "house:fees"
PENALTIES = "house:penalties"
MARGIN = "house:margin"
BANK = "house:bank"


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """What an account holds in a book and currency; debit positive."""

    book: str
    account: str
    currency: str
    amount_minor: int


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """One entry with its transaction, for the drill-down."""

    transaction_id: UUID
    posted_at: datetime
    kind: str
    cause: UUID
    external_ref: str | None
    account: str
    book: str
    amount_minor: int
    currency: str


async def post(
    conn: Connection, *, kind: str, cause: UUID, book: str, currency: str, entries: Sequence[tuple[str, int]], external_ref: str | None
) -> None:
    """Posts one movement: (account, signed amount) pairs that sum to zero. A second post of the same kind and cause is refused."""
    transaction_id = await conn.fetchval(
        "INSERT INTO ledger_transactions (kind, cause, external_ref) VALUES ($1, $2, $3) RETURNING id", kind, cause, external_ref
    )
    moved = [(account, amount) for account, amount in entries if amount]
    await conn.execute(
        """
        INSERT INTO ledger_entries (transaction_id, account, book, amount_minor, currency)
        SELECT $1, e.account, $2, e.amount, $3 FROM unnest($4::text[], $5::bigint[]) AS e (account, amount)
        """,
        transaction_id,
        book,
        currency.upper(),
        [account for account, _ in moved],
        [amount for _, amount in moved],
    )


async def is_posted(conn: Connection, *, kind: str, cause: UUID) -> bool:
    """Whether a cause has made this movement."""
    return bool(await conn.fetchval("SELECT EXISTS (SELECT FROM ledger_transactions WHERE kind = $1 AND cause = $2)", kind, cause))


async def posted_minor(conn: Connection, *, kind: str, cause: UUID, account: str) -> int:
    """What a cause's movement of this kind did to an account, minor units, debit positive; 0 when it made none."""
    found = await conn.fetchval(
        """
        SELECT coalesce(sum(e.amount_minor), 0) FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
        WHERE t.kind = $1 AND t.cause = $2 AND e.account = $3
        """,
        kind,
        cause,
        account,
    )
    return int(found)


async def list_balances(conn: Connection, books: list[str] | None = None) -> list[Balance]:
    """Balances by book, account and currency; all books when none are named."""
    return await fetch_all(
        conn,
        Balance,
        """
        SELECT book, account, currency, sum(amount_minor)::bigint AS amount_minor FROM ledger_entries
        WHERE $1::text[] IS NULL OR book = ANY($1) GROUP BY book, account, currency ORDER BY book, account, currency
        """,
        books,
    )


async def list_movements(conn: Connection, book: str, *, limit: int = 500) -> list[Movement]:
    """The newest entries of a book."""
    return await fetch_all(
        conn,
        Movement,
        """
        SELECT t.id AS transaction_id, t.posted_at, t.kind, t.cause, t.external_ref, e.account, e.book, e.amount_minor, e.currency
        FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
        WHERE e.book = $1 ORDER BY e.id DESC LIMIT $2
        """,
        book,
        limit,
    )

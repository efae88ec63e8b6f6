"""SQL of reconciliation: what the ledger says has moved at Stripe, whose it is, and the runs themselves."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all, fetch_maybe
from app.domain.payments.reconciling import Finding, Posted


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Whose movement something is: `key` is a Stripe id or one of our ids as text. `in_flight`: our own row is not settled yet."""

    key: str
    payment_id: UUID
    reference: UUID
    in_flight: bool


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """One run and what it found; unfinished without `finished_at`."""

    id: UUID
    started_at: datetime
    finished_at: datetime | None
    since: datetime | None
    movements: int
    matched: int
    findings: list[Finding]
    in_flight: list[Finding]


async def list_posted(conn: Connection, *, since: datetime | None) -> list[Posted]:
    """Every ledger transaction that moved money at Stripe, oldest first; from `since` on when it is given."""
    return await fetch_all(
        conn,
        Posted,
        """
        SELECT t.id AS transaction_id, t.kind, t.cause, t.external_ref, t.posted_at, min(e.book) AS book, e.currency,
            sum(e.amount_minor)::bigint AS amount_minor
        FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
        WHERE e.account = 'stripe:clearing' AND ($1::timestamptz IS NULL OR t.posted_at >= $1)
        GROUP BY t.id, e.currency ORDER BY t.posted_at, t.id
        """,
        since,
    )


async def list_posted_for(conn: Connection, external_refs: Sequence[str]) -> list[Posted]:
    """The same for these Stripe objects, whenever it was posted."""
    return await fetch_all(
        conn,
        Posted,
        """
        SELECT t.id AS transaction_id, t.kind, t.cause, t.external_ref, t.posted_at, min(e.book) AS book, e.currency,
            sum(e.amount_minor)::bigint AS amount_minor
        FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
        WHERE t.external_ref = ANY($1::text[]) AND e.account = 'stripe:clearing'
        GROUP BY t.id, e.currency ORDER BY t.posted_at, t.id
        """,
        list(external_refs),
    )


async def list_owners(conn: Connection, *, refs: Sequence[str], ids: Sequence[UUID]) -> list[Owner]:
    """The payments that these belong to: Stripe ids of charges, refunds and disputes, and our own ids.

    One join for each kind of key: an OR over them would look at every payment for every key.
    """
    return await fetch_all(
        conn,
        Owner,
        """
        WITH by_ref AS (SELECT unnest($1::text[]) AS key), by_id AS (SELECT unnest($2::uuid[]) AS key), found AS (
            SELECT k.key, p.id AS payment_id, p.state IN ('due', 'submitting', 'unknown', 'needs_action', 'retryable') AS in_flight
            FROM by_ref k JOIN payments p ON p.charge_ref = k.key
            UNION ALL SELECT k.key::text, p.id, p.state IN ('due', 'submitting', 'unknown', 'needs_action', 'retryable')
            FROM by_id k JOIN payments p ON p.id = k.key
            UNION ALL SELECT k.key, r.payment_id, r.state IN ('due', 'submitting', 'unknown')
            FROM by_ref k JOIN refunds r ON r.refund_ref = k.key
            UNION ALL SELECT k.key::text, r.payment_id, r.state IN ('due', 'submitting', 'unknown')
            FROM by_id k JOIN refunds r ON r.id = k.key
            UNION ALL SELECT k.key, r.payment_id, false
            FROM by_ref k JOIN refund_failures f ON f.refund_ref = k.key JOIN refunds r ON r.id = f.refund_id
            UNION ALL SELECT k.key::text, r.payment_id, false
            FROM by_id k JOIN refund_failures f ON f.id = k.key JOIN refunds r ON r.id = f.refund_id
            UNION ALL SELECT k.key, d.payment_id, false FROM by_ref k JOIN disputes d ON d.dispute_ref = k.key
            UNION ALL SELECT k.key::text, d.payment_id, false FROM by_id k JOIN disputes d ON d.id = k.key)
        SELECT f.key, f.payment_id, p.reference, f.in_flight FROM found f JOIN payments p ON p.id = f.payment_id
        """,
        list(refs),
        list(ids),
    )


async def list_charges_without_fee(conn: Connection, *, charge_ref: str | None, limit: int) -> list[UUID]:
    """Payments whose charge is posted and Stripe's fee is not, the newest first."""
    rows = await conn.fetch(
        """
        SELECT p.id FROM ledger_transactions t JOIN payments p ON p.id = t.cause
        WHERE t.kind = 'charge' AND ($1::text IS NULL OR t.external_ref = $1)
            AND NOT EXISTS (SELECT FROM ledger_transactions f WHERE f.kind = 'charge_fee' AND f.cause = t.cause)
        ORDER BY t.id DESC LIMIT $2
        """,
        charge_ref,
        limit,
    )
    return [row["id"] for row in rows]


async def start_run(conn: Connection, *, since: datetime | None) -> tuple[UUID, datetime]:
    """A new run and when it began."""
    row = await conn.fetchrow("INSERT INTO reconciliations (since) VALUES ($1) RETURNING id, started_at", since)
    assert row is not None
    return row["id"], row["started_at"]


async def is_run_due(conn: Connection, *, every_s: float, patience_s: float) -> bool:
    """Whether no run was finished for `every_s` and none begun for `patience_s`; other workers wait until this transaction ends."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtext('busload.reconcile'))")
    recent = await conn.fetchval(
        """
        SELECT EXISTS (SELECT FROM reconciliations WHERE since IS NULL AND started_at > busload_now() - make_interval(secs => $1)
            AND finished_at IS NOT NULL)
            OR EXISTS (SELECT FROM reconciliations WHERE started_at > busload_now() - make_interval(secs => $2) AND finished_at IS NULL)
        """,
        every_s,
        patience_s,
    )
    return not recent


async def finish_run(
    conn: Connection, run_id: UUID, *, movements: int, matched: int, findings: list[Finding], in_flight: list[Finding]
) -> None:
    """What a run has found."""
    await conn.execute(
        """
        UPDATE reconciliations SET finished_at = busload_now(), movements = $2, matched = $3, findings = $4, in_flight = $5 WHERE id = $1
        """,
        run_id,
        movements,
        matched,
        findings,
        in_flight,
    )


async def last_run(conn: Connection) -> Reconciliation | None:
    """The newest finished run."""
    return await fetch_maybe(
        conn,
        Reconciliation,
        """
        SELECT id, started_at, finished_at, since, movements, matched, findings, in_flight
        FROM reconciliations WHERE finished_at IS NOT NULL ORDER BY started_at DESC LIMIT 1
        """,
    )


async def is_running(conn: Connection) -> bool:
    """Whether a run that began within the hour is not finished."""
    return bool(
        await conn.fetchval(
            """
            SELECT EXISTS (SELECT FROM reconciliations WHERE finished_at IS NULL AND started_at > busload_now() - interval '1 hour'
                AND started_at > coalesce((SELECT max(started_at) FROM reconciliations WHERE finished_at IS NOT NULL), '-infinity'))
            """
        )
    )


async def get_run_since(conn: Connection, run_id: UUID) -> tuple[bool, datetime | None]:
    """Whether a run waits to be done, and from when on it looks."""
    row = await conn.fetchrow("SELECT since FROM reconciliations WHERE id = $1 AND finished_at IS NULL", run_id)
    return (False, None) if row is None else (True, row["since"])


async def seconds_unreconciled(conn: Connection) -> float | None:
    """How long the oldest movement at Stripe that no full run has looked at has waited, by the domain's clock; None: there is none."""
    found = await conn.fetchval(
        """
        SELECT extract(epoch FROM busload_now() - min(t.posted_at))::float8
        FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
        WHERE e.account = 'stripe:clearing' AND t.posted_at > coalesce(
            (SELECT max(started_at) FROM reconciliations WHERE finished_at IS NOT NULL AND since IS NULL), '-infinity')
        """
    )
    return None if found is None else float(found)

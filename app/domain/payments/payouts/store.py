"""SQL of payees, hires, payouts and their attempts."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app.core.database import Connection, fetch_all, fetch_maybe
from app.domain.payments.payouts.model import Hire, Payee, PayeeKind, PayeeState, Payout, PayoutKind, PayoutState, WaitsFor


async def add_payee(conn: Connection, *, payee_id: UUID, kind: PayeeKind, account_ref: str) -> None:
    """A payee's account; one that is there stays."""
    await conn.execute(
        """
        INSERT INTO payees (id, kind, state, account_ref) VALUES ($1, $2, 'information_needed', $3) ON CONFLICT (id) DO NOTHING
        """,
        payee_id,
        kind.value,
        account_ref,
    )


async def get_payee(conn: Connection, payee_id: UUID) -> Payee | None:
    """A payee by its own id; None when it has not started."""
    return await fetch_maybe(
        conn, Payee, "SELECT id, kind, state, account_ref, opened_at, checked_at FROM payees WHERE id = $1", payee_id
    )  # fmt: skip


async def list_payees(conn: Connection, payee_ids: Sequence[UUID]) -> list[Payee]:
    """Those of these payees that have started."""
    return await fetch_all(
        conn, Payee, "SELECT id, kind, state, account_ref, opened_at, checked_at FROM payees WHERE id = ANY($1::uuid[])", list(payee_ids)
    )


async def find_payee_by_account(conn: Connection, account_ref: str) -> UUID | None:
    """Whose account this is."""
    found: UUID | None = await conn.fetchval("SELECT id FROM payees WHERE account_ref = $1", account_ref)
    return found


async def set_payee_state(conn: Connection, payee_id: UUID, state: PayeeState) -> bool:
    """What Stripe says of the account now; True when that is news."""
    await conn.execute("UPDATE payees SET checked_at = busload_now() WHERE id = $1", payee_id)
    changed = await conn.fetchval(
        "UPDATE payees SET state = $2 WHERE id = $1 AND state <> $2 RETURNING true", payee_id, state.value
    )  # fmt: skip
    return bool(changed)


async def add_hire(conn: Connection, hire: Hire) -> bool:
    """What a duty earned; False when that was written before."""
    added = await conn.fetchval(
        """
        INSERT INTO hires (duty_id, payee_id, book, currency, gross_minor, vat_bp, tax_minor, reserve_minor, accrued_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (duty_id) DO NOTHING RETURNING true
        """,
        hire.duty_id,
        hire.payee_id,
        hire.book,
        hire.currency,
        hire.gross_minor,
        hire.vat_bp,
        hire.tax_minor,
        hire.reserve_minor,
        hire.accrued_at,
    )
    return bool(added)


async def get_hire(conn: Connection, duty_id: UUID) -> Hire | None:
    """What a duty earned."""
    return await fetch_maybe(
        conn,
        Hire,
        """
        SELECT duty_id, payee_id, book, currency, gross_minor, vat_bp, tax_minor, reserve_minor, accrued_at FROM hires WHERE duty_id = $1
        """,
        duty_id,
    )


async def list_hires_in_book(conn: Connection, book: str) -> list[Hire]:
    """What the duties of a book earned."""
    return await fetch_all(
        conn,
        Hire,
        """
        SELECT duty_id, payee_id, book, currency, gross_minor, vat_bp, tax_minor, reserve_minor, accrued_at
        FROM hires WHERE book = $1 ORDER BY accrued_at, duty_id
        """,
        book,
    )


async def list_hires_of(conn: Connection, payee_ids: Sequence[UUID], *, since: datetime, until: datetime, limit: int = 500) -> list[Hire]:
    """What payees earned in a stretch of time, the newest first."""
    return await fetch_all(
        conn,
        Hire,
        """
        SELECT duty_id, payee_id, book, currency, gross_minor, vat_bp, tax_minor, reserve_minor, accrued_at
        FROM hires WHERE payee_id = ANY($1::uuid[]) AND accrued_at >= $2 AND accrued_at < $3 ORDER BY accrued_at DESC, duty_id LIMIT $4
        """,
        list(payee_ids),
        since,
        until,
        limit,
    )


async def list_hire_months(conn: Connection, payee_ids: Sequence[UUID]) -> list[str]:
    """The months (UTC, `2026-11`) in which payees earned something, the newest first."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT to_char(accrued_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month FROM hires
        WHERE payee_id = ANY($1::uuid[]) ORDER BY month DESC LIMIT 60
        """,
        list(payee_ids),
    )
    return [row["month"] for row in rows]


async def add_payout(
    conn: Connection, *, payout_id: UUID, kind: PayoutKind, reference: UUID, payee_id: UUID, book: str, currency: str, owed_minor: int,
    not_before_at: datetime,
) -> bool:  # fmt: skip
    """Money that is due to a payee; False when it was written before."""
    added = await conn.fetchval(
        """
        INSERT INTO payouts (id, kind, reference, payee_id, book, currency, owed_minor, state, not_before_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, 'due', $8) ON CONFLICT (reference, kind) DO NOTHING RETURNING true
        """,
        payout_id,
        kind.value,
        reference,
        payee_id,
        book,
        currency,
        owed_minor,
        not_before_at,
    )
    return bool(added)


async def get_payout(conn: Connection, payout_id: UUID) -> Payout | None:
    """A payout by id."""
    return await fetch_maybe(
        conn,
        Payout,
        """
        SELECT id, kind, reference, payee_id, book, currency, owed_minor, amount_minor, state, waits_for, account_ref, transfer_ref,
            not_before_at, attempts, submitted_at, settled_at, error_code, created_at
        FROM payouts WHERE id = $1
        """,
        payout_id,
    )


async def lock_payouts(conn: Connection, references: Sequence[UUID]) -> list[Payout]:
    """The payouts of these duties or events, locked in the order of their ids."""
    return await fetch_all(
        conn,
        Payout,
        """
        SELECT id, kind, reference, payee_id, book, currency, owed_minor, amount_minor, state, waits_for, account_ref, transfer_ref,
            not_before_at, attempts, submitted_at, settled_at, error_code, created_at
        FROM payouts WHERE reference = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE
        """,
        list(references),
    )


async def list_payouts(conn: Connection, references: Sequence[UUID]) -> list[Payout]:
    """The payouts of these duties or events."""
    return await fetch_all(
        conn,
        Payout,
        """
        SELECT id, kind, reference, payee_id, book, currency, owed_minor, amount_minor, state, waits_for, account_ref, transfer_ref,
            not_before_at, attempts, submitted_at, settled_at, error_code, created_at
        FROM payouts WHERE reference = ANY($1::uuid[]) ORDER BY id
        """,
        list(references),
    )


async def list_payouts_in_book(conn: Connection, book: str) -> list[Payout]:
    """Everything an event's book pays."""
    return await fetch_all(
        conn,
        Payout,
        """
        SELECT id, kind, reference, payee_id, book, currency, owed_minor, amount_minor, state, waits_for, account_ref, transfer_ref,
            not_before_at, attempts, submitted_at, settled_at, error_code, created_at
        FROM payouts WHERE book = $1 ORDER BY id
        """,
        book,
    )


async def list_unsettled_payouts(conn: Connection, *, limit: int = 500) -> list[Payout]:
    """Everything not paid yet over all books: what waits for somebody first, then by the day it is due."""
    return await fetch_all(
        conn,
        Payout,
        """
        SELECT id, kind, reference, payee_id, book, currency, owed_minor, amount_minor, state, waits_for, account_ref, transfer_ref,
            not_before_at, attempts, submitted_at, settled_at, error_code, created_at
        FROM payouts WHERE state IN ('due', 'submitting', 'unknown', 'failed')
        ORDER BY (waits_for = '' AND state <> 'failed'), not_before_at, id LIMIT $1
        """,
        limit,
    )


async def list_waiting_payouts(conn: Connection, payee_id: UUID) -> list[UUID]:
    """A payee's payouts that are due and past their day."""
    rows = await conn.fetch(
        "SELECT id FROM payouts WHERE payee_id = $1 AND state IN ('due', 'failed') AND not_before_at <= busload_now() ORDER BY id", payee_id
    )
    return [row["id"] for row in rows]


async def left_to_pay_out(conn: Connection, book: str, currency: str) -> int:
    """What a book may still pay out, minor units: what is held less what is on its way back or was paid out (invariant 10)."""
    found = await conn.fetchval("SELECT left_to_pay_out($1, $2)", book, currency)
    return int(found)


async def claim_payout(conn: Connection, payout_id: UUID, *, amount_minor: int, account_ref: str) -> Payout | None:
    """Takes a payout for an attempt: amount and account are fixed with the first one. None when it is settled or taken."""
    return await fetch_maybe(
        conn,
        Payout,
        """
        UPDATE payouts SET state = 'submitting', attempts = attempts + 1, submitted_at = busload_now(), waits_for = '',
            amount_minor = coalesce(amount_minor, $2), account_ref = coalesce(account_ref, $3)
        WHERE id = $1 AND state IN ('due', 'unknown', 'failed')
        RETURNING id, kind, reference, payee_id, book, currency, owed_minor, amount_minor, state, waits_for, account_ref, transfer_ref,
            not_before_at, attempts, submitted_at, settled_at, error_code, created_at
        """,
        payout_id,
        amount_minor,
        account_ref,
    )


async def settle_without_transfer(conn: Connection, payout_id: UUID) -> None:
    """Debts took all of it: nothing is sent."""
    await conn.execute(
        """
        UPDATE payouts SET state = 'succeeded', amount_minor = 0, settled_at = busload_now(), waits_for = '' WHERE id = $1 AND state = 'due'
        """,
        payout_id,
    )


async def settle_payout(conn: Connection, payout_id: UUID, *, state: PayoutState, transfer_ref: str | None, error_code: str) -> bool:
    """What became of an attempt; False when it had been settled already."""
    done = await conn.fetchval(
        """
        UPDATE payouts SET state = $2, transfer_ref = coalesce($3, transfer_ref), error_code = $4,
            waits_for = CASE WHEN $2 <> 'failed' THEN '' WHEN $4 = 'balance_insufficient' THEN 'funds' ELSE 'account' END,
            settled_at = CASE WHEN $2 IN ('succeeded', 'failed') THEN busload_now() END
        WHERE id = $1 AND state IN ('submitting', 'unknown') AND state <> $2 RETURNING true
        """,
        payout_id,
        state.value,
        transfer_ref,
        error_code,
    )
    return bool(done)


async def let_wait(conn: Connection, payout_id: UUID, waits_for: WaitsFor) -> None:
    """Why a payout that is due has not gone out."""
    await conn.execute("UPDATE payouts SET waits_for = $2 WHERE id = $1 AND state IN ('due', 'failed')", payout_id, waits_for.value)


async def cut_payout(conn: Connection, payout_id: UUID, amount_minor: int) -> None:
    """Less is paid; a payout of which nothing is left is void."""
    await conn.execute(
        """
        UPDATE payouts SET owed_minor = owed_minor - $2, amount_minor = amount_minor - $2,
            state = CASE WHEN coalesce(amount_minor, owed_minor) = $2 THEN 'void' ELSE state END,
            waits_for = CASE WHEN coalesce(amount_minor, owed_minor) = $2 THEN '' ELSE waits_for END
        WHERE id = $1 AND state IN ('due', 'failed')
        """,
        payout_id,
        amount_minor,
    )


async def add_attempt(conn: Connection, *, subject_id: UUID, number: int, idempotency_key: str) -> None:
    """What is about to be tried, stored before the call; `subject_id` is a payout or a reversal."""
    await conn.execute(
        "INSERT INTO transfer_attempts (subject_id, number, idempotency_key) VALUES ($1, $2, $3)", subject_id, number, idempotency_key
    )


async def finish_attempt(conn: Connection, *, subject_id: UUID, number: int, outcome: str) -> None:
    """What became of it."""
    await conn.execute(
        "UPDATE transfer_attempts SET finished_at = busload_now(), outcome = $3 WHERE subject_id = $1 AND number = $2",
        subject_id,
        number,
        outcome,
    )


async def count_refusals(conn: Connection, subject_id: UUID) -> int:
    """Attempts that Stripe refused: it repeats a refusal under its key, so the next try needs another."""
    found = await conn.fetchval("SELECT count(*) FROM transfer_attempts WHERE subject_id = $1 AND outcome = 'failed'", subject_id)
    return int(found)


async def alarm_stuck_payouts(conn: Connection) -> int:
    """Marks, once, payouts and reversals in flight for over 15 minutes; returns how many were new."""
    found = await conn.fetchval(
        """
        WITH stuck AS (
            UPDATE payouts SET alarmed_at = busload_now()
            WHERE state IN ('submitting', 'unknown') AND submitted_at < busload_now() - interval '15 minutes' AND alarmed_at IS NULL
            RETURNING 1
        ), reversals_stuck AS (
            UPDATE payout_reversals SET alarmed_at = busload_now()
            WHERE state IN ('submitting', 'unknown') AND submitted_at < busload_now() - interval '15 minutes' AND alarmed_at IS NULL
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM stuck) + (SELECT count(*) FROM reversals_stuck)
        """
    )
    return int(found)

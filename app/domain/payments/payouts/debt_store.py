"""SQL of corrections, reversals and debts: what goes back from operators to us."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all, fetch_maybe
from app.domain.payments.payouts.model import Correction, Debt, DebtKind, Reversal, ReversalState


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """A debt, or part of it, netted off a payout."""

    debt_id: UUID
    payout_id: UUID
    kind: DebtKind
    amount_minor: int


async def add_debt(
    conn: Connection, *, debt_id: UUID, payee_id: UUID, book: str, kind: DebtKind, cause: UUID, currency: str, amount_minor: int
) -> bool:
    """What an operator owes us from now on; False when that cause was written before."""
    added = await conn.fetchval(
        """
        INSERT INTO debts (id, payee_id, book, kind, cause, currency, amount_minor) VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (kind, cause) DO NOTHING RETURNING true
        """,
        debt_id,
        payee_id,
        book,
        kind.value,
        cause,
        currency,
        amount_minor,
    )
    return bool(added)


async def lock_open_debts(conn: Connection, payee_id: UUID, currency: str) -> list[Debt]:
    """What a payee still owes, the oldest first, locked."""
    return await fetch_all(
        conn,
        Debt,
        """
        SELECT d.id, d.payee_id, d.book, d.kind, d.cause, d.currency, d.amount_minor, d.amount_minor - gone.minor AS open_minor,
            d.created_at
        FROM debts d CROSS JOIN LATERAL (
            SELECT coalesce(sum(s.amount_minor), 0)::bigint AS minor FROM debt_settlements s WHERE s.debt_id = d.id) gone
        WHERE d.payee_id = $1 AND d.currency = $2 AND d.amount_minor > gone.minor ORDER BY d.id FOR NO KEY UPDATE OF d
        """,
        payee_id,
        currency,
    )


async def list_open_debts(conn: Connection, payee_ids: Sequence[UUID]) -> list[Debt]:
    """What payees still owe, the oldest first."""
    return await fetch_all(
        conn,
        Debt,
        """
        SELECT d.id, d.payee_id, d.book, d.kind, d.cause, d.currency, d.amount_minor, d.amount_minor - gone.minor AS open_minor,
            d.created_at
        FROM debts d CROSS JOIN LATERAL (
            SELECT coalesce(sum(s.amount_minor), 0)::bigint AS minor FROM debt_settlements s WHERE s.debt_id = d.id) gone
        WHERE d.payee_id = ANY($1::uuid[]) AND d.amount_minor > gone.minor ORDER BY d.id
        """,
        list(payee_ids),
    )


async def settle_debts(conn: Connection, payout_id: UUID, parts: Sequence[tuple[UUID, int]]) -> None:
    """Debts netted off a payout, minor units each."""
    await conn.execute(
        """
        INSERT INTO debt_settlements (debt_id, payout_id, amount_minor)
        SELECT p.debt_id, $1, p.amount_minor FROM unnest($2::uuid[], $3::bigint[]) AS p (debt_id, amount_minor)
        """,
        payout_id,
        [debt_id for debt_id, _ in parts],
        [amount for _, amount in parts],
    )


async def list_settlements(conn: Connection, payout_ids: Sequence[UUID]) -> list[Settlement]:
    """What was netted off these payouts."""
    return await fetch_all(
        conn,
        Settlement,
        """
        SELECT s.debt_id, s.payout_id, d.kind, s.amount_minor FROM debt_settlements s JOIN debts d ON d.id = s.debt_id
        WHERE s.payout_id = ANY($1::uuid[]) ORDER BY s.settled_at, s.debt_id
        """,
        list(payout_ids),
    )


async def add_correction(conn: Connection, *, correction_id: UUID, duty_id: UUID, amount_minor: int, reason: str, actor: str) -> None:
    """Part of a hire that was not earned; asyncpg.CheckViolationError when that exceeds the hire."""
    await conn.execute(
        "INSERT INTO hire_corrections (id, duty_id, amount_minor, reason, actor) VALUES ($1, $2, $3, $4, $5)",
        correction_id,
        duty_id,
        amount_minor,
        reason,
        actor,
    )


async def list_corrections(conn: Connection, duty_ids: Sequence[UUID]) -> list[Correction]:
    """What was taken off these hires."""
    return await fetch_all(
        conn,
        Correction,
        """
        SELECT id, duty_id, amount_minor, reason, actor, created_at FROM hire_corrections WHERE duty_id = ANY($1::uuid[]) ORDER BY id
        """,
        list(duty_ids),
    )


async def add_reversal(
    conn: Connection, *, reversal_id: UUID, payout_id: UUID, correction_id: UUID, amount_minor: int, currency: str
) -> None:
    """Part of a transfer that is to come back."""
    await conn.execute(
        """
        INSERT INTO payout_reversals (id, payout_id, correction_id, amount_minor, currency, state) VALUES ($1, $2, $3, $4, $5, 'due')
        """,
        reversal_id,
        payout_id,
        correction_id,
        amount_minor,
        currency,
    )


async def get_reversal(conn: Connection, reversal_id: UUID) -> Reversal | None:
    """A reversal by id."""
    return await fetch_maybe(
        conn,
        Reversal,
        """
        SELECT id, payout_id, correction_id, amount_minor, currency, state, reversal_ref, attempts, submitted_at, settled_at, error_code,
            created_at
        FROM payout_reversals WHERE id = $1
        """,
        reversal_id,
    )


async def list_reversals(conn: Connection, payout_ids: Sequence[UUID]) -> list[Reversal]:
    """What is being or was taken back of these payouts."""
    return await fetch_all(
        conn,
        Reversal,
        """
        SELECT id, payout_id, correction_id, amount_minor, currency, state, reversal_ref, attempts, submitted_at, settled_at, error_code,
            created_at
        FROM payout_reversals WHERE payout_id = ANY($1::uuid[]) ORDER BY id
        """,
        list(payout_ids),
    )


async def claim_reversal(conn: Connection, reversal_id: UUID) -> Reversal | None:
    """Takes a reversal for an attempt; None when it is settled or taken."""
    return await fetch_maybe(
        conn,
        Reversal,
        """
        UPDATE payout_reversals SET state = 'submitting', attempts = attempts + 1, submitted_at = busload_now()
        WHERE id = $1 AND state IN ('due', 'unknown')
        RETURNING id, payout_id, correction_id, amount_minor, currency, state, reversal_ref, attempts, submitted_at, settled_at, error_code,
            created_at
        """,
        reversal_id,
    )


async def settle_reversal(
    conn: Connection, reversal_id: UUID, *, state: ReversalState, reversal_ref: str | None, error_code: str
) -> bool:  # fmt: skip
    """What became of an attempt; False when it had been settled already."""
    done = await conn.fetchval(
        """
        UPDATE payout_reversals SET state = $2, reversal_ref = coalesce($3, reversal_ref), error_code = $4,
            settled_at = CASE WHEN $2 IN ('succeeded', 'failed') THEN busload_now() END
        WHERE id = $1 AND state IN ('submitting', 'unknown') AND state <> $2 RETURNING true
        """,
        reversal_id,
        state.value,
        reversal_ref,
        error_code,
    )
    return bool(done)

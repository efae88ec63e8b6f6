"""SQL of disputes, and of refunds that a bank sent back."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all, fetch_maybe, fetch_one
from app.domain.payments.model import Dispute, DisputeState


class RefundFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A refund that had gone through and came back; its id is the cause of the movement that takes it back."""

    id: UUID
    refund_id: UUID
    refund_ref: str
    reason: str
    failed_at: datetime


async def find_payment_of_charge(conn: Connection, *, charge_ref: str, intent_ref: str | None) -> UUID | None:
    """The payment a charge belongs to, by the charge or else by its intent."""
    found: UUID | None = await conn.fetchval(
        "SELECT id FROM payments WHERE charge_ref = $1 OR intent_ref = $2 ORDER BY (charge_ref = $1) DESC NULLS LAST LIMIT 1",
        charge_ref,
        intent_ref,
    )
    return found


async def add_dispute(conn: Connection, new: Dispute) -> None:
    """A dispute we had not heard of, as `open`."""
    await conn.execute(
        """
        INSERT INTO disputes (id, payment_id, dispute_ref, charge_ref, amount_minor, currency, reason, state, evidence_due_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, 'open', $8)
        """,
        new.id,
        new.payment_id,
        new.dispute_ref,
        new.charge_ref,
        new.amount_minor,
        new.currency,
        new.reason,
        new.evidence_due_at,
    )


async def get_dispute(conn: Connection, dispute_id: UUID) -> Dispute | None:
    """A dispute by id."""
    return await fetch_maybe(
        conn,
        Dispute,
        """
        SELECT id, payment_id, dispute_ref, charge_ref, amount_minor, currency, reason, state, evidence_due_at, note, evidence, attempts,
            submitted_at, submitted_by, error_code, closed_at, opened_at
        FROM disputes WHERE id = $1
        """,
        dispute_id,
    )


async def lock_dispute(conn: Connection, dispute_id: UUID) -> Dispute | None:
    """A dispute by id, locked; its payment is locked before where both are."""
    return await fetch_maybe(
        conn,
        Dispute,
        """
        SELECT id, payment_id, dispute_ref, charge_ref, amount_minor, currency, reason, state, evidence_due_at, note, evidence, attempts,
            submitted_at, submitted_by, error_code, closed_at, opened_at
        FROM disputes WHERE id = $1 FOR NO KEY UPDATE
        """,
        dispute_id,
    )


async def find_dispute(conn: Connection, dispute_ref: str) -> Dispute | None:
    """A dispute by Stripe's id, locked."""
    return await fetch_maybe(
        conn,
        Dispute,
        """
        SELECT id, payment_id, dispute_ref, charge_ref, amount_minor, currency, reason, state, evidence_due_at, note, evidence, attempts,
            submitted_at, submitted_by, error_code, closed_at, opened_at
        FROM disputes WHERE dispute_ref = $1 FOR NO KEY UPDATE
        """,
        dispute_ref,
    )


async def list_disputes(conn: Connection, *, book: str | None, only_open: bool = False, limit: int = 500) -> list[Dispute]:
    """Disputes of a book (of all without one): what must be answered first, then the newest."""
    return await fetch_all(
        conn,
        Dispute,
        """
        SELECT d.id, d.payment_id, d.dispute_ref, d.charge_ref, d.amount_minor, d.currency, d.reason, d.state, d.evidence_due_at, d.note,
            d.evidence, d.attempts, d.submitted_at, d.submitted_by, d.error_code, d.closed_at, d.opened_at
        FROM disputes d JOIN payments p ON p.id = d.payment_id
        WHERE ($1::text IS NULL OR p.book = $1) AND (NOT $2::boolean OR d.state NOT IN ('won', 'lost'))
        ORDER BY (d.state = 'open') DESC, CASE WHEN d.state = 'open' THEN d.evidence_due_at END, d.id DESC LIMIT $3
        """,
        book,
        only_open,
        limit,
    )


async def list_disputes_of(conn: Connection, payment_ids: Sequence[UUID]) -> list[Dispute]:
    """The disputes of these payments."""
    return await fetch_all(
        conn,
        Dispute,
        """
        SELECT id, payment_id, dispute_ref, charge_ref, amount_minor, currency, reason, state, evidence_due_at, note, evidence, attempts,
            submitted_at, submitted_by, error_code, closed_at, opened_at
        FROM disputes WHERE payment_id = ANY($1::uuid[]) ORDER BY id
        """,
        list(payment_ids),
    )


async def store_answer(
    conn: Connection, dispute_id: UUID, *, come_from: Sequence[DisputeState], note: str, evidence: dict[str, str], submitted_by: str
) -> Dispute | None:
    """What is about to be sent, stored before the call; None when it is not to be answered any more."""
    return await fetch_maybe(
        conn,
        Dispute,
        """
        UPDATE disputes SET state = 'submitting', note = $3, evidence = $4, submitted_by = $5, attempts = attempts + 1,
            submitted_at = busload_now(), error_code = '', alarmed_at = NULL
        WHERE id = $1 AND state = ANY($2::text[])
        RETURNING id, payment_id, dispute_ref, charge_ref, amount_minor, currency, reason, state, evidence_due_at, note, evidence, attempts,
            submitted_at, submitted_by, error_code, closed_at, opened_at
        """,
        dispute_id,
        [state.value for state in come_from],
        note,
        evidence,
        submitted_by,
    )


async def set_dispute_state(
    conn: Connection, dispute_id: UUID, *, come_from: Sequence[DisputeState], go_to: DisputeState, error_code: str = ""
) -> bool:
    """The guarded transition."""
    done = await conn.fetchval(
        """
        UPDATE disputes SET state = $3, error_code = $4, closed_at = CASE WHEN $3 IN ('won', 'lost') THEN busload_now() END
        WHERE id = $1 AND state = ANY($2::text[]) AND state <> $3 RETURNING true
        """,
        dispute_id,
        [state.value for state in come_from],
        go_to.value,
        error_code,
    )
    return bool(done)


async def update_terms(conn: Connection, dispute_id: UUID, *, amount_minor: int, evidence_due_at: datetime | None) -> None:
    """What Stripe may change while a dispute runs: its amount and its deadline."""
    await conn.execute(
        "UPDATE disputes SET amount_minor = $2, evidence_due_at = $3 WHERE id = $1", dispute_id, amount_minor, evidence_due_at
    )


async def move_disputed_payment(conn: Connection, payment_id: UUID, *, come_from: Sequence[str], go_to: str) -> bool:
    """`succeeded -> disputed -> won | lost`, and `won -> disputed` when another dispute is opened."""
    done = await conn.fetchval(
        "UPDATE payments SET state = $3 WHERE id = $1 AND state = ANY($2::text[]) RETURNING true", payment_id, list(come_from), go_to
    )
    return bool(done)


async def hold_refunds(conn: Connection, payment_id: UUID, dispute_id: UUID) -> list[UUID]:
    """Refunds of a disputed charge that have not left yet wait; returns those."""
    rows = await conn.fetch(
        """
        UPDATE refunds SET held_by = $2, send_again = false
        WHERE payment_id = $1 AND held_by IS NULL AND elsewhere_at IS NULL AND state IN ('due', 'failed') RETURNING id
        """,
        payment_id,
        dispute_id,
    )
    return [row["id"] for row in rows]


async def release_refunds(conn: Connection, dispute_id: UUID) -> list[UUID]:
    """The dispute was won: what waited for it may go, unless another one of the charge holds it; returns the refunds that are due."""
    rows = await conn.fetch(
        """
        UPDATE refunds r SET held_by = (
            SELECT d.id FROM disputes d WHERE d.payment_id = r.payment_id AND d.state <> 'won' ORDER BY d.id DESC LIMIT 1)
        WHERE r.held_by = $1 AND r.elsewhere_at IS NULL RETURNING r.id, r.state, r.held_by
        """,
        dispute_id,
    )
    return [row["id"] for row in rows if row["state"] == "due" and row["held_by"] is None]


async def list_held_refunds(conn: Connection, dispute_id: UUID) -> list[tuple[UUID, int]]:
    """What a dispute holds and nobody has settled: refunds with their amounts in minor units, the oldest first."""
    rows = await conn.fetch("SELECT id, amount_minor FROM refunds WHERE held_by = $1 AND elsewhere_at IS NULL ORDER BY id", dispute_id)
    return [(row["id"], row["amount_minor"]) for row in rows]


async def is_disputed(conn: Connection, payment_id: UUID) -> bool:
    """Whether any dispute of a charge is undecided."""
    return bool(
        await conn.fetchval("SELECT EXISTS (SELECT FROM disputes WHERE payment_id = $1 AND state NOT IN ('won', 'lost'))", payment_id)
    )


async def find_refund(conn: Connection, *, refund_ref: str, refund_id: UUID | None) -> UUID | None:
    """Our refund, by what Stripe calls it or by our own id in its metadata."""
    found: UUID | None = await conn.fetchval(
        "SELECT id FROM refunds WHERE refund_ref = $1 OR id = $2 ORDER BY (refund_ref = $1) DESC NULLS LAST LIMIT 1",
        refund_ref,
        refund_id,
    )
    return found


async def add_refund_failure(conn: Connection, *, refund_id: UUID, refund_ref: str, reason: str) -> RefundFailure | None:
    """A refund came back: `succeeded -> failed`. None when that is known or it was not `succeeded`."""
    if not await conn.fetchval(
        "UPDATE refunds SET state = 'failed', error_code = $3, settled_at = busload_now() WHERE id = $1 AND state = 'succeeded' "
        "AND refund_ref = $2 RETURNING true",
        refund_id,
        refund_ref,
        reason,
    ):
        return None
    return await fetch_one(
        conn,
        RefundFailure,
        """
        INSERT INTO refund_failures (refund_id, refund_ref, reason) VALUES ($1, $2, $3)
        RETURNING id, refund_id, refund_ref, reason, failed_at
        """,
        refund_id,
        refund_ref,
        reason,
    )


async def list_refund_failures(conn: Connection, refund_ids: Sequence[UUID]) -> list[RefundFailure]:
    """When and why these refunds came back, oldest first."""
    return await fetch_all(
        conn,
        RefundFailure,
        "SELECT id, refund_id, refund_ref, reason, failed_at FROM refund_failures WHERE refund_id = ANY($1::uuid[]) ORDER BY id",
        list(refund_ids),
    )


async def want_refund_again(conn: Connection, refund_id: UUID) -> bool:
    """An organiser wants a failed refund sent once more; False when it is not failed or a dispute holds it."""
    done = await conn.fetchval(
        """
        UPDATE refunds SET send_again = true
        WHERE id = $1 AND state = 'failed' AND held_by IS NULL AND elsewhere_at IS NULL RETURNING true
        """,
        refund_id,
    )
    return bool(done)


async def mark_elsewhere(conn: Connection, refund_id: UUID, *, note: str) -> bool:
    """The rider has the money by another way; False when that is known or the refund may still go out by itself."""
    done = await conn.fetchval(
        """
        UPDATE refunds SET elsewhere_at = busload_now(), elsewhere_note = $2, send_again = false
        WHERE id = $1 AND elsewhere_at IS NULL AND (
            (state = 'failed' AND held_by IS NULL)
            OR (state IN ('due', 'failed') AND EXISTS (SELECT FROM disputes d WHERE d.id = held_by AND d.state = 'lost')))
        RETURNING true
        """,
        refund_id,
        note,
    )
    return bool(done)


async def alarm_stuck_disputes(conn: Connection) -> int:
    """Marks, once, answers that have been in flight for over 15 minutes; returns how many were new."""
    found = await conn.fetchval(
        """
        WITH stuck AS (
            UPDATE disputes SET alarmed_at = busload_now()
            WHERE state IN ('submitting', 'unknown') AND submitted_at < busload_now() - interval '15 minutes' AND alarmed_at IS NULL
            RETURNING 1
        )
        SELECT count(*) FROM stuck
        """
    )
    return int(found)

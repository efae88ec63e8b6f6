"""SQL of payments, their attempts, refunds and the Stripe inbox."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from app.core.database import Connection, fetch_all, fetch_maybe
from app.domain.payments.model import CLOSED, NewPayment, Outcome, Payment, PaymentState


async def add_payments(conn: Connection, new: Sequence[NewPayment]) -> None:
    """Charges that are due from now on, all in one statement. A second one for (reference, purpose) is refused by the database."""
    await conn.execute(
        """
        INSERT INTO payments (id, reference, purpose, book, amount_minor, currency, description, state, customer_ref, payment_method_ref,
            next_attempt_at, collect_until)
        SELECT id, reference, purpose, book, amount_minor, currency, description, 'due', customer_ref, payment_method_ref, busload_now(),
            collect_until
        FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[],
            $10::timestamptz[]) AS new (id, reference, purpose, book, amount_minor, currency, description, customer_ref,
            payment_method_ref, collect_until)
        """,
        [n.id for n in new], [n.reference for n in new], [n.purpose for n in new], [n.book for n in new], [n.amount_minor for n in new],
        [n.currency for n in new], [n.description for n in new], [n.customer_ref for n in new], [n.payment_method_ref for n in new],
        [n.collect_until for n in new],
    )  # fmt: skip


async def get_payment(conn: Connection, payment_id: UUID) -> Payment | None:
    """A payment by id."""
    return await fetch_maybe(
        conn,
        Payment,
        """
        SELECT id, reference, purpose, book, amount_minor, currency, description, state, customer_ref, payment_method_ref, intent_ref,
            charge_ref, attempts, next_attempt_at, collect_until, submitted_at, settled_at, error_code, decline_code, created_at
        FROM payments WHERE id = $1
        """,
        payment_id,
    )


async def lock_payment(conn: Connection, payment_id: UUID) -> Payment | None:
    """A payment by id, locked; what refers to it is locked before."""
    return await fetch_maybe(
        conn,
        Payment,
        """
        SELECT id, reference, purpose, book, amount_minor, currency, description, state, customer_ref, payment_method_ref, intent_ref,
            charge_ref, attempts, next_attempt_at, collect_until, submitted_at, settled_at, error_code, decline_code, created_at
        FROM payments WHERE id = $1 FOR NO KEY UPDATE
        """,
        payment_id,
    )


async def lock_payments_of(conn: Connection, references: Sequence[UUID]) -> list[Payment]:
    """Every payment of these references, locked in the order of their ids."""
    return await fetch_all(
        conn,
        Payment,
        """
        SELECT id, reference, purpose, book, amount_minor, currency, description, state, customer_ref, payment_method_ref, intent_ref,
            charge_ref, attempts, next_attempt_at, collect_until, submitted_at, settled_at, error_code, decline_code, created_at
        FROM payments WHERE reference = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE
        """,
        list(references),
    )


async def list_payments_of(conn: Connection, references: Sequence[UUID]) -> list[Payment]:
    """Every payment of these references."""
    return await fetch_all(
        conn,
        Payment,
        """
        SELECT id, reference, purpose, book, amount_minor, currency, description, state, customer_ref, payment_method_ref, intent_ref,
            charge_ref, attempts, next_attempt_at, collect_until, submitted_at, settled_at, error_code, decline_code, created_at
        FROM payments WHERE reference = ANY($1::uuid[]) ORDER BY id
        """,
        list(references),
    )


async def list_payments_by_id(conn: Connection, payment_ids: Sequence[UUID]) -> list[Payment]:
    """These payments."""
    return await fetch_all(
        conn,
        Payment,
        """
        SELECT id, reference, purpose, book, amount_minor, currency, description, state, customer_ref, payment_method_ref, intent_ref,
            charge_ref, attempts, next_attempt_at, collect_until, submitted_at, settled_at, error_code, decline_code, created_at
        FROM payments WHERE id = ANY($1::uuid[]) ORDER BY id
        """,
        list(payment_ids),
    )


async def list_payments_in_book(conn: Connection, book: str) -> list[Payment]:
    """Every payment of a book, the newest first."""
    return await fetch_all(
        conn,
        Payment,
        """
        SELECT id, reference, purpose, book, amount_minor, currency, description, state, customer_ref, payment_method_ref, intent_ref,
            charge_ref, attempts, next_attempt_at, collect_until, submitted_at, settled_at, error_code, decline_code, created_at
        FROM payments WHERE book = $1 ORDER BY id DESC
        """,
        book,
    )


async def find_payment_by_intent(conn: Connection, intent_ref: str) -> UUID | None:
    """The payment an intent belongs to."""
    found: UUID | None = await conn.fetchval("SELECT id FROM payments WHERE intent_ref = $1", intent_ref)
    return found


async def find_reference(conn: Connection, payment_id: UUID) -> UUID | None:
    """What a payment is for; never changes."""
    found: UUID | None = await conn.fetchval("SELECT reference FROM payments WHERE id = $1", payment_id)
    return found


async def remember_forgotten(conn: Connection, *, after: timedelta) -> int:
    """Gives charges that were due so long ago and never tried a timer that asks for them again; returns how many.

    Their job may have been held or lost; a second one does no harm.
    """
    rows = await conn.fetch(
        """
        INSERT INTO timers AS t (kind, subject_id, due_at)
        SELECT 'payment_retry', id, busload_now() FROM payments
        WHERE state = 'due' AND next_attempt_at < (SELECT busload_now()) - $1::interval  -- the clock is read once, not for every charge
        ON CONFLICT (kind, subject_id) DO UPDATE SET due_at = excluded.due_at, fired_at = NULL, attempts = 0, leased_until = NULL
            WHERE t.fired_at IS NOT NULL
        RETURNING subject_id
        """,
        after,
    )
    return len(rows)


async def claim_payment(conn: Connection, payment_id: UUID, states: Sequence[PaymentState], *, only_when_due: bool) -> Payment | None:
    """Takes a payment for an attempt: `submitting`, one attempt more; None when somebody else has it or it is settled.

    `only_when_due` leaves one alone that is tried again later. One that is `due` was never tried and waits for no time: the clock may have
    been ahead when it was made, and right again since.
    """
    return await fetch_maybe(
        conn,
        Payment,
        """
        UPDATE payments SET state = 'submitting', attempts = attempts + 1, submitted_at = busload_now(), next_attempt_at = NULL
        WHERE id = $1 AND state = ANY($2::text[]) AND (NOT $3::boolean OR state = 'due' OR next_attempt_at <= busload_now())
        RETURNING id, reference, purpose, book, amount_minor, currency, description, state, customer_ref, payment_method_ref, intent_ref,
            charge_ref, attempts, next_attempt_at, collect_until, submitted_at, settled_at, error_code, decline_code, created_at
        """,
        payment_id,
        [state.value for state in states],
        only_when_due,
    )


async def add_attempt(conn: Connection, *, payment_id: UUID, number: int, idempotency_key: str) -> None:
    """What is about to be tried, stored before the call."""
    await conn.execute(
        """
        INSERT INTO payment_attempts (payment_id, number, idempotency_key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
        """,
        payment_id,
        number,
        idempotency_key,
    )


async def finish_attempt(conn: Connection, *, payment_id: UUID, number: int, outcome: str) -> None:
    """What became of it."""
    await conn.execute(
        """
        UPDATE payment_attempts SET finished_at = busload_now(), outcome = $3
        WHERE payment_id = $1 AND number = $2 AND finished_at IS NULL
        """,
        payment_id,
        number,
        outcome,
    )


async def list_unanswered(conn: Connection, payment_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these failed charges whose intent is open and one of whose attempts nobody has answered for."""
    rows = await conn.fetch(
        """
        SELECT id FROM payments m
        WHERE id = ANY($1::uuid[]) AND state = 'retryable' AND intent_ref IS NOT NULL AND error_code <> $2
          AND EXISTS (SELECT FROM payment_attempts a WHERE a.payment_id = m.id AND a.outcome = 'unknown')
        """,
        list(payment_ids),
        CLOSED,
    )
    return {row["id"] for row in rows}


async def set_intent(conn: Connection, payment_id: UUID, intent_ref: str, *, attempt: int) -> str | None:
    """Gives a payment in flight its intent, for ever; the one it has wins.

    None when it was let go, or when another attempt or a look-up has it by now: never confirm it then.
    """
    found: str | None = await conn.fetchval(
        """
        UPDATE payments SET intent_ref = coalesce(intent_ref, $2) WHERE id = $1 AND state IN ('submitting', 'unknown')
        RETURNING CASE WHEN state = 'submitting' AND attempts = $3 THEN intent_ref END
        """,
        payment_id,
        intent_ref,
        attempt,
    )
    return found


async def set_payment_state(
    conn: Connection, payment_id: UUID, *, come_from: PaymentState, outcome: Outcome, next_attempt_at: datetime | None
) -> bool:
    """The guarded transition with what was learnt."""
    done = await conn.fetchval(
        """
        UPDATE payments SET state = $3, intent_ref = coalesce(intent_ref, $4), charge_ref = coalesce($5, charge_ref), error_code = $6,
            decline_code = $7, next_attempt_at = $8,
            settled_at = CASE WHEN $3 IN ('succeeded', 'abandoned', 'void') THEN busload_now() ELSE settled_at END
        WHERE id = $1 AND state = $2 RETURNING true
        """,
        payment_id,
        come_from.value,
        outcome.state.value,
        outcome.intent_ref,
        outcome.charge_ref,
        outcome.error_code,
        outcome.decline_code,
        next_attempt_at,
    )
    return bool(done)


async def void_payments(conn: Connection, payment_ids: Sequence[UUID]) -> list[UUID]:
    """Payments that are not under way will never be charged; returns those."""
    rows = await conn.fetch(
        """
        UPDATE payments SET state = 'void', settled_at = busload_now(), next_attempt_at = NULL
        WHERE id = ANY($1::uuid[]) AND state IN ('due', 'needs_action', 'retryable') RETURNING id
        """,
        list(payment_ids),
    )
    return [row["id"] for row in rows]


async def abandon_payment(conn: Connection, payment_id: UUID) -> bool:
    """The collection window is over."""
    done = await conn.fetchval(
        """
        UPDATE payments SET state = 'abandoned', settled_at = busload_now(), next_attempt_at = NULL
        WHERE id = $1 AND state IN ('needs_action', 'retryable') RETURNING true
        """,
        payment_id,
    )
    return bool(done)


async def use_other_card(conn: Connection, payment_id: UUID, *, customer_ref: str, payment_method_ref: str) -> bool:
    """A new card for a charge that waits."""
    done = await conn.fetchval(
        """
        UPDATE payments SET customer_ref = $2, payment_method_ref = $3, next_attempt_at = busload_now()
        WHERE id = $1 AND state IN ('due', 'needs_action', 'retryable') RETURNING true
        """,
        payment_id,
        customer_ref,
        payment_method_ref,
    )
    return bool(done)


async def alarm_stuck(conn: Connection) -> int:
    """Marks, once, what is in flight for over 15 minutes; returns how many were new. The organiser's money page shows them."""
    found = await conn.fetchval(
        """
        WITH stuck AS (
            UPDATE payments SET alarmed_at = busload_now()
            WHERE state IN ('submitting', 'unknown') AND submitted_at < busload_now() - interval '15 minutes' AND alarmed_at IS NULL
            RETURNING 1
        ), refunds_stuck AS (
            UPDATE refunds SET alarmed_at = busload_now()
            WHERE state IN ('submitting', 'unknown') AND submitted_at < busload_now() - interval '15 minutes' AND alarmed_at IS NULL
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM stuck) + (SELECT count(*) FROM refunds_stuck)
        """
    )
    return int(found)

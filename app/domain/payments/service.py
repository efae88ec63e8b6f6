"""What payments do to their own rows, inside a transaction they are given; every movement posts to the ledger at once."""

from collections.abc import Sequence
from uuid import UUID

from app.core.clock import busload_now
from app.core.database import Connection
from app.core.ids import new_id
from app.core.jobs import enqueue_for
from app.core.timers import clear_timer, set_timer, set_timers
from app.domain.payments import ledger, refund_store, store
from app.domain.payments.dates import next_attempt
from app.domain.payments.model import CHARGED, LOOKUP_AFTER, NewPayment, Outcome, Payment, PaymentState, at_the_bank
from app.domain.payments.shares import kept_of

BEFORE_MAILS = 10  # the priority of charges: a stadium's mails take minutes, and Stripe's limit would be left unused meanwhile


async def make_due(conn: Connection, new: Sequence[NewPayment]) -> None:
    """Stores charges and queues them."""
    if new:
        await store.add_payments(conn, new)
        await enqueue_for(conn, "charge_payment", [payment.id for payment in new], priority=BEFORE_MAILS)


async def record_charge(conn: Connection, payment: Payment, fee_minor: int | None) -> None:
    """A charge has moved money: Stripe holds it for us, we hold it for the rider; the fee, once known, is ours to bear."""
    await ledger.post(
        conn, kind="charge", cause=payment.id, book=payment.book, currency=payment.currency, external_ref=payment.charge_ref,
        entries=[(ledger.CLEARING, payment.amount_minor), (ledger.FARES, -payment.amount_minor)],
    )  # fmt: skip
    if fee_minor:
        await record_fee(conn, payment, fee_minor)


async def record_fee(conn: Connection, payment: Payment, fee_minor: int) -> None:
    """Stripe's fee of a charge, known with it or a little later."""
    await ledger.post(
        conn, kind="charge_fee", cause=payment.id, book=payment.book, currency=payment.currency, external_ref=payment.charge_ref,
        entries=[(ledger.STRIPE_FEES, fee_minor), (ledger.CLEARING, -fee_minor)],
    )  # fmt: skip


async def apply_outcome(conn: Connection, payment: Payment, outcome: Outcome) -> Payment:
    """Moves a locked payment to what was learnt of it; posts a charge; sets the next attempt or look-up. Returns it as it is now."""
    if payment.state in CHARGED or payment.state in {PaymentState.VOID, PaymentState.ABANDONED} or outcome.state is payment.state:
        return payment
    now = await busload_now(conn)
    retry_at = (
        next_attempt(payment.created_at, now, payment.collect_until)
        if outcome.state in {PaymentState.RETRYABLE, PaymentState.NEEDS_ACTION}
        else None
    )
    if not await store.set_payment_state(conn, payment.id, come_from=payment.state, outcome=outcome, next_attempt_at=retry_at):
        raise LookupError("a locked payment changed its state")
    await store.finish_attempt(conn, payment_id=payment.id, number=payment.attempts, outcome=outcome.state.value)
    changed = await store.get_payment(conn, payment.id)
    assert changed is not None
    if outcome.state is PaymentState.SUCCEEDED:
        await record_charge(conn, changed, outcome.fee_minor)
    await _set_timers(conn, changed)
    return changed


async def _set_timers(conn: Connection, payment: Payment) -> None:
    """A failed charge is tried again (or given up) on time, one in flight is looked up."""
    if payment.state in {PaymentState.RETRYABLE, PaymentState.NEEDS_ACTION}:
        await set_timer(conn, "payment_retry", payment.id, payment.next_attempt_at or payment.collect_until)
    else:
        await clear_timer(conn, "payment_retry", payment.id)
    if payment.state in {PaymentState.SUBMITTING, PaymentState.UNKNOWN}:
        await set_timer(conn, "payment_lookup", payment.id, await busload_now(conn) + LOOKUP_AFTER)
    else:
        await clear_timer(conn, "payment_lookup", payment.id)


async def claim_attempt(
    conn: Connection, payment_id: UUID, states: Sequence[PaymentState], *, only_when_due: bool = False
) -> Payment | None:
    """Takes a payment for an attempt and stores the attempt; None when it is not ours to take (or not due yet, if that matters)."""
    payment = await store.claim_payment(conn, payment_id, states, only_when_due=only_when_due)
    if payment is not None:
        await store.add_attempt(conn, payment_id=payment.id, number=payment.attempts, idempotency_key=attempt_key(payment))
        await set_timer(conn, "payment_lookup", payment.id, await busload_now(conn) + LOOKUP_AFTER)
        await clear_timer(conn, "payment_retry", payment.id)
    return payment


def attempt_key(payment: Payment) -> str:
    """The idempotency key of an attempt's confirmation: another attempt is another key, a repeated one the same."""
    return f"confirm-{payment.id}-{payment.attempts}"


async def let_go(conn: Connection, payments: Sequence[Payment]) -> None:
    """Locked charges that wait will not be made: void at once.

    One that may still take money (`list_moving`) is closed at Stripe first: after the void nobody would know of that money. Until then
    it is `submitting`, so that it settles and is refunded if it must be.
    """
    moving = await list_moving(conn, payments)
    closing = [payment.id for payment in payments if payment.id in moving]
    for payment_id in closing:
        await claim_attempt(conn, payment_id, [PaymentState.NEEDS_ACTION, PaymentState.RETRYABLE])
    await enqueue_for(conn, "close_charge", closing)
    await store.void_payments(conn, [payment.id for payment in payments if payment.id not in closing])


async def list_moving(conn: Connection, payments: Sequence[Payment]) -> set[UUID]:
    """Those of these charges that may still take money without another word from us.

    The rider's bank may have its page open; or nobody answered for an attempt. That one may be slow, not lost: what Stripe shows
    when it is looked up is then the failure of the attempt before it, and its own confirmation is on the way.
    """
    return {payment.id for payment in payments if at_the_bank(payment)} | await store.list_unanswered(conn, [one.id for one in payments])


async def refund_rest(conn: Connection, payments: Sequence[Payment], reason: str) -> dict[UUID, int]:
    """Makes refunds due for whatever of these charges has not gone back yet; returns the amount per payment."""
    charged = [payment for payment in payments if payment.state in CHARGED]
    before = await refund_store.refunded_minor(conn, [payment.id for payment in charged])
    due: dict[UUID, int] = {}
    for payment in charged:
        rest = payment.amount_minor - before.get(payment.id, 0)
        if rest > 0 and await make_refund_due(conn, payment, reason=reason, amount_minor=rest):
            due[payment.id] = rest
    return due


async def refund_share(conn: Connection, payments: Sequence[Payment], refund_bp: int, *, reason: str) -> tuple[int, int]:
    """Makes a share of what these locked charges still hold due back; returns (sum of the refunds, sum that stays), minor units.

    Each charge is rounded by itself (`kept_of`), so that one that settles later gives back what it would have given back before.
    """
    charged = [payment for payment in payments if payment.state in CHARGED]
    before = await refund_store.refunded_minor(conn, [payment.id for payment in charged])
    back_minor = stays_minor = 0
    for payment in charged:
        rest = payment.amount_minor - before.get(payment.id, 0)
        kept = kept_of(rest, refund_bp)
        if rest > kept and not await make_refund_due(conn, payment, reason=reason, amount_minor=rest - kept):
            continue  # this reason was refunded before
        back_minor, stays_minor = back_minor + rest - kept, stays_minor + kept
    return back_minor, stays_minor


async def make_refund_due(conn: Connection, payment: Payment, *, reason: str, amount_minor: int) -> bool:
    """Makes one refund due, queues it and has it looked up should nobody answer; False when this reason was refunded before."""
    refund_id = new_id()
    added = await refund_store.add_refund(
        conn, refund_id=refund_id, payment_id=payment.id, reason=reason, amount_minor=amount_minor, currency=payment.currency
    )
    if added:
        await enqueue_for(conn, "send_refund", [refund_id])
        await set_timers(conn, "refund_lookup", [refund_id], await busload_now(conn) + LOOKUP_AFTER)
    return added


async def record_refund(conn: Connection, payment: Payment, refund_id: UUID, amount_minor: int, refund_ref: str | None) -> None:
    """Money has gone back to a rider."""
    await ledger.post(
        conn, kind="refund", cause=refund_id, book=payment.book, currency=payment.currency, external_ref=refund_ref,
        entries=[(ledger.FARES, amount_minor), (ledger.CLEARING, -amount_minor)],
    )  # fmt: skip

"""What was learnt of a charge, whoever learnt it: worker, webhook, poller and look-up all come here."""

from uuid import UUID

from app.core.audit import act_as
from app.core.database import Connection, Pool, transaction
from app.core.live import tell
from app.core.log import logger
from app.domain.notifications.service import queue_mail
from app.domain.payments import store as payments
from app.domain.payments.model import CLOSED, Outcome, Payment, PaymentState, RefundReason
from app.domain.payments.service import apply_outcome, let_go, make_refund_due
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge, PledgeState
from app.domain.trips import store as trips

log = logger(__name__)
KEEPS = frozenset({PledgeState.CONFIRMED, PledgeState.PAID, PledgeState.TRAVELLED, PledgeState.NO_SHOW})


async def settle_payment(pool: Pool, payment_id: UUID, outcome: Outcome) -> Payment | None:
    """Moves the payment, posts the charge, pays the pledge; refunds at once a charge whose pledge has gone meanwhile. Repeatable."""
    async with transaction(pool) as conn:
        await act_as(
            conn,
            "worker",
            f"charge {outcome.state.value}" + (f": {outcome.decline_code or outcome.error_code}" if outcome.error_code else ""),
        )
        reference = await payments.find_reference(conn, payment_id)
        trip_id = await pledges.find_trip_of(conn, reference) if reference else None
        if reference is None or trip_id is None:
            return None
        await trips.lock_trip(conn, trip_id)
        pledge = await pledges.lock_pledge(conn, reference)
        before = await payments.lock_payment(conn, payment_id)
        assert before is not None
        if outcome.state is PaymentState.SUCCEEDED and before.state in {PaymentState.VOID, PaymentState.ABANDONED}:
            log.error("charge.after_its_end", payment_id=str(payment_id), state=before.state.value)  # a person must give it back
        after = await apply_outcome(conn, before, outcome)
        if after.state is not before.state:
            await draw_consequence(conn, pledge, after)
        return after


async def draw_consequence(conn: Connection, pledge: Pledge, payment: Payment) -> None:
    """What the payment's new state means for its pledge, and for the rider."""
    if payment.state is PaymentState.SUCCEEDED:
        if pledge.state not in KEEPS:
            await make_refund_due(conn, payment, reason=RefundReason.CANCELLATION, amount_minor=payment.amount_minor)
            log.info("charge.refunded_at_once", payment_id=str(payment.id), pledge_state=pledge.state.value)
        elif payment.purpose == "fare":
            await pledges.set_pledge_states(conn, [pledge.id], come_from=[PledgeState.CONFIRMED], go_to=PledgeState.PAID)
            await tell_rider(conn, pledge, payment, "payment_succeeded")
    elif payment.state in {PaymentState.RETRYABLE, PaymentState.NEEDS_ACTION} and pledge.state not in KEEPS:
        await let_go(conn, [payment])
    elif payment.state in {PaymentState.RETRYABLE, PaymentState.NEEDS_ACTION} and payment.error_code not in {"", CLOSED}:
        await tell_rider(conn, pledge, payment, "payment_failed")  # without an error the rider is at the bank's page this moment
    await tell(conn, "pledge", pledge.id)


async def tell_rider(conn: Connection, pledge: Pledge, payment: Payment, template: str) -> None:
    """A receipt, or what to do about a charge that did not work; its times are on the clock of the trip."""
    trip = await trips.get_trip(conn, pledge.trip_id)
    await queue_mail(
        conn, dedupe_key=f"{template}:{payment.id}:{payment.attempts}", recipient=pledge.email, template=template, locale=pledge.locale,
        subject_id=pledge.id,
        data={
            "pledge_id": str(pledge.id), "name": pledge.name, "code": pledge.public_code, "amount_minor": payment.amount_minor,
            "currency": payment.currency, "card": pledge.card_label, "needs_action": payment.state is PaymentState.NEEDS_ACTION,
            "next_attempt_at": payment.next_attempt_at.isoformat() if payment.next_attempt_at else None,
            "collect_until": payment.collect_until.isoformat(), "description": payment.description,
            "zone": trip.zone if trip else "UTC",
        },
    )  # fmt: skip

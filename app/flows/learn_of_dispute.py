"""A charge is contested at the rider's bank: whatever Stripe holds of the dispute now, stored and posted. Every hint comes here."""

from datetime import datetime, timedelta
from uuid import UUID

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.ids import new_id
from app.core.jobs import enqueue_for
from app.core.live import tell
from app.core.log import logger
from app.core.timers import clear_timer, set_timer
from app.domain.notifications.model import money
from app.domain.payments import dispute_store as disputes
from app.domain.payments import store as payments
from app.domain.payments.dispute_service import record_loss, record_movements
from app.domain.payments.gateway import DisputeState as GatewayDispute
from app.domain.payments.gateway import PaymentGateway
from app.domain.payments.model import CHARGED, DECIDED, Dispute, DisputeState, Payment, PaymentState
from app.domain.pledges import store as pledges
from app.domain.trips import store as trips
from app.flows.fail_refund import tell_money
from app.flows.look_up_payment import learn_of_intent
from app.flows.refuse_refund import BY_BANK
from app.flows.settle_elsewhere import settle_elsewhere_within

log = logger(__name__)
ANSWER_BEFORE = timedelta(hours=12)  # by itself, if nobody did
REMIND_BEFORE = (timedelta(days=5), timedelta(days=2), timedelta(days=1))
UNDECIDED = tuple(state for state in DisputeState if state not in DECIDED)


async def learn_of_dispute(pool: Pool, dispute_ref: str, *, gateway: PaymentGateway) -> None:
    """Fetches the dispute and settles what it shows. One of a charge that is not ours is left to the reconciliation to name."""
    found = await gateway.fetch_dispute(dispute_ref)
    async with transaction(pool) as conn:
        payment_id = await disputes.find_payment_of_charge(conn, charge_ref=found.charge_ref, intent_ref=found.intent_ref)
        payment = await payments.get_payment(conn, payment_id) if payment_id else None
    if payment is not None and payment.state not in CHARGED and payment.intent_ref is not None:
        await learn_of_intent(pool, payment.intent_ref, gateway=gateway)  # the dispute's news was faster than the charge's
    if payment is None:
        log.warning("dispute.of_no_payment", dispute_ref=dispute_ref)
        return
    await settle_dispute(pool, payment.id, found)


async def settle_dispute(pool: Pool, payment_id: UUID, found: GatewayDispute) -> None:
    """What Stripe shows: `disputed` payment, movements posted, refunds held, and when it is decided won or lost. Repeatable."""
    async with transaction(pool) as conn:
        await act_as(conn, "stripe", f"dispute {found.status.replace('_', ' ')}: {found.reason}")
        reference = await payments.find_reference(conn, payment_id)
        trip_id = await pledges.find_trip_of(conn, reference) if reference else None
        assert reference is not None
        assert trip_id is not None
        await trips.lock_trip(conn, trip_id)
        await pledges.lock_pledge(conn, reference)
        payment = await payments.lock_payment(conn, payment_id)
        assert payment is not None
        if payment.state not in CHARGED:
            log.error("dispute.before_its_charge", payment_id=str(payment_id), state=payment.state.value)
            return
        dispute = await disputes.find_dispute(conn, found.ref) or await open_within(conn, payment, found)
        await record_movements(conn, payment, dispute, found.movements)
        await move_on(conn, payment, dispute, found)
        await tell(conn, "pledge", reference)


async def open_within(conn: Connection, payment: Payment, found: GatewayDispute) -> Dispute:
    """A dispute we had not heard of: its payment is `disputed`, what should go back waits, organisers are told and reminded."""
    new = Dispute(
        id=new_id(), payment_id=payment.id, dispute_ref=found.ref, charge_ref=found.charge_ref, amount_minor=found.amount_minor,
        currency=payment.currency, reason=found.reason, state=DisputeState.OPEN, evidence_due_at=found.evidence_due_at, note="",
        evidence={}, attempts=0, submitted_at=None, submitted_by="", error_code="", closed_at=None, opened_at=await busload_now(conn),
    )  # fmt: skip
    await disputes.add_dispute(conn, new)
    await disputes.move_disputed_payment(
        conn, payment.id, come_from=(PaymentState.SUCCEEDED, PaymentState.WON), go_to=PaymentState.DISPUTED
    )
    await disputes.hold_refunds(conn, payment.id, new.id)
    await set_deadlines(conn, new)
    await tell_dispute(conn, payment, new, "A charge is disputed", once="opened")
    log.warning("dispute.opened", dispute_id=str(new.id), payment_id=str(payment.id), reason=new.reason)
    return new


async def set_deadlines(conn: Connection, dispute: Dispute) -> None:
    """Reminders, and the answer that goes out by itself shortly before the bank's deadline."""
    if dispute.evidence_due_at is None:
        return
    now = await busload_now(conn)
    await set_timer(conn, "dispute_answer", dispute.id, max(now, dispute.evidence_due_at - ANSWER_BEFORE))
    reminder = next_reminder(dispute.evidence_due_at, now)
    if reminder is not None:
        await set_timer(conn, "dispute_reminder", dispute.id, reminder)


def next_reminder(due_at: datetime, now: datetime) -> datetime | None:
    """When organisers are reminded next; None when all reminders are over."""
    return next((due_at - before for before in REMIND_BEFORE if due_at - before > now), None)


async def move_on(conn: Connection, payment: Payment, dispute: Dispute, found: GatewayDispute) -> None:
    """Takes the dispute to where Stripe has it. Never back: a hint may be older than what we know."""
    if dispute.state in DECIDED:
        return
    if (dispute.amount_minor, dispute.evidence_due_at) != (found.amount_minor, found.evidence_due_at):
        await disputes.update_terms(conn, dispute.id, amount_minor=found.amount_minor, evidence_due_at=found.evidence_due_at)
    if found.status == "under_review":
        answered = (DisputeState.OPEN, DisputeState.SUBMITTING, DisputeState.UNKNOWN)
        await disputes.set_dispute_state(conn, dispute.id, come_from=answered, go_to=DisputeState.UNDER_REVIEW)
        await clear_deadlines(conn, dispute.id)
    elif found.status in {"won", "lost"}:
        await close_within(conn, payment, dispute, DisputeState(found.status))
    else:
        await disputes.hold_refunds(conn, payment.id, dispute.id)


async def clear_deadlines(conn: Connection, dispute_id: UUID) -> None:
    """Nothing is to be answered any more."""
    for kind in ("dispute_answer", "dispute_reminder", "dispute_lookup"):
        await clear_timer(conn, kind, dispute_id)


async def close_within(conn: Connection, payment: Payment, dispute: Dispute, verdict: DisputeState) -> None:
    """The bank has decided. Won: what waited may be refunded. Lost: it never is, the rider has the money."""
    await disputes.set_dispute_state(conn, dispute.id, come_from=UNDECIDED, go_to=verdict)
    if verdict is DisputeState.LOST or not await disputes.is_disputed(conn, payment.id):
        go_to = PaymentState(verdict.value)
        await disputes.move_disputed_payment(conn, payment.id, come_from=(PaymentState.DISPUTED,), go_to=go_to)
    await clear_deadlines(conn, dispute.id)
    if verdict is DisputeState.LOST:
        await settle_held(conn, payment, dispute, await record_loss(conn, payment, dispute))
    else:
        await enqueue_for(conn, "send_refund", await disputes.release_refunds(conn, dispute.id))
    await tell_dispute(conn, payment, dispute, f"A dispute is {verdict.value}", once=verdict.value)


async def settle_held(conn: Connection, payment: Payment, dispute: Dispute, lost_minor: int) -> None:
    """What was owed to the rider anyway has come with the bank's decision: those refunds are settled, and are no cost of the dispute."""
    for refund_id, amount_minor in await disputes.list_held_refunds(conn, dispute.id):
        if amount_minor <= lost_minor and await settle_elsewhere_within(conn, payment, refund_id, note=BY_BANK) is not None:
            lost_minor -= amount_minor


async def tell_dispute(conn: Connection, payment: Payment, dispute: Dispute, subject: str, *, once: str) -> None:
    """What organisers have to know, with the deadline and the way to the evidence."""
    pledge = await pledges.get_pledge(conn, payment.reference)
    code = pledge.public_code if pledge else "unknown"
    due = f"{dispute.evidence_due_at:%a %-d %b %Y, %H:%M} UTC" if dispute.evidence_due_at else "not set"
    texts = {
        "won": "The bank decided for us. What it had withdrawn is back at Stripe, the dispute fee is not.",
        "lost": "The bank decided for the rider and gave the money back. No refund is sent for this charge any more.",
    }
    what = texts.get(
        once,
        f"The evidence is gathered. Read it, add what you know and send it before {due}; it can be sent once. "
        "If nobody does, it goes out by itself 12 hours before. No refund is sent for this charge meanwhile.",
    )
    await tell_money(
        conn, payment, subject=f"{subject} ({code})", once=f"{dispute.id}:{once}", link=f"/organiser/disputes/{dispute.id}",
        what=f"{money(dispute.amount_minor, dispute.currency)} of pledge {code}: {dispute.reason.replace('_', ' ')}. {what}",
    )  # fmt: skip


async def remind_of_dispute(pool: Pool, dispute_id: UUID) -> None:
    """Timer: a dispute still waits for its answer."""
    async with transaction(pool) as conn:
        dispute = await disputes.get_dispute(conn, dispute_id)
        if dispute is None or dispute.state is not DisputeState.OPEN or dispute.evidence_due_at is None:
            return
        payment = await payments.get_payment(conn, dispute.payment_id)
        assert payment is not None
        now = await busload_now(conn)
        days = round((dispute.evidence_due_at - now) / timedelta(days=1))
        await tell_dispute(conn, payment, dispute, f"A dispute waits for your answer: {days} days left", once=f"reminder-{days}")
        reminder = next_reminder(dispute.evidence_due_at, now)
        if reminder is not None:
            await set_timer(conn, "dispute_reminder", dispute.id, reminder)

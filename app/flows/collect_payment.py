"""Collection after a failed charge: tried again on time, given up at the window's end; its pledge is dropped or its change taken back."""

from uuid import UUID

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.jobs import enqueue_for
from app.core.timers import set_timer
from app.domain.notifications.service import queue_mail
from app.domain.payments import store as payments
from app.domain.payments.model import FORGOTTEN_AFTER, Payment, PaymentState
from app.domain.payments.service import BEFORE_MAILS, let_go, list_moving
from app.domain.pledges import store as pledges
from app.domain.pledges.model import LIVE, Pledge, PledgeState
from app.domain.trips import store as trips
from app.domain.trips.model import Trip
from app.flows.give_back import free_people
from app.flows.take_change_back import take_back_within
from app.flows.tell_money import warn_rider, what_for


async def retry_payment(pool: Pool, payment_id: UUID) -> None:
    """A failed charge's time has come: another attempt, or the end of the window. One that was never tried is asked for again."""
    async with transaction(pool) as conn:
        await act_as(conn, "timer", "collection")
        payment = await payments.get_payment(conn, payment_id)
        now = await busload_now(conn)
        if payment is not None and payment.state is PaymentState.DUE:
            await enqueue_for(conn, "charge_payment", [payment.id], priority=BEFORE_MAILS)
            await set_timer(conn, "payment_retry", payment.id, now + FORGOTTEN_AFTER)
            return
        if payment is None or payment.state not in {PaymentState.RETRYABLE, PaymentState.NEEDS_ACTION}:
            return
        if payment.next_attempt_at is None or now >= payment.collect_until:
            await end_within(conn, payment)
        elif payment.next_attempt_at <= now:
            await enqueue_for(conn, "charge_payment", [payment.id])
            await set_timer(conn, "payment_retry", payment.id, payment.collect_until)
        else:
            await set_timer(conn, "payment_retry", payment.id, payment.next_attempt_at)


async def warn_of_end(pool: Pool, payment_id: UUID) -> None:
    """Timer `payment_warning`: the last day of a failed charge has begun, and no other mail of it comes any more."""
    async with transaction(pool) as conn:
        payment = await payments.get_payment(conn, payment_id)
        if payment is None or payment.state not in {PaymentState.RETRYABLE, PaymentState.NEEDS_ACTION}:
            return
        pledge = await pledges.get_pledge(conn, payment.reference)
        if pledge is not None and pledge.state in LIVE and await busload_now(conn) < payment.collect_until:
            await warn_rider(conn, pledge, payment)


async def end_within(conn: Connection, payment: Payment) -> bool:
    """Gives a failed charge up at the end of its time; False when it settled meanwhile or is not over yet.

    One that may still take money is closed at Stripe first, and comes back as one to give up.
    """
    trip_id = await pledges.find_trip_of(conn, payment.reference)
    assert trip_id is not None
    trip = await trips.lock_trip(conn, trip_id)
    assert trip is not None
    pledge = await pledges.lock_pledge(conn, payment.reference)
    latest = await payments.lock_payment(conn, payment.id)
    assert latest is not None
    if await list_moving(conn, [latest]):
        await let_go(conn, [latest])
        return False
    if not await payments.abandon_payment(conn, payment.id):
        return False
    if latest.purpose == "fare":
        await drop(conn, trip, pledge, latest)
    else:
        await take_back_within(conn, trip, pledge, latest)
    return True


async def drop(conn: Connection, trip: Trip, pledge: Pledge, payment: Payment) -> None:
    """The pledge is `dropped`: its seats are sold again. Drops never un-confirm a trip."""
    if await pledges.set_pledge_states(conn, [pledge.id], come_from=[PledgeState.CONFIRMED], go_to=PledgeState.DROPPED):
        await free_people(conn, [pledge])
        await enqueue_for(conn, "detach_card", [pledge.id])
        await tell_drop(conn, trip, pledge, payment)


async def tell_drop(conn: Connection, trip: Trip, pledge: Pledge, payment: Payment) -> None:
    """The seats are gone, nothing was charged."""
    await queue_mail(
        conn, dedupe_key=f"pledge-dropped:{pledge.id}", recipient=pledge.email, template="pledge_dropped", locale=pledge.locale,
        subject_id=pledge.id,
        data={
            "name": pledge.name, "code": pledge.public_code, "what": what_for(payment), "amount_minor": payment.amount_minor,
            "currency": payment.currency, "attempts": payment.attempts, "trip": trip.public_code,
        },
    )  # fmt: skip


async def end_collection_within(conn: Connection, event_id: UUID) -> bool:
    """Booking close: what still waits is given up; False while a charge is under way (settle that first, then call again)."""
    standing = await pledges.list_pledges_of_event(conn, event_id, [PledgeState.CONFIRMED, PledgeState.PAID])
    done = True
    for payment in await payments.list_payments_of(conn, [pledge.id for pledge in standing]):
        if payment.state in {PaymentState.RETRYABLE, PaymentState.NEEDS_ACTION}:
            done = await end_within(conn, payment) and done
        elif payment.state in {PaymentState.DUE, PaymentState.SUBMITTING, PaymentState.UNKNOWN}:
            done = False
    return done

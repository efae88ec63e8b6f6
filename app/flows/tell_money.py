"""What a rider is told of a charge: each piece of news once, in plain words, with its dates on the clock of the trip."""

from typing import Any
from uuid import UUID

from app.core.clock import busload_now
from app.core.database import Connection
from app.core.timers import set_timer
from app.domain.notifications.service import queue_mail
from app.domain.payments import receipt_store as receipts
from app.domain.payments.dates import refund_arrival, warning_at
from app.domain.payments.model import Payment, PaymentState
from app.domain.pledges import card_store as cards
from app.domain.pledges.model import Pledge
from app.domain.trips import store as trips
from app.flows.tell_payer import tell_payer_within

WARNING = "payment_last_warning"


async def tell_charged(conn: Connection, pledge: Pledge, payment: Payment) -> None:
    """A charge went through, the fare's or a change's: the receipt, or a note to who pays for seats that somebody else has now."""
    if await tell_payer_within(conn, pledge, payment, template="payer_charged", amount_minor=payment.amount_minor, once=str(payment.id)):
        return
    receipt = await receipts.find_receipt(conn, payment.reference)
    assert receipt is not None, "a charge that went through has one"
    await tell_rider(conn, pledge, payment, "payment_succeeded", receipt=receipt.code)


async def tell_unpaid(conn: Connection, pledge: Pledge, payment: Payment) -> None:
    """A charge did not go through: what to do, when we try again, until when the seats are held. Every two days, after each attempt.

    The attempt after which no other comes brings the last warning; it is repeated a day before the end when that is far off.
    """
    template = "payment_approval" if payment.state is PaymentState.NEEDS_ACTION else "payment_failed"
    await tell_rider(conn, pledge, payment, WARNING if payment.next_attempt_at is None else template)
    warn_at = warning_at(payment.next_attempt_at, await busload_now(conn), payment.collect_until)
    if warn_at is not None:
        await set_timer(conn, "payment_warning", payment.id, warn_at)


async def warn_rider(conn: Connection, pledge: Pledge, payment: Payment) -> None:
    """The last day has begun."""
    await tell_rider(conn, pledge, payment, WARNING, occasion="the last day")


async def tell_rider(
    conn: Connection, pledge: Pledge, payment: Payment, template: str, *, occasion: str | None = None, receipt: str = ""
) -> None:
    """One mail for each attempt (or other occasion)."""
    await queue_mail(
        conn, dedupe_key=f"{template}:{payment.id}:{occasion or payment.attempts}", recipient=pledge.email, template=template,
        locale=pledge.locale, subject_id=pledge.id,
        data={
            "pledge_id": str(pledge.id), "name": pledge.name, "code": pledge.public_code, "amount_minor": payment.amount_minor,
            "currency": payment.currency, "card": await card_of(conn, pledge, payment),
            "needs_action": payment.state is PaymentState.NEEDS_ACTION,
            "next_attempt_at": payment.next_attempt_at.isoformat() if payment.next_attempt_at else None,
            "collect_until": payment.collect_until.isoformat(), "what": what_for(payment), "is_change": payment.purpose != "fare",
            "receipt": receipt, "zone": await zone_of(conn, pledge.trip_id),
        },
    )  # fmt: skip


def what_for(payment: Payment) -> str:
    """What a charge is for, in a sentence: `Baltimore to Women's March`."""
    return payment.description.partition(": ")[2] if payment.purpose == "fare" else "the change of your pledge"


async def card_of(conn: Connection, pledge: Pledge, payment: Payment) -> str:
    """The label of the card that a charge is made on: the pledge's, or one that it has parted with since."""
    if payment.payment_method_ref == pledge.payment_method_ref:
        return pledge.card_label
    gone = await cards.list_set_aside(conn, pledge.id)
    return next((card.card_label for card in gone if card.payment_method_ref == payment.payment_method_ref), pledge.card_label)


async def arrival_of(conn: Connection, pledge: Pledge) -> dict[str, Any]:
    """For a mail about a refund that is on its way now: between which days the bank shows it."""
    zone = await zone_of(conn, pledge.trip_id)
    first, last = refund_arrival(await busload_now(conn), zone)
    return {"arrives_from": first.isoformat(), "arrives_by": last.isoformat()}


async def zone_of(conn: Connection, trip_id: UUID) -> str:
    """Whose clock the rider reads."""
    trip = await trips.get_trip(conn, trip_id)
    return trip.zone if trip else "UTC"

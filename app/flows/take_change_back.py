"""The charge of a dearer party was given up: the pledge is again what it was, and stays paid."""

from app.core.audit import record_change
from app.core.database import Connection
from app.core.live import tell
from app.domain.notifications.service import queue_mail
from app.domain.payments.model import Payment
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge, PledgeState
from app.domain.trips import store as trips
from app.domain.trips.model import Trip


async def take_back_within(conn: Connection, trip: Trip, pledge: Pledge, payment: Payment) -> bool:
    """Undoes the change a payment `change-N` was for; trip and pledge are locked. False when the pledge has gone or it was undone before.

    What the rider changed since without paying for it stays: another stop, needs, the direction of a one-way ride.
    """
    if pledge.state is not PledgeState.PAID:
        return False
    before = await pledges.take_change_back(conn, pledge.id, number=int(payment.purpose.removeprefix("change-")))
    if before is None:
        return False
    legs = pledge.legs if len(pledge.legs) == len(before.legs) else before.legs
    await trips.move_people(conn, trip.id, secured=before.seats + before.wheelchairs - pledge.people)
    await pledges.set_party(
        conn, pledge.id, stop_id=pledge.stop_id, seats=before.seats, wheelchairs=before.wheelchairs, legs=legs,
        price_minor=before.price_minor, needs=pledge.needs,
    )  # fmt: skip
    await record_change(conn, "pledge", pledge.id, pledge.state.value, {"change": "taken back", "purpose": payment.purpose})
    await tell_rider(conn, pledge, payment, people=before.seats + before.wheelchairs)
    await tell(conn, "trip", trip.id)
    await tell(conn, "pledge", pledge.id)
    return True


async def tell_rider(conn: Connection, pledge: Pledge, payment: Payment, *, people: int) -> None:
    """What holds again, and why."""
    await queue_mail(
        conn, dedupe_key=f"change-taken-back:{payment.id}", recipient=pledge.email, template="change_taken_back", locale=pledge.locale,
        subject_id=pledge.id,
        data={
            "pledge_id": str(pledge.id), "name": pledge.name, "code": pledge.public_code, "people": people,
            "amount_minor": payment.amount_minor, "currency": payment.currency,
        },
    )  # fmt: skip

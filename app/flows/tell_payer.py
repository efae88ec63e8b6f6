"""Money news for who paid for seats that somebody else has now: it goes to the card's owner, without the new rider's links."""

from app.core.database import Connection
from app.domain.notifications.service import queue_mail
from app.domain.payments.model import Payment
from app.domain.pledges.model import Pledge
from app.domain.pledges.transfer_store import find_payer


async def tell_payer_within(conn: Connection, pledge: Pledge, payment: Payment, *, template: str, amount_minor: int, once: str) -> bool:
    """Tells who gave the seats away of a movement on their card; False when the rider's own card paid, who is told otherwise then."""
    payer = await find_payer(conn, pledge.id, payment.payment_method_ref)
    if payer is None:
        return False
    await queue_mail(
        conn, dedupe_key=f"{template}:{once}", recipient=payer.email, template=template, locale=pledge.locale, subject_id=pledge.id,
        data={"name": payer.name, "code": pledge.public_code, "rider": pledge.name, "amount_minor": amount_minor,
            "currency": payment.currency, "transfer_id": str(payer.transfer_id)},
    )  # fmt: skip
    return True

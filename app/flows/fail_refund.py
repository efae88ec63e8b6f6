"""A refund that had gone through and comes back: the rider's bank would not take it. The money is ours to give again."""

from app.core.database import Connection
from app.core.live import tell
from app.core.log import logger
from app.domain.accounts import store as accounts
from app.domain.notifications.model import NewMail, money
from app.domain.notifications.service import queue_mail, queue_mails
from app.domain.payments import dispute_store as disputes
from app.domain.payments.dispute_service import record_refund_failure
from app.domain.payments.model import Payment, Refund
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge

log = logger(__name__)


async def fail_later_within(conn: Connection, refund: Refund, payment: Payment, *, refund_ref: str, reason: str) -> bool:
    """`succeeded -> failed`, the movement taken back, rider and organisers told; False when that is known. Its payment is locked."""
    failure = await disputes.add_refund_failure(conn, refund_id=refund.id, refund_ref=refund_ref, reason=reason or "refused_by_bank")
    if failure is None:
        return False
    log.warning("refund.came_back", refund_id=str(refund.id), reason=failure.reason)
    await record_refund_failure(conn, payment, failure_id=failure.id, refund_ref=refund_ref, amount_minor=refund.amount_minor)
    pledge = await pledges.get_pledge(conn, payment.reference)
    if pledge is not None:
        await tell_rider(conn, pledge, refund, once=str(failure.id))
        await tell(conn, "pledge", pledge.id)
    code = pledge.public_code if pledge else "unknown"
    amount = money(refund.amount_minor, refund.currency)
    await tell_money(
        conn, payment, subject=f"A refund came back ({code})", once=str(failure.id),
        what=f"The rider's bank sent the refund of {amount} for pledge {code} back ({failure.reason.replace('_', ' ')}). "
        "The money is at Stripe and still owed. Send it again from the money page; "
        "if it comes back once more, ask the rider for another way.",
    )  # fmt: skip
    return True


async def tell_rider(conn: Connection, pledge: Pledge, refund: Refund, *, once: str) -> None:
    """The money did not arrive, and nobody has to do anything yet."""
    await queue_mail(
        conn, dedupe_key=f"refund-failed:{once}", recipient=pledge.email, template="refund_failed", locale=pledge.locale,
        subject_id=pledge.id,
        data={
            "name": pledge.name, "code": pledge.public_code, "amount_minor": refund.amount_minor, "currency": refund.currency,
            "card": pledge.card_label,
        },
    )  # fmt: skip


async def tell_money(conn: Connection, payment: Payment, *, subject: str, what: str, once: str, link: str = "/organiser/money") -> None:
    """A mail to every organiser about money that waits for a person; `what` holds no personal data, `link` is a path of ours."""
    mails = [
        NewMail(
            dedupe_key=f"money-needs-you:{once}:{email}",
            recipient=email,
            template="money_needs_you",
            locale="en",
            subject_id=payment.id,
            data={"subject": subject, "what": what, "link": link},
        )
        for email in await accounts.list_organiser_emails(conn)
    ]
    await queue_mails(conn, mails)

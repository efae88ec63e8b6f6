"""Dispatch waits for an organiser: a mail says what for."""

from app.core.database import Connection
from app.domain.accounts import store as accounts
from app.domain.events.model import Event
from app.domain.notifications.model import NewMail
from app.domain.notifications.service import queue_mails


async def tell_organisers_within(conn: Connection, event: Event, *, what: str, once: str) -> None:
    """One mail to every organiser per event and `once`; `what` is a sentence without personal data."""
    mails = [
        NewMail(
            dedupe_key=f"dispatch-needs-you:{event.id}:{once}:{email}",
            recipient=email,
            template="dispatch_needs_you",
            locale="en",
            subject_id=event.id,
            data={
                "event": event.name,
                "code": event.public_code,
                "what": what,
                "deadline": event.capacity_deadline_at.isoformat(),
                "zone": event.zone,
            },
        )
        for email in await accounts.list_organiser_emails(conn)
    ]
    await queue_mails(conn, mails)

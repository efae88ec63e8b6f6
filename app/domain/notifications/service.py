"""Queueing news in the transaction that makes it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from app.core.database import Connection
from app.core.jobs import enqueue_for
from app.domain.notifications import store
from app.domain.notifications.model import NewMail


async def queue_mail(
    conn: Connection, *, dedupe_key: str, recipient: str, template: str, locale: str, data: dict[str, Any], subject_id: UUID | None
) -> None:
    """Queues one mail; the same `dedupe_key` again is no news and no error."""
    await queue_mails(
        conn,
        [NewMail(dedupe_key=dedupe_key, recipient=recipient, template=template, locale=locale, data=data, subject_id=subject_id)],
    )


async def queue_mails(conn: Connection, mails: Sequence[NewMail]) -> None:
    """Queues many mails in two statements."""
    if mails:
        await enqueue_for(conn, "send_mail", await store.add_mails(conn, mails))

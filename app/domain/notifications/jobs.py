"""Sending queued mails through the mail server, outside transactions."""

from email.message import EmailMessage
from typing import Protocol
from uuid import UUID

import aiosmtplib
import msgspec
from jinja2 import Environment

from app.core.database import Pool, transaction
from app.core.errors import Unavailable
from app.core.ids import link_subject
from app.core.log import logger
from app.domain.notifications import store
from app.domain.notifications.letters import write_letter

log = logger(__name__)


class MailServer(Protocol):
    """Takes a message or raises OSError / aiosmtplib.SMTPException."""

    async def send(self, message: EmailMessage) -> None:
        """Hands over one message."""
        ...


async def send_mail(pool: Pool, mail_id: UUID, *, server: MailServer, letters: Environment, sender: str) -> None:
    """Sends a mail that has not gone yet; Unavailable when the server does not take it (the queue tries again)."""
    async with pool.acquire() as conn:
        mail = await store.get_unsent_mail(conn, mail_id)
        if mail is None:
            return
        if "pledge_id" in mail.data:  # links are those of who has the pledge when the mail goes, never another person's
            holder = await store.read_link_holder(conn, UUID(mail.data["pledge_id"]), mail.recipient)
            mail = msgspec.structs.replace(mail, data={**mail.data, "pledge_id": link_subject(mail.data["pledge_id"], holder)})
    letter = write_letter(letters, mail)
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, mail.recipient, letter.subject
    message["Message-ID"] = f"<{mail.id}@busload>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    try:
        await server.send(message)
    except (OSError, aiosmtplib.SMTPException) as error:
        async with transaction(pool) as conn:
            tries = await store.mark_failed(conn, mail_id, type(error).__name__)
        log.warning("mail.not_taken", mail_id=str(mail_id), tries=tries, error=type(error).__name__)
        raise Unavailable("The mail server did not take the mail.") from error
    async with pool.acquire() as conn:
        await store.mark_sent(conn, mail_id)

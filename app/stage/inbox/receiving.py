"""The SMTP side: accepts every mail for everybody and delivers it no further."""

import asyncio
from typing import Any

from aiosmtpd.smtp import SMTP

from app.stage.inbox.mailbox import Mailbox

_SIZE_LIMIT_BYTES = 25 * 1024 * 1024


class Receiver:
    """What aiosmtpd calls; it names the method."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        del server, session
        return f"250 kept as {self._mailbox.keep(envelope.content, list(envelope.rcpt_tos))}"


async def receive_mail(mailbox: Mailbox, *, host: str, port: int) -> asyncio.Server:
    """Start listening and return the server; OSError when the port is taken."""

    def answer_connection() -> SMTP:
        return SMTP(Receiver(mailbox), hostname="inbox.localhost", data_size_limit=_SIZE_LIMIT_BYTES, enable_SMTPUTF8=True)

    return await asyncio.get_running_loop().create_server(answer_connection, host, port)

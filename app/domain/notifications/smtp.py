"""The mail server over SMTP. Connections are kept for the next mail: a handshake, with TLS and a password, costs more than the mail."""

import asyncio
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import aiosmtplib

SMTP_TIMEOUT_S = 20
KEEP_S = 5.0  # far less than a server's patience
MOST_KEPT = 8
CLOSING = 421


class SmtpServer:
    """A mail server by address: smtp://user:password@host:587 (STARTTLS when offered) or smtps://host:465.

    As many mails at once as there are callers, each on a connection of its own while it is sent.
    """

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._idle: list[aiosmtplib.SMTP] = []  # the longest idle first
        self._since_s: dict[aiosmtplib.SMTP, float] = {}

    async def send(self, message: EmailMessage) -> None:
        """Hands over one message; SMTPException or OSError when it was not taken.

        A kept connection that the server has ended meanwhile says nothing of the mail: it is sent on a new one.
        """
        while self._idle:
            kept = self._idle.pop()
            if kept.is_connected and await self._sent_on_kept(kept, message):
                return
        await self._send_on(await self._connect(), message)

    async def aclose(self) -> None:
        """Ends the connections that are kept."""
        while self._idle:
            self._idle.pop().close()

    async def _sent_on_kept(self, kept: aiosmtplib.SMTP, message: EmailMessage) -> bool:
        """False when the server was about to end the connection, or had."""
        try:
            await self._send_on(kept, message)
        except aiosmtplib.SMTPServerDisconnected:
            return False
        except aiosmtplib.SMTPResponseException as refused:
            if refused.code != CLOSING:
                raise
            return False
        return True

    async def _send_on(self, client: aiosmtplib.SMTP, message: EmailMessage) -> None:
        try:
            await client.send_message(message)
        except BaseException:  # cancelled in the middle of a mail, too: nobody knows what the server expects next
            client.close()
            raise
        if len(self._idle) >= MOST_KEPT:
            client.close()
            return
        self._idle.append(client)
        loop = asyncio.get_running_loop()
        self._since_s[client] = loop.time()
        loop.call_later(KEEP_S, self._end_unneeded)

    def _end_unneeded(self) -> None:
        """Ends connections that nobody has needed for a while."""
        now_s = asyncio.get_running_loop().time()
        while self._idle and now_s - self._since_s[self._idle[0]] >= KEEP_S:
            self._idle.pop(0).close()
        self._since_s = {client: self._since_s[client] for client in self._idle}

    async def _connect(self) -> aiosmtplib.SMTP:
        client = aiosmtplib.SMTP(
            hostname=self._url.hostname,
            port=self._url.port or (465 if self._url.scheme == "smtps" else 587),
            username=unquote(self._url.username) if self._url.username else None,
            password=unquote(self._url.password) if self._url.password else None,
            use_tls=self._url.scheme == "smtps",
            timeout=SMTP_TIMEOUT_S,
        )
        try:
            await client.connect()
        except BaseException:
            client.close()
            raise
        return client

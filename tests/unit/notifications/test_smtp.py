"""Mails share connections to the mail server, over real SMTP; one that the server has ended costs no mail."""

import asyncio
from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any

import aiosmtplib
import pytest
import pytest_asyncio
from aiosmtpd.smtp import SMTP

from app.domain.notifications import smtp
from app.domain.notifications.smtp import SmtpServer
from tests.support.waiting import wait_until_async

REFUSED = "nobody@example.org"


class Recorder:
    """A mail server: what it took, and the connections it had."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.transports: list[asyncio.Transport] = []
        self.closing_after = 0  # mails a connection may bring before the server says 421
        self.held: asyncio.Event | None = None

    async def handle_RCPT(self, _: object, __: object, envelope: Any, address: str, ___: object) -> str:  # noqa: N802  aiosmtpd's name
        if address == REFUSED:
            return "550 no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, __: object) -> str:  # noqa: N802  aiosmtpd's name
        session.mails = getattr(session, "mails", 0) + 1
        if self.closing_after and session.mails > self.closing_after:
            server.transport.close()
            return "421 closing"
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(self, _: object, __: object, envelope: Any) -> str:  # noqa: N802  aiosmtpd's name
        if self.held is not None:
            await self.held.wait()
        self.taken.extend(envelope.rcpt_tos)
        return "250 taken"

    def connection(self) -> SMTP:
        """One more connection."""
        recorder = self

        class Watched(SMTP):
            def connection_made(self, transport: Any) -> None:
                recorder.transports.append(transport)
                super().connection_made(transport)

        return Watched(self)


@pytest_asyncio.fixture
async def recorder() -> AsyncIterator[tuple[Recorder, SmtpServer]]:
    recorder = Recorder()
    server = await asyncio.get_running_loop().create_server(recorder.connection, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    mails = SmtpServer(f"smtp://127.0.0.1:{port}")
    yield recorder, mails
    await mails.aclose()
    server.close()
    for transport in recorder.transports:
        transport.abort()


def mail(to: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "busload@example.org", to, "News"
    message.set_content("It runs.")
    return message


async def until_dead(transports: list[asyncio.Transport]) -> None:
    """Waits until the server's side knows that its connections have ended."""

    async def dead() -> bool:
        return all(transport.is_closing() for transport in transports)

    await wait_until_async(dead, "the end of all connections")


async def test_mails_one_after_the_other_take_one_connection(recorder: tuple[Recorder, SmtpServer]) -> None:
    server, mails = recorder
    for number in range(5):
        await mails.send(mail(f"rider-{number}@example.org"))
    assert server.taken == [f"rider-{number}@example.org" for number in range(5)]
    assert len(server.transports) == 1


async def test_mails_at_once_do_not_wait_for_each_other(recorder: tuple[Recorder, SmtpServer]) -> None:
    server, mails = recorder
    server.held = asyncio.Event()
    sending = [asyncio.create_task(mails.send(mail(f"rider-{number}@example.org"))) for number in range(12)]

    async def all_connected() -> bool:
        return len(server.transports) == len(sending)

    await wait_until_async(all_connected, "a connection for each")
    server.held.set()
    await asyncio.gather(*sending)
    assert len(server.taken) == len(sending)

    async def few_kept() -> bool:
        return sum(not transport.is_closing() for transport in server.transports) == smtp.MOST_KEPT

    await wait_until_async(few_kept, "the end of those too many")


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_a_connection_that_the_server_has_ended_costs_no_mail(recorder: tuple[Recorder, SmtpServer], end: str) -> None:
    server, mails = recorder
    await mails.send(mail("first@example.org"))
    getattr(server.transports[0], end)()
    await mails.send(mail("second@example.org"))
    assert server.taken == ["first@example.org", "second@example.org"]


async def test_a_server_that_takes_few_mails_in_a_connection_gets_another_connection(recorder: tuple[Recorder, SmtpServer]) -> None:
    server, mails = recorder
    server.closing_after = 2
    for number in range(5):
        await mails.send(mail(f"rider-{number}@example.org"))
    assert len(server.taken) == 5
    assert len(server.transports) == 3


async def test_a_refused_mail_is_told_and_does_not_spoil_the_next(recorder: tuple[Recorder, SmtpServer]) -> None:
    server, mails = recorder
    await mails.send(mail("first@example.org"))
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
        await mails.send(mail(REFUSED))
    await mails.send(mail("last@example.org"))
    assert server.taken == ["first@example.org", "last@example.org"]


async def test_a_mail_that_is_cut_off_leaves_no_connection_in_its_middle(recorder: tuple[Recorder, SmtpServer]) -> None:
    server, mails = recorder
    await mails.send(mail("first@example.org"))
    server.held = asyncio.Event()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(mails.send(mail("cut@example.org")), 0.2)
    await until_dead(server.transports)
    server.held.set()
    server.held = None
    await mails.send(mail("last@example.org"))
    assert "last@example.org" in server.taken
    assert len(server.transports) == 2


async def test_connections_that_nobody_needs_end(recorder: tuple[Recorder, SmtpServer], monkeypatch: pytest.MonkeyPatch) -> None:
    server, mails = recorder
    monkeypatch.setattr(smtp, "KEEP_S", 0.05)
    await mails.send(mail("first@example.org"))
    await until_dead(server.transports)
    await mails.send(mail("second@example.org"))
    assert len(server.transports) == 2

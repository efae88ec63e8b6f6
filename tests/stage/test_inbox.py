from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import httpx
import pytest_asyncio

from app.stage.inbox.mailbox import Mailbox, split_links
from app.stage.ports import free_port
from app.stage.processes import Child, Role


class Inbox:
    def __init__(self, folder: Path) -> None:
        self.port, self.smtp_port = free_port(), free_port()
        arguments = ("--port", str(self.port), "--smtp-port", str(self.smtp_port), "--folder", str(folder / "mails"))
        ready_url = f"http://127.0.0.1:{self.port}/api/newest"
        role = Role(name="inbox", module="app.stage.inbox", arguments=arguments, ready_url=ready_url)
        self.child = Child(role, log_folder=folder)
        self.web = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", trust_env=False)

    async def send(self, to: str, subject: str = "Your pass", text: str = "Hello") -> None:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "Busload <busload@localhost>", to, subject
        mail.set_content(text)
        mail.add_alternative("<p style='color:red'>Hello <script>alert(1)</script></p>", subtype="html")
        mail.add_attachment(b"BEGIN:VCALENDAR", maintype="text", subtype="calendar", filename="trip.ics")
        await aiosmtplib.send(mail, hostname="127.0.0.1", port=self.smtp_port, start_tls=False)


@pytest_asyncio.fixture
async def inbox(tmp_path: Path) -> AsyncIterator[Inbox]:
    inbox = Inbox(tmp_path)
    await inbox.child.start()
    async with inbox.web:
        yield inbox
    await inbox.child.stop()


async def test_a_sent_mail_can_be_read_by_its_recipient(inbox: Inbox) -> None:
    await inbox.send("Ada@Example.org", text="Your link: https://localhost/m?token=a_b-c.\nBye")
    await inbox.send("bob@example.org")
    (mail,) = (await inbox.web.get("/api/messages", params={"to": "ada@example.org"})).json()
    assert mail["links"] == ["https://localhost/m?token=a_b-c"]
    assert mail["subject"] == "Your pass"
    assert mail["attachments"][0]["name"] == "trip.ics"
    later = (await inbox.web.get("/api/messages", params={"after": mail["id"]})).json()
    assert [other["to"] for other in later] == [["bob@example.org"]]


async def test_the_page_shows_links_alive_and_markup_dead(inbox: Inbox) -> None:
    await inbox.send("ada@example.org", subject="<b>Bold</b>", text="Go to https://localhost/m?a=1&b=2 <now>")
    page = (await inbox.web.get("/messages/1")).text
    assert '<a href="https://localhost/m?a=1&amp;b=2">' in page
    assert "&lt;now&gt;" in page
    assert "<b>Bold</b>" not in page
    assert "ada@example.org" in (await inbox.web.get("/")).text


async def test_the_html_part_runs_no_script(inbox: Inbox) -> None:
    await inbox.send("ada@example.org")
    answer = await inbox.web.get("/messages/1/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "allow-scripts" not in answer.headers["content-security-policy"]


async def test_an_attachment_is_a_download(inbox: Inbox) -> None:
    await inbox.send("ada@example.org")
    answer = await inbox.web.get("/messages/1/attachments/0")
    assert answer.content == b"BEGIN:VCALENDAR"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert (await inbox.web.get("/messages/1/attachments/9")).status_code == 404
    assert (await inbox.web.get("/messages/7")).status_code == 404


async def test_mails_survive_a_restart_and_ids_go_on(inbox: Inbox) -> None:
    await inbox.send("ada@example.org")
    await inbox.child.kill()
    await inbox.child.start()
    await inbox.send("ada@example.org", subject="Second")
    assert [(mail["id"], mail["subject"]) for mail in (await inbox.web.get("/api/messages")).json()] == [(1, "Your pass"), (2, "Second")]
    assert (await inbox.web.delete("/api/messages")).status_code == 204
    assert (await inbox.web.get("/api/messages")).json() == []


def test_a_link_ends_before_the_sentence_does() -> None:
    links = [piece for piece, is_link in split_links("See (https://a.example/x), or https://b.example/y?z=1.") if is_link]
    assert links == ["https://a.example/x", "https://b.example/y?z=1"]


def test_a_mail_without_text_is_kept(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path)
    mail = mailbox.mail(mailbox.keep(b"Subject: empty\r\n\r\n", ["a@example.org"]))
    assert mail is not None
    assert (mail.subject, mail.to) == ("empty", ("a@example.org",))

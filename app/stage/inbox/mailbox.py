"""The mails received: one file each, so that a second run of the demo still has them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern
from pathlib import Path

import msgspec

_LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")
_ENVELOPE_TO = "X-Envelope-To"
_RECEIVED_AT = "X-Received-At"


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file in a mail."""

    name: str
    content_type: str
    size_bytes: int


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail as the reader shows it. `to` are the envelope's recipients, lower case; `links` the addresses in its text, in order."""

    id: int
    received_at: datetime
    sender: str
    to: tuple[str, ...]
    subject: str
    text: str
    html: str | None
    links: tuple[str, ...]
    attachments: tuple[Attachment, ...]


class Mailbox:
    """All mails in `folder`, oldest first, with ids counting from 1. A mail is taken apart when somebody reads it first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._recipients = {int(path.stem): _read_recipients(path) for path in sorted(folder.glob("*.eml"))}
        self._read: dict[int, Mail] = {}

    def keep(self, content: bytes, recipients: list[str]) -> int:
        """Store a received message and return its id; it is on disk before the sender hears that it was accepted."""
        number = self.newest + 1
        path = self._path(number)
        to = ", ".join(recipients).lower()
        arriving = path.with_suffix(".part")
        arriving.write_bytes(f"{_ENVELOPE_TO}: {to}\r\n{_RECEIVED_AT}: {datetime.now(UTC).isoformat()}\r\n".encode() + content)
        arriving.rename(path)
        self._recipients[number] = tuple(to.split(", "))
        return number

    @property
    def newest(self) -> int:
        """The id of the newest mail, 0 when there is none."""
        return next(reversed(self._recipients), 0)

    def mails(self, *, to: str | None = None, after: int = 0, last: int | None = None) -> list[Mail]:
        """Return mails with an id above `after`, oldest first, optionally only those for one address, and only the newest so many."""
        wanted = to.lower() if to else None
        numbers = [n for n, kept in self._recipients.items() if n > after and (wanted is None or wanted in kept)]
        return [self._mail(number) for number in (numbers if last is None else numbers[-last:])]

    def mail(self, number: int) -> Mail | None:
        """Return one mail."""
        return self._mail(number) if number in self._recipients else None

    def _mail(self, number: int) -> Mail:
        mail = self._read.get(number)
        if mail is None:
            mail = self._read[number] = _read_mail(self._path(number))
        return mail

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:08d}.eml"

    def attachment(self, number: int, index: int) -> tuple[Attachment, bytes] | None:
        """Return a mail's attachment by its place, with its content."""
        path = self._path(number)
        if not path.exists():
            return None
        parts = list(_parse(path).iter_attachments())
        if index >= len(parts):
            return None
        part = parts[index]
        return _describe(part), _content(part)

    def clear(self) -> None:
        """Delete every mail; ids go on counting from where they were only while mails remain."""
        for path in self._folder.glob("*.eml"):
            path.unlink()
        self._recipients.clear()
        self._read.clear()

    def recipients(self) -> list[tuple[str, int]]:
        """Return every address mails went to, with their number, the busiest first."""
        counts: dict[str, int] = {}
        for addresses in self._recipients.values():
            for address in addresses:
                counts[address] = counts.get(address, 0) + 1
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def split_links(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the text in pieces, each with whether it is a web address."""
    end = 0
    for found in _LINK.finditer(text):
        yield text[end : found.start()], False
        yield found.group(), True
        end = found.end()
    yield text[end:], False


def _parse(path: Path) -> EmailMessage:
    return message_from_bytes(path.read_bytes(), policy=modern)


def _read_recipients(path: Path) -> tuple[str, ...]:
    """Of the envelope, from the first line of the file."""
    with path.open() as file:
        return tuple(file.readline().removeprefix(f"{_ENVELOPE_TO}:").strip().split(", "))


def _read_mail(path: Path) -> Mail:
    message = _parse(path)
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    body = text.get_content() if text else ""
    return Mail(
        id=int(path.stem),
        received_at=datetime.fromisoformat(str(message[_RECEIVED_AT])),
        sender=str(message.get("From", "")),
        to=tuple(address.strip() for address in str(message[_ENVELOPE_TO]).split(",")),
        subject=str(message.get("Subject", "(no subject)")),
        text=body,
        html=html.get_content() if html else None,
        links=tuple(piece for piece, is_link in split_links(body) if is_link),
        attachments=tuple(_describe(part) for part in message.iter_attachments()),
    )


def _content(part: EmailMessage) -> bytes:
    content = part.get_content()
    return content.encode() if isinstance(content, str) else bytes(content)


def _describe(part: EmailMessage) -> Attachment:
    return Attachment(name=part.get_filename() or "attachment", content_type=part.get_content_type(), size_bytes=len(_content(part)))

"""Mails as text and HTML from templates; links are made here, at the last moment, so that no token rests in the outbox."""

import re
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from app.core.ids import derived_token
from app.domain.notifications.model import Letter, Mail, money

TEMPLATES = Path(__file__).parent / "templates"
LINK = re.compile(r"(https?://[^\s<]+)")


def clock(moment: str, zone: str) -> str:
    """A moment of a mail's data (ISO 8601) as a clock time in a zone: `Sat 21 Jan 2017, 05:40 EST`."""
    return datetime.fromisoformat(moment).astimezone(ZoneInfo(zone)).strftime("%a %-d %b %Y, %H:%M %Z")


def day(date_text: str) -> str:
    """A day of a mail's data (ISO 8601): `Sat 21 Jan 2017`."""
    return date.fromisoformat(date_text).strftime("%a %-d %b %Y")


def build_letter_environment(*, secret: str, base_url: str) -> Environment:
    """The environment of mail templates; made once by the composition root."""
    environment = Environment(  # nosec B701
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701  text; the HTML part escapes it as a whole
    )

    def link_token(purpose: str, subject: object) -> str:
        return derived_token(secret, purpose, str(subject))

    environment.globals.update(base_url=base_url, link_token=link_token)
    environment.filters.update(clock=clock, day=day, money=money)
    return environment


def write_letter(environment: Environment, mail: Mail) -> Letter:
    """Renders a mail. The template's first line is `Subject: ...`; paragraphs are divided by empty lines, links become links."""
    data: dict[str, Any] = mail.data
    text = environment.get_template(f"{mail.template}.txt.jinja").render(**data)
    head, _, body = text.partition("\n")
    subject = " ".join(head.removeprefix("Subject:").split())  # one line, whatever a name in it holds: a header ends at its line
    paragraphs = [paragraph.strip() for paragraph in body.split("\n\n") if paragraph.strip()]
    return Letter(subject=subject, text="\n\n".join(paragraphs) + "\n", html=html_of(subject, paragraphs))


def html_of(subject: str, paragraphs: list[str]) -> str:
    """The HTML part: the same words in one plain, narrow column that every mail program shows."""
    rows = "".join(f'<p style="margin:0 0 16px">{linked(paragraph)}</p>' for paragraph in paragraphs)
    return (
        '<!doctype html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(subject)}</title>"
        '</head><body style="margin:0;padding:24px;background:#f6f1e7;color:#1c1a17;font:16px/1.5 system-ui,sans-serif">'
        '<div style="max-width:560px;margin:0 auto;padding:28px;background:#fff;border-radius:12px">'
        f'<p style="margin:0 0 20px;font-weight:700;letter-spacing:.02em">Busload</p>{rows}</div></body></html>'
    )


def linked(paragraph: str) -> Markup:
    """A paragraph with its lines kept and its addresses made links."""
    parts = LINK.split(paragraph)
    pieces = [
        Markup('<a href="{0}" style="color:#0b5d4e">{0}</a>').format(part) if index % 2 else escape(part).replace("\n", Markup("<br>"))
        for index, part in enumerate(parts)
    ]
    return Markup("").join(pieces)

"""Reading the mails: pages for people, JSON for tests and rehearsals."""

from datetime import datetime
from pathlib import Path

import jinja2
import msgspec
from litestar import Litestar, MediaType, Response, delete, get
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.static_files import create_static_files_router

from app.stage.inbox.mailbox import Mail, Mailbox, split_links

_HERE = Path(__file__).parent
_WEB_STATIC = _HERE.parents[1] / "web" / "static"
_PAGE_CSP = (
    "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# A mail's own HTML: its styles and embedded pictures, nothing loaded, no script, links open in the whole tab.
_MAIL_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox allow-top-navigation-by-user-activation"
)
_PREVIEW_CHARS = 140
_MONOGRAM_COLOURS = 6
_LISTED = 200
_NAMED_RECIPIENTS = 24


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list."""

    id: int
    to: str
    monogram: str
    colour: int
    subject: str
    preview: str
    received_at: datetime
    attachments: int


def _row(mail: Mail) -> Row:
    to = ", ".join(mail.to)
    return Row(
        id=mail.id,
        to=to,
        monogram=to[:2].upper(),
        colour=sum(to.encode()) % _MONOGRAM_COLOURS + 1,
        subject=mail.subject,
        preview=" ".join(mail.text.split())[:_PREVIEW_CHARS],
        received_at=mail.received_at,
        attachments=len(mail.attachments),
    )


def _page(state: State, template: str, **view: object) -> Response[str]:
    page = state.templates.get_template(template).render(**view)
    return Response(page, media_type=MediaType.HTML, headers={"content-security-policy": _PAGE_CSP, "cache-control": "no-store"})


def _found(state: State, number: int) -> Mail:
    mailbox: Mailbox = state.mailbox
    mail = mailbox.mail(number)
    if mail is None:
        raise NotFoundException(f"There is no mail {number}")
    return mail


@get("/", sync_to_thread=False)
def show_list(state: State, to: str | None = None) -> Response[str]:
    """The latest mails, newest first, of everybody or for one address."""
    rows = [_row(mail) for mail in reversed(state.mailbox.mails(to=to, last=_LISTED))]
    return _page(state, "list.html", rows=rows, to=to, recipients=state.mailbox.recipients()[:_NAMED_RECIPIENTS])


@get("/messages/{number:int}", sync_to_thread=False)
def show_mail(state: State, number: int) -> Response[str]:
    """One mail with its links alive."""
    mail = _found(state, number)
    return _page(state, "mail.html", mail=mail, row=_row(mail), pieces=list(split_links(mail.text)))


@get("/messages/{number:int}/html", sync_to_thread=False)
def show_html(state: State, number: int) -> Response[str]:
    """The mail's HTML part on its own, for the frame on its page."""
    html = _found(state, number).html
    if html is None:
        raise NotFoundException("This mail has no HTML part")
    return Response(f'<!DOCTYPE html><base target="_top">{html}', media_type=MediaType.HTML, headers={"content-security-policy": _MAIL_CSP})


@get("/messages/{number:int}/attachments/{index:int}", sync_to_thread=False)
def download_attachment(state: State, number: int, index: int) -> Response[bytes]:
    """A file of a mail, always as a download."""
    found = state.mailbox.attachment(number, index)
    if found is None:
        raise NotFoundException("There is no such attachment")
    described, content = found
    name = described.name.replace('"', "").replace("\n", "").replace("\r", "")
    headers = {"content-disposition": f'attachment; filename="{name}"', "x-content-type-options": "nosniff"}
    return Response(content, media_type=described.content_type, headers=headers)


@get("/api/messages", sync_to_thread=False)
def list_mails(state: State, to: str | None = None, after: int = 0) -> list[Mail]:
    """Mails as JSON, oldest first: `?to=` one address, `?after=` an id already seen."""
    found: list[Mail] = state.mailbox.mails(to=to, after=after)
    return found


@get("/api/messages/{number:int}", sync_to_thread=False)
def read_mail(state: State, number: int) -> Mail:
    """One mail as JSON."""
    return _found(state, number)


@get("/api/newest", sync_to_thread=False)
def read_newest(state: State) -> dict[str, int]:
    """The id of the newest mail, 0 when there is none: what an open list asks for."""
    mailbox: Mailbox = state.mailbox
    return {"id": mailbox.newest}


@delete("/api/messages", sync_to_thread=False)
def forget_mails(state: State) -> None:
    """Empty the inbox."""
    state.mailbox.clear()


def build_inbox(mailbox: Mailbox) -> Litestar:
    """Return the web application over `mailbox`."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return Litestar(
        route_handlers=[
            show_list, show_mail, show_html, download_attachment, list_mails, read_mail, read_newest, forget_mails,
            create_static_files_router(path="/static", directories=[_WEB_STATIC], name="web"),
            create_static_files_router(path="/assets", directories=[_HERE / "static"], name="inbox"),
        ],
        state=State({"mailbox": mailbox, "templates": templates}),
        openapi_config=None,
    )  # fmt: skip

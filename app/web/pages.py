"""Rendering a page: what every template gets beside its own views."""

from collections.abc import Mapping
from typing import Any

from litestar import MediaType, Request, Response
from litestar.datastructures import Cookie
from litestar.response import Redirect, Template
from litestar.utils.empty import value_or_default
from litestar.utils.scope.state import ScopeState

from app.core.errors import Invalid
from app.web.actors import Actor
from app.web.same_pages import SamePages

FLASH_COOKIE = "busload_flash"
THEMES = frozenset({"light", "dark"})
FLASHES = {
    "saved": ("Saved.", "good"),
    "withdrawn": ("Your pledge is withdrawn. Your seats are free for somebody else.", "good"),
    "withdrawn_paid": ("Your pledge is withdrawn. What comes back is on its way to the card that paid.", "good"),
    "transfer_offered": ("Offered. We have mailed both of you.", "good"),
    "transfer_cancelled": ("Taken back. The seats stay yours.", "info"),
    "transfer_accepted": ("The seats are yours. This page is your new link; it is in your mail, too.", "good"),
    "waiting": ("You are in line. The link to this page is in your mail.", "good"),
    "accepted": ("Accepted. The duty is yours.", "good"),
    "declined": ("Declined. Thank you for telling us.", "info"),
    "pulled_out": ("You have pulled out. The people on this duty are being planned for again.", "info"),
    "approved": ("Approved. The offers are on their way.", "good"),
    "signed_out": ("You are signed out.", "info"),
    "proposed": ("Thank you. An organiser will look at the stop.", "good"),
    "opened": ("The trip is on sale.", "good"),
    "cancelled": ("Cancelled. Everyone concerned has been told.", "info"),
    "comparing": ("A worker compares the ledger with Stripe now. Look again in a moment.", "info"),
    "sent_again": ("The refund is being sent once more.", "good"),
    "evidence_sent": ("The evidence is on its way to the bank.", "good"),
    "dispatched": ("Booking is closed; the plan is being made.", "good"),
}


def page(request: Request[Any, Any, Any], template: str, *, actor: Actor | None = None, status: int = 200, **views: Any) -> Template:
    """A page from a template and view Structs; flash notes of the step before are shown once."""
    token = value_or_default(ScopeState.from_scope(request.scope).csrf_token, "")
    context = context_of(request, csrf_token=token, actor=actor, **views)
    return Template(template, context=context, status_code=status, cookies=flash_seen(context))


def same_page(request: Request[Any, Any, Any], template: str, *, own: Mapping[str, str], **views: Any) -> Response[str]:
    """The same for who is not signed in: a page that says the same to all of them is rendered once (`SamePages`).

    `own`: texts that are this visitor's, by the names of their marks in the views. The form's token is one by itself.
    """
    pages: SamePages = request.app.state.same_pages
    token = value_or_default(ScopeState.from_scope(request.scope).csrf_token, "")
    context = context_of(request, csrf_token=pages.mark("csrf_token"), actor=None, **views)
    html = pages.render(template, context, {"csrf_token": token, **own})
    return Response(html, media_type=MediaType.HTML, cookies=flash_seen(context))


def context_of(request: Request[Any, Any, Any], **views: Any) -> dict[str, Any]:
    """What every template gets beside its own views."""
    theme = request.cookies.get("theme", "")
    context = {"theme": theme if theme in THEMES else "", "lang": "en", "path": request.scope["path"], "errors": {}, **views}
    if flash := FLASHES.get(request.cookies.get(FLASH_COOKIE, "")):
        context["flash"] = [{"text": flash[0], "tone": flash[1]}]
    return context


def flash_seen(context: Mapping[str, Any]) -> list[Cookie]:
    """A note that is shown now is not shown again."""
    return [Cookie(key=FLASH_COOKIE, value="", max_age=0, path="/")] if "flash" in context else []


def see_other(path: str, *, flash: str | None = None) -> Response[Any]:
    """On to another page after a form was done (303), with a note to show there (a key of FLASHES)."""
    cookies = [Cookie(key=FLASH_COOKIE, value=flash, max_age=30, path="/", httponly=True, samesite="lax")] if flash else []
    return Redirect(path, status_code=303, cookies=cookies)


def errors_by_field(invalid: Invalid) -> dict[str, str]:
    """Faults as the form macros take them: `{field: sentence}`."""
    return {fault.field: fault.message for fault in invalid.fields} or {"": invalid.detail}

"""Signing in and out. The mailed link opens a page with a button; only the button's POST uses the link up."""

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from app.core.database import Pool
from app.core.errors import Invalid, Refusal
from app.core.ids import random_token
from app.flows.sign_in import LinkSpent, ask_for_link, safe_path, sign_out, use_link
from app.settings import Settings
from app.surfaces.sign_in.cookies import browser_cookie, browser_token_of, no_session_cookie, session_cookie
from app.web.actors import CurrentActor, session_token
from app.web.forms import read_form, typed_text
from app.web.pages import errors_by_field, page, see_other

NO_REFERRER = {"referrer-policy": "no-referrer"}  # the address holds a token


class AskForLink(msgspec.Struct, frozen=True, kw_only=True):
    """The form that asks for a link."""

    email: str
    next: str = "/"


class UseLink(msgspec.Struct, frozen=True, kw_only=True):
    """The button of the landing page."""

    token: str


@get("/sign-in", include_in_schema=False)
async def show_form(request: Request[Any, Any, Any], actor: CurrentActor, next: FromQuery[str] = "/") -> Response[Any]:
    """The form, or straight on for who is signed in."""
    if actor.account_id is not None:
        return see_other(safe_path(next))
    return page(request, "sign_in/ask.html", next_path=safe_path(next), email="", refusal=None)


@post("/sign-in", include_in_schema=False, status_code=200)
async def ask(request: Request[Any, Any, Any], pool: NamedDependency[Pool], settings: NamedDependency[Settings]) -> Response[Any]:
    """Mails a link, whether or not the address is known: the answer does not tell."""
    given, next_path = await typed_text(request, "email"), safe_path(await typed_text(request, "next"))
    browser_token = browser_token_of(request, settings) or random_token()
    try:
        form = await read_form(request, AskForLink)
        await ask_for_link(pool, email=form.email, browser_token=browser_token, next_path=form.next, secret=settings.secret)
    except Invalid as invalid:
        errors = errors_by_field(invalid)
        return page(request, "sign_in/ask.html", status=422, next_path=next_path, email=given, errors=errors, refusal=None)
    answer = page(request, "sign_in/sent.html", email=form.email.strip())
    answer.cookies.append(browser_cookie(browser_token, settings))
    return answer


@get("/sign-in/{token:str}", include_in_schema=False)
async def show_button(request: Request[Any, Any, Any], token: FromPath[str], settings: NamedDependency[Settings]) -> Response[Any]:
    """Where the mailed link leads. Looking at it changes nothing, so a mail scanner may."""
    asked_here = bool(browser_token_of(request, settings))
    answer = page(request, "sign_in/button.html", token=token, asked_here=asked_here)
    answer.headers.update(NO_REFERRER)
    return answer


@post("/sign-in/use", include_in_schema=False)
async def use(request: Request[Any, Any, Any], pool: NamedDependency[Pool], settings: NamedDependency[Settings]) -> Response[Any]:
    """Uses the link up and signs this browser in."""
    form = await read_form(request, UseLink)
    try:
        session = await use_link(pool, token=form.token, browser_token=browser_token_of(request, settings))
    except LinkSpent as spent:
        return ask_again(request, spent)
    await sign_out(pool, token=session_token(request))  # the session before, if there was one, ends with the new one
    return Redirect(session.next_path, status_code=303, cookies=[session_cookie(session.token, settings)])


def ask_again(request: Request[Any, Any, Any], refusal: Refusal) -> Response[Any]:
    """The form, with what was wrong with the link."""
    return page(request, "sign_in/ask.html", status=refusal.status, next_path="/", email="", refusal=refusal)


@post("/sign-out", include_in_schema=False)
async def leave(request: Request[Any, Any, Any], pool: NamedDependency[Pool], settings: NamedDependency[Settings]) -> Response[Any]:
    """Ends the session here and in the database."""
    await sign_out(pool, token=session_token(request))
    answer = see_other("/", flash="signed_out")
    answer.cookies.append(no_session_cookie(settings))
    return answer


ROUTES = [show_form, ask, show_button, use, leave]

"""Signing in with a passkey: a browser asks what to sign, and sends the answer. Both are scripts' requests with our form token."""

from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.core.database import Pool
from app.core.ids import random_token
from app.domain.accounts.passkeys import site_of
from app.flows.passkeys import ask_for_signature, sign_in_with_passkey
from app.flows.sign_in import sign_out
from app.settings import Settings
from app.surfaces.sign_in.cookies import browser_cookie, browser_token_of, session_cookie
from app.web.actors import session_token


class PasskeyAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `navigator.credentials.get` gave, as JSON, and where to go on to."""

    credential: dict[str, Any]
    next: str = "/"


class SignedInTo(msgspec.Struct, frozen=True, kw_only=True):
    """Where to go on to."""

    next: str


@post("/sign-in/passkey/options", include_in_schema=False, status_code=200)
async def ask(
    request: Request[Any, Any, Any], pool: NamedDependency[Pool], settings: NamedDependency[Settings]
) -> Response[dict[str, Any]]:
    """What the browser shall have signed; marks the browser, because the answer must come from it."""
    browser_token = browser_token_of(request, settings) or random_token()
    options = await ask_for_signature(pool, browser_token=browser_token, site=site_of(settings.base_url))
    return Response(options, cookies=[browser_cookie(browser_token, settings)])


@post("/sign-in/passkey", include_in_schema=False, status_code=200)
async def use(
    request: Request[Any, Any, Any], data: JSONBody[PasskeyAnswer], pool: NamedDependency[Pool], settings: NamedDependency[Settings]
) -> Response[SignedInTo]:
    """Signs this browser in when the answer holds."""
    session = await sign_in_with_passkey(
        pool, credential=data.credential, browser_token=browser_token_of(request, settings), site=site_of(settings.base_url),
        next_path=data.next,
    )  # fmt: skip
    await sign_out(pool, token=session_token(request))  # the session before, if there was one, ends with the new one
    return Response(SignedInTo(next=session.next_path), cookies=[session_cookie(session.token, settings)])


ROUTES = [ask, use]

"""The two cookies of signing in."""

from typing import Any

from litestar import Request
from litestar.datastructures import Cookie

from app.domain.accounts.model import SESSION_LIFETIME, SIGN_IN_LINK_LIFETIME
from app.settings import Settings
from app.web.cookies import BROWSER_COOKIE, SESSION_COOKIE, cookie_name, is_https


def is_secure(settings: Settings) -> bool:
    """Whether cookies may only travel over https: always, but for a demo on this machine."""
    return is_https(settings.base_url)


def session_cookie(token: str, settings: Settings) -> Cookie:
    """The session, out of reach of scripts and of other sites' forms."""
    return Cookie(
        key=cookie_name(SESSION_COOKIE, settings.base_url),
        value=token,
        max_age=int(SESSION_LIFETIME.total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=is_secure(settings),
    )


def no_session_cookie(settings: Settings) -> Cookie:
    """Takes the session out of the browser."""
    return Cookie(
        key=cookie_name(SESSION_COOKIE, settings.base_url),
        value="",
        max_age=0,
        path="/",
        httponly=True,
        samesite="lax",
        secure=is_secure(settings),
    )


def browser_cookie(token: str, settings: Settings) -> Cookie:
    """What makes this the browser that asked, as long as its link lives."""
    return Cookie(
        key=cookie_name(BROWSER_COOKIE, settings.base_url),
        value=token,
        max_age=int(SIGN_IN_LINK_LIFETIME.total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=is_secure(settings),
    )


def browser_token_of(request: Request[Any, Any, Any], settings: Settings) -> str:
    """What this browser was marked with when it asked to sign in; empty without a mark."""
    return request.cookies.get(cookie_name(BROWSER_COOKIE, settings.base_url), "")

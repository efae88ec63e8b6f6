"""The two cookies of signing in."""

from urllib.parse import urlsplit

from litestar.datastructures import Cookie

from app.domain.accounts.model import SESSION_LIFETIME, SIGN_IN_LINK_LIFETIME
from app.settings import Settings
from app.web.actors import SESSION_COOKIE

BROWSER_COOKIE = "busload_browser"
SIGN_IN_PATH = "/sign-in"


def is_secure(settings: Settings) -> bool:
    """Whether cookies may only travel over https: always, but for a demo on this machine."""
    return urlsplit(settings.base_url).scheme == "https"


def session_cookie(token: str, settings: Settings) -> Cookie:
    """The session, out of reach of scripts and of other sites' forms."""
    return Cookie(
        key=SESSION_COOKIE,
        value=token,
        max_age=int(SESSION_LIFETIME.total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=is_secure(settings),
    )


def no_session_cookie(settings: Settings) -> Cookie:
    """Takes the session out of the browser."""
    return Cookie(key=SESSION_COOKIE, value="", max_age=0, path="/", httponly=True, samesite="lax", secure=is_secure(settings))


def browser_cookie(token: str, settings: Settings) -> Cookie:
    """What makes this the browser that asked, as long as its link lives."""
    return Cookie(
        key=BROWSER_COOKIE,
        value=token,
        max_age=int(SIGN_IN_LINK_LIFETIME.total_seconds()),
        path=SIGN_IN_PATH,
        httponly=True,
        samesite="lax",
        secure=is_secure(settings),
    )

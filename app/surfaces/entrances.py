"""Who is let in at all, asked before a body is read: a stranger learns nothing from how a body is refused. Ownership is the flows' part."""

from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler

from app.core.errors import SignInNeeded
from app.web.actors import SAFE_METHODS, bearer_token, find_actor


async def keep_entrance(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Litestar guard of every route: the API's routes by their tag, the account's own by their address."""
    if connection.scope["type"] != ScopeType.HTTP or not isinstance(handler, HTTPRouteHandler):
        return
    request: Request[Any, Any, Any] = Request(connection.scope)
    if request.method in SAFE_METHODS:
        return  # nothing to read before the route itself asks who it is
    tags = set(handler.tags or ())
    path = str(connection.scope.get("path_template", ""))
    tags |= {part for part in path.split("/")[2:3] if path.startswith("/api/")}
    if tags & {"organiser", "operator", "partner"}:
        actor = await find_actor(request)
        for tag, required in (
            ("organiser", actor.require_organiser),
            ("operator", actor.require_operators),
            ("partner", actor.require_partners),
        ):
            if tag in tags:
                required()
    elif path.startswith("/account"):
        if (await find_actor(request)).account_id is None:
            raise SignInNeeded("This is your account's own page. Sign in first.")
    elif ("driver" in tags or path.startswith("/api/pledges/")) and bearer_token(request) is None:
        if (await find_actor(request)).account_id is not None:
            return
        raise no_link(driver="driver" in tags)


def no_link(*, driver: bool) -> SignInNeeded:
    """What a stranger is told who sent no link's token."""
    if driver:
        detail = "Open the link in your newest mail about this duty, or ask your dispatcher for it."
        return SignInNeeded(detail, code="driver_link_unknown")
    return SignInNeeded("Send the token of your link as `Authorization: Bearer <token>`, or sign in.")

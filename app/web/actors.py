"""Who is asking: found once per request from the session cookie or a bearer token, checked by the routes."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.di import NamedDependency, Provide

from app.core.errors import NotAllowed, SignInNeeded
from app.web.cookies import SESSION_COOKIE, cookie_name

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asking and what they may do. Nobody is `ANONYMOUS`."""

    account_id: UUID | None
    email: str
    name: str
    is_organiser: bool
    operator_ids: frozenset[UUID]
    partner_ids: frozenset[UUID]

    @property
    def audit_name(self) -> str:
        """How the audit trail names this actor: a role and an opaque id."""
        if self.account_id is None:
            return "anonymous"
        role = "organiser" if self.is_organiser else "operator" if self.operator_ids else "partner" if self.partner_ids else "rider"
        return f"{role}:{self.account_id}"

    def require_organiser(self) -> UUID:
        """The organiser's account id, or a refusal."""
        if not self.is_organiser or self.account_id is None:
            raise self._refusal("organisers")
        return self.account_id

    def require_operators(self) -> frozenset[UUID]:
        """The operators this person acts for, or a refusal."""
        if not self.operator_ids:
            raise self._refusal("bus operators")
        return self.operator_ids

    def require_partners(self) -> frozenset[UUID]:
        """The partners this person acts for, or a refusal."""
        if not self.partner_ids:
            raise self._refusal("event partners")
        return self.partner_ids

    def _refusal(self, whom: str) -> SignInNeeded | NotAllowed:
        if self.account_id is None:
            return SignInNeeded(f"This is for {whom}. Sign in first.")
        return NotAllowed(f"This is for {whom}; your account is not one of theirs.")


ANONYMOUS = Actor(account_id=None, email="", name="", is_organiser=False, operator_ids=frozenset(), partner_ids=frozenset())
CurrentActor = NamedDependency[Actor]
ActorLookup = Callable[[str], Awaitable[Actor | None]]


def bearer_token(request: Request[Any, Any, Any]) -> str | None:
    """The token of an `Authorization: Bearer` header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def same_origin(request: Request[Any, Any, Any], base_url: str) -> bool:
    """Whether a browser says that our own page sends this (Fetch Metadata, else Origin)."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is None or origin == base_url


def session_token(request: Request[Any, Any, Any]) -> str:
    """The token of the session that asks, by header or cookie; empty without one."""
    return bearer_token(request) or request.cookies.get(cookie_name(SESSION_COOKIE, request.app.state.settings.base_url), "")


async def find_actor(request: Request[Any, Any, Any]) -> Actor:
    """The actor of a request, looked up once: guards ask before a body is read, routes ask again."""
    known: Actor | None = request.scope["state"].get("actor")
    if known is None:
        known = request.scope["state"]["actor"] = await look_up_actor(request)
    return known


async def look_up_actor(request: Request[Any, Any, Any]) -> Actor:
    """Who has the session. A cookie speaks for its owner on /api only when our own page sends the request."""
    lookup: ActorLookup = request.app.state.actor_lookup
    if token := bearer_token(request):
        return await lookup(token) or ANONYMOUS
    base_url: str = request.app.state.settings.base_url
    cookie = request.cookies.get(cookie_name(SESSION_COOKIE, base_url))
    if not cookie:
        return ANONYMOUS
    if request.method not in SAFE_METHODS and not same_origin(request, base_url):
        raise NotAllowed("Another site sent this request in your name. Open our page and do it there.", code="cross_site_request")
    return await lookup(cookie) or ANONYMOUS


PROVIDE_ACTOR = Provide(find_actor)

"""Rate limits: checked before a body is read, told in `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10)."""

import hashlib
import hmac
import math
import time
from datetime import timedelta
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any

from litestar import Request
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import TooMany
from app.core.log import logger
from app.core.rate_counters import count_up
from app.web.actors import session_token
from app.web.buckets import Buckets
from app.web.rate_policies import ADDRESS, POLICIES, Policy, policies_for

log = logger(__name__)
HASH_BYTES = 16


@lru_cache(maxsize=4096)
def network_of(host: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 that an IPv6 subscriber has. A name stays itself."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else ":".join(address.exploded.split(":")[:4]) + "::/64"
    return str(address)


def network_hash(request: Request[Any, Any, Any], secret: str) -> bytes | None:
    """A keyed hash of the network a request comes from; None for addresses of no public network, which tell nothing about anybody."""
    host = client_host(request.scope)
    try:
        if not ip_address(host).is_global:
            return None
    except ValueError:
        return None
    return hmac.digest(secret.encode(), f"network:{network_of(host)}".encode(), hashlib.sha256)[:HASH_BYTES]


@lru_cache(maxsize=4096)
def is_loopback(host: str) -> bool:
    """Whether a client is on this machine and no proxy speaks for somebody else."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def client_host(scope: Scope) -> str:
    """The client's address as the server settled it: a trusted proxy's word, else the socket's."""
    client = scope.get("client")
    return client[0] if client else "unknown"


@lru_cache(maxsize=1024)
def policies_of(method: str, template: str) -> tuple[Policy, ...]:
    """`policies_for`, remembered per route."""
    return policies_for(method, template)


class RateLimits(ASGIMiddleware):
    """Counts each request against its route's policies; TooMany for one too many.

    On a demo or test database this machine's own clients are not counted: rehearsals and benchmarks speak for thousands.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._buckets = {policy.name: Buckets(quota=policy.quota, window_s=policy.window_s) for policy in POLICIES if not policy.shared}

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Lets the request through, or refuses it."""
        host = client_host(scope)
        exempt = is_loopback(host) and not scope["litestar_app"].state.get("is_live", True)
        for policy in () if exempt else policies_of(scope["method"], scope["path_template"]):  # type: ignore[typeddict-item]
            await self._count(policy, host, scope)
        await next_app(scope, receive, send)

    async def _count(self, policy: Policy, host: str, scope: Scope) -> None:
        who = network_of(host) if policy.per == ADDRESS else caller_of(scope)
        if who is None:
            return
        key = hmac.digest(self._secret, f"rate:{policy.name}:{who}".encode(), hashlib.sha256)[:HASH_BYTES]
        left, wait_s = await self._count_shared(policy, key, scope) if policy.shared else self._take(policy, key)
        scope["state"]["rate_limit"] = tightest(scope["state"].get("rate_limit"), (policy, left, wait_s))
        if left < 0:
            log.info("rate_limit.refused", policy=policy.name, path=scope.get("path_template"))
            raise TooMany(f"That was a lot at once. Wait {wait_s} seconds, then go on.", retry_after_s=wait_s)

    def _take(self, policy: Policy, key: bytes) -> tuple[int, int]:
        return self._buckets[policy.name].take(key, time.monotonic())

    async def _count_shared(self, policy: Policy, key: bytes, scope: Scope) -> tuple[int, int]:
        async with scope["litestar_app"].state.pool.acquire() as conn:
            count = await count_up(conn, policy=policy.name, who=key, window=timedelta(seconds=policy.window_s))
        return max(-1, policy.quota - count.used), max(1, math.ceil(count.left_s))


Standing = tuple[Policy, int, int]


def tightest(one: Standing | None, other: Standing) -> Standing:
    """The policy that will refuse first, by the share of its quota that is left."""
    if one is None:
        return other
    return other if other[1] / other[0].quota <= one[1] / one[0].quota else one


def caller_of(scope: Scope) -> str | None:
    """Who speaks, known by a session, a bearer token or a link's token; None for nobody in particular."""
    request: Request[Any, Any, Any] = Request(scope)
    return session_token(request) or str(scope.get("path_params", {}).get("token", "")) or None


async def add_rate_limit_headers(message: Message, scope: Scope) -> None:
    """Litestar `before_send` hook: how much is left, on refusals too."""
    standing: Standing | None = scope["state"].get("rate_limit")
    if message["type"] != "http.response.start" or standing is None:
        return
    policy, left, wait_s = standing
    headers = MutableScopeHeaders.from_message(message)
    headers["ratelimit-policy"] = f'"{policy.name}";q={policy.quota};w={policy.window_s}'
    headers["ratelimit"] = f'"{policy.name}";r={max(0, left)};t={wait_s}'

"""`/livez`: the process runs. `/readyz`: it has its database, migrated. `/metrics`: Prometheus."""

import asyncio
import hmac
import time
from typing import Any

from litestar import MediaType, Request, Response, get
from litestar.di import NamedDependency
from litestar.enums import ScopeType
from litestar.types import Message, Scope
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from app.core.database import DATABASE_LOST, Pool
from app.core.errors import NotFound
from app.web.actors import bearer_token
from app.web.rate_limits import client_host, is_loopback

READY_TIMEOUT_S = 2.0


class Meters:
    """The process's own figures, on a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # processor time, memory, open files and how many there may be: what runs out first
        self.requests = Counter(
            "busload_requests_total", "Answers by route and status", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram("busload_request_seconds", "Time to the first byte by route", ["route"], registry=self.registry)
        self.connections = Gauge("busload_pool_connections", "Database connections", ["state"], registry=self.registry)

    async def count(self, message: Message, scope: Scope) -> None:
        """Litestar `before_send` hook."""
        if message["type"] != "http.response.start" or scope["type"] != ScopeType.HTTP:
            return
        route = str(scope.get("path_template") or "unknown")
        self.requests.labels(scope["method"], route, message["status"]).inc()
        if (begun := scope["state"].get("begun_s")) is not None:
            self.seconds.labels(route).observe(time.perf_counter() - begun)


def check_reader(request: Request[Any, Any, Any]) -> None:
    """NotFound for anybody but the monitoring: by token, else by a socket of this machine with no proxy before it."""
    token: str | None = request.app.state.settings.metrics_token
    if token is not None:
        is_known = hmac.compare_digest((bearer_token(request) or "").encode(), token.encode())
    else:
        forwarded = {"forwarded", "x-forwarded-for", "x-forwarded-host"} & set(request.headers.keys())
        is_known = not forwarded and is_loopback(client_host(request.scope))
    if not is_known:
        raise NotFound("There is nothing here for you.")


@get("/livez", include_in_schema=False, opt={"exclude_from_csrf": True}, media_type=MediaType.TEXT)
async def livez() -> str:
    """200 as long as the event loop turns."""
    return "ok"


@get("/readyz", include_in_schema=False, opt={"exclude_from_csrf": True}, media_type=MediaType.TEXT)
async def readyz(pool: NamedDependency[Pool]) -> Response[str]:
    """200 once the database answers and is migrated, else 503."""
    try:
        async with asyncio.timeout(READY_TIMEOUT_S), pool.acquire() as conn:
            await conn.fetchval("SELECT busload_now()")
    except DATABASE_LOST:
        return Response("the database does not answer or is not migrated", status_code=503, media_type=MediaType.TEXT)
    return Response("ok", media_type=MediaType.TEXT)


@get("/metrics", include_in_schema=False, opt={"exclude_from_csrf": True})
async def metrics(request: Request[Any, Any, Any], pool: NamedDependency[Pool]) -> Response[bytes]:
    """This process's figures in Prometheus' text format, for who has the token; without a token set, for this machine."""
    check_reader(request)
    meters: Meters = request.app.state.meters
    idle = pool.get_idle_size()
    meters.connections.labels("idle").set(idle)
    meters.connections.labels("busy").set(pool.get_size() - idle)
    return Response(generate_latest(meters.registry), headers={"content-type": CONTENT_TYPE_LATEST})


ROUTES = [livez, readyz, metrics]

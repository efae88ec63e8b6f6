"""The web process: builds the application, wires its parts, starts and stops them. No logic."""

import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from litestar import Litestar, Request
from litestar.config.compression import CompressionConfig
from litestar.config.csrf import CSRFConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.logging import LoggingConfig
from litestar.openapi import OpenAPIConfig
from litestar.types import ControllerRouterHandler

import app.surfaces
from app.core.clock import Mark, read_mark
from app.core.database import Pool, close_in_time, open_pool
from app.core.log import set_up_logging
from app.core.open_files import allow_many_files
from app.domain.payments.gateway import PaymentGateway
from app.domain.payments.stripe_gateway import StripeGateway
from app.flows.pledge_queue import PledgeQueue, pledge_queue
from app.provider import pace_for, stripe_base_for
from app.settings import Settings
from app.surfaces.entrances import keep_entrance
from app.surfaces.rider.reading import trip_sheets
from app.surfaces.routes import ROUTES as SURFACE_ROUTES
from app.surfaces.sign_in.actors import actor_lookup
from app.web import health, static_files
from app.web.actors import PROVIDE_ACTOR
from app.web.api_description import ApiDescription
from app.web.bodies import StrictRequest
from app.web.cookies import CSRF_COOKIE, cookie_name, is_https
from app.web.live_hub import LiveHub
from app.web.problems import EXCEPTION_HANDLERS, log_bug
from app.web.rate_limits import RateLimits, add_rate_limit_headers
from app.web.same_pages import SamePages
from app.web.security_headers import add_security_headers, page_csp
from app.web.templating import build_environment, template_config

NOT_COMPRESSED = [
    r"/live$",
    r"\.(jpe?g|webp|ico|pdf)$",
    r"^(/d)?/static/",
]  # streams go out event by event; the others are compressed already
GC_THRESHOLDS = (10_000, 20, 20)  # a request makes hundreds of objects and leaves none in a cycle
STRIPE_CHECKOUT = "https://checkout.stripe.com"
STRIPE_CONNECT = "https://connect.stripe.com"
ROUTES: list[ControllerRouterHandler] = [*health.ROUTES, *static_files.ROUTES, *SURFACE_ROUTES]


def provide_pool(state: State) -> Pool:
    """The process's connections."""
    pool: Pool = state.pool
    return pool


def provide_settings(state: State) -> Settings:
    """The process's settings."""
    settings: Settings = state.settings
    return settings


def provide_gateway(state: State) -> PaymentGateway:
    """The payment provider."""
    gateway: PaymentGateway = state.gateway
    return gateway


def provide_pledge_queue(state: State) -> PledgeQueue:
    """What puts pledges that come at once into one commit."""
    queue: PledgeQueue = state.pledge_queue
    return queue


def provide_live(state: State) -> LiveHub:
    """The process's ear on the database."""
    live: LiveHub = state.live
    return live


@asynccontextmanager
async def run_parts(application: Litestar) -> AsyncIterator[None]:
    """Opens what the process needs and closes it again, in reverse order."""
    settings: Settings = application.state.settings
    async with await open_pool(settings.database_url, max_size=20, silence_s=settings.database_silence_s) as pool:
        gateway = StripeGateway(
            api_key=settings.stripe_api_key,
            base_url=await stripe_base_for(pool, settings),
            pace=pace_for(pool, settings, riders_wait=True),
        )
        live = LiveHub(pool)
        queue = pledge_queue(pool, secret=settings.secret)
        application.state.update({"pool": pool, "gateway": gateway, "live": live, "pledge_queue": queue})
        async with pool.acquire() as conn:
            is_live = await read_mark(conn) is Mark.LIVE
        application.state.update({"actor_lookup": actor_lookup(pool), "trip_sheets": trip_sheets(pool), "is_live": is_live})
        live.start()
        try:
            yield
        finally:
            await queue.close()
            await live.close()
            await gateway.aclose()
            await close_in_time(pool)


async def note_begin(request: Request[object, object, State]) -> None:
    """Litestar `before_request` hook: for the request's time."""
    request.scope["state"]["begun_s"] = time.perf_counter()


def build_app(settings: Settings) -> Litestar:
    """The application for these settings; it opens its pool and its gateway when it starts."""
    meters = health.Meters()
    templates = build_environment(Path(app.surfaces.__file__).parent, base_url=settings.base_url)
    form_origins = [settings.stripe_base] if settings.stripe_base else [STRIPE_CHECKOUT, STRIPE_CONNECT]
    return Litestar(
        route_handlers=ROUTES,
        state=State({
            "settings": settings, "meters": meters, "csp": page_csp(form_origins), "hsts": is_https(settings.base_url),
            "same_pages": SamePages(templates),
        }),
        lifespan=[run_parts],
        dependencies={
            "pool": Provide(provide_pool, sync_to_thread=False),
            "settings": Provide(provide_settings, sync_to_thread=False),
            "gateway": Provide(provide_gateway, sync_to_thread=False),
            "live": Provide(provide_live, sync_to_thread=False),
            "pledge_queue": Provide(provide_pledge_queue, sync_to_thread=False),
            "actor": PROVIDE_ACTOR,
        },
        exception_handlers=EXCEPTION_HANDLERS,
        request_class=StrictRequest,
        before_request=note_begin,
        guards=[keep_entrance],
        middleware=[RateLimits(settings.secret)],
        before_send=[add_security_headers, add_rate_limit_headers, meters.count],
        template_config=template_config(templates),
        csrf_config=CSRFConfig(
            secret=settings.secret,
            cookie_name=cookie_name(CSRF_COOKIE, settings.base_url),
            header_name="x-csrf-token",
            cookie_httponly=True,
            cookie_secure=is_https(settings.base_url),
            exclude=["^/api/", "^/w/", "^/static/"],
        ),
        compression_config=CompressionConfig(backend="gzip", gzip_compress_level=6, minimum_size=1_000, exclude=NOT_COMPRESSED),
        logging_config=LoggingConfig(log_exceptions="always", exception_logging_handler=log_bug, configure_root_logger=False),
        openapi_config=OpenAPIConfig(
            title="Busload", version="1", path="/api/schema", render_plugins=[ApiDescription()], use_handler_docstrings=True,
            description="Seats on buses that do not exist yet. Errors are problem details (RFC 9457).",
        ),
        request_max_body_size=1_000_000,
    )  # fmt: skip


class Server(uvicorn.Server):
    """uvicorn, ending open event streams first: browsers that watch a trip must not hold up a restart."""

    def __init__(self, config: uvicorn.Config, application: Litestar) -> None:
        super().__init__(config)
        self._application = application

    async def shutdown(self, sockets: object = None) -> None:
        """Ends the streams, then stops as uvicorn does."""
        live: LiveHub | None = self._application.state.get("live")
        if live is not None:
            live.close_streams()
        await super().shutdown(sockets)  # type: ignore[arg-type]


def serve(settings: Settings, *, host: str, port: int) -> None:
    """Runs one web process until SIGTERM or SIGINT."""
    set_up_logging(level=settings.log_level)
    serve_app(build_app(settings), host=host, port=port)


def serve_app(application: Litestar, *, host: str, port: int) -> None:
    """Runs an application that was built for these settings."""
    settings: Settings = application.state.settings
    allow_many_files()
    gc.collect()
    gc.freeze()  # routes and signatures live as long as the process: no collection needs to walk them again and again
    gc.set_threshold(*GC_THRESHOLDS)
    config = uvicorn.Config(
        application, host=host, port=port, loop="uvloop", log_config=None, access_log=False, proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies, timeout_graceful_shutdown=20, server_header=False,
    )  # fmt: skip
    Server(config, application).run()

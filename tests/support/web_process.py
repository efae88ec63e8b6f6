"""A web process inside a test, with settings of the test's own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import msgspec
import uvicorn

from app.main import build_app
from app.settings import Settings
from app.stage.ports import free_port
from tests.support.day_service import day_settings
from tests.support.service import QuietServer, until_ready


@contextlib.asynccontextmanager
async def web_process(dsn: str, **settings: object) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a web process on this database; `settings` replace those of a process that never pays."""
    port = free_port()
    chosen: Settings = msgspec.structs.replace(day_settings(dsn, port), **settings)
    config = uvicorn.Config(
        build_app(chosen), host="127.0.0.1", port=port, log_config=None, lifespan="on", forwarded_allow_ips=chosen.trusted_proxies
    )
    server = QuietServer(config)
    task = asyncio.create_task(server.serve())
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as http:
        await until_ready(http, task)
        try:
            yield http
        finally:
            server.should_exit = True
            await task

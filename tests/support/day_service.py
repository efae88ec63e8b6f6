"""The web process on the day of travel: a travel world behind the real application, without a payment provider."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import httpx
import msgspec
import uvicorn

from app.core.clock import shift_clock
from app.core.database import Connection, Pool, transaction
from app.flows.issue_manifests import issue_manifests_within
from app.main import build_app
from app.settings import Settings
from app.stage.ports import free_port
from tests.support.server import ScratchDatabase, scratch_database
from tests.support.service import QuietServer, until_ready
from tests.support.travel_world import SECRET, World, add_duty, add_party, allocate, assign_driver, build_world


def day_settings(dsn: str, port: int) -> Settings:
    """Settings of a service that never reaches its payment provider."""
    return Settings(
        database_url=dsn,
        stripe_api_key="sk_test_none",
        stripe_webhook_secret="whsec_none",
        stripe_base=None,
        secret=SECRET,
        base_url=f"http://localhost:{port}",
        smtp_url="smtp://localhost:1",
        mail_from="Busload <busload@localhost>",
        osrm_url=None,
        log_level="WARNING",
    )


@contextlib.asynccontextmanager
async def running_web(dsn: str) -> AsyncIterator[str]:
    """The address of the web process on this database, until the block ends."""
    port = free_port()
    config = uvicorn.Config(build_app(day_settings(dsn, port)), host="127.0.0.1", port=port, log_config=None, lifespan="on")
    server = QuietServer(config)
    task = asyncio.create_task(server.serve())
    base = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=base, trust_env=False) as http:
        await until_ready(http, task)
    try:
        yield base
    finally:
        server.should_exit = True
        await task


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """An allocated trip with one duty: Ada's three on both legs, Bob and Eve outbound only; its driver's token."""

    base: str
    pool: Pool
    db: Connection
    world: World
    duty: UUID
    driver: UUID
    token: str
    ada: UUID
    bob: UUID
    eve: UUID

    async def issue(self) -> None:
        """Brings the manifests up to date."""
        async with transaction(self.pool) as conn:
            await issue_manifests_within(conn, self.world.event_id, cause="test")


class Web(msgspec.Struct, frozen=True, kw_only=True):
    """The web process and its database."""

    base: str
    pool: Pool


@contextlib.asynccontextmanager
async def serving(server: tuple[str, str]) -> AsyncIterator[Web]:
    """A web process on a database of its own; `server` is the address of a database server and its template."""
    async with scratch_database(server[0], template=server[1], purpose="day") as dsn:
        database = ScratchDatabase(dsn)
        async with running_web(dsn) as base:
            yield Web(base=base, pool=await database.pool())
        database.close()


@contextlib.asynccontextmanager
async def begun_day(web: Web) -> AsyncIterator[Day]:
    """A day of travel in a world of its own; the clock is set right afterwards."""
    async with web.pool.acquire() as db:
        world = await build_world(db)
        ada = await add_party(db, world, seats=2, wheelchairs=1, needs="Folding wheelchair, needs the lift")
        bob = await add_party(db, world, legs=("outbound",), name="Bob Brown")
        eve = await add_party(db, world, stop="pittsburgh", legs=("outbound",), name="Eve Evans")
        duty = await add_duty(db, world, [ada, bob, eve])
        driver, token = await assign_driver(db, world, duty)
        day = Day(base=web.base, pool=web.pool, db=db, world=world, duty=duty, driver=driver, token=token, ada=ada, bob=bob, eve=eve)
        await day.issue()
        await allocate(db, world)
        yield day
        await shift_clock(db, timedelta(0))

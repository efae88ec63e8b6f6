"""Where a rehearsal is played: a private stack of its own, or a running service whose database is marked demo or test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

import asyncpg
import httpx
import msgspec

from app.core.clock import Mark, busload_now, shift_clock
from app.core.database import Pool, open_pool, transaction
from app.stage.chaos.director import ChaosPlan
from app.stage.errors import StageError
from app.stage.private_stack import CHAOS_SILENCE_S, PrivateStack, private_stack
from app.stage.rehearsal.calling import Caller, Refused, until
from app.stage.world.fleets import add_fleets
from app.stage.world.records import OperatorRecord, read_names

PEOPLE_PER_FLEET = 1_500
INBOX_PORT_OFFSET = 2  # where the demo puts its inbox, counted from the web's port
TIMEOUT_S = 60.0
CONNECTIONS = 64
BREAKS, BREAK_PAUSE_S = 20, 0.5
OVERDUE = "SELECT count(*) FROM timers WHERE fired_at IS NULL AND due_at <= busload_now()"
BROKEN = (
    OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
)  # fmt: skip
T = TypeVar("T")


class Theatre(msgspec.Struct, frozen=True, kw_only=True):
    """A place to play. `stack` and `pool` are there for a private one only: its clock may be moved, its worker killed."""

    http: httpx.AsyncClient
    inbox: httpx.AsyncClient
    stack: PrivateStack | None
    pool: Pool | None
    insists: bool = False

    @property
    def public(self) -> Caller:
        """Nobody in particular."""
        return Caller(self.http, insists=self.insists)

    async def sign_in(self, role: str, code: str | None = None) -> Caller:
        """Somebody of the demo's people, by a fresh session."""
        body = {"role": role} | ({"code": code} if code else {})
        return self.public.as_bearer((await self.public.post("/api/demo/sessions", body))["token"])

    async def sign_in_operators(self, operators: list[OperatorRecord]) -> dict[str, Caller]:
        """The companies that are here. StageError when there is none."""
        found = {}
        for operator in operators:
            try:
                found[operator.code] = await self.sign_in("operator", operator.code)
            except Refused as refused:
                if refused.status != httpx.codes.NOT_FOUND:
                    raise
        if not found:
            raise StageError("this service has none of the world's operators: run `busload seed` on its database first")
        return found

    async def now(self) -> datetime:
        """The service's time."""
        if self.pool is None:
            return datetime.now(UTC)
        pool = self.pool

        async def ask() -> datetime:
            async with pool.acquire() as conn:
                return await busload_now(conn)

        return await through_breaks(ask)

    async def jump(self, shift: timedelta) -> None:
        """Lets a private stack's clock run so far ahead of real time, never less than it does; elsewhere time passes by itself."""
        if self.pool is None:
            return
        pool = self.pool

        async def set_clock() -> None:
            async with transaction(pool) as conn:
                await shift_clock(conn, max(shift, await conn.fetchval("SELECT clock_shift FROM installation FOR UPDATE")))

        await through_breaks(set_clock)

    async def jump_to(self, moment: datetime) -> None:
        """The same, to a moment; returns once nothing that has become due by then waits to be fired."""
        if self.pool is None:
            return
        pool = self.pool
        await self.jump(moment - datetime.now(UTC))

        async def swept() -> bool:
            overdue = await through_breaks(lambda: pool.fetchval(OVERDUE))
            return bool(overdue == 0)

        await until(swept, f"everything due by {moment:%d %B %H:%M} to happen")


async def through_breaks(ask: Callable[[], Awaitable[T]]) -> T:
    """Asks the database again when a connection turns out to have died with its server."""
    for _ in range(BREAKS):
        try:
            return await ask()
        except BROKEN:
            await asyncio.sleep(BREAK_PAUSE_S)
    return await ask()


@asynccontextmanager
async def private_theatre(operators: list[OperatorRecord], *, riders: int, chaos: ChaosPlan | None = None) -> AsyncIterator[Theatre]:
    """A private stack with fleets large enough for the crowd; one for chaos has callers who insist and hangs up on silence early."""
    silence_s = CHAOS_SILENCE_S if chaos is None else chaos.silence_s
    async with AsyncExitStack() as closing:
        stack = await closing.enter_async_context(private_stack(mark=Mark.TEST, for_chaos=chaos is not None, silence_s=silence_s))
        pool = await closing.enter_async_context(await open_pool(stack.dsn, min_size=1, max_size=3))
        async with transaction(pool) as conn:
            await add_fleets(conn, operators, read_names(), buses_factor=1 + riders // PEOPLE_PER_FLEET)
        http = await closing.enter_async_context(client(f"http://127.0.0.1:{stack.addresses.web_port}"))
        inbox = await closing.enter_async_context(client(stack.inbox_url))
        yield Theatre(http=http, inbox=inbox, stack=stack, pool=pool, insists=chaos is not None)


@asynccontextmanager
async def running_theatre(url: str, *, inbox_url: str | None) -> AsyncIterator[Theatre]:
    """A service that runs already. StageError unless it is marked demo or test and its inbox answers."""
    parts = urlsplit(url)
    guessed = f"http://{parts.hostname}:{(parts.port or 80) + INBOX_PORT_OFFSET}"
    async with client(url.rstrip("/")) as http, client(inbox_url or guessed) as inbox:
        theatre = Theatre(http=http, inbox=inbox, stack=None, pool=None)
        try:
            mark = (await theatre.public.get("/api/doctor"))["mark"]
        except (httpx.HTTPError, Refused) as error:
            raise StageError(f"{url} is no service that may be rehearsed on (its database must be marked demo or test): {error}") from error
        if mark == Mark.LIVE:
            raise StageError(f"{url} is live: rehearse on a private stack, or on a service whose database is marked demo or test")
        try:
            (await inbox.get("/api/newest")).raise_for_status()
        except httpx.HTTPError as error:
            raise StageError(f"no inbox at {inbox.base_url}: drivers' links come by mail, name it with --inbox") from error
        yield theatre


def client(base_url: str) -> httpx.AsyncClient:
    """An HTTP client for a crowd."""
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    return httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT_S, limits=limits, trust_env=False)


ROUGH = {
    "lost_reply_rate": 0.05, "server_error_after_effect_rate": 0.03, "server_error_rate": 0.03, "cut_before_effect_rate": 0.03,
    "webhook_duplicate_rate": 0.3, "webhook_drop_rate": 0.3, "webhook_shuffle_s": 2.0,
}  # fmt: skip


async def let_stripe_misbehave(stack: PrivateStack) -> None:
    """One call in seven goes wrong in one of four ways; webhooks come twice, late, in another order, or never."""
    async with client(stack.stripe_url) as stripe:
        (await stripe.post("/_stage/faults", json={"rates": ROUGH})).raise_for_status()


HELD_REPLIES = 3
HELD_S = 600.0
CONFIRM = "POST /v1/payment_intents/{intent}/confirm"


async def kill_worker_while_charging(stack: PrivateStack, pool: Pool, *, skip: int) -> list[str]:
    """`kill -9` of the worker between the fake's charge and its answer, then a new worker. Returns the payments that were caught.

    The fake holds back its answers to some confirmations after `skip` others; once their charges stand in its books and our rows still say
    `submitting`, the worker dies.
    """
    async with client(stack.stripe_url) as stripe:
        once = [{"endpoint": CONFIRM, "fault": "slow_reply", "skip": skip} for _ in range(HELD_REPLIES)]
        (await stripe.post("/_stage/faults", json={"rates": {"slow_reply_s": HELD_S}, "once": once})).raise_for_status()

        async def caught() -> list[str] | None:
            struck = (await stripe.get("/_stage/faults")).json()["struck"].get("slow_reply", 0)
            if struck < HELD_REPLIES:
                return None
            async with pool.acquire() as conn:
                rows = await conn.fetch("SELECT id, intent_ref FROM payments WHERE state = 'submitting' AND intent_ref IS NOT NULL")
            charged = {one["id"] for one in (await stripe.get("/_stage/books")).json()["payment_intents"] if one["status"] == "succeeded"}
            return [str(row["id"]) for row in rows if row["intent_ref"] in charged] or None

        found = await until(caught, "a charge whose answer is held back", timeout_s=180.0)
        await stack.worker.kill()
        (await stripe.post("/_stage/faults", json={"rates": {"slow_reply_s": 0.0}})).raise_for_status()
        await stack.worker.start()
        return found

"""Lets one fault after another happen while something is played, and measures how soon the whole service works again."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from uuid import uuid4

import asyncpg
import httpx
import msgspec

from app.core.database import set_up_connection
from app.domain.notifications.service import queue_mail
from app.stage.chaos.faults import Fault, faults_for
from app.stage.private_stack import PrivateStack

RECOVERY_S = 60.0
PAUSE_S = 0.5
POLL_S = 0.1
ANSWER_S = 5.0


class Chaos(msgspec.Struct, frozen=True, kw_only=True):
    """What happened: faults by name, those this machine cannot have, the slowest recovery by fault, and what was not recovered from."""

    faults: dict[str, int]
    skipped: list[str]
    slowest_recovery_s: dict[str, float]
    not_recovered: list[str]


class Director:
    """Plays every fault once in a seeded order, then again and again, until told to stop."""

    def __init__(self, stack: PrivateStack, *, seed: int) -> None:
        self._stack = stack
        self._possible, self._skipped = faults_for(stack)
        self._dice = Random(seed)  # noqa: S311  the same seed, the same order
        self._stage = asyncio.Lock()
        self._stopping = asyncio.Event()
        self.happened: Counter[str] = Counter()
        self.slowest_s: dict[str, float] = {}
        self.not_recovered: list[str] = []

    @property
    def has_shown_all(self) -> bool:
        """Whether every fault has happened once."""
        return set(self.happened) == set(self._possible)

    async def run(self) -> None:
        """Until `stop`, and until every fault has happened once."""
        while not (self._stopping.is_set() and self.has_shown_all):
            names = sorted(self._possible, key=lambda name: (self.happened[name], self._dice.random()))
            async with self._stage:
                await self._play(names[0], self._possible[names[0]])
            await asyncio.sleep(PAUSE_S)

    def stop(self) -> None:
        """No further fault begins."""
        self._stopping.set()

    @asynccontextmanager
    async def calm(self) -> AsyncIterator[None]:
        """The fault under way ends, and none begins before the block is over."""
        async with self._stage:
            yield

    def report(self) -> Chaos:
        """What happened so far."""
        return Chaos(
            faults=dict(sorted(self.happened.items())), skipped=self._skipped, not_recovered=self.not_recovered,
            slowest_recovery_s={name: round(seconds, 1) for name, seconds in sorted(self.slowest_s.items())},
        )  # fmt: skip

    async def _play(self, name: str, fault: Fault) -> None:
        await fault(self._stack)
        self.happened[name] += 1
        began = time.monotonic()
        recovered = await self._works_again(began + RECOVERY_S)
        self.slowest_s[name] = max(self.slowest_s.get(name, 0.0), time.monotonic() - began)
        if not recovered:
            self.not_recovered.append(name)

    async def _works_again(self, deadline: float) -> bool:
        """Whether web and worker both do their work again in time: a page is served, a sign-in written, a mail sent."""
        base = f"http://127.0.0.1:{self._stack.addresses.web_port}"
        async with httpx.AsyncClient(base_url=base, timeout=ANSWER_S, trust_env=False) as http:
            return (
                await _until(lambda: _web_works(http), deadline)
                and await _until(lambda: _stripe_works(self._stack.stripe_url), deadline)
                and await self._worker_works(deadline)
            )

    async def _worker_works(self, deadline: float) -> bool:
        key = f"chaos:{uuid4().hex}"

        async def queued() -> bool:
            async with _direct(self._stack.dsn) as connection, connection.transaction():
                await queue_mail(
                    connection, dedupe_key=key, recipient="chaos@rehearsal.example", template="pledge_lapsed", locale="en",
                    data={"name": "Chaos", "code": "CHAOS", "origin": "Nowhere", "trip": "CHAOS"}, subject_id=None,
                )  # fmt: skip
            return True

        async def sent() -> bool:
            async with _direct(self._stack.dsn) as connection:
                return bool(await connection.fetchval("SELECT sent_at IS NOT NULL FROM mails WHERE dedupe_key = $1", key))

        return await _until(queued, deadline) and await _until(sent, deadline)


@asynccontextmanager
async def _direct(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(dsn, timeout=ANSWER_S, command_timeout=ANSWER_S)
    try:
        await set_up_connection(connection)
        yield connection
    finally:
        await connection.close(timeout=ANSWER_S)


async def _web_works(http: httpx.AsyncClient) -> bool:
    if (await http.get("/api/events")).status_code != httpx.codes.OK:
        return False
    return (await http.post("/api/demo/sessions", json={"role": "organiser"})).is_success


async def _stripe_works(url: str) -> bool:
    async with httpx.AsyncClient(timeout=ANSWER_S, trust_env=False) as http:
        return (await http.get(f"{url}/_stage/ready")).is_success


async def _until(works: Callable[[], Awaitable[bool]], deadline: float) -> bool:
    """Asks until the answer is yes or the deadline has passed; errors are a no."""
    while time.monotonic() < deadline:
        try:
            if await works():
                return True
        except (OSError, TimeoutError, httpx.HTTPError, asyncpg.PostgresError, asyncpg.InterfaceError):
            pass
        await asyncio.sleep(POLL_S)
    return False

"""Lets one fault after another happen while something is played, and measures how soon the whole service works again."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from random import Random
from uuid import uuid4

import asyncpg
import httpx
import msgspec

from app.core.database import set_up_connection
from app.domain.notifications.service import queue_mail
from app.stage.chaos.faults import Fault, faults_for
from app.stage.private_stack import CHAOS_SILENCE_S, PrivateStack

RECOVERY_S = 60.0
SHORT_PAUSE_S = 0.5
PAUSES_S = (2.0, 6.0)
POLL_S = 0.1
ANSWER_S = 5.0
FAILURES_MEANWHILE = (OSError, TimeoutError, httpx.HTTPError, asyncpg.PostgresError, asyncpg.InterfaceError)


class ChaosPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How much shall break: every fault so many times at least and, unless None, at most; how long the service bears a silent database."""

    at_least: int = 1
    at_most: int | None = None
    silence_s: int = CHAOS_SILENCE_S


class Chaos(msgspec.Struct, frozen=True, kw_only=True):
    """What happened: faults by name, those this machine cannot have, the slowest recovery by fault, and what was not recovered from.

    `acknowledged`: writes the service said yes to, each of which was looked for in the database at the end.
    """

    faults: dict[str, int]
    skipped: list[str]
    slowest_recovery_s: dict[str, float]
    not_recovered: list[str]
    acknowledged: int


def say_nothing(_line: str) -> None:
    """For those who want no line per fault."""


class Director:
    """Plays every fault in a seeded order, as often as the plan says and until told to stop; `told` hears a line about every one.

    The first rounds are quick, so that everything has happened; then there is a pause between two, so that the play gets on.
    """

    def __init__(self, stack: PrivateStack, *, seed: int, plan: ChaosPlan | None = None, told: Callable[[str], None] = say_nothing) -> None:
        self._stack, self._plan, self._told = stack, plan or ChaosPlan(), told
        self._possible, self._skipped = faults_for(stack)
        self._dice = Random(seed)  # noqa: S311  the same seed, the same order
        self._stage = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._began = time.monotonic()
        self.happened: Counter[str] = Counter()
        self.slowest_s: dict[str, float] = {}
        self.not_recovered: list[str] = []

    @property
    def has_shown_all(self) -> bool:
        """Whether every fault has happened as often as it must."""
        return all(self.happened[name] >= self._plan.at_least for name in self._possible)

    @property
    def _is_over(self) -> bool:
        most = self._plan.at_most
        spent = most is not None and all(self.happened[name] >= most for name in self._possible)
        return self.has_shown_all and (spent or self._stopping.is_set())

    async def run(self) -> None:
        """Until `stop` or until no fault may come again, and until every fault has happened as often as it must."""
        while not self._is_over:
            name = min(sorted(self._possible), key=lambda one: (self.happened[one], self._dice.random()))
            async with self._stage:
                await self._play(name, self._possible[name])
            await self._pause(SHORT_PAUSE_S if not self.has_shown_all else self._dice.uniform(*PAUSES_S))

    async def _pause(self, pause_s: float) -> None:
        """Calm for a moment; nobody waits for it once told to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), SHORT_PAUSE_S if self._stopping.is_set() else pause_s)

    def stop(self) -> None:
        """No further fault begins."""
        self._stopping.set()

    @asynccontextmanager
    async def calm(self) -> AsyncIterator[None]:
        """The fault under way ends, and none begins before the block is over."""
        async with self._stage:
            yield

    def report(self, *, acknowledged: int = 0) -> Chaos:
        """What happened so far."""
        return Chaos(
            faults=dict(sorted(self.happened.items())), skipped=self._skipped, not_recovered=self.not_recovered,
            acknowledged=acknowledged,
            slowest_recovery_s={name: round(seconds, 1) for name, seconds in sorted(self.slowest_s.items())},
        )  # fmt: skip

    async def _play(self, name: str, fault: Fault) -> None:
        at_s = time.monotonic() - self._began
        try:
            began = await fault(self._stack)
        except FAILURES_MEANWHILE as error:  # the database was too busy to be broken: another time
            self._told(f"{at_s:6.1f} s  {name}: not now ({type(error).__name__})")
            return
        self.happened[name] += 1
        failing = await self._works_again(began + RECOVERY_S)
        took_s = time.monotonic() - began
        self.slowest_s[name] = max(self.slowest_s.get(name, 0.0), took_s)
        if failing is None:
            self._told(f"{at_s:6.1f} s  {name}: over after {took_s:.1f} s")
        else:
            self.not_recovered.append(f"{name}: {failing} after {took_s:.0f} s")
            self._told(f"{at_s:6.1f} s  {name}: NOT RECOVERED, {failing} after {took_s:.0f} s")

    async def _works_again(self, deadline: float) -> str | None:
        """None once everything does its work again: a page is served, a sign-in written, a mail sent. Else what does not by then."""
        base = f"http://127.0.0.1:{self._stack.addresses.web_port}"
        async with httpx.AsyncClient(base_url=base, timeout=ANSWER_S, trust_env=False) as http:
            if not await _until(lambda: _web_works(http), deadline):
                return "web does not work"
        if not await _until(lambda: _stripe_works(self._stack.stripe_url), deadline):
            return "the fake Stripe does not answer"
        return None if await self._worker_works(deadline) else "the worker does not work"

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
        except FAILURES_MEANWHILE:
            pass
        await asyncio.sleep(POLL_S)
    return False

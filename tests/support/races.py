"""Two flows in one interleaving that is forced, with every guard in place or with some of them switched off.

The first flow runs until it has executed a statement that the test names, and stops there, its transaction open. Then the second one runs
until it has ended, or waits for a lock that the first one holds. Then the first one goes on. What decides is never luck.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

from app.core.database import Pool

T = TypeVar("T")
U = TypeVar("U")
LOCKS = re.compile(r" FOR (?:NO KEY )?UPDATE(?: OF \w+)?(?! SKIP)")
"""Every row lock that a flow takes by reading."""
_PATIENCE_S = 30.0
_POLL_S = 0.01
_BLOCKED = "SELECT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = current_database() AND $1 = ANY(pg_blocking_pids(a.pid)))"


def without(guard: str) -> re.Pattern[str]:
    """A guard of a statement, word for word (any white space is one space), to be taken out of it."""
    return re.compile(re.escape(f" {guard}"))


def parameters_of(sql: str) -> int:
    """How many parameters a statement has; those of a guard that was taken out of it must be its last ones."""
    return max((int(number) for number in re.findall(r"\$(\d+)", sql)), default=0)


class Meddled:
    """A connection whose statements lose the guards that are switched off; it may stop after one of them."""

    def __init__(self, conn: Any, race: "Race", *, stops: bool) -> None:
        self._conn, self._race, self._stops = conn, race, stops

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conn, name)

    async def _ask(self, how: str, sql: str, *args: object) -> Any:
        asked = self._race.unguarded(sql)
        answer = await getattr(self._conn, how)(asked, *args[: parameters_of(asked)])
        if self._stops and self._race.at in " ".join(sql.split()):
            await self._race.stop(self._conn.get_server_pid())
        return answer

    async def execute(self, sql: str, *args: object) -> Any:
        return await self._ask("execute", sql, *args)

    async def fetch(self, sql: str, *args: object) -> Any:
        return await self._ask("fetch", sql, *args)

    async def fetchrow(self, sql: str, *args: object) -> Any:
        return await self._ask("fetchrow", sql, *args)

    async def fetchval(self, sql: str, *args: object) -> Any:
        return await self._ask("fetchval", sql, *args)


class MeddledPool:
    """A pool of such connections."""

    def __init__(self, pool: Pool, race: "Race", *, stops: bool) -> None:
        self._pool, self._race, self._stops = pool, race, stops

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Meddled]:
        async with self._pool.acquire() as conn:
            yield Meddled(conn, self._race, stops=self._stops)


class Race:
    """One race: `at` is (part of) the statement after which the first flow stops, `off` the guards that are missing."""

    def __init__(self, pool: Pool, *, at: str, off: Sequence[re.Pattern[str]] = ()) -> None:
        self.pool, self.at, self.off = pool, at, off
        self._found: set[re.Pattern[str]] = set()
        self._stopped, self._goes_on = asyncio.Event(), asyncio.Event()
        self._stopped_pid = 0

    def unguarded(self, sql: str) -> str:
        """The statement without the guards that are switched off."""
        for guard in self.off:
            flat = " ".join(sql.split())
            if guard.search(flat):
                self._found.add(guard)
                sql = guard.sub("", flat)
        return sql

    async def stop(self, pid: int) -> None:
        """The first flow waits here, once."""
        if not self._stopped.is_set():
            self._stopped_pid = pid
            self._stopped.set()
            await self._goes_on.wait()

    async def run(
        self, first: Callable[[Pool], Awaitable[T]], second: Callable[[Pool], Awaitable[U]]
    ) -> tuple[T | BaseException, U | BaseException]:
        """Plays it; what each flow returned or raised. AssertionError when the stop or a guard that is off was never met."""
        one = asyncio.ensure_future(first(cast("Pool", MeddledPool(self.pool, self, stops=True))))
        stopped = asyncio.create_task(self._stopped.wait())
        await asyncio.wait([one, stopped], return_when=asyncio.FIRST_COMPLETED, timeout=_PATIENCE_S)
        assert self._stopped.is_set(), f"the first flow never came to {self.at!r}: {one}"
        two = asyncio.ensure_future(second(cast("Pool", MeddledPool(self.pool, self, stops=False))))
        await self._until_done_or_blocked(two)
        self._goes_on.set()
        ends = await asyncio.gather(one, two, return_exceptions=True)
        assert self._found == set(self.off), f"no statement has {[guard.pattern for guard in set(self.off) - self._found]}"
        return ends[0], ends[1]

    async def _until_done_or_blocked(self, second: asyncio.Future[Any]) -> None:
        async with asyncio.timeout(_PATIENCE_S):
            while not second.done():
                async with self.pool.acquire() as conn:
                    if await conn.fetchval(_BLOCKED, self._stopped_pid):
                        return
                await asyncio.wait([second], timeout=_POLL_S)


def refusal(answer: object) -> str | None:
    """The code of a refusal; None for an answer that is none. Anything else that was raised is raised again: it is no refusal."""
    code = getattr(answer, "code", None)
    if isinstance(answer, BaseException) and not isinstance(code, str):
        raise answer
    return code if isinstance(answer, BaseException) else None

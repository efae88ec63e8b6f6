"""How a search is getting on, told to whoever watches the dispatch page: at most twice a second, kept nowhere, no transaction held."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import msgspec

from app.core.database import Pool
from app.core.live import tell_note
from app.core.log import logger
from app.domain.dispatch.solving import OnSolving, Solving

log = logger(__name__)
SOLVING = "solving"
EVERY_S = 0.5


@asynccontextmanager
async def telling(pool: Pool, event_id: UUID) -> AsyncIterator[OnSolving]:
    """A callback for another thread; what it is called with last is told to browsers while the block runs, and once at its end."""
    loop, newest, woken = asyncio.get_running_loop(), list[Solving](), asyncio.Event()

    def take(line: Solving) -> None:
        newest[:] = [line]
        woken.set()

    async def tell_on() -> None:
        while True:
            await woken.wait()
            await tell_line(pool, event_id, newest[0])
            await asyncio.sleep(EVERY_S)  # again even if nothing changed: a page opened meanwhile has heard nothing yet

    task = asyncio.create_task(tell_on(), name="tell-solving")

    def pass_on(line: Solving) -> None:
        loop.call_soon_threadsafe(take, line)

    try:
        yield pass_on
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if newest:
            await tell_line(pool, event_id, newest[0])


async def tell_line(pool: Pool, event_id: UUID, line: Solving) -> None:
    """One line of progress. A search does not fail because nobody could be told."""
    try:
        async with pool.acquire() as conn:
            await tell_note(conn, SOLVING, event_id, msgspec.json.encode(line).decode())
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        log.warning("dispatch.solving_untold", error=type(error).__name__)

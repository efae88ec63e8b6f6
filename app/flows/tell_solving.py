"""How a search is getting on, told to whoever watches the dispatch page: kept nowhere, no transaction held.

The line (cost, bound, people) at most twice a second, the map of the best plan at most once a second when it changes and every few
seconds when it does not: a page opened meanwhile, or a web process started meanwhile, has heard nothing yet.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec

from app.core.database import DATABASE_LOST, Pool, transaction
from app.core.live import tell_note
from app.core.log import logger
from app.domain.dispatch.solving import OnPlan, OnSolving, Solving
from app.domain.dispatch.solving_map import SolvingMap, cut, map_of
from solver.plan import Plan, PlannedDuty
from solver.problem import Problem

log = logger(__name__)
SOLVING, SOLVING_MAP = "solving", "solving_map"
EVERY_S, MAP_AGAIN_S = 0.5, 2.0


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """What a search in another thread is given to report to."""

    on_solving: OnSolving
    on_plan: OnPlan


class Newest:
    """What was reported last; `woken` says that there is something."""

    def __init__(self) -> None:
        self.line: Solving | None = None
        self.notes: list[str] = []
        self.notes_changed = False
        self.told_map_s = 0.0
        self.woken = asyncio.Event()

    def take_line(self, line: Solving) -> None:
        self.line = line
        self.woken.set()

    def take_map(self, notes: list[str]) -> None:
        self.notes, self.notes_changed = notes, True
        self.woken.set()

    async def tell(self, pool: Pool, event_id: UUID) -> None:
        """Tells the line, and the map when it is due."""
        if self.line is not None:
            await tell_line(pool, event_id, self.line)
        if self.notes and (self.notes_changed or time.monotonic() - self.told_map_s >= MAP_AGAIN_S):
            self.notes_changed, self.told_map_s = False, time.monotonic()
            await tell_map(pool, event_id, self.notes)


@asynccontextmanager
async def telling(pool: Pool, event_id: UUID, problem: Problem, names: Mapping[str, str]) -> AsyncIterator[Watch]:
    """Callbacks for another thread; what they are called with last is told to browsers while the block runs, and once at its end.

    `names` are what the problem's operators are called.
    """
    loop, newest, started_s = asyncio.get_running_loop(), Newest(), time.monotonic()

    async def tell_on() -> None:
        while True:
            await newest.woken.wait()
            await newest.tell(pool, event_id)
            await asyncio.sleep(EVERY_S)

    def on_plan(kept: Sequence[PlannedDuty], rest: Plan) -> None:
        found = map_of(problem, kept, rest, names=names, version=round(1000 * time.time()), seconds=round(time.monotonic() - started_s, 1))
        loop.call_soon_threadsafe(newest.take_map, cut(found))

    def on_solving(line: Solving) -> None:
        loop.call_soon_threadsafe(newest.take_line, line)

    task = asyncio.create_task(tell_on(), name="tell-solving")
    try:
        yield Watch(on_solving=on_solving, on_plan=on_plan)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await newest.tell(pool, event_id)


async def tell_line(pool: Pool, event_id: UUID, line: Solving) -> None:
    """One line of progress."""
    await tell_notes(pool, event_id, {SOLVING: msgspec.json.encode(line).decode()})


async def tell_map(pool: Pool, event_id: UUID, notes: Sequence[str]) -> None:
    """All notes of one picture, heard together."""
    await tell_notes(pool, event_id, {map_kind(number): note for number, note in enumerate(notes)})


async def show_solving(pool: Pool, event_id: UUID, found: SolvingMap) -> None:
    """One picture, told once."""
    await tell_map(pool, event_id, cut(found))


def map_kind(number: int) -> str:
    """What news of a picture's part are called."""
    return f"{SOLVING_MAP}_{number}"


async def tell_notes(pool: Pool, event_id: UUID, notes: Mapping[str, str]) -> None:
    """Notes by kind, in one transaction: whoever listens hears all of them at once. A search does not fail because nobody could be told."""
    try:
        async with transaction(pool) as conn:  # it lets a cancellation through, although that took the connection along
            for kind, note in notes.items():
                await tell_note(conn, kind, event_id, note)
    except DATABASE_LOST as error:
        log.warning("dispatch.solving_untold", error=type(error).__name__)

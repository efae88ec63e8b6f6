"""One process's queue of pledges to each trip: what waits while a commit runs goes into the next one (ADR 0015)."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from uuid import UUID

import asyncpg
import msgspec

from app.core.database import Pool
from app.flows.pledge_batch import Answer, place_batch
from app.flows.pledge_wish import PlacedPledge, PledgeRequest

MAX_BATCH = 256
PATIENCE_S = 20.0  # for a trip whose lock somebody else holds: a confirmation of tens of thousands takes seconds
PlaceBatch = Callable[[UUID, Sequence[PledgeRequest]], Awaitable[Sequence[Answer]]]


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A request and whoever waits for its answer."""

    request: PledgeRequest
    answer: "asyncio.Future[PlacedPledge]"


class PledgeQueue:
    """Puts the pledges of one process that come while a batch of their trip commits into the next batch: no delay when idle.

    Assumes nothing about other processes: the trip's row lock orders their batches. Built and closed by the composition root.
    """

    def __init__(self, place: PlaceBatch) -> None:
        self._place = place
        self._waiting: dict[UUID, deque[Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def place(self, trip_id: UUID, request: PledgeRequest) -> PlacedPledge:
        """The answer to a request once it is committed, or its refusal, or what failed the whole batch."""
        waiting = Waiting(request=request, answer=asyncio.get_running_loop().create_future())
        if trip_id in self._waiting:
            self._waiting[trip_id].append(waiting)
        else:
            self._waiting[trip_id] = deque([waiting])
            task = asyncio.create_task(self._work(trip_id), name="pledge-queue")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await waiting.answer

    async def close(self) -> None:
        """Waits until every queue is empty."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _work(self, trip_id: UUID) -> None:
        """Takes batches until nobody waits any more."""
        queue = self._waiting[trip_id]
        try:
            while queue:
                batch = take_batch(queue)
                answers = await self._answers(trip_id, [waiting.request for waiting in batch])
                for waiting, answer in zip(batch, answers, strict=True):
                    give(waiting, answer)
        finally:
            del self._waiting[trip_id]
            for waiting in queue:
                waiting.answer.cancel()

    async def _answers(self, trip_id: UUID, requests: Sequence[PledgeRequest]) -> Sequence[Answer]:
        """Of a batch; waits for a lock somebody else holds for long, and gives everyone what failed all of them."""
        until_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                return await self._place(trip_id, requests)
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
                if time.monotonic() > until_s:
                    return [error] * len(requests)
            except Exception as error:  # noqa: BLE001  each caller raises it where it waits
                return [error] * len(requests)


def take_batch(queue: "deque[Waiting]") -> list[Waiting]:
    """The first in line, each key once: the second request of a key waits for the answer of the first, in the next batch."""
    batch: dict[str, Waiting] = {}
    later: list[Waiting] = []
    while queue and len(batch) < MAX_BATCH:
        waiting = queue.popleft()
        if waiting.answer.cancelled():
            continue
        if waiting.request.key in batch:
            later.append(waiting)
        else:
            batch[waiting.request.key] = waiting
    queue.extendleft(reversed(later))
    return list(batch.values())


def give(waiting: Waiting, answer: Answer) -> None:
    """The answer reaches its caller, should that one still wait."""
    with suppress(asyncio.InvalidStateError):
        if isinstance(answer, Exception):
            waiting.answer.set_exception(answer)
        else:
            waiting.answer.set_result(answer)


def pledge_queue(pool: Pool, *, secret: str) -> PledgeQueue:
    """The queue of a web process."""

    async def place(trip_id: UUID, requests: Sequence[PledgeRequest]) -> Sequence[Answer]:
        return await place_batch(pool, trip_id, requests, secret=secret)

    return PledgeQueue(place)

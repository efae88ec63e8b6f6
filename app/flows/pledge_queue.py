"""One process's queue of pledges to each trip: what waits while a commit runs goes into the next one (ADR 0015).

Whoever comes when the queue is longer than it can be served in 2 s gets a place in the trip's line instead (`waiting_room.py`).
"""

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
from app.flows.waiting_room import WaitingRooms, waiting_rooms

MAX_BATCH = 256
PATIENCE_S = 20.0  # for a trip whose lock somebody else holds: a confirmation of tens of thousands takes seconds
FIRST_RATE_PER_S = 300.0  # until a batch large enough to tell has been measured
TELLING_BATCH = 32
NEWEST_WEIGHT = 0.3
PlaceBatch = Callable[[UUID, Sequence[PledgeRequest]], Awaitable[Sequence[Answer]]]


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A request and whoever waits for its answer."""

    request: PledgeRequest
    answer: "asyncio.Future[PlacedPledge]"


class TripQueue:
    """Who waits for one trip, who is in the batch under way since when, and how many a second the trip's batches took lately."""

    def __init__(self, rate_per_s: float) -> None:
        self.waiting: deque[Waiting] = deque()
        self.rate_per_s = rate_per_s
        self._under_way = 0
        self._begun_s = 0.0

    def begin(self, requests: int) -> None:
        """A batch sets out."""
        self._under_way, self._begun_s = requests, time.monotonic()

    def end(self) -> None:
        """It is back; one large enough tells how fast the trip is."""
        took_s = max(0.001, time.monotonic() - self._begun_s)
        if self._under_way >= TELLING_BATCH:
            self.rate_per_s += NEWEST_WEIGHT * (self._under_way / took_s - self.rate_per_s)
        self._under_way = 0

    @property
    def wait_s(self) -> float:
        """How long the next one would wait, by the measured rate; a batch that is late counts for as late as it is."""
        expected_s = (len(self.waiting) + self._under_way) / self.rate_per_s
        late_s = time.monotonic() - self._begun_s - self._under_way / self.rate_per_s if self._under_way else 0.0
        return expected_s + max(0.0, late_s)


class PledgeQueue:
    """Puts the pledges of one process that come while a batch of their trip commits into the next batch: no delay when idle.

    Assumes nothing about other processes: the trip's row lock orders their batches. Built and closed by the composition root.
    """

    def __init__(self, place: PlaceBatch, rooms: WaitingRooms, *, first_rate_per_s: float = FIRST_RATE_PER_S) -> None:
        self._place = place
        self._rooms = rooms
        self._first_rate_per_s = first_rate_per_s
        self._queues: dict[UUID, TripQueue] = {}
        self._rates: dict[UUID, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def place(self, trip_id: UUID, request: PledgeRequest, *, token: str | None = None) -> PlacedPledge:
        """The answer to a request once it is committed, or its refusal, or what failed the whole batch.

        `token`: of a place in the trip's line. WaitingRoom (with a place) when it is not this request's turn.
        """
        await self._rooms.enter(trip_id, request.key, token, self.pace_of)
        waiting = Waiting(request=request, answer=asyncio.get_running_loop().create_future())
        queue = self._queues.get(trip_id)
        if queue is None:
            queue = self._queues[trip_id] = TripQueue(self._rates.get(trip_id, self._first_rate_per_s))
            task = asyncio.create_task(self._work(trip_id, queue), name="pledge-queue")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        queue.waiting.append(waiting)
        return await waiting.answer

    def pace_of(self, trip_id: UUID) -> tuple[float, float]:
        """How long the next one would wait (s) and how many a second the trip takes of this process."""
        queue = self._queues.get(trip_id)
        if queue is None:
            return 0.0, self._rates.get(trip_id, self._first_rate_per_s)
        return queue.wait_s, queue.rate_per_s

    async def close(self) -> None:
        """Waits until every queue is empty."""
        await self._rooms.close()
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _work(self, trip_id: UUID, queue: TripQueue) -> None:
        """Takes batches until nobody waits any more."""
        try:
            while queue.waiting:
                batch = take_batch(queue.waiting)
                queue.begin(len(batch))
                answers = await self._answers(trip_id, [waiting.request for waiting in batch])
                queue.end()
                for waiting, answer in zip(batch, answers, strict=True):
                    give(waiting, answer)
        finally:
            del self._queues[trip_id]
            self._remember(trip_id, queue.rate_per_s)
            for waiting in queue.waiting:
                waiting.answer.cancel()

    def _remember(self, trip_id: UUID, rate_per_s: float) -> None:
        """The rate of a trip outlives its queue; those of the oldest are forgotten."""
        self._rates.pop(trip_id, None)
        self._rates[trip_id] = rate_per_s
        if len(self._rates) > MAX_BATCH:
            self._rates.pop(next(iter(self._rates)))

    async def _answers(self, trip_id: UUID, requests: Sequence[PledgeRequest]) -> Sequence[Answer]:
        """Of a batch; waits for a lock somebody else holds for long, and gives everyone what failed all of them."""
        if not requests:
            return []
        until_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                return await self._place(trip_id, requests)
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
                if time.monotonic() > until_s:
                    return [error] * len(requests)
            except Exception as error:  # noqa: BLE001  each caller raises it where it waits
                return [error] * len(requests)


def take_batch(waiting: "deque[Waiting]") -> list[Waiting]:
    """The first in line, each key once: the second request of a key waits for the answer of the first, in the next batch."""
    batch: dict[str, Waiting] = {}
    later: list[Waiting] = []
    while waiting and len(batch) < MAX_BATCH:
        first = waiting.popleft()
        if first.answer.cancelled():
            continue
        if first.request.key in batch:
            later.append(first)
        else:
            batch[first.request.key] = first
    waiting.extendleft(reversed(later))
    return list(batch.values())


def give(waiting: Waiting, answer: Answer) -> None:
    """The answer reaches its caller, should that one still wait."""
    with suppress(asyncio.InvalidStateError):
        if isinstance(answer, Exception):
            waiting.answer.set_exception(answer)
        else:
            waiting.answer.set_result(answer)


def pledge_queue(pool: Pool, *, secret: str, first_rate_per_s: float = FIRST_RATE_PER_S) -> PledgeQueue:
    """The queue of a web process."""

    async def place(trip_id: UUID, requests: Sequence[PledgeRequest]) -> Sequence[Answer]:
        return await place_batch(pool, trip_id, requests, secret=secret)

    return PledgeQueue(place, waiting_rooms(pool, secret=secret), first_rate_per_s=first_rate_per_s)

"""One process's queue of pledges to each trip: what waits while a commit runs goes into the next one, chosen at the lock (ADR 0015).

A crowd goes in halves: the database writes one while this process answers the other.

Whoever comes when the queue is longer than it can be served in 2 s gets a place in the trip's line instead (`waiting_room.py`).
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Self
from uuid import UUID

import asyncpg
import msgspec

from app.core.database import Pool, kept_connection
from app.flows.pledge_batch import Answer, Choose, place_waiting
from app.flows.pledge_wish import PlacedPledge, PledgeRequest
from app.flows.waiting_room import WaitingRooms, waiting_rooms

MAX_BATCH = 256
LANES = 2  # of a trip: one batch commits while the next stands at the trip's lock
PATIENCE_S = 20.0  # for a trip whose lock somebody else holds: a confirmation of tens of thousands takes seconds
FIRST_RATE_PER_S = 300.0  # until a batch large enough to tell has been measured
LEAST_SHARE = 32  # of a crowd: a batch costs what nine pledges do before there is one in it
TELLING_BATCH = LEAST_SHARE
GIVEN_AT_ONCE = 16  # answers, before the loop hears from the database and from who comes next
NEWEST_WEIGHT = 0.3
PlaceWaiting = Callable[[UUID, Choose], Awaitable[Sequence[Answer]]]
OpenLane = Callable[[], AbstractAsyncContextManager[PlaceWaiting]]
"""What a lane places its batches with, for as long as it has any."""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A request and whoever waits for its answer."""

    request: PledgeRequest
    answer: "asyncio.Future[PlacedPledge]"


class TripQueue:
    """Who waits for one trip, how many are in a batch under way, and how many a second the trip's batches took lately."""

    def __init__(self, rate_per_s: float) -> None:
        self.waiting: deque[Waiting] = deque()
        self.rate_per_s = rate_per_s
        self.lanes = 0
        self.at_the_lock = 0  # lanes whose batch is not chosen yet
        self._under_way = 0
        self._newest = 0  # how many the newest batch took: they are about to come back, or others like them
        self._moved_s = time.monotonic()

    def begin(self, requests: int) -> None:
        """A batch holds the lock."""
        self._under_way += requests
        self._newest = requests

    def end(self, requests: int, begun_s: float) -> None:
        """It is back; one large enough tells how fast the trip is."""
        now_s = time.monotonic()
        took_s = max(0.001, now_s - max(begun_s, self._moved_s))
        if requests >= TELLING_BATCH:
            self.rate_per_s += NEWEST_WEIGHT * (requests / took_s - self.rate_per_s)
        self._under_way -= requests
        self._moved_s = now_s

    @property
    def share(self) -> int:
        """How many the next batch takes: half of all who are about, and all when they are few."""
        about = len(self.waiting) + self._newest
        return min(MAX_BATCH, max(LEAST_SHARE, (about + 1) // 2))

    @property
    def wait_s(self) -> float:
        """How long the next one would wait, by the measured rate; a batch that is late counts for as late as it is."""
        expected_s = (len(self.waiting) + self._under_way) / self.rate_per_s
        return expected_s + max(0.0, time.monotonic() - self._moved_s - self._under_way / self.rate_per_s)


class Batch:
    """Whoever waits at the moment the trip's lock is had: chosen as late as can be, and once."""

    def __init__(self, queue: TripQueue) -> None:
        self.taken: list[Waiting] | None = None
        self._queue = queue
        self._begun_s = 0.0

    def __enter__(self) -> Self:
        """Sets out for the lock."""
        self._queue.at_the_lock += 1
        return self

    def choose(self) -> list[PledgeRequest]:
        """The requests of this batch, the same at every call."""
        if self.taken is None:
            self.taken = take_batch(self._queue.waiting, self._queue.share)
            self._begun_s = time.monotonic()
            self._queue.at_the_lock -= 1
            self._queue.begin(len(self.taken))
        return [waiting.request for waiting in self.taken]

    def __exit__(self, *_: object) -> None:
        """Back, with or without answers."""
        if self.taken is None:
            self._queue.at_the_lock -= 1
        else:
            self._queue.end(len(self.taken), self._begun_s)


class PledgeQueue:
    """Puts the pledges of one process that come while a batch of their trip commits into the next batch: no delay when idle.

    Assumes nothing about other processes: the trip's row lock orders their batches. Built and closed by the composition root.
    """

    def __init__(self, open_lane: OpenLane, rooms: WaitingRooms, *, first_rate_per_s: float = FIRST_RATE_PER_S) -> None:
        self._open_lane = open_lane
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
        queue.waiting.append(waiting)
        self._start_lane(trip_id, queue)
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

    def _start_lane(self, trip_id: UUID, queue: TripQueue) -> None:
        """For who waits, unless a lane is at the lock for them already, or all are busy."""
        if queue.lanes == LANES or queue.at_the_lock or not queue.waiting:
            return
        queue.lanes += 1
        queue.at_the_lock += 1  # from now on, not from the task's first step: nobody shall open another meanwhile
        task = asyncio.create_task(self._work(trip_id, queue), name="pledge-queue")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, trip_id: UUID, queue: TripQueue) -> None:
        """Takes batches until nobody waits any more, or the other lane is at the lock for who does."""
        async with self._open_lane() as place:
            queue.at_the_lock -= 1
            try:
                while queue.waiting and not queue.at_the_lock:
                    with Batch(queue) as batch:
                        answers = await answers_of(place, trip_id, batch)
                    self._start_lane(trip_id, queue)
                    await give_all(batch.taken or [], answers)
            finally:  # before the lane's connection goes back: who comes meanwhile opens another lane
                queue.lanes -= 1
                if not queue.lanes:
                    self._end(trip_id, queue)

    def _end(self, trip_id: UUID, queue: TripQueue) -> None:
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


async def answers_of(place: PlaceWaiting, trip_id: UUID, batch: Batch) -> Sequence[Answer]:
    """Of a batch; waits for a lock somebody else holds for long, and gives everyone what failed all of them."""
    until_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await place(trip_id, batch.choose)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            if time.monotonic() > until_s:
                return [error] * len(batch.choose())
        except Exception as error:  # noqa: BLE001  each caller raises it where it waits
            return [error] * len(batch.choose())


def take_batch(waiting: "deque[Waiting]", most: int) -> list[Waiting]:
    """The first in line, each key once: the second request of a key waits for the answer of the first, in the next batch."""
    batch: dict[str, Waiting] = {}
    later: list[Waiting] = []
    while waiting and len(batch) < most:
        first = waiting.popleft()
        if first.answer.cancelled():
            continue
        if first.request.key in batch:
            later.append(first)
        else:
            batch[first.request.key] = first
    waiting.extendleft(reversed(later))
    return list(batch.values())


async def give_all(taken: Sequence[Waiting], answers: Sequence[Answer]) -> None:
    """Everyone gets theirs, some at a time: answering is most of the work of a crowd, and the other lane waits for this loop meanwhile."""
    for number, (waiting, answer) in enumerate(zip(taken, answers, strict=True), start=1):
        give(waiting, answer)
        if number % GIVEN_AT_ONCE == 0:
            await asyncio.sleep(0)


def give(waiting: Waiting, answer: Answer) -> None:
    """The answer reaches its caller, should that one still wait."""
    with suppress(asyncio.InvalidStateError):
        if isinstance(answer, Exception):
            waiting.answer.set_exception(answer)
        else:
            waiting.answer.set_result(answer)


def pledge_queue(pool: Pool, *, secret: str, first_rate_per_s: float = FIRST_RATE_PER_S) -> PledgeQueue:
    """The queue of a web process."""

    @asynccontextmanager
    async def open_lane() -> AsyncIterator[PlaceWaiting]:
        async with kept_connection(pool) as kept:

            async def place(trip_id: UUID, choose: Choose) -> Sequence[Answer]:
                return await place_waiting(kept, trip_id, choose, secret=secret)

            yield place

    return PledgeQueue(open_lane, waiting_rooms(pool, secret=secret), first_rate_per_s=first_rate_per_s)

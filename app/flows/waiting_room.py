"""The waiting rooms of hot trips: whom a process lets into its queues, and who gets a place in line.

A trip's line is one row (numbers given, numbers let in), so that all processes share it and a restart forgets nobody. Each process lets
in as many as its own batches take; the sum is what the trip takes. A process learns of a line that another one began when a request
shows it a place, or a quarter of a second after its own queue of the trip began; until then newcomers there may overtake.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from uuid import UUID

from app.core.database import DATABASE_LOST, Pool
from app.core.errors import WaitingRoom
from app.core.log import logger
from app.core.together import Together
from app.domain.trips.waiting_store import Line
from app.flows.waiting_places import KEPT_S, KEPT_TIMES, Ticket, let_in, place_of, read_ticket, take_numbers

log = logger(__name__)
LIMIT_S = 2.0  # whoever would wait longer in the queue waits in line
FULL_S = 2 * LIMIT_S  # even those let in come again then, with their place
PACE_S = 0.25
Pace = Callable[[UUID], tuple[float, float]]  # of a trip: seconds the next one would wait, and people a second


class WaitingRooms:
    """One process's view of the lines. Nothing is kept of people: their number is in their token."""

    def __init__(self, pool: Pool, *, secret: str) -> None:
        self._pool = pool
        self._secret = secret
        self._lines: dict[UUID, Line] = {}
        self._pacers: dict[UUID, asyncio.Task[None]] = {}
        self._numbers: dict[UUID, Together[object, int]] = {}

    async def enter(self, trip_id: UUID, key: str, token: str | None, pace: Pace) -> None:
        """Returns when the request may join the queue; WaitingRoom with its place when it may not yet."""
        wait_s, rate_per_s = pace(trip_id)
        ticket = read_ticket(self._secret, token, now_s=time.time())
        if ticket is not None and (ticket.trip_id, ticket.key) != (trip_id, key):
            ticket = None
        if ticket is not None and trip_id not in self._lines:
            await self._look(trip_id, 0)
        line = self._lines.get(trip_id)
        if ticket is None and line is None and wait_s <= LIMIT_S:
            if wait_s > 0:
                self._pace(trip_id, pace)
            return
        if ticket is None:
            ticket = await self._new_ticket(trip_id, key, rate_per_s)
        self._pace(trip_id, pace)
        line = self._lines.get(trip_id)
        let_in_to = ticket.number if line is None else line.let_in
        if ticket.number > let_in_to or wait_s > FULL_S:
            raise WaitingRoom(place_of(self._secret, ticket, let_in=let_in_to, rate_per_s=rate_per_s))

    async def close(self) -> None:
        """Stops letting people in."""
        for task in self._pacers.values():
            task.cancel()
        await asyncio.gather(*self._pacers.values(), return_exceptions=True)

    async def _new_ticket(self, trip_id: UUID, key: str, rate_per_s: float) -> Ticket:
        """The next number of the line, for this key."""
        if trip_id not in self._numbers:
            self._numbers[trip_id] = Together(lambda askers: self._give_numbers(trip_id, askers))
        number = await self._numbers[trip_id].look_up(object())
        assert number is not None
        line = self._lines.get(trip_id)
        wait_s = (number - (line.let_in if line else 0)) / rate_per_s
        return Ticket(trip_id=trip_id, key=key, number=number, expires_s=int(time.time() + max(KEPT_S, KEPT_TIMES * wait_s)))

    async def _give_numbers(self, trip_id: UUID, askers: Sequence[object]) -> dict[object, int]:
        """Numbers for all who ask at once, in the order they came: one statement."""
        line = await take_numbers(self._pool, trip_id, len(askers))
        self._lines[trip_id] = line
        return {asker: line.given - len(askers) + 1 + i for i, asker in enumerate(askers)}

    async def _look(self, trip_id: UUID, count: int) -> None:
        """Lets so many in and takes note of the line, or that there is none."""
        line = await let_in(self._pool, trip_id, count)
        if line is None or line.let_in >= line.given:
            self._lines.pop(trip_id, None)
            self._numbers.pop(trip_id, None)
        else:
            self._lines[trip_id] = line

    def _pace(self, trip_id: UUID, pace: Pace) -> None:
        """Somebody lets people of this trip in from now on, until nobody waits."""
        if trip_id not in self._pacers:
            self._pacers[trip_id] = asyncio.create_task(self._let_in(trip_id, pace), name="waiting-room")

    async def _let_in(self, trip_id: UUID, pace: Pace) -> None:
        """As many as the trip took, four times a second, while the queue is no longer than it should be."""
        owed, last_s = 0.0, time.monotonic()
        try:
            while True:
                await asyncio.sleep(PACE_S)
                wait_s, rate_per_s = pace(trip_id)
                now_s = time.monotonic()
                owed, last_s = (owed % 1) + rate_per_s * (now_s - last_s), now_s
                await self._look(trip_id, int(owed) if wait_s < LIMIT_S else 0)
                if trip_id not in self._lines and wait_s == 0:
                    return
        except DATABASE_LOST as error:
            log.warning("waiting_room.pace_lost", error=type(error).__name__)  # the next request sets it going again
        finally:
            self._pacers.pop(trip_id, None)


def waiting_rooms(pool: Pool, *, secret: str) -> WaitingRooms:
    """The waiting rooms of a web process."""
    return WaitingRooms(pool, secret=secret)

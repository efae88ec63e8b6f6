"""Stripe's request limits, kept by all processes together: before each request somebody asks the database for room.

Sign-ups go first. A rider who waits for a card page or comes back from one may use every request there is; charges, refunds and transfers
leave half of what a bucket holds at any moment. While riders come without a pause, charges wait: they have a week, riders have seconds.
"""

import asyncio
import random
import re
import time
from collections import defaultdict
from typing import Protocol

import asyncpg
import msgspec

from app.core.database import Pool, transaction
from app.domain.payments import budget_store as store
from app.domain.payments.gateway import GatewayRateLimited

BATCH = 16  # requests at most per reservation: those that wait in this process at this moment, never any in advance
FRESH_S = 0.5  # a reservation that is not used by then is thrown away, so that a process that stood still sends no volley
SHORTEST_WAIT_S, LONGEST_WAIT_S = 0.02, 0.5  # asks again after half a second at the latest: the clock may be a simulated one
SIGN_UP_PATIENCE_S, PATIENCE_S = 10.0, 45.0  # a charge under way for a minute is looked up: it gives up before that
WORD = re.compile(r"v\d+|[a-z_]+")  # of a path; anything else is an id
SIGN_UP = ("/v1/customers", "/v1/checkout/", "/v1/setup_intents")
GLOBAL_LIMIT = "global-rate"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that the provider lets through in a second: for the whole account, and for each endpoint."""

    account_per_s: float
    endpoint_per_s: float


class Pace(Protocol):
    """Lets requests through one after the other, in time."""

    async def wait(self, method: str, path: str) -> None:
        """Returns when the request may be sent. Raises GatewayRateLimited when there is no room within reason: nothing was sent."""
        ...

    async def hold(self, method: str, path: str, *, pause_s: float, reason: str) -> None:
        """The provider refused a request all the same: nobody sends any like it for so long."""
        ...


def endpoint_of(method: str, path: str) -> str:
    """A request's endpoint as its limits count it: `POST /v1/payment_intents/{id}/confirm`."""
    words = [part if WORD.fullmatch(part) else "{id}" for part in path.strip("/").split("/")]
    return f"{method.upper()} /{'/'.join(words)}"


def is_sign_up(path: str) -> bool:
    """Whether a request is part of saving a card, whichever process sends it."""
    return path.startswith(SIGN_UP)


class Queue:
    """Who waits in this process for one endpoint. The first in line asks the database for all of them."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.waiting = 0
        self._held = 0
        self._held_since_s = 0.0

    def take(self) -> bool:
        """Uses one of the requests that were reserved a moment ago."""
        if self._held == 0 or time.monotonic() - self._held_since_s > FRESH_S:
            return False
        self._held -= 1
        return True

    def put(self, number: int) -> None:
        """So many were reserved just now."""
        self._held, self._held_since_s = number, time.monotonic()


class SharedPace:
    """A Pace that shares its limits with every process on the same database. `riders_wait`: all requests of this process are urgent."""

    def __init__(self, pool: Pool, limits: Limits, *, riders_wait: bool) -> None:
        self._pool, self._limits, self._riders_wait = pool, limits, riders_wait
        self._queues: defaultdict[tuple[str, bool], Queue] = defaultdict(Queue)

    async def wait(self, method: str, path: str) -> None:
        """See Pace. Waits in a fair line; no connection is held meanwhile."""
        endpoint, for_sign_up = endpoint_of(method, path), self._riders_wait or is_sign_up(path)
        queue = self._queues[endpoint, for_sign_up]
        queue.waiting += 1
        try:
            async with asyncio.timeout(SIGN_UP_PATIENCE_S if for_sign_up else PATIENCE_S), queue.turn:
                while not queue.take():
                    await self._reserve(queue, endpoint, for_sign_up=for_sign_up)
        except TimeoutError:
            raise GatewayRateLimited("Too much is going on; nothing was sent.", retry_after_s=LONGEST_WAIT_S) from None
        finally:
            queue.waiting -= 1

    async def _reserve(self, queue: Queue, endpoint: str, *, for_sign_up: bool) -> None:
        """One short transaction of its own; sleeps when there was nothing to be had."""
        wanted = min(queue.waiting, BATCH)
        try:
            async with transaction(self._pool) as conn:
                grant = await store.take_requests(
                    conn, endpoint, wanted=wanted, for_sign_up=for_sign_up, account_per_s=self._limits.account_per_s,
                    endpoint_per_s=self._limits.endpoint_per_s,
                )  # fmt: skip
        except asyncpg.LockNotAvailableError:
            return
        if grant.granted:
            queue.put(grant.granted)
        else:
            wait_s = min(max(grant.wait_s, SHORTEST_WAIT_S), LONGEST_WAIT_S)
            await asyncio.sleep(wait_s * random.uniform(1.0, 1.25))  # noqa: S311  processes should not all come back at once

    async def hold(self, method: str, path: str, *, pause_s: float, reason: str) -> None:
        """See Pace."""
        async with transaction(self._pool) as conn:
            await store.hold_requests(conn, "" if reason == GLOBAL_LIMIT else endpoint_of(method, path), pause_s=pause_s)

"""Webhooks out: signed, retried until taken, and as badly ordered as the faults say."""

import asyncio
import hashlib
import heapq
import hmac
import itertools

import httpx

from app.stage.fake_stripe.model import Delivery, Event
from app.stage.fake_stripe.world import World

AT_ONCE = 8
TIMEOUT_S = 10.0
TRIES = 20
LONGEST_WAIT_S = 60.0


def sign(payload: bytes, secret: str, at: int) -> str:
    """The `Stripe-Signature` header: HMAC-SHA256 over `<at>.<payload>`."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


class Deliveries:
    """Sends announced events to the webhook endpoint. `run` until cancelled."""

    def __init__(self, world: World, client: httpx.AsyncClient) -> None:
        self._world = world
        self._client = client
        self._queue: list[tuple[float, int, str, int]] = []
        self._serial = itertools.count()
        self._wake = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(AT_ONCE)
        self.taken = 0
        self.refused = 0
        self.dropped = 0
        for delivery in reversed(list(world.books.newest_first(Delivery))):
            if not delivery.done:
                self._push(delivery.id, 0, 0.0)
        world.on_event = self.announce

    @property
    def waiting(self) -> int:
        """Sends still to be made or being made."""
        return len(self._queue) + len(self._sending)

    def announce(self, event_id: str) -> None:
        """Queue an event as the faults have it: dropped, once or twice, late or shuffled."""
        if self._world.chaos.webhook_is_dropped():
            self.dropped += 1
            self._world.books.put(Delivery(id=event_id, done=True))
            return
        for delay_s in self._world.chaos.webhook_delays_s():
            self._push(event_id, 0, delay_s)

    async def run(self) -> None:
        """Send what is due, a few at once."""
        try:
            while True:
                await self._until_due()
                _, _, event_id, tries = heapq.heappop(self._queue)
                await self._room.acquire()
                task = asyncio.create_task(self._send(event_id, tries))
                self._sending.add(task)
                task.add_done_callback(self._sent)
        finally:
            for task in self._sending:
                task.cancel()

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._room.release()

    def _push(self, event_id: str, tries: int, delay_s: float) -> None:
        at = asyncio.get_running_loop().time() + delay_s
        heapq.heappush(self._queue, (at, next(self._serial), event_id, tries))
        self._wake.set()

    async def _until_due(self) -> None:
        while True:
            self._wake.clear()
            wait_s = self._queue[0][0] - asyncio.get_running_loop().time() if self._queue else None
            if wait_s is not None and wait_s <= 0:
                return
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                return

    async def _send(self, event_id: str, tries: int) -> None:
        event = self._world.books.get(Event, event_id)
        url = self._world.terms.webhook_url
        if event is None or url is None:
            return
        if await self._accepted(url, bytes(event.body)):
            self.taken += 1
            self._done(event_id)
            return
        self.refused += 1
        if tries + 1 < TRIES:
            self._push(event_id, tries + 1, min(2.0**tries, LONGEST_WAIT_S))
        else:
            self._done(event_id)

    async def _accepted(self, url: str, payload: bytes) -> bool:
        signature = sign(payload, self._world.terms.webhook_secret, self._world.clock.now())
        headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signature, "User-Agent": "Stripe/1.0"}
        try:
            answer = await self._client.post(url, content=payload, headers=headers, timeout=TIMEOUT_S)
        except httpx.HTTPError:
            return False
        return answer.is_success

    def _done(self, event_id: str) -> None:
        self._world.books.put(Delivery(id=event_id, done=True))
        self._world.books.commit()

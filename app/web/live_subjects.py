"""What many streams of a process watch at once: read once per change, told to all, a few at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from app.core.database import DATABASE_LOST
from app.core.log import logger

log = logger(__name__)
HEARTBEAT_S = 15.0
RETRY_S = 1.0
EVERY_S = 0.25  # a subject is told at most so often per process; more changes fold into one
REST = 4  # telling everyone takes at most a fifth of the time: with very many streams it comes less often
AT_ONCE = 64  # streams woken before others get their turn
BEAT = b": still here\n\n"  # a comment and nothing else: with data, even empty, it would be a message
Read = Callable[[], Awaitable[bytes]]


class Watcher:
    """One open stream: the newest message it has not sent yet."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self.message: bytes | None = None

    def tell(self, message: bytes) -> None:
        """A newer message takes the place of one that was not sent in time."""
        self.message = message
        self.woken.set()


class Subject:
    """Everyone in this process who watches one thing; `read` makes the message of how it is now."""

    def __init__(self, read: Read) -> None:
        self.watchers: set[Watcher] = set()
        self.news = asyncio.Event()
        self.latest: bytes | None = None
        self._read = read
        self.news.set()

    def add(self, watcher: Watcher) -> None:
        """One stream more: it is told at once how things were when they were read last."""
        self.watchers.add(watcher)
        if self.latest is not None:
            watcher.tell(self.latest)

    async def tell_everyone(self) -> None:
        """Reads once and tells all; a beat when nothing happened for long. Ends by being cancelled."""
        while True:
            try:
                await asyncio.wait_for(self.news.wait(), HEARTBEAT_S)
            except TimeoutError:
                await self._tell(BEAT)
                continue
            self.news.clear()
            begin_s = time.monotonic()
            try:
                self.latest = await self._read()
            except DATABASE_LOST as error:
                log.warning("live.read_failed", error=type(error).__name__)
                self.news.set()
                await asyncio.sleep(RETRY_S)
                continue
            told_s = time.monotonic()
            await self._tell(self.latest)
            now_s = time.monotonic()
            await asyncio.sleep(max(EVERY_S - (now_s - begin_s), REST * (now_s - told_s)))

    async def _tell(self, message: bytes) -> None:
        for number, watcher in enumerate(list(self.watchers), start=1):
            if message is not BEAT or watcher.message is None:
                watcher.tell(message)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)

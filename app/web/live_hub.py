"""One LISTEN per process, any number of open browsers: news from the database wakes the streams that wait for it."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from uuid import UUID

from app.core.database import DATABASE_LOST, Connection, Pool
from app.core.errors import TooMany
from app.core.live import CHANNEL, read_news
from app.core.log import logger
from app.core.open_files import files_for_watchers
from app.web.live_subjects import Read, Subject, Watcher

log = logger(__name__)
HEARTBEAT_S = 15.0
RECONNECT_S = 1.0
MOST_NOTES = 200
COME_AGAIN_S = 30


class LiveHub:
    """Fans news out to streams. Built and closed by the composition root; streams end when it closes."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: dict[tuple[str, UUID], set[asyncio.Event]] = defaultdict(set)
        self._subjects: dict[tuple[str, UUID], Subject] = {}
        self._tellers: dict[tuple[str, UUID], asyncio.Task[None]] = {}
        self._notes: dict[tuple[str, UUID], tuple[float, str]] = {}
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to listen; keeps listening through lost connections."""
        self._task = asyncio.create_task(self._listen(), name="live-hub")

    def close_streams(self) -> None:
        """Ends every open stream, so that a server can stop without waiting for browsers."""
        self._closing.set()
        for events in self._waiting.values():
            for event in events:
                event.set()
        for subject in self._subjects.values():
            for watcher in subject.watchers:
                watcher.woken.set()

    async def close(self) -> None:
        """Ends the streams and the listening."""
        self.close_streams()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _listen(self) -> None:
        while not self._closing.is_set():
            try:
                async with self._pool.acquire() as conn:
                    lost = asyncio.Event()
                    conn.add_termination_listener(lambda _conn, lost=lost: lost.set())
                    await conn.add_listener(CHANNEL, self._on_news)
                    self._wake_all()  # what came while we were away
                    try:
                        await self._until_lost(conn, lost)
                    finally:
                        if not conn.is_closed():
                            await conn.remove_listener(CHANNEL, self._on_news)
            except DATABASE_LOST as error:
                log.warning("live.listen_failed", error=type(error).__name__)
                await asyncio.sleep(RECONNECT_S)

    async def _until_lost(self, conn: Connection, lost: asyncio.Event) -> None:
        """Waits for the connection's end, and asks it now and then whether somebody is still there: silence is no news from the dead."""
        while not lost.is_set():
            try:
                await asyncio.wait_for(lost.wait(), HEARTBEAT_S)
            except TimeoutError:
                await conn.execute("SELECT 1")

    def _on_news(self, _conn: object, _pid: int, _channel: str, payload: object) -> None:
        news = read_news(str(payload))
        key = (news.kind, news.subject_id)
        if news.note:
            self._keep_note(key, news.note)
        for event in self._waiting.get(key, ()):
            event.set()
        if key in self._subjects:
            self._subjects[key].news.set()

    def _keep_note(self, key: tuple[str, UUID], note: str) -> None:
        self._notes.pop(key, None)
        self._notes[key] = (time.monotonic(), note)
        if len(self._notes) > MOST_NOTES:
            self._notes.pop(next(iter(self._notes)))

    def note(self, kind: str, subject_id: UUID, *, at_most_s: float) -> str:
        """The newest note about a subject that is no older than so many seconds; empty without one."""
        heard_s, note = self._notes.get((kind, subject_id), (0.0, ""))
        return note if note and time.monotonic() - heard_s <= at_most_s else ""

    def _wake_all(self) -> None:
        for events in self._waiting.values():
            for event in events:
                event.set()
        for subject in self._subjects.values():
            subject.news.set()

    def require_room(self) -> None:
        """TooMany when one more open stream would take a socket that requests need: a page without news still shows how things are."""
        if sum(len(subject.watchers) for subject in self._subjects.values()) >= files_for_watchers():
            raise TooMany(
                "Very many people are watching right now. The page shows how things are; load it again for news.",
                retry_after_s=COME_AGAIN_S,
            )

    async def messages(self, kind: str, subject_id: UUID, read: Read) -> AsyncIterator[bytes]:
        """Yields how the subject is now and after each change, and a beat when nothing happened for long; ends when the hub closes.

        `read` is called once for all who watch, at most every 250 ms; changes that come meanwhile are folded into one.
        """
        key, watcher = (kind, subject_id), Watcher()
        if key not in self._subjects:
            self._subjects[key] = Subject(read)
            self._tellers[key] = asyncio.create_task(self._subjects[key].tell_everyone(), name="live-teller")
        subject = self._subjects[key]
        subject.add(watcher)
        try:
            while not self._closing.is_set():
                await watcher.woken.wait()
                watcher.woken.clear()
                message, watcher.message = watcher.message, None
                if message is not None and not self._closing.is_set():
                    yield message
        finally:
            subject.watchers.discard(watcher)
            if not subject.watchers:
                del self._subjects[key]
                self._tellers.pop(key).cancel()

    async def changes(self, kind: str, subject_id: UUID) -> AsyncIterator[bool]:
        """Yields True now and after each change, False when nothing happened for a heartbeat; ends when the hub closes.

        Changes that come while the reader is busy are folded into one.
        """
        event, key = asyncio.Event(), (kind, subject_id)
        self._waiting[key].add(event)
        try:
            yield True
            while not self._closing.is_set():
                changed = True
                try:
                    await asyncio.wait_for(event.wait(), HEARTBEAT_S)
                except TimeoutError:
                    changed = False
                event.clear()
                if self._closing.is_set():
                    return
                yield changed
        finally:
            self._waiting[key].discard(event)
            if not self._waiting[key]:
                del self._waiting[key]

"""Look-ups that come while one is under way go together in the next one: a statement for all of them. Nothing is remembered."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")
MAX_AT_ONCE = 256


class Together(Generic[K, V]):
    """Turns many single look-ups into few of many keys (in the order they came), with no delay when idle.

    What is found was read after it was asked for.
    """

    def __init__(self, fetch: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._fetch = fetch
        self._waiting: list[tuple[K, asyncio.Future[V | None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def look_up(self, key: K) -> V | None:
        """The value of a key, None without one; raises what made the whole look-up fail."""
        answer: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, answer))
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="together")
        return await answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MAX_AT_ONCE], self._waiting[MAX_AT_ONCE:]
                await self._answer(batch)
        finally:
            self._task = None
            for _, answer in self._waiting:
                answer.cancel()

    async def _answer(self, batch: Sequence[tuple[K, "asyncio.Future[V | None]"]]) -> None:
        try:
            found = await self._fetch(list(dict.fromkeys(key for key, _ in batch)))
        except Exception as error:  # noqa: BLE001  each caller raises it where it waits
            for _, answer in batch:
                with suppress(asyncio.InvalidStateError):
                    answer.set_exception(error)
            return
        for key, answer in batch:
            with suppress(asyncio.InvalidStateError):
                answer.set_result(found.get(key))

"""Who works when: each hand is a task that rests at every call to the outside world, and only one hand moves at a time.

So an interleaving is decided by the seed and not by the event loop, and it is the same each time the seed is played. Tasks that a hand
starts belong to it; it must not let two of them ask the outside world at once.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any


class Hand:
    """Somebody at work: a worker with a job, a rider, an organiser. `what` is how the step list names it."""

    def __init__(self, what: str, work: Coroutine[Any, Any, object]) -> None:
        self.what = what
        self.error: BaseException | None = None
        self.has_ended = False
        self._go, self._rests = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self._live(work))

    async def _live(self, work: Coroutine[Any, Any, object]) -> None:
        _hand.set(self)
        try:
            await self._go.wait()
            self._go.clear()
            await work
        except BaseException as error:
            self.error = error
            raise
        finally:
            work.close()  # one killed before its first turn was never awaited
            self.has_ended = True
            self._rests.set()

    async def rest(self) -> None:
        """Called by the hand itself: it stands still until its next turn."""
        self._rests.set()
        await self._go.wait()
        self._go.clear()

    async def move(self) -> bool:
        """Its turn, until it rests again (False) or has ended (True)."""
        self._rests.clear()
        self._go.set()
        await self._rests.wait()
        if self.has_ended:
            with contextlib.suppress(BaseException):
                await self.task
        return self.has_ended

    async def die(self) -> None:
        """Killed where it stands: what it had not committed never was."""
        self.task.cancel()
        with contextlib.suppress(BaseException):
            await self.task


_hand: ContextVar[Hand | None] = ContextVar("hand", default=None)


class Turns:
    """The hands that rest somewhere. `may_rest` is the seed's word on whether a call is a place to rest."""

    def __init__(self, *, most: int, may_rest: Callable[[], bool]) -> None:
        self.most, self.may_rest = most, may_rest
        self.resting: list[Hand] = []

    async def begin(self, what: str, work: Coroutine[Any, Any, object]) -> Hand:
        """A new hand takes its first turn."""
        hand = Hand(what, work)
        await self.go_on(hand)
        return hand

    async def go_on(self, hand: Hand) -> None:
        """A hand's next turn; raises what its work raised when that was its last."""
        if hand in self.resting:
            self.resting.remove(hand)
        if not await hand.move():
            self.resting.append(hand)
            return
        if hand.error is not None:
            raise hand.error

    async def kill(self, hand: Hand) -> None:
        """The process of a resting hand is gone."""
        self.resting.remove(hand)
        await hand.die()

    async def at_the_edge(self) -> None:
        """Called at every call to the outside world, before it and after it has had its effect."""
        hand = _hand.get()
        if hand is not None and len(self.resting) < self.most and self.may_rest():
            await hand.rest()

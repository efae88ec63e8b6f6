"""Who works when: each hand is a task that may rest at calls to the outside world and between transactions; one hand moves at a time.

So an interleaving is decided by the seed and not by the event loop, and it is the same each time the seed is played. Tasks that a hand
starts belong to it; it must not let two of them ask the outside world at once.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from contextvars import ContextVar
from typing import Any


class Hand:
    """Somebody at work: a worker with a job, a rider, an organiser. `what` is how the step list names it."""

    def __init__(self, what: str, work: Coroutine[Any, Any, object]) -> None:
        self.what = what
        self.error: BaseException | None = None
        self.has_ended = self.keeps = False
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
    """The hands that rest somewhere. `may_rest` is the seed's word on whether a call is a place to rest, `may_pause` on a transaction's."""

    def __init__(self, *, most: int, may_rest: Callable[[], bool], may_pause: Callable[[], bool]) -> None:
        self.most, self.may_rest, self.may_pause = most, may_rest, may_pause
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

    def charging(self) -> bool:
        """Whether somebody rests in the middle of a charge or a refund, or of looking one up: that is when others are in the way."""
        return any("payment" in hand.what or "refund" in hand.what for hand in self.resting)

    async def at_the_edge(self) -> None:
        """Called at every call to the outside world, before it and after it has had its effect."""
        hand = _hand.get()
        if hand is not None and len(self.resting) < self.most and self.may_rest():
            await hand.rest()

    async def at_the_door(self) -> None:
        """Called before a hand gets a connection."""
        hand = _hand.get()
        if hand is not None and len(self.resting) < self.most and self.may_pause():
            await hand.rest()

    @contextlib.contextmanager
    def keeping(self) -> Iterator[bool]:
        """The hand keeps a connection meanwhile; tells whether it is its only one. True for whoever is no hand."""
        hand = _hand.get()
        if hand is None or hand.keeps:
            yield hand is None
            return
        hand.keeps = True
        try:
            yield True
        finally:
            hand.keeps = False

"""Lets one fault after another happen while something is played, and measures how soon the whole service works again."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from random import Random

import msgspec

from app.stage.chaos.faults import DISTURBS, Fault, faults_for
from app.stage.chaos.recovery import FAILURES_MEANWHILE, works_again
from app.stage.private_stack import CHAOS_SILENCE_S, PrivateStack

RECOVERY_S = 60.0
SHORT_PAUSE_S = 0.2
PAUSES_S = (2.0, 6.0)
AT_ONCE = 2


class ChaosPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How much shall break: every fault so many times at least and, unless None, at most; how long the service bears a silent database.

    `recovery_s`: what has not recovered after so long is reported.
    """

    at_least: int = 1
    at_most: int | None = None
    silence_s: int = CHAOS_SILENCE_S
    recovery_s: float = RECOVERY_S


class Chaos(msgspec.Struct, frozen=True, kw_only=True):
    """What happened: faults by name, those this machine cannot have, the slowest recovery by fault, and what was not recovered from.

    `acknowledged`: writes the service said yes to, each of which was looked for in the database at the end.
    """

    faults: dict[str, int]
    skipped: list[str]
    slowest_recovery_s: dict[str, float]
    not_recovered: list[str]
    acknowledged: int


def say_nothing(_line: str) -> None:
    """For those who want no line per fault."""


class Director:
    """Plays every fault in a seeded order, as often as the plan says and until told to stop; `told` hears a line about every one.

    Two hands strike, each again once its last fault is over: mostly a fault meets a service that still recovers from another, but never
    one that needs what the other has broken (`DISTURBS`). All faults have happened n times before one happens for the n+1st time. The
    first rounds are quick, so that everything has happened; then there is a pause between two, so that the play gets on.
    """

    def __init__(
        self,
        stack: PrivateStack,
        *,
        seed: int,
        plan: ChaosPlan | None = None,
        told: Callable[[str], None] = say_nothing,
        faults: Mapping[str, Fault] | None = None,
    ) -> None:
        self._stack, self._plan, self._told = stack, plan or ChaosPlan(), told
        self._possible, self._skipped = faults_for(stack) if faults is None else (dict(faults), [])
        self._dice = Random(seed)  # noqa: S311  the same seed, the same dice
        self._turn = asyncio.Condition()
        self._under_way: set[str] = set()
        self._calm_wanted = 0
        self._stopping = asyncio.Event()
        self._began = time.monotonic()
        self.happened: Counter[str] = Counter()
        self.slowest_s: dict[str, float] = {}
        self.not_recovered: list[str] = []

    @property
    def has_shown_all(self) -> bool:
        """Whether every fault has happened as often as it must."""
        return all(self.happened[name] >= self._plan.at_least for name in self._possible)

    @property
    def progress(self) -> float:
        """How much of what must happen has happened, from 0 to 1."""
        wanted = self._plan.at_least * len(self._possible)
        return sum(min(self.happened[name], self._plan.at_least) for name in self._possible) / wanted

    @property
    def _is_over(self) -> bool:
        most = self._plan.at_most
        spent = most is not None and all(self.happened[name] >= most for name in self._possible)
        return self.has_shown_all and (spent or self._stopping.is_set())

    async def reach(self, progress: float) -> None:
        """Returns once so much has happened."""
        async with self._turn:
            await self._turn.wait_for(lambda: self.progress >= progress)

    async def run(self) -> None:
        """Until `stop` or until no fault may come again, and until every fault has happened as often as it must."""
        async with asyncio.TaskGroup() as hands:
            for _ in range(AT_ONCE):
                hands.create_task(self._strike())

    async def _strike(self) -> None:
        """One hand: the next fault, and again."""
        while (name := await self._take()) is not None:
            try:
                await self._play(name, self._possible[name])
            finally:
                async with self._turn:
                    self._under_way.discard(name)
                    self._turn.notify_all()
            await self._pause(SHORT_PAUSE_S if not self.has_shown_all else self._dice.uniform(*PAUSES_S))

    async def _take(self) -> str | None:
        """Waits for a fault that may strike now; None once none will any more."""
        async with self._turn:
            await self._turn.wait_for(lambda: self._is_over or (not self._calm_wanted and self._fitting()))
            if self._is_over:
                self._turn.notify_all()
                return None
            name = min(self._fitting(), key=lambda _one: self._dice.random())
            self._under_way.add(name)
            return name

    def _fitting(self) -> list[str]:
        """What may strike beside what strikes already: of this round, and with nothing in common."""
        taken = frozenset[str]().union(*(DISTURBS[name] for name in self._under_way))
        fewest = min(self.happened[name] for name in self._possible)
        round_over = self._plan.at_most is not None and fewest >= self._plan.at_most
        return sorted(
            name for name in self._possible if self.happened[name] == fewest and not round_over and taken.isdisjoint(DISTURBS[name])
        )

    async def _pause(self, pause_s: float) -> None:
        """Calm for a moment; nobody waits for it once told to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), SHORT_PAUSE_S if self._stopping.is_set() else pause_s)

    async def stop(self) -> None:
        """No further fault begins, once all have happened."""
        self._stopping.set()
        async with self._turn:
            self._turn.notify_all()

    @asynccontextmanager
    async def calm(self) -> AsyncIterator[None]:
        """The faults under way end, and none begins before the block is over."""
        async with self._turn:
            self._calm_wanted += 1
            await self._turn.wait_for(lambda: not self._under_way)
        try:
            yield
        finally:
            self._calm_wanted -= 1
            async with self._turn:
                self._turn.notify_all()

    def report(self, *, acknowledged: int = 0) -> Chaos:
        """What happened so far."""
        return Chaos(
            faults=dict(sorted(self.happened.items())), skipped=self._skipped, not_recovered=self.not_recovered,
            acknowledged=acknowledged,
            slowest_recovery_s={name: round(seconds, 1) for name, seconds in sorted(self.slowest_s.items())},
        )  # fmt: skip

    async def _play(self, name: str, fault: Fault) -> None:
        at_s = time.monotonic() - self._began
        try:
            began = await fault(self._stack)
        except FAILURES_MEANWHILE as error:  # the database was too busy to be broken: another time
            self._told(f"{at_s:6.1f} s  {name}: not now ({type(error).__name__})")
            return
        failing = await works_again(self._stack, began + self._plan.recovery_s)
        took_s = time.monotonic() - began
        self.happened[name] += 1
        self.slowest_s[name] = max(self.slowest_s.get(name, 0.0), took_s)
        if failing is None:
            self._told(f"{at_s:6.1f} s  {name}: over after {took_s:.1f} s")
        else:
            self.not_recovered.append(f"{name}: {failing} after {took_s:.0f} s")
            self._told(f"{at_s:6.1f} s  {name}: NOT RECOVERED, {failing} after {took_s:.0f} s")

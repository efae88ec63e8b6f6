"""What a seed is looked at for while it is played: cheap invariants after each step, all of them now and then.

A look changes nothing and draws no dice, so that a seed can be played again with every invariant after every step.
"""

from collections.abc import Callable

from app.flows.invariants import Invariant, Violation, read_invariants, violations_of
from tests.simulation.stage import Stage

CHEAP = frozenset({"I02", "I06"})  # a few rows each: what counts and what is promised
ABOARD = frozenset({"I07", "I08"})  # a plan that is made again hides what was wrong with the one before
SWEPT = "I13"  # is about what the worker's sweep does in time, and so only true after one
OWED = frozenset({"I03", "I04", "I05"})


class Looks:
    """The invariants, and how a stage is asked for them."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._invariants = stage, read_invariants()

    async def cheap(self) -> list[str]:
        """What the cheap ones find."""
        return await self._find(lambda number: number in CHEAP)

    async def aboard(self) -> list[str]:
        """What is wrong with manifests."""
        return await self._find(lambda number: number in ABOARD)

    async def all_but_swept(self) -> list[str]:
        """What can be asked at any moment."""
        return await self._find(lambda number: number != SWEPT)

    async def all(self) -> list[str]:
        """Everything; the caller has fired what is due."""
        return await self._find(lambda _: True)

    async def _find(self, wanted: Callable[[str], bool]) -> list[str]:
        faults = []
        async with self._stage.pool.acquire() as conn:
            for invariant in self._invariants:
                number = invariant.name[:3]
                if wanted(number) and (found := await violations_of(conn, invariant)):
                    found = await self._beyond_owed(invariant) if number in OWED else found
                    faults += [f"{invariant.name}: {one.subject} {one.detail}" for one in found[:1]]
        return faults

    async def _beyond_owed(self, invariant: Invariant) -> list[Violation]:
        """A refund that a bank has sent back is owed until somebody sends it again: what does not hold even if it were on its way?"""
        async with self._stage.supposing("UPDATE refunds SET state = 'due' WHERE state = 'failed' AND elsewhere_at IS NULL") as conn:
            return await violations_of(conn, invariant)

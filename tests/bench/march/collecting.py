"""Cards are charged at the limited rate; time is made short: limits are met PACE times as fast, waits for retries are jumped over."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import msgspec

from app.stage.errors import StageError
from tests.bench.march.stack import PACE, Field

STEP_S = 0.2
PATIENCE_S = 3_600.0
RETRY_EVERY = timedelta(hours=48, minutes=5)
JUMPS = 4  # three retries, then the end of the collection window


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What charging came to: payments by state, seconds, simulated seconds, 429s seen by us."""

    states: dict[str, int]
    seconds: float
    simulated_s: float


class Clock:
    """How far ahead of real time the world runs."""

    def __init__(self, field: Field) -> None:
        self.field, self.ahead = field, timedelta()

    async def jump(self, by: timedelta) -> None:
        """Moves everything so much further."""
        self.ahead += by
        await self.field.set_clocks(self.ahead)

    async def jump_to(self, moment: datetime) -> None:
        """Moves everything to a moment, never back."""
        await self.jump(max(timedelta(), moment - (datetime.now(UTC) + self.ahead)))


async def wait_until(done: Callable[[], Awaitable[bool]], what: str) -> None:
    """Returns when something is done; StageError after PATIENCE_S."""
    began = time.monotonic()
    while not await done():
        await asyncio.sleep(STEP_S)
        if time.monotonic() - began > PATIENCE_S:
            raise StageError(f"waited {PATIENCE_S:.0f} s for {what}")


async def collect(field: Field, clock: Clock) -> Collected:
    """Waits until every charge is settled, jumping from retry to retry for the cards that decline."""
    began, ahead = time.monotonic(), clock.ahead
    await wait_until(lambda: charges_settled(field), "the first charges")
    for _ in range(JUMPS):
        await clock.jump(RETRY_EVERY)
        await wait_until(lambda: charges_settled(field), "the retries")
    seconds = time.monotonic() - began
    return Collected(
        states=await payment_states(field), seconds=seconds, simulated_s=PACE * seconds + (clock.ahead - ahead).total_seconds()
    )  # fmt: skip


async def charges_settled(field: Field) -> bool:
    """Whether no charge waits, is under way, or has a retry that is due."""
    waiting = await field.pool.fetchval(
        """
        SELECT EXISTS (SELECT FROM payments WHERE state IN ('due', 'submitting', 'unknown'))
            OR EXISTS (SELECT FROM timers WHERE kind IN ('payment_retry', 'payment_lookup')
                       AND fired_at IS NULL AND due_at <= busload_now())
        """
    )
    return not waiting


async def payment_states(field: Field) -> dict[str, int]:
    """How many payments are in which state."""
    rows = await field.pool.fetch("SELECT state, count(*) AS many FROM payments GROUP BY state ORDER BY state")
    return {row["state"]: row["many"] for row in rows}

"""Where the money soak is played: the real processes, their two clocks, and a hand that kills the worker."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import msgspec

from app.core.clock import shift_clock
from app.core.database import Pool, open_pool, transaction
from app.domain.payments.budget import Limits, SharedPace
from app.domain.payments.gateway import PaymentGateway
from app.domain.payments.stripe_gateway import StripeGateway
from app.stage.errors import StageError
from app.stage.private_stack import PrivateStack, private_stack
from app.stage.rehearsal.calling import until

MINUTE = timedelta(seconds=61)
LEASE = timedelta(seconds=121)  # a killed worker's timers are leased for two minutes
ACCOUNT_PER_S, ENDPOINT_PER_S = 100.0, 25.0  # what the fake lets through, as Stripe does
POLL_S = 0.25
STARTS_WITHIN_S = 60.0
STALLED_S = 9.0  # longer than a dead worker's jobs wait for another one
MONEY_JOBS = ("charge_payment", "close_charge", "send_refund")
MONEY_TIMERS = ("payment_lookup", "payment_retry", "refund_lookup", "pledge_hold")


class Unrest(msgspec.Struct, frozen=True, kw_only=True):
    """What is not at rest: payments and refunds in between, due timers and jobs about money, held ones."""

    charges: int
    refunds: int
    timers: int
    jobs: int
    done: int

    @property
    def moving(self) -> int:
        """What a worker can go on with at this moment."""
        return self.timers + self.jobs

    @property
    def open(self) -> int:
        """What must not be left."""
        return self.charges + self.refunds + self.timers + self.jobs


class Town:
    """A private stack; `kills` and `caught` count what the killing hand did: workers, and requests in flight when they died."""

    def __init__(self, stack: PrivateStack, pool: Pool, gateway: PaymentGateway, stripe: httpx.AsyncClient) -> None:
        self.stack, self.pool, self.gateway, self._stripe = stack, pool, gateway, stripe
        self.secret = stack.settings["BUSLOAD_SECRET"]
        self.shift = timedelta(0)
        self.kills = self.caught = self.caught_and_forgotten = 0
        self._worker = asyncio.Lock()

    async def stage(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The fake's control room: POST when there is a body."""
        answer = await (self._stripe.get(f"/_stage/{path}") if body is None else self._stripe.post(f"/_stage/{path}", json=body))
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def jump(self, by: timedelta) -> None:
        """Both clocks, Stripe's and ours, run so much further ahead."""
        self.shift += by
        await self.stage("clock", {"offset_s": self.shift.total_seconds()})
        async with transaction(self.pool) as conn:
            await shift_clock(conn, self.shift)

    async def kill_worker(self, *, jump: timedelta | None = None) -> int:
        """`kill -9`, perhaps a while of nobody there, then a new worker. Returns how many requests were under way."""
        async with self._worker:
            await self.stack.worker.kill()
            async with self.pool.acquire() as conn:
                caught = int(
                    await conn.fetchval(
                        """
                        SELECT (SELECT count(*) FROM payments WHERE state IN ('submitting', 'unknown'))
                             + (SELECT count(*) FROM refunds WHERE state IN ('submitting', 'unknown'))
                        """
                    )
                )
            if jump is not None:
                await self.jump(jump)
            await self._start_worker()
        self.kills += 1
        self.caught += caught
        return caught

    async def _start_worker(self) -> None:
        """Returns once it works: one that is killed while it starts shows nothing."""
        before = self._starts()
        await self.stack.worker.start()

        async def ready() -> bool:
            return self._starts() > before

        await until(ready, "a new worker", timeout_s=STARTS_WITHIN_S)

    def _starts(self) -> int:
        return self.stack.worker.log_path.read_bytes().count(b"worker.ready")

    @contextlib.asynccontextmanager
    async def killing(self, every_s: float, *, most: int | None = None, away: timedelta | None = None) -> AsyncIterator[None]:
        """The worker dies every so many seconds while the block runs, at most so often.

        `away`: for so long nobody is there then, by both clocks.
        """

        async def hand() -> None:
            for _ in itertools.count() if most is None else range(most):
                await asyncio.sleep(every_s)
                await self.kill_worker(jump=away)

        task = asyncio.create_task(hand())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            if self.stack.worker.pid is None:
                await self._start_worker()

    async def unrest(self) -> Unrest:
        """What is under way now."""
        async with self.pool.acquire() as conn:
            row = await conn.fetchrow(
                """
                SELECT (SELECT count(*) FROM payments WHERE state IN ('due', 'submitting', 'unknown')) AS charges,
                    (SELECT count(*) FROM refunds WHERE state IN ('due', 'submitting', 'unknown')) AS refunds,
                    (SELECT count(*) FROM timers WHERE kind = ANY($1::text[]) AND fired_at IS NULL AND due_at <= busload_now()) AS timers,
                    (SELECT count(*) FROM pgqueuer WHERE entrypoint = ANY($2::text[]) AND status <> 'failed') AS jobs,
                    (SELECT count(*) FROM audit) AS done
                """,
                list(MONEY_TIMERS),
                list(MONEY_JOBS),
            )
        assert row is not None
        return Unrest(**dict(row))

    async def come_to_rest(self, what: str, *, timeout_s: float) -> int:
        """Returns once no charge and no refund is in between; where only waiting is left, the clock jumps. Returns the jumps made."""
        deadline, jumps = time.monotonic() + timeout_s, 0
        last, since = await self.unrest(), time.monotonic()
        while (now := await self.unrest()).open:
            if now != last:
                last, since = now, time.monotonic()
            stalled = time.monotonic() - since > STALLED_S
            if now.moving == 0 or stalled:
                await self.jump(MINUTE if not stalled else LEASE)
                jumps, since = jumps + 1, time.monotonic()
            if time.monotonic() > deadline:
                raise StageError(f"waited {timeout_s:.0f} s for {what}: {now}")
            await asyncio.sleep(POLL_S)
        return jumps


@contextlib.asynccontextmanager
async def private_town(*, seed: int, server_dsn: str | None = None, template: str | None = None) -> AsyncIterator[Town]:
    """The whole service, with a fake Stripe that enforces its limits; server and template as of `private_stack`."""
    options = ("--rate-limited", "--seed", str(seed))
    async with (
        private_stack(stripe_options=options, server_dsn=server_dsn, template=template) as stack,
        await open_pool(stack.dsn, min_size=2, max_size=14) as pool,
        httpx.AsyncClient(base_url=stack.stripe_url, timeout=120.0, trust_env=False) as stripe,
    ):
        pace = SharedPace(pool, Limits(account_per_s=ACCOUNT_PER_S, endpoint_per_s=ENDPOINT_PER_S), riders_wait=True)
        gateway = StripeGateway(api_key=stack.shared.stripe_api_key, base_url=stack.stripe_url, pace=pace)
        try:
            yield Town(stack, pool, gateway, stripe)
        finally:
            await gateway.aclose()

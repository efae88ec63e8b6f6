"""What the world is played with: the database and its clock, the gateway, a browser for the fake's card page, and a worker's work.

While the clock is being moved no worker may run, so the jobs and timers that matter for the story are done here, with the real flows;
mails and the forgetting of cards stay queued for the worker that starts afterwards.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

import httpx

from app.core.clock import busload_now, shift_clock
from app.core.database import Pool, transaction
from app.core.timers import claim_due, mark_fired
from app.domain.dispatch.solving import SolveLimits
from app.domain.dispatch.travel import TravelTimes
from app.domain.payments.gateway import PaymentGateway
from app.flows.capacity_deadline import end_capacity
from app.flows.charge_payment import charge_payment
from app.flows.close_book import close_book
from app.flows.close_booking import close_booking
from app.flows.close_manifest import close_overdue_manifest
from app.flows.collect_payment import retry_payment
from app.flows.complete_duty import complete_duty
from app.flows.expire_offer import expire_offer
from app.flows.expire_trip import expire_trip
from app.flows.freeze_demand import freeze_demand
from app.flows.lapse_pledge import end_hold
from app.flows.look_up_payment import look_up_payment
from app.flows.reverse_payout import reverse_payout
from app.flows.send_offers import send_offers
from app.flows.send_payout import send_payout
from app.flows.send_refund import look_up_refund, send_refund
from app.flows.solve_event import solve_event
from app.flows.want_plan import start_replan

LIMITS = SolveLimits(time_limit_s=2.0, patience_s=0.4)
TIMERS_AT_ONCE = 20


class Hands:
    """Everything a story needs. `dice` make the same world every time."""

    def __init__(
        self, *, pool: Pool, gateway: PaymentGateway, stripe: httpx.AsyncClient, secret: str, base_url: str, travel: TravelTimes
    ) -> None:
        self.pool, self.gateway, self.stripe, self.secret, self.base_url = pool, gateway, stripe, secret, base_url
        self.dice = Random(21012017)  # noqa: S311  no secret: a world that looks the same on every machine
        self.jobs: dict[str, Callable[[UUID], Awaitable[object]]] = {
            "charge_payment": lambda subject: charge_payment(pool, subject, gateway=gateway),
            "send_refund": lambda subject: send_refund(pool, subject, gateway=gateway),
            "freeze_demand": lambda subject: freeze_demand(pool, subject, travel=travel),
            "solve_event": lambda subject: solve_event(pool, subject, limits=LIMITS),
            "send_offers": lambda subject: send_offers(pool, subject, secret=secret),
        }
        self.timers: dict[str, Callable[[UUID], Awaitable[object]]] = {
            "trip_deadline": lambda subject: expire_trip(pool, subject),
            "pledge_hold": lambda subject: end_hold(pool, subject, gateway=gateway),
            "payment_retry": lambda subject: retry_payment(pool, subject),
            "payment_lookup": lambda subject: look_up_payment(pool, subject, gateway=gateway),
            "refund_lookup": lambda subject: look_up_refund(pool, subject, gateway=gateway),
            "booking_close": lambda subject: close_booking(pool, subject),
            "capacity_deadline": lambda subject: end_capacity(pool, subject),
            "replan": lambda subject: start_replan(pool, subject),
            "offer_expiry": lambda subject: expire_offer(pool, subject),
            "duty_start": lambda subject: close_overdue_manifest(pool, duty_id=subject),
            "duty_end": lambda subject: complete_duty(pool, duty_id=subject),
            "payout": lambda subject: send_payout(pool, subject, gateway=gateway),
            "reversal": lambda subject: reverse_payout(pool, subject, gateway=gateway),
            "book_close": lambda subject: close_book(pool, subject),
        }

    async def now(self) -> datetime:
        """The world's time."""
        async with self.pool.acquire() as conn:
            return await busload_now(conn)

    async def jump(self, shift: timedelta) -> None:
        """The world's clock and Stripe's run `shift` beside real time from now on; what has become due in between happens.

        Stripe's too, so that the money of long ago has settled there by the time operators are paid.
        """
        async with transaction(self.pool) as conn:
            await shift_clock(conn, shift)
        (await self.stripe.post("/_stage/clock", json={"offset_s": shift.total_seconds()})).raise_for_status()
        await self.work()

    async def work(self) -> None:
        """Fires what is due and works off what is queued, until nothing is left."""
        while await self._sweep() + await self._work_off():
            pass

    async def _sweep(self) -> int:
        async with transaction(self.pool) as conn:
            due = await claim_due(conn, limit=TIMERS_AT_ONCE)
        for timer in due:
            await self.timers[timer.kind](timer.subject_id)
            async with transaction(self.pool) as conn:
                await mark_fired(conn, timer)
        return len(due)

    async def _work_off(self) -> int:
        async with self.pool.acquire() as conn:
            taken = await conn.fetch(
                "DELETE FROM pgqueuer WHERE entrypoint = ANY($1::text[]) RETURNING entrypoint, payload", list(self.jobs)
            )
        for job in taken:
            await self.jobs[job["entrypoint"]](UUID(bytes=job["payload"]))
        return len(taken)

"""A worker's desk for the stateful test of money: real flows on a real database and a real fake Stripe, all on one loop of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4

import msgspec

from app.core.clock import busload_now, shift_clock
from app.core.database import Pool, open_pool, transaction
from app.core.errors import Refusal
from app.domain.events import store as events
from app.domain.payments.gateway import PaymentGateway, StripeEvent
from app.domain.payments.store import alarm_stuck
from app.flows.card_saved import look_at_card_page
from app.flows.invariants import find_violations
from app.flows.open_card_page import open_card_page
from app.flows.place_pledge import PledgeWish, place_pledge
from app.flows.plan_event import EventWish, StopWish, TripWish, create_event, create_trip, open_trip
from app.flows.stripe_news import work_on_event
from app.settings import Settings
from app.worker import JOBS, Wiring, fire_due
from tests.soak.books import audit_money
from tests.support.fake_stripe import API_KEY, WEBHOOK_SECRET, FakeStripe, fake_stripe
from tests.support.riders import Between
from tests.support.server import scratch_database
from tests.support.service import SECRET, Service, event_wish, trip_wish
from tests.support.threshold import WISHES

T = TypeVar("T")
MONEY = ("charge_payment", "close_charge", "send_refund", "detach_card")
BASE_URL = "http://127.0.0.1:1"
ROUNDS = 12


class Killed(BaseException):
    """The worker's process is gone."""


class Rider(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who pledged."""

    pledge_id: UUID
    manage_token: str


class TripOnSale(msgspec.Struct, frozen=True, kw_only=True):
    """A trip and its first stop."""

    id: UUID
    stop_id: UUID
    event_id: UUID


class Stage:
    """What all examples share: the loop, the fake's process. Each example gets a desk with a database of its own."""

    def __init__(self, runner: asyncio.Runner, server: tuple[str, str], folder: Path) -> None:
        self.runner, self.server = runner, server
        self._closing = AsyncExitStack()
        self.stripe: FakeStripe = self.run(self._closing.enter_async_context(fake_stripe(folder)))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """One step on the loop."""
        return self.runner.run(work)

    def close(self) -> None:
        """Ends the fake."""
        self.run(self._closing.aclose())


class Desk:
    """One example's service. `at` is the next example's own time: all clocks begin where this machine's is."""

    def __init__(self, stage: Stage, pool: Pool, service: Service, closing: AsyncExitStack) -> None:
        self.stage, self.pool, self.service, self._closing = stage, pool, service, closing
        self.stripe = stage.stripe
        self.shift = timedelta(0)
        self.news: list[StripeEvent] = []
        self._newest: str | None = None

    @classmethod
    async def open(cls, stage: Stage) -> "Desk":
        """A fresh database, clocks at now."""
        closing = AsyncExitStack()
        dsn = await closing.enter_async_context(scratch_database(stage.server[0], template=stage.server[1], purpose="machine"))
        pool = await closing.enter_async_context(await open_pool(dsn, min_size=1, max_size=4))
        settings = Settings(
            database_url=dsn, stripe_api_key=API_KEY, stripe_webhook_secret=WEBHOOK_SECRET, stripe_base=stage.stripe.url, secret=SECRET,
            base_url=BASE_URL, smtp_url="smtp://localhost:1", mail_from="Busload <busload@localhost>", osrm_url=None, log_level="ERROR",
        )  # fmt: skip
        service = Service(pool=pool, settings=settings, http=stage.stripe.http, organiser=stage.stripe.http, stripe=stage.stripe)
        desk = cls(stage, pool, service, closing)
        await stage.stripe.stage("faults", {"clear": True})
        await stage.stripe.stage("clock", {"offset_s": 0})
        await desk.read_news()
        desk.news.clear()
        return desk

    async def aclose(self) -> None:
        """Drops the database."""
        await self._closing.aclose()

    async def open_trip(self, currency: str, *, minimum: int, cap: int, tiers: list[tuple[int, int]]) -> TripOnSale:
        """A trip that closes in a few days, so that jumps of the clock reach every deadline."""
        async with transaction(self.pool) as conn:
            now = await busload_now(conn)
        wish = {**WISHES, **event_wish(currency=currency, **days_of(now))}
        event = await create_event(self.pool, msgspec.convert(wish, EventWish), actor="organiser")
        terms = {**trip_wish(minimum=minimum, cap=cap, deadline_at=now + timedelta(days=9)), "tiers": tiers}
        stops = [msgspec.convert({"address": "", "max_ride_s": 14400, **stop}, StopWish) for stop in terms.pop("stops")]
        trip = await create_trip(self.pool, event.id, msgspec.convert({**terms, "stops": stops}, TripWish), actor="organiser")
        await open_trip(self.pool, trip.id, actor="organiser")
        async with self.pool.acquire() as conn:
            (stop, *_) = await events.list_stops_of_trip(conn, trip.id)
        return TripOnSale(id=trip.id, stop_id=stop.id, event_id=event.id)

    async def place(self, trip: TripOnSale, *, seats: int) -> Rider | None:
        """A pledge without a card yet; None when the trip takes nobody."""
        key = uuid4().hex
        wish = PledgeWish(
            stop_id=trip.stop_id, name="Ada", email=f"{key}@example.org", phone="", needs="", locale="en", seats=seats, wheelchairs=0,
            legs=("outbound", "return"), payment_method=None,
        )  # fmt: skip
        try:
            placed = await place_pledge(self.pool, trip.id, wish, key=key, body=b"", secret=SECRET, account_id=None, partner_key_id=None)
        except Refusal:
            return None
        return Rider(pledge_id=placed.pledge.id, manage_token=placed.manage_token)

    async def type_card(self, rider: Rider, card: str, *, returns: bool) -> None:
        """The rider opens a card page (the first or another one), types a card, and comes back or not."""
        try:
            url = await open_card_page(
                self.pool, rider.pledge_id, gateway=self.stripe.gateway, base_url=BASE_URL, manage_token=rider.manage_token
            )
        except Refusal:
            return
        answer = await self.stripe.http.post(
            f"/_stage/sessions/{url.rsplit('/', 1)[-1]}/complete", json={"card": card, "fingerprint_seed": uuid4().hex}
        )
        if returns and answer.is_success:
            await look_at_card_page(self.pool, rider.pledge_id, gateway=self.stripe.gateway)

    async def work(self, most: int, *, kinds: tuple[str, ...] = MONEY, dies_after: str | None = None) -> None:
        """A worker takes up to so many jobs; one that dies leaves its job in the queue, as a killed one does."""
        for _ in range(most):
            async with self.pool.acquire() as conn:
                job = await conn.fetchrow(
                    "SELECT id, entrypoint, payload FROM pgqueuer WHERE entrypoint = ANY($1::text[]) ORDER BY id LIMIT 1", list(kinds)
                )
            if job is None:
                return
            try:
                await JOBS[job["entrypoint"]](self.wiring(dies_after), UUID(bytes=job["payload"]))
            except Killed:
                return
            async with self.pool.acquire() as conn:
                await conn.execute("DELETE FROM pgqueuer WHERE id = $1", job["id"])

    def wiring(self, dies_after: str | None) -> Wiring:
        """The worker's, perhaps with a gateway that kills it right after a call has had its effect."""
        if dies_after is None:
            return self.service.wiring

        async def die() -> None:
            raise Killed

        gateway = cast("PaymentGateway", Between(self.stripe.gateway, dies_after, die))
        return msgspec.structs.replace(self.service.wiring, gateway=gateway)

    async def pass_time(self, by: timedelta) -> None:
        """Both clocks go on, and the worker sweeps as it does every five seconds."""
        self.shift += by
        await self.stripe.stage("clock", {"offset_s": self.shift.total_seconds()})
        async with transaction(self.pool) as conn:
            await shift_clock(conn, self.shift)
        await fire_due(self.service.wiring)
        async with transaction(self.pool) as conn:
            await alarm_stuck(conn)

    async def read_news(self) -> None:
        """Events that Stripe has made since."""
        while True:
            found = await self.stripe.gateway.list_events(after_ref=self._newest, limit=100)
            self.news += found
            if not found:
                return
            self._newest = found[-1].id

    async def hear(self, number: int) -> None:
        """One of Stripe's events, any of them, for the first time or again, is worked on."""
        await self.read_news()
        if self.news:
            event = self.news[number % len(self.news)]
            await work_on_event(self.pool, event.type, event.object_ref, gateway=self.stripe.gateway)

    async def attempt(self, step: Callable[[], Awaitable[object]]) -> None:
        """Something people may try and be refused."""
        try:
            await step()
        except Refusal:
            return

    async def come_to_rest(self) -> None:
        """Faults end, and the worker goes on until no charge and no refund is in between."""
        await self.stripe.stage("faults", {"clear": True})
        for _ in range(ROUNDS):
            await self.work(1000)
            async with self.pool.acquire() as conn:
                busy = await conn.fetchval(
                    """
                    SELECT (SELECT count(*) FROM payments WHERE state IN ('due', 'submitting', 'unknown'))
                         + (SELECT count(*) FROM refunds WHERE state IN ('due', 'submitting', 'unknown'))
                    """
                )
            if busy == 0:
                return
            await self.pass_time(timedelta(seconds=61))
        raise AssertionError(f"{busy} charges or refunds do not come to rest")

    async def faults(self) -> list[str]:
        """What is wrong at this moment: broken invariants."""
        async with self.pool.acquire() as conn:
            return [f"{name}: {some[0].subject} {some[0].detail}" for name, some in (await find_violations(conn)).items()]

    async def money_faults(self) -> list[str]:
        """What Stripe's books and ours do not agree on, once nothing is in between."""
        return await audit_money(self.pool, await self.stripe.books())


def days_of(now: datetime) -> dict[str, str]:
    """An event in three weeks whose booking closes in eleven days."""
    arrive = now + timedelta(days=21)
    moments = {
        "booking_closes_at": now + timedelta(days=11), "capacity_deadline_at": now + timedelta(days=18), "arrive_by_at": arrive,
        "starts_at": arrive + timedelta(hours=1), "ends_at": arrive + timedelta(hours=5), "return_departs_at": arrive + timedelta(hours=6),
    }  # fmt: skip
    return {name: moment.isoformat() for name, moment in moments.items()}

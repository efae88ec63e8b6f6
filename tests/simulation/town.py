"""The world of one seed: an event or two with trips on sale, coach companies with buses and drivers; and who is at work in it."""

from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import msgspec

from app.core.database import transaction
from app.core.errors import Refusal
from app.core.ids import new_id
from app.domain.accounts.model import Role
from app.domain.accounts.store import find_or_add_account, grant_role
from app.domain.dispatch.solving import SolveLimits
from app.domain.events import store as events
from app.domain.fleet.model import Driver
from app.domain.fleet.store import add_driver
from app.domain.notifications.letters import build_letter_environment
from app.domain.payments.gateway import GatewayError
from app.flows.plan_event import EventWish, StopWish, TripWish, create_event, create_trip, open_trip
from app.flows.solve_event import solve_event
from app.settings import Settings
from app.worker import JOBS, TIMERS, Wiring, Work
from solver.travel import GreatCircle
from tests.simulation.bank import Bank
from tests.simulation.door import pool_behind_door
from tests.simulation.gateway import SimulatedGateway
from tests.simulation.stage import MailServer, Stage
from tests.simulation.turns import Turns
from tests.support.dispatch_world import add_operator
from tests.support.money_desk import days_of
from tests.support.service import SECRET, event_wish, trip_wish
from tests.support.threshold import WISHES

BASE_URL = "http://127.0.0.1:1"
LIMITS = SolveLimits(iterations=0)  # the opening plan: no child process, and the same each time
FESTIVALS, NIGHTS = 0.3, timedelta(days=2)
MOST_RESTING = 3
RESTING_SHARE, PAUSING_SHARE, PAUSING_SHARE_MEANWHILE = 0.25, 0.06, 0.3  # of calls to the outside world, of transactions
LETTERS = build_letter_environment(secret=SECRET, base_url=BASE_URL)


class Rider(msgspec.Struct, kw_only=True):
    """Somebody who pledged, and their card page."""

    pledge_id: UUID
    manage_token: str
    page: str | None = None


class OnSale(msgspec.Struct, frozen=True, kw_only=True):
    """A trip and its stops."""

    id: UUID
    event_id: UUID
    stops: list[UUID]


class Town:
    """Everything of a seed. `say` writes a line of its step list."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage, self.seed = stage, seed
        self.dice = Random(seed)
        self.steps: list[str] = []
        self.faults: list[str] = []
        self.turns = Turns(most=MOST_RESTING, may_rest=lambda: self.dice.random() < RESTING_SHARE, may_pause=self.may_pause)
        self.pool = pool_behind_door(stage.pool, self.turns, self.faults.append)
        self.bank = Bank(lambda: stage.now)
        self.gateway = SimulatedGateway(self.bank, self.turns, self.dice, self.watch)
        self.mail = MailServer(self.dice)
        self.riders: list[Rider] = []
        self.trips: list[OnSale] = []
        self.event_ids: list[UUID] = []
        self.operators: list[UUID] = []
        self.waiting: list[UUID] = []
        self.tries: dict[int, int] = {}
        self.wiring = Wiring(
            pool=self.pool, gateway=self.gateway, mail_server=self.mail, letters=LETTERS, webhooks=stage.webhooks, travel=GreatCircle(),
            settings=Settings(
                database_url="", stripe_api_key="none", stripe_webhook_secret="none", stripe_base=None, secret=SECRET, base_url=BASE_URL,
                smtp_url="smtp://localhost:1", mail_from="Busload <busload@localhost>", osrm_url=None, log_level="ERROR",
            ),
        )  # fmt: skip
        # The plain pool: how often a search tells its progress is up to a thread, and must not draw dice.
        self.jobs: dict[str, Work] = {**JOBS, "solve_event": lambda _, subject: solve_event(stage.pool, subject, limits=LIMITS)}
        self.timers: dict[str, Work] = dict(TIMERS)

    def say(self, line: str) -> None:
        """One step, with the time it was taken at."""
        self.steps.append(f"{len(self.steps):4} {self.stage.now:%m-%d %H:%M:%S} {line}")

    def may_pause(self) -> bool:
        """Whether a hand is slow between two transactions; more often while a charge is under way."""
        return self.dice.random() < (PAUSING_SHARE_MEANWHILE if self.turns.charging() else PAUSING_SHARE)

    def watch(self, call: str) -> None:
        """No connection may be kept while the outside world is asked."""
        kept = self.stage.pool.get_size() - self.stage.pool.get_idle_size()
        if kept:
            self.faults.append(f"{kept} connection(s) kept during {call}")

    async def one(self, sql: str, *args: object) -> Any:
        """Any of the rows found, the same for the same seed; None without one."""
        rows = await self.pool.fetch(sql, *args)
        return self.dice.choice(rows) if rows else None

    async def attempt(self, what: str, step: object) -> None:
        """Something a person tries as a hand of their own; a refusal is an answer too."""

        async def tried() -> None:
            try:
                await step  # type: ignore[misc]
            except Refusal as refused:
                self.say(f"     refused: {what}: {refused.code}")
            except GatewayError as lost:
                self.say(f"     no answer: {what}: {type(lost).__name__}")

        self.say(what)
        await self.turns.begin(what, tried())

    async def build(self) -> None:
        """Companies, staff, one event (sometimes two) and their trips."""
        async with transaction(self.pool) as conn:
            staff = await find_or_add_account(conn, "staff@example.org")
            await grant_role(conn, staff.id, Role.ORGANISER)
            for number in range(self.dice.choice([0, 1, 2, 3, 3])):
                operator, _ = await add_operator(conn, number, buses=self.dice.choice([1, 1, 2]), seats=self.dice.choice([3, 8, 14, 49]))
                self.operators.append(operator)
                for seat in range(3):
                    await add_driver(
                        conn,
                        Driver(
                            id=new_id(), operator_id=operator, name="Dee", email=f"d{number}{seat}@coaches.example", phone="", active=True
                        ),
                    )
        for _ in range(self.dice.choice([1, 1, 1, 2])):
            await self.build_event()

    async def build_event(self) -> None:
        """An event in three weeks, some of them over two nights with their own buses back; ladder, prices and minimum differ."""
        times = days_of(self.stage.now)
        if self.dice.random() < FESTIVALS:
            times |= {name: (datetime.fromisoformat(times[name]) + NIGHTS).isoformat() for name in ("ends_at", "return_departs_at")}
        ladder = self.dice.choice([[], [(168, 10_000), (48, 5_000)], [(0, 8_000)]])
        wish = {**WISHES, **event_wish(**times), "refund_ladder": ladder, "fee_bp": self.dice.choice([0, 1000])}
        event = await create_event(self.pool, msgspec.convert(wish, EventWish), actor="organiser")
        self.event_ids.append(event.id)
        for _ in range(self.dice.choice([1, 1, 2])):
            minimum = self.dice.randint(1, 6)
            terms = trip_wish(
                minimum=minimum, cap=minimum + self.dice.randint(0, 5),
                deadline_at=self.stage.now + timedelta(days=self.dice.randint(3, 10)),
                price_both_minor=self.dice.choice([3200, 8900, 24_900]),
            )  # fmt: skip
            tiers = self.dice.choice([[], [(minimum + 1, 3000)], [(minimum, 3100), (minimum + 2, 1999)]])
            stops = [msgspec.convert({"address": "", "max_ride_s": 14400, **stop}, StopWish) for stop in terms.pop("stops")]
            trip = await create_trip(
                self.pool, event.id, msgspec.convert({**terms, "tiers": tiers, "stops": stops}, TripWish), actor="organiser"
            )
            await open_trip(self.pool, trip.id, actor="organiser")
            async with self.pool.acquire() as conn:
                ids = [stop.id for stop in await events.list_stops_of_trip(conn, trip.id)]
            self.trips.append(OnSale(id=trip.id, event_id=event.id, stops=ids))

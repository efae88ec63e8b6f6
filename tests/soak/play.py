"""The money soak, act by act: charges, charges whose keys Stripe forgets, collection to its end, refunds, refunds with forgotten keys."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from random import Random
from typing import Any

import msgspec

from app.core.errors import Refusal
from app.flows.approve_charge import approve_charge
from app.flows.cancel_trip import cancel_trip
from app.flows.reconcile import reconcile
from app.stage.errors import StageError
from app.stage.rehearsal.calling import until
from tests.soak.books import CHARGED, audit, read_ours
from tests.soak.crowd import ASKING, Crowd, gather_crowd, tip
from tests.soak.town import Town, private_town

RATES = {
    "server_error_rate": 0.01, "server_error_after_effect_rate": 0.01, "lost_reply_rate": 0.01, "decline_rate": 0.05,
    "webhook_duplicate_rate": 0.2, "webhook_drop_rate": 0.1, "webhook_delay_s": 0.2, "webhook_shuffle_s": 3.0,
}  # fmt: skip
PAST_KEYS = timedelta(hours=25)
RETRY = timedelta(hours=49)
ROUNDS = 12
CREATE, CONFIRM, REFUND = "POST /v1/payment_intents", "POST /v1/payment_intents/{intent}/confirm", "POST /v1/refunds"
HELD_BACK = 3  # answers of each kind withheld before a worker dies; fewer than the charges made at once
HELD_S = 30.0
PATIENCE_S = 120.0
ROUGHER = ("server_error_rate", "server_error_after_effect_rate", "lost_reply_rate", "decline_rate")
REPLIES = ("server_error", "server_error_after_effect", "lost_reply", "slow_reply")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How large, how rough. `old_key_charges` are those tipped in the second pass, `forgettings` how often a day passes in it."""

    charges: int
    old_key_charges: int
    seconds_between_kills: float
    seed: int
    forgettings: int = 3
    away: timedelta | None = None  # how long nobody is there after a kill, by the simulated clocks; None: only until the next one starts
    between_retries: timedelta = RETRY
    kills_an_act: int | None = None
    rougher: float = 1.0  # times the rates of faults: a short run must meet each of them too


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The figures; `missed` names every bar that was."""

    charges: int
    succeeded: int
    dropped: int
    refunds: int
    kills: int
    caught_in_flight: int
    in_flight_over_24_h: int
    keys_forgotten: int
    over_limit: int
    faults: dict[str, int]
    double_charges: int
    unaccounted: int
    unsettled: int
    cents_apart: int
    violations: dict[str, int]
    spare_intents: int
    movements_matched: int
    movements_not_matched: int
    held_jobs: int
    simulated_days: float
    charges_per_s: float
    seconds: float
    seconds_of: dict[str, float]
    seed: int
    missed: list[str]


class Soak:
    """One performance."""

    def __init__(self, town: Town, plan: Plan, told: Callable[[str], None]) -> None:
        self.town, self.plan, self.told = town, plan, told
        self.dice = Random(plan.seed)
        self.seconds_of: dict[str, float] = {}
        self.over_24_h = 0
        self.charges_per_s = 0.0

    @contextmanager
    def act(self, name: str) -> Iterator[None]:
        """Times an act."""
        began = time.monotonic()
        yield
        self.seconds_of[name] = round(time.monotonic() - began, 1)
        self.told(f"{name}: {self.seconds_of[name]:.0f} s")

    async def perform(self) -> None:
        """All acts."""
        plan, town = self.plan, self.town
        patience_s = PATIENCE_S + (plan.charges + plan.old_key_charges) / 2
        with self.act("pledging"):
            await town.stage("faults", {"clear": True, "rate_limited": False})
            fresh = await gather_crowd(town, "fresh", charges=plan.charges, dice=self.dice)
            old = await gather_crowd(town, "old", charges=plan.old_key_charges, dice=self.dice)
            await town.stage("faults", {"rates": rates_of(plan), "rate_limited": True})
        with self.act("charging"):
            async with town.killing(plan.seconds_between_kills, most=plan.kills_an_act, away=plan.away):
                await self.charge(fresh, timeout_s=patience_s)
                await town.come_to_rest("the first charges", timeout_s=patience_s)
                await self.approve_some(fresh)
        with self.act("charging with forgotten keys"):
            await tip(town, old)
            for number in range(plan.forgettings):
                await self.die_for_a_day(CREATE, CONFIRM)
                if number == plan.forgettings - 1:  # in the middle of its charges: what succeeds after this goes back at once
                    await self.cancel(old.trips[0].id)
            await town.come_to_rest("the charges of the second pass", timeout_s=patience_s)
        with self.act("collection"):
            await self.collect(timeout_s=patience_s)
        with self.act("refunds"):
            async with town.killing(plan.seconds_between_kills, most=plan.kills_an_act, away=plan.away):
                for trip in fresh.trips[::2]:
                    await self.cancel(trip.id)
                await town.come_to_rest("the refunds", timeout_s=patience_s)
        with self.act("refunds with forgotten keys"):
            for trip in old.trips[1::2]:
                await self.cancel(trip.id)
            await self.die_for_a_day(REFUND)
            await town.come_to_rest("the refunds of the second pass", timeout_s=patience_s)

    async def charge(self, crowd: Crowd, *, timeout_s: float) -> None:
        """Tips every trip and waits until each charge has been tried; at what rate is the soak's figure."""
        began = time.monotonic()
        await tip(self.town, crowd)

        async def tried() -> int | None:
            async with self.town.pool.acquire() as conn:
                row = await conn.fetchrow("SELECT count(*) FILTER (WHERE attempts = 0) AS untried, count(*) AS payments FROM payments")
            assert row is not None
            return int(row["payments"]) if row["untried"] == 0 else None

        payments = await until(tried, "every charge to be tried", timeout_s=timeout_s)
        self.charges_per_s = round(payments / (time.monotonic() - began), 1)

    async def die_for_a_day(self, *endpoints: str) -> None:
        """The worker dies while answers are withheld from it; nobody is there until Stripe has forgotten every key."""
        before = (await self.town.stage("faults"))["struck"].get("slow_reply", 0)
        once = [{"endpoint": endpoint, "fault": "slow_reply", "skip": 1} for endpoint in endpoints for _ in range(HELD_BACK)]
        await self.town.stage("faults", {"rates": {"slow_reply_s": HELD_S}, "once": once})

        async def struck() -> bool | None:
            now = await self.town.stage("faults")
            if (await self.town.unrest()).moving == 0:
                return True
            return now["struck"].get("slow_reply", 0) - before >= HELD_BACK or None

        await until(struck, "answers to be withheld", timeout_s=PATIENCE_S)
        self.over_24_h += await self.town.kill_worker(jump=PAST_KEYS)
        await self.town.stage("faults", {"rates": {"slow_reply_s": 0.0}})

    async def approve_some(self, crowd: Crowd) -> None:
        """Of the riders whose bank asks, some approve, some refuse, some do nothing; an answer that is lost is nobody's loss."""
        asked = [pledge_id for pledge_id, temper in crowd.tempers.items() if temper in ASKING]
        for pledge_id in asked:
            will = self.dice.choice(("approve", "approve", "refuse", "ignore"))
            if will == "ignore":
                continue
            try:
                await approve_charge(self.town.pool, pledge_id, gateway=self.town.gateway, return_url="http://127.0.0.1:1/approved")
            except Refusal:
                continue
            async with self.town.pool.acquire() as conn:
                intent = await conn.fetchval("SELECT intent_ref FROM payments WHERE reference = $1", pledge_id)
            await self.town.stage(f"intents/{intent}/decide", {"approve": will == "approve"})

    async def collect(self, *, timeout_s: float) -> None:
        """The clock runs through every retry to the windows' end."""
        for _ in range(ROUNDS):
            await self.town.come_to_rest("a round of collection", timeout_s=timeout_s)
            async with self.town.pool.acquire() as conn:
                waiting = await conn.fetchval("SELECT count(*) FROM payments WHERE state IN ('retryable', 'needs_action')")
            if waiting == 0:
                return
            await self.town.kill_worker(jump=self.plan.between_retries)
        raise StageError(f"{waiting} payments still wait after {ROUNDS} rounds")

    async def cancel(self, trip_id: Any) -> None:
        """A trip does not run."""
        await cancel_trip(self.town.pool, trip_id, actor="organiser", reason="The soak wants its money back.")


def rates_of(plan: Plan) -> dict[str, float]:
    """The rates of a run."""
    return {name: rate * plan.rougher if name in ROUGHER else rate for name, rate in RATES.items()}


async def run_soak(
    plan: Plan, *, told: Callable[[str], None] = print, server_dsn: str | None = None, template: str | None = None
) -> tuple[Report, list[str]]:
    """Plays it; the report, and a line for each fault found."""
    began = time.monotonic()
    async with private_town(seed=plan.seed, server_dsn=server_dsn, template=template) as town:
        soak = Soak(town, plan, told)
        await soak.perform()
        with soak.act("audit"):
            books = await town.stage("books")
            found = await audit(town.pool, books)
            compared = await reconcile(town.pool, gateway=town.gateway)
            ours = await read_ours(town.pool)
            async with town.pool.acquire() as conn:
                held = await conn.fetchval("SELECT count(*) FROM pgqueuer WHERE status = 'failed'")
            forgotten = (await town.stage("ready"))["keys_forgotten"]
    report = Report(
        charges=len(ours.payments), succeeded=sum(row.state in CHARGED for row in ours.payments),
        dropped=sum(row.pledge_state == "dropped" for row in ours.payments), refunds=len(ours.refunds), kills=town.kills,
        caught_in_flight=town.caught, in_flight_over_24_h=soak.over_24_h, keys_forgotten=forgotten,
        over_limit=books["struck"].pop("over_limit", 0), faults=books["struck"], movements_matched=compared.matched,
        movements_not_matched=len(compared.findings) + len(compared.in_flight),
        double_charges=len(found.double_charges), unaccounted=len(found.unaccounted), unsettled=len(found.unsettled),
        cents_apart=max(found.cents_apart.values(), default=0), violations=found.violations, spare_intents=found.spare_intents,
        held_jobs=held, simulated_days=round(town.shift / timedelta(days=1), 1), charges_per_s=soak.charges_per_s,
        seconds=round(time.monotonic() - began, 1), seconds_of=soak.seconds_of, seed=plan.seed, missed=[],
    )  # fmt: skip
    faults = [*found.double_charges, *found.unaccounted, *found.unsettled, *(str(one) for one in compared.findings)]
    return msgspec.structs.replace(report, missed=missed(report, plan)), faults


def missed(report: Report, plan: Plan) -> list[str]:
    """The bars a run did not clear: what must be nothing, and what must have happened for the nothing to mean anything."""
    nothing = {
        "double_charges": report.double_charges, "unaccounted": report.unaccounted, "unsettled": report.unsettled,
        "cents_apart": report.cents_apart, "violations": sum(report.violations.values()), "held_jobs": report.held_jobs,
        "movements_not_matched": report.movements_not_matched, "over_limit": report.over_limit,
    }  # fmt: skip
    happened = {
        "kills": report.kills, "in_flight_over_24_h": report.in_flight_over_24_h, "keys_forgotten": report.keys_forgotten,
        "refunds": report.refunds, "dropped": report.dropped, **{fault: report.faults.get(fault, 0) for fault in (*REPLIES, "decline")},
    }  # fmt: skip
    wanted = plan.charges + plan.old_key_charges
    return [
        *(f"{name} is {value}, not 0" for name, value in nothing.items() if value),
        *(f"{name} never happened" for name, value in happened.items() if not value),
        *([f"{report.charges} charges, not {wanted}"] if report.charges != wanted else []),
    ]

"""One seed: days of selling in which anything may happen, then time runs on until nothing is left to do; checked as it goes."""

import asyncio
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec

from app.core.ids import ids_from
from app.flows.reconcile import reconcile
from app.worker import MAX_JOB_ATTEMPTS
from tests.simulation.looking import Looks
from tests.simulation.meddling import Meddling
from tests.simulation.people import People
from tests.simulation.stage import SeededBirths, Stage
from tests.simulation.town import Town
from tests.simulation.treasury import Treasury
from tests.simulation.work import Work

Act = Callable[[], Awaitable[Any]]
ROUGH_STEPS = 36
LOOK_EVERY = 18
MOST_STEPS = 1500
AT_EACH_STOP = 0.35  # how often somebody does something between two deadlines
AMONG_RIDERS = 0.6  # how often that is about the buses, while there are any
MEDDLING = 0.5  # how often something happens to a charge or a refund in the middle of which somebody rests
PART_OF_THE_WAY, PART_OF_THE_WAY_WHILE_OUT = 0.1, 0.6  # how often the clock stops between two deadlines, also with a bus on the road
PROMPT = 0.8  # how often an offer or a shortfall is answered before the next deadline
FINAL = frozenset({"travelled", "no_show", "refunded", "withdrawn", "released", "lapsed", "refused", "dropped"})
ENDED_TRIPS = frozenset({"completed", "expired", "cancelled", "draft"})


class Told(msgspec.Struct, kw_only=True):
    """What a seed came to. `outcome` is the same each time it is played."""

    seed: int
    faults: list[str]
    steps: list[str]
    outcome: dict[str, Any]
    seconds: float = 0.0


class Restless(Exception):
    """The town does not come to rest."""


class Game:
    """A seed being played."""

    def __init__(self, stage: Stage, seed: int, *, closely: bool) -> None:
        self.stage, self.town, self.closely = stage, Town(stage, seed), closely
        self.looks, self.deadlines = Looks(stage), 0
        self.asked = False  # whether operators were ever asked for their answers
        self.dice = self.town.dice
        self.work, self.people, self.treasury = Work(self.town), People(self.town), Treasury(self.town)
        self.meddling = Meddling(self.town, self.work)
        people, treasury = self.people, self.treasury
        self.selling: dict[Act, int] = {
            people.pledge: 22, people.another_card: 4, people.take_offered_seats: 4, people.withdraw: 3, people.change: 5,
            people.pass_on: 2,
            people.answer_transfer: 4, people.join_line: 5, people.approve_at_bank: 6, people.ease: 3, people.move: 1,
            people.trouble_from_banks: 3, treasury.send_again: 2, self.work.take_one: 22, self.work.fire_one: 8,
            self.work.hear: 5, self.work.poll: 2, self.go_on: 10, self.kill: 2, self.let_time_pass: 10,
        }  # fmt: skip
        self.travelling: dict[Act, int] = {
            people.answer_offer: 14, people.leave_duty: 6, people.leave_planned: 4, people.crew: 3, people.drive: 8,
            treasury.approve_money: 8, people.open_account: 3, treasury.cover: 2, people.withdraw: 1, people.change: 1, people.pass_on: 1,
            people.answer_transfer: 1, people.approve_at_bank: 2, people.trouble_from_banks: 7, treasury.send_again: 3,
            treasury.answer_bank: 2, self.work.hear: 5, self.work.poll: 2, people.cancel: 1, people.dispatch: 1, self.kill: 1,
        }  # fmt: skip
        self.riding: dict[Act, int] = {
            people.leave_duty: 5, people.leave_planned: 4, people.drive: 6, people.crew: 1, people.cancel: 2, self.work.hear: 2,
        }  # fmt: skip

    def any_of(self, acts: dict[Act, int]) -> Act:
        """One of the acts, by weight."""
        return self.dice.choices(list(acts), weights=list(acts.values()))[0]

    async def play(self) -> None:
        """The whole story."""
        await self.town.build()
        self.town.gateway.fault_share, self.town.mail.fault_share = self.dice.choice([0.0, 0.05, 0.15]), 0.02
        for number in range(ROUGH_STEPS):
            if not await self.meddle():
                await self.any_of(self.selling)()
            await self.glance()
            if number % LOOK_EVERY == LOOK_EVERY - 1:
                await self.look()
        await self.run_on()
        await self.settle()

    async def meddle(self) -> bool:
        """Perhaps something happens to a charge or a refund that is under way."""
        return self.town.turns.charging() and self.dice.random() < MEDDLING and await self.meddling.meddle()

    async def go_on(self) -> None:
        """A resting hand has its next turn."""
        if self.town.turns.resting:
            hand = self.dice.choice(self.town.turns.resting)
            self.town.say(f"goes on: {hand.what}")
            await self.town.turns.go_on(hand)

    async def kill(self) -> None:
        """A resting hand's process is killed."""
        if self.town.turns.resting:
            hand = self.dice.choice(self.town.turns.resting)
            self.town.say(f"killed: {hand.what}")
            await self.town.turns.kill(hand)

    async def let_time_pass(self) -> None:
        """Seconds, hours, or to just after the next deadline."""
        by = self.dice.choice([timedelta(seconds=5), timedelta(seconds=70), timedelta(minutes=16), timedelta(hours=3), timedelta(hours=20)])
        await self.stage.pass_time(by)
        await self.work.alarm()
        self.town.say(f"{by} pass")

    async def run_on(self) -> None:
        """Every hand ends, every job and timer is done, and the clock goes from deadline to deadline until none is left."""
        self.deadlines = 0
        while await self.take_step():
            await self.glance()
            if len(self.town.steps) > MOST_STEPS:
                raise Restless(f"still busy after {MOST_STEPS} steps")

    async def take_step(self) -> bool:
        """Whatever is next; False when nothing is left to do."""
        if await self.meddle():
            pass
        elif self.town.turns.resting and self.dice.random() < 0.5:
            await self.go_on()
        elif await self.work.take_one() or await self.work.fire_one():
            pass
        elif self.town.turns.resting:
            await self.go_on()
        elif self.dice.random() < AT_EACH_STOP:
            await self.any_of(self.riding if self.dice.random() < AMONG_RIDERS and await self.people.ride() else self.travelling)()
            self.note(await self.looks.aboard())
        elif self.dice.random() < PROMPT and await self.people.wait_for_answers():
            if not self.asked:
                self.note(await self.looks.all_but_swept())
            self.asked = True
            await self.dice.choice([self.people.answer_offer, self.treasury.approve_money])()
        elif not await self.to_next_deadline():
            return False
        else:
            self.deadlines += 1
            if self.deadlines % LOOK_EVERY == 0:
                await self.look()
        return True

    async def to_next_deadline(self) -> bool:
        """The clock goes to the next timer, or part of the way; False when none is left but those that wait for a person."""
        due = await self.town.pool.fetchval(
            "SELECT min(greatest(due_at, coalesce(leased_until, due_at))) FROM timers WHERE fired_at IS NULL"
        )
        if due is None:
            return False
        ahead = max(timedelta(0), due - self.stage.now) + timedelta(seconds=self.dice.randint(0, 4))
        share = PART_OF_THE_WAY_WHILE_OUT if await self.people.is_out() else PART_OF_THE_WAY
        await self.stage.pass_time(ahead * self.dice.random() if self.dice.random() < share else ahead)
        await self.work.alarm()
        await self.end_waiting()
        return True

    async def end_waiting(self) -> None:
        """Payouts wait for accounts and cover, books for every refund, however long: here somebody sees to it once the event is over."""
        if self.stage.shift > timedelta(days=26):
            await self.people.open_account()
            await self.treasury.cover()
            await self.treasury.top_up()
            await self.treasury.settle_elsewhere()

    async def settle(self) -> None:
        """No more faults; banks decide, refunds that came back are sent again, and everything is worked off once more."""
        self.town.gateway.fault_share = self.town.mail.fault_share = 0.0
        self.town.turns.may_rest = self.town.turns.may_pause = lambda: False
        self.town.tries.clear()  # somebody has looked at what was held, and let it run again
        self.travelling = {self.work.poll: 1}
        for _ in range(6):
            for ref in [one.ref for one in self.town.bank.disputes.values() if one.status not in {"won", "lost"}]:
                self.town.bank.close_dispute(ref, won=self.dice.random() < 0.5)
            await self.work.poll()
            for _ in range(await self.town.pool.fetchval("SELECT count(*) FROM refunds WHERE state = 'failed' AND held_by IS NULL")):
                await self.treasury.send_again()
            await self.treasury.cover()
            await self.run_on()
        await self.look()
        self.town.faults += await self.open_ends()

    async def look(self) -> None:
        """All invariants, after a sweep: some of them are about what the sweep does in time."""
        while await self.work.fire_one():
            pass
        self.note(await self.looks.all())

    async def glance(self) -> None:
        """What is looked at after each step: little, or when the seed is replayed everything that can be asked at any moment."""
        self.note(await (self.looks.all_but_swept() if self.closely else self.looks.cheap()))

    def note(self, found: list[str]) -> None:
        """A fault ends the seed."""
        self.town.faults += found
        if self.town.faults:
            raise Restless("a fault was found")

    async def open_ends(self) -> list[str]:
        """What is not over although nothing is left to do, and what gateway and ledger do not agree on."""
        pool = self.town.pool
        held = {job for job, tries in self.town.tries.items() if tries >= MAX_JOB_ATTEMPTS}
        faults = [f"job {row['id']} {row['entrypoint']} is left" for row in await pool.fetch(LEFT)
                  if row["id"] not in held]  # fmt: skip
        faults += [
            f"{row['many']} {row['what']}(s) stay {row['state']}" for row in await pool.fetch(UNSETTLED, sorted(FINAL), sorted(ENDED_TRIPS))
        ]
        found = await reconcile(pool, gateway=self.town.gateway)
        return faults + [f"books differ: {one.kind} {one.what}" for one in (*found.findings, *found.in_flight)]

    async def outcome(self) -> dict[str, Any]:
        """How it ended, in figures that do not depend on ids."""
        pool = self.town.pool
        pledges = await pool.fetch("SELECT state, people, amount_minor FROM pledges ORDER BY id")
        trips = await pool.fetch("SELECT state, secured FROM trips ORDER BY id")
        ledger = await pool.fetch(
            "SELECT account, sum(amount_minor)::bigint AS minor FROM ledger_entries GROUP BY account ORDER BY account"
        )
        return {
            "pledges": [list(row) for row in pledges], "trips": [list(row) for row in trips], "ledger": [list(row) for row in ledger],
            "bank": self.town.bank.summary(), "mails": self.town.mail.taken, "faults_met": dict(sorted(self.town.gateway.met.items())),
            "states": dict(sorted(Counter(row["state"] for row in pledges).items())),
        }  # fmt: skip


LEFT = "SELECT id, entrypoint FROM pgqueuer ORDER BY id"
UNSETTLED = """
SELECT 'pledge' AS what, state, count(*) AS many FROM pledges WHERE state <> ALL ($1::text[]) GROUP BY state
UNION ALL SELECT 'trip', state, count(*) FROM trips WHERE state <> ALL ($2::text[]) GROUP BY state
UNION ALL SELECT 'payment', state, count(*) FROM payments
WHERE state NOT IN ('succeeded', 'won', 'lost', 'abandoned', 'void') GROUP BY state
UNION ALL SELECT 'refund', state, count(*) FROM refunds WHERE state <> 'succeeded' AND held_by IS NULL GROUP BY state
UNION ALL SELECT 'payout', state, count(*) FROM payouts WHERE state NOT IN ('succeeded', 'void') GROUP BY state
UNION ALL SELECT 'transfer', state, count(*) FROM transfers WHERE state = 'offered' GROUP BY state
UNION ALL SELECT 'place in line', state, count(*) FROM waitlist WHERE state = 'waiting' GROUP BY state
UNION ALL SELECT 'offer', state, count(*) FROM offers WHERE state IN ('proposed', 'sent') GROUP BY state
"""


async def play_seed(stage: Stage, seed: int, *, closely: bool = False) -> Told:
    """Plays a seed from an empty database to its end, or to its first fault. `closely`: all invariants after each step."""
    began = time.perf_counter()
    await stage.clear()
    with ids_from(SeededBirths(seed)):
        game = Game(stage, seed, closely=closely)
        outcome: dict[str, Any] = {}
        try:
            await game.play()
        except Restless as restless:
            game.town.faults.append(str(restless))
        except Exception as error:  # noqa: BLE001  whatever breaks is what a seed is played for
            where = traceback.extract_tb(error.__traceback__)[-1]
            game.town.faults.append(f"{type(error).__name__}: {error} ({where.filename.rsplit('/', 1)[-1]}:{where.lineno})")
        finally:
            await asyncio.gather(*(game.town.turns.kill(hand) for hand in list(game.town.turns.resting)))
        outcome = await game.outcome()
    return Told(seed=seed, faults=game.town.faults, steps=game.town.steps, outcome=outcome, seconds=time.perf_counter() - began)

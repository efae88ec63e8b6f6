"""`busload rehearse`: the whole play, act by act, with a progress bar, and the checks after the curtain."""

import asyncio
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from app.stage.chaos.director import Chaos, ChaosPlan, Director
from app.stage.private_stack import PrivateStack
from app.stage.rehearsal.auditing import Money, check_books, check_doctor, check_ledger, check_promises, check_reconciliation, read_money
from app.stage.rehearsal.calling import Caller, until
from app.stage.rehearsal.dispatching import Yard
from app.stage.rehearsal.paying import LOOK_AGAIN, cover, open_accounts, pay_out
from app.stage.rehearsal.report import Notes, Report, print_report
from app.stage.rehearsal.script import Script, write_script
from app.stage.rehearsal.selling import EXPIRES_IN, Box, OpenTrip, Placed
from app.stage.rehearsal.theatre import Theatre, client, kill_worker_while_charging, let_stripe_misbehave, private_theatre, running_theatre
from app.stage.world.records import OperatorRecord, read_events, read_names, read_operators

AT_ONCE = 24
PATIENCE_S = 2.0  # between two minutes that are let pass
EVENT = "march"
WEEKS_APART = 50  # rehearsals on one service would otherwise want the same buses and drivers on the same day
FAULTS_WHILE_SELLING = 0.5  # of those that must strike; the others meet the planning and the day
KILL_AFTER_SHARE = 4  # the answers held back are those after a quarter of the pledges


async def run_rehearsal(
    *,
    riders: int,
    seed: int,
    url: str | None,
    console: Console,
    kill_worker: bool = False,
    rough: bool = False,
    inbox_url: str | None = None,
    chaos: ChaosPlan | None = None,
) -> tuple[Report, Chaos | None]:
    """Plays an event for `riders` people and returns what was found.

    Without `url` in a private stack, else through the service there. `kill_worker` kills the private stack's worker between a charge and
    its answer; `rough` lets its fake Stripe lose replies, answer 500 and scramble webhooks; `chaos` lets everything break that can, one
    after another, while the event is played, and returns what broke. Raises StageError when the play cannot go on.
    """
    event = read_events()[EVENT]
    weeks_later = 0 if url is None else secrets.randbelow(WEEKS_APART)
    script = write_script(riders, seed, event, read_names()[event.country], now=datetime.now(UTC), weeks_later=weeks_later)
    operators = [operator for operator in read_operators() if operator.currency == event.currency]
    notes = Notes()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        async with AsyncExitStack() as closing:
            with notes.stage("setup"):
                chosen = (
                    private_theatre(operators, riders=riders, chaos=chaos) if url is None else running_theatre(url, inbox_url=inbox_url)
                )
                theatre = await closing.enter_async_context(chosen)
                if rough and theatre.stack is not None:
                    await let_stripe_misbehave(theatre.stack)
            director = None
            if chaos is not None and theatre.stack is not None:
                director = Director(theatre.stack, seed=seed, plan=chaos, told=lambda line: bar.console.print(line, highlight=False))
            play = Play(theatre, script, operators, notes, bar, director, seed=seed)
            money = await play.perform(kill_worker=kill_worker)
            if notes.details and theatre.stack is not None:
                bar.console.print(f"the processes' logs are kept in {keep_logs(theatre.stack)}", highlight=False, soft_wrap=True)
    report = notes.report(riders=riders, charged_minor=dict(money.charged), refunded_minor=dict(money.refunded))
    print_report(console, report, notes)
    return report, None if director is None else director.report(acknowledged=notes.promises.count)


def keep_logs(stack: PrivateStack) -> Path:
    """Copies what the stack's processes have written to a place that outlives it: a violation sends its reader there."""
    kept = Path(tempfile.mkdtemp(prefix="busload-logs-"))
    for child in stack.children:
        if child.log_path.exists():
            shutil.copy(child.log_path, kept)
    return kept


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What ended a group of tasks, however deep."""
    first = group.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first


class Play:
    """One performance."""

    def __init__(
        self,
        theatre: Theatre,
        script: Script,
        operators: list[OperatorRecord],
        notes: Notes,
        bar: Progress,
        director: Director | None,
        *,
        seed: int,
    ) -> None:
        self.theatre, self.script, self.operators, self.notes, self.bar, self.seed = theatre, script, operators, notes, bar, seed
        self.director = director
        self._patient_until_s = time.monotonic()

    @asynccontextmanager
    async def faults(self) -> AsyncIterator[None]:
        """Whatever can break does so meanwhile, all of it at least once; without a director nothing does."""
        if self.director is None:
            yield
            return
        try:
            async with asyncio.TaskGroup() as both:  # a stage that cannot be put right again ends the play at once
                both.create_task(self.director.run())
                yield
                await self.director.stop()
        except BaseExceptionGroup as group:
            raise first_of(group) from group
        for name in self.director.not_recovered:
            self.notes.violated("recovers within a minute", [name])

    def calm(self) -> AbstractAsyncContextManager[None]:
        """Nothing breaks for a moment: the clock is being moved."""
        return nullcontext() if self.director is None else self.director.calm()

    def task(self, what: str, total: int) -> TaskID:
        """A line of the progress bar."""
        return self.bar.add_task(what, total=total)

    async def perform(self, *, kill_worker: bool) -> Money:
        """All acts; returns what the riders were charged and paid back."""
        organiser = await self.theatre.sign_in("organiser")
        box = Box(public=self.theatre.public, organiser=organiser, http=self.theatre.http, notes=self.notes, at_once=AT_ONCE)
        with self.notes.stage("event"):
            event_id, trips = await box.open_event(self.script)
        async with self.faults():
            placed = await self.sell(box, trips, kill_worker=kill_worker)
            with self.notes.stage("tipping"):
                await box.settle(event_id, hurry=self.hurry)
            await self.drive(event_id, box)
        await self.pay(event_id)
        return await self.check(event_id, box, placed)

    async def sell(self, box: Box, trips: list[OpenTrip], *, kill_worker: bool) -> list[Placed]:
        """The burst of pledges; meanwhile, if wished, a worker is killed."""
        total = sum(len(trip.script.pledgers) for trip in trips)
        task = self.task("pledges", total)
        stack, pool = self.theatre.stack, self.theatre.pool
        with self.notes.stage("pledges"):
            async with asyncio.TaskGroup() as group:
                selling = group.create_task(box.sell(trips, lambda: self.bar.advance(task), when=self.arrival))
                if kill_worker and stack is not None and pool is not None:
                    killing = group.create_task(kill_worker_while_charging(stack, pool, skip=total // KILL_AFTER_SHARE))
            if kill_worker and stack is not None:
                self.bar.console.print(
                    f"worker killed while {len(killing.result())} charge(s) stood in the books unanswered", highlight=False
                )
        return selling.result()

    async def arrival(self, share: float) -> None:
        """When so much of the crowd has come, from 0 to 1: at once, or spread over the time in which most faults strike."""
        if self.director is not None:
            await self.director.reach(share * FAULTS_WHILE_SELLING)

    async def hurry(self) -> None:
        """Lets the short deadlines pass."""
        async with self.calm():
            await self.theatre.jump(EXPIRES_IN)

    async def let_a_minute_pass(self) -> None:
        """Charges whose answer was lost and declines are waited for by the clock; where time may be moved nobody waits."""
        if self.theatre.stack is not None and time.monotonic() > self._patient_until_s:
            async with self.calm():
                await self.theatre.jump_to(await self.theatre.now() + LOOK_AGAIN)
            self._patient_until_s = time.monotonic() + PATIENCE_S

    async def drive(self, event_id: str, box: Box) -> None:
        """Dispatch, drivers, the day."""
        yard = Yard(
            organiser=box.organiser, operators=await self.theatre.sign_in_operators(self.operators), public=self.theatre.public,
            inbox=self.theatre.inbox, notes=self.notes, seed=self.seed,
        )  # fmt: skip
        stages = ["selling", "closing", "planning", "offering", "settled"]
        task = self.task("dispatch", len(stages) - 1)

        def told(stage: str) -> None:
            self.bar.update(task, description=f"dispatch: {stage}", completed=stages.index(stage) if stage in stages else 2)

        with self.notes.stage("dispatch"):
            settled = await yard.dispatch(event_id, told, wait=self.let_a_minute_pass)
        with self.notes.stage("manifests"):
            crews = await yard.assign(event_id)
            drivers = await yard.open_links(crews, {duty["id"]: duty["code"] for duty in settled["duties"]})
        await self.travel(yard, drivers, settled)

    async def travel(self, yard: Yard, drivers: list[Caller], settled: dict[str, Any]) -> None:
        """The day itself; a private stack's clock is moved there and beyond, so that trips are completed."""
        times = self.script.times
        task = self.task("check-ins", len(drivers))
        with self.notes.stage("check_ins"):
            async with self.calm():
                await self.theatre.jump_to(times.capacity_deadline_at + timedelta(minutes=1))
                await self.theatre.jump_to(times.arrive_by_at - timedelta(hours=1))
            for driver in drivers:
                await yard.board(driver, at=self.theatre.now)
                self.bar.advance(task)
        if self.theatre.pool is None:
            return
        with self.notes.stage("journey"):
            async with self.calm():
                await self.theatre.jump_to(times.return_departs_at + timedelta(hours=1))
            for driver in drivers:
                await driver.post("/api/driver/end", may_repeat=True)
            home_at = max(datetime.fromisoformat(duty["ends_at"]) for duty in settled["duties"])
            async with self.calm():
                await self.theatre.jump_to(home_at + timedelta(hours=2))
            await yard.see_home(settled["event_id"])

    async def pay(self, event_id: str) -> None:
        """Operators open their accounts and are paid; the event's book is closed. Only where time may be moved."""
        if self.theatre.stack is None:
            return
        with self.notes.stage("payouts"):
            organiser = await self.theatre.sign_in("organiser")
            await cover(organiser, event_id)
            await open_accounts(self.theatre, await self.theatre.sign_in_operators(self.operators), event_id)
            await pay_out(self.theatre, organiser, event_id, self.notes)

    async def check(self, event_id: str, box: Box, placed: list[Placed]) -> Money:
        """Waits until no money is on its way, then looks at everything."""
        with self.notes.stage("checks"):

            async def money_at_rest() -> Money | None:
                money = await read_money(self.theatre.public, placed)
                return money if money.in_flight == 0 else None

            money = await until(money_at_rest, "every charge and refund to settle", timeout_s=180.0)
            self.notes.count("dropped", money.states["dropped"])
            await check_reconciliation(await self.theatre.sign_in("organiser"), self.notes)
            await check_doctor(self.theatre.public, self.notes)
            async with client(self.stripe_url(box)) as stripe:
                await check_books(stripe, placed, money, self.notes)
            if self.theatre.pool is not None:
                await check_ledger(self.theatre.pool, event_id, money, self.notes)
                await check_promises(self.theatre.pool, self.notes)
        return money

    def stripe_url(self, box: Box) -> str:
        """Where the fake Stripe is: known of a private stack, seen on the card pages of another service."""
        return self.theatre.stack.stripe_url if self.theatre.stack else box.stripe_root

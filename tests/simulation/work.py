"""The worker's side: several hands take jobs and timers in an order that the seed decides; some die with their work half done."""

from uuid import UUID

from app.core.database import transaction
from app.core.errors import Unavailable
from app.core.timers import claim_due, mark_failed, mark_fired
from app.domain.payments.dispute_store import alarm_stuck_disputes
from app.domain.payments.gateway import GatewayError, StripeEvent
from app.domain.payments.model import FORGOTTEN_AFTER
from app.domain.payments.payouts.store import alarm_stuck_payouts
from app.domain.payments.store import alarm_stuck, remember_forgotten
from app.flows.stripe_news import poll_stripe, store_event, work_on_inbox
from app.worker import MAX_JOB_ATTEMPTS
from tests.simulation.town import Town

EXPECTED = (GatewayError, Unavailable, OSError)
TIMER_PAUSE_S = 5.0


class Work:
    """Hands of the worker in a town. `taken` are the jobs some hand has in its hands."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.taken: set[int] = set()

    async def list_jobs(self) -> list[tuple[int, str, UUID]]:
        """Jobs nobody works on and that are not held, the oldest first."""
        rows = await self.town.pool.fetch("SELECT id, entrypoint, payload FROM pgqueuer ORDER BY id")
        held = {job for job, tries in self.town.tries.items() if tries >= MAX_JOB_ATTEMPTS}
        return [(row["id"], row["entrypoint"], UUID(bytes=row["payload"])) for row in rows if row["id"] not in self.taken | held]

    async def post_mails(self) -> None:
        """Most mails are counted as sent in one statement: half of all work would be theirs. The others go through their own job."""
        await self.town.pool.execute(
            """
            WITH gone AS (
                DELETE FROM pgqueuer WHERE entrypoint = 'send_mail' AND id % 8 <> 0 AND NOT id = ANY($1::bigint[]) RETURNING payload)
            UPDATE mails SET sent_at = busload_now() FROM gone WHERE uuid_send(mails.id) = gone.payload AND sent_at IS NULL
            """,
            sorted(self.taken),
        )

    async def take_one(self) -> bool:
        """A hand takes any of the jobs; False when there is none."""
        await self.post_mails()
        jobs = await self.list_jobs()
        if not jobs:
            return False
        job, kind, subject = self.town.dice.choice(jobs)
        self.town.say(f"work: {kind} (job {job})")
        self.taken.add(job)
        await self.town.turns.begin(f"job {job} {kind}", self._do(job, kind, subject))
        return True

    async def _do(self, job: int, kind: str, subject: UUID) -> None:
        try:
            await self.town.jobs[kind](self.town.wiring, subject)
        except EXPECTED as error:
            self.town.tries[job] = self.town.tries.get(job, 0) + 1
            self.town.say(f"     job {job} {kind} fails: {type(error).__name__}")
        else:
            await self.town.pool.execute("DELETE FROM pgqueuer WHERE id = $1", job)
        finally:
            self.taken.discard(job)

    async def fire_one(self) -> bool:
        """A hand fires the most overdue timer; False when none is due."""
        async with transaction(self.town.pool) as conn:
            due = await claim_due(conn, limit=1)
        if not due:
            return False
        timer = due[0]

        async def fire() -> None:
            try:
                await self.town.timers[timer.kind](self.town.wiring, timer.subject_id)
            except EXPECTED as error:
                self.town.say(f"     timer {timer.kind} fails: {type(error).__name__}")
                async with transaction(self.town.pool) as conn:
                    await mark_failed(conn, timer, pause_s=TIMER_PAUSE_S)
                return
            async with transaction(self.town.pool) as conn:
                await mark_fired(conn, timer)

        self.town.say(f"timer: {timer.kind}")
        await self.town.turns.begin(f"timer {timer.kind}", fire())
        return True

    async def alarm(self) -> None:
        """What every sweep ends with."""
        async with transaction(self.town.pool) as conn:
            await remember_forgotten(conn, after=FORGOTTEN_AFTER)
            await alarm_stuck(conn)
            await alarm_stuck_payouts(conn)
            await alarm_stuck_disputes(conn)

    async def hear(self) -> None:
        """A webhook: one of the bank's events, any of them, for the first time or again."""
        events = self.town.bank.events
        if not events:
            return
        await self.learn(self.town.dice.choice(events[-8:]))

    async def hear_of(self, ref: str | None) -> None:
        """A webhook with the newest event about an object; any of the newest when there is none."""
        about = [event for event in self.town.bank.events if event.object_ref == ref]
        if about:
            await self.learn(about[-1])
        else:
            await self.hear()

    async def learn(self, event: StripeEvent) -> None:
        """An event is stored and worked on."""
        self.town.say(f"webhook: {event.type} {event.object_ref}")
        await store_event(self.town.pool, event)
        await self.town.turns.begin("inbox", work_on_inbox(self.town.pool, gateway=self.town.gateway, at_once=1))

    async def poll(self) -> None:
        """The poller reads what no webhook brought."""

        async def read() -> None:
            try:
                await poll_stripe(self.town.pool, gateway=self.town.gateway)
            except EXPECTED as error:
                self.town.say(f"     poll fails: {type(error).__name__}")
            await work_on_inbox(self.town.pool, gateway=self.town.gateway, at_once=1)

        self.town.say("poll")
        await self.town.turns.begin("poll", read())

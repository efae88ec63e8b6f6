"""The worker process: fires due timers, works on the job queue, reads Stripe's news. Wires entry points to flows; no logic."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from jinja2 import Environment
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.core.executors import DatabaseRetryEntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.models import Job
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries

from app.core.clock import ClocksDisagree, trust_clock
from app.core.database import DATABASE_LOST, Pool, open_pool, transaction
from app.core.log import logger, set_up_logging
from app.core.timers import Timer, claim_due, mark_failed, mark_fired
from app.domain.dispatch.travel import TravelTimes, travel_times
from app.domain.notifications.jobs import MailServer, send_mail
from app.domain.notifications.letters import build_letter_environment
from app.domain.notifications.smtp import SmtpServer
from app.domain.partners.jobs import deliver_webhook
from app.domain.partners.sending import WebhookClient
from app.domain.payments.dispute_store import alarm_stuck_disputes
from app.domain.payments.gateway import GatewayError, PaymentGateway
from app.domain.payments.model import FORGOTTEN_AFTER
from app.domain.payments.payouts.store import alarm_stuck_payouts
from app.domain.payments.store import alarm_stuck, remember_forgotten
from app.domain.payments.stripe_gateway import StripeGateway
from app.flows.answer_dispute import answer_by_itself, look_up_dispute, send_evidence
from app.flows.capacity_deadline import end_capacity
from app.flows.charge_payment import charge_payment
from app.flows.close_book import close_book
from app.flows.close_booking import close_booking
from app.flows.close_charge import close_payment
from app.flows.close_manifest import close_overdue_manifest
from app.flows.collect_payment import retry_payment, warn_of_end
from app.flows.complete_duty import complete_duty
from app.flows.detach_card import detach_card
from app.flows.expire_offer import expire_offer
from app.flows.expire_trip import expire_trip
from app.flows.freeze_demand import freeze_demand
from app.flows.lapse_pledge import end_hold
from app.flows.learn_of_dispute import remind_of_dispute
from app.flows.look_up_payment import look_up_payment
from app.flows.personal_data import forget_customer
from app.flows.reconcile import reconcile_daily, reconcile_wanted
from app.flows.replace_card import forget_card
from app.flows.retention import keep_retention
from app.flows.retry_webhook import retry_webhook
from app.flows.reverse_payout import reverse_payout
from app.flows.send_offers import send_offers
from app.flows.send_payout import send_payout
from app.flows.send_refund import look_up_refund, send_refund
from app.flows.solve_event import solve_event
from app.flows.stripe_news import poll_stripe, work_on_inbox
from app.flows.tend_waitlist import tend_waitlist
from app.flows.transfer_pledge import expire_transfer
from app.flows.want_plan import start_replan
from app.provider import pace_for, stripe_base_for
from app.settings import Settings

log = logger(__name__)
TIMERS_EVERY_S = 1.0  # a deadline is decided so soon after it has come; asking costs one look at an index
SWEEP_EVERY_S = 5.0
INBOX_EVERY_S = 0.5
POLL_EVERY_S = 10.0
PURGE_EVERY_S = 3600.0
RECONCILE_EVERY_S = 60.0  # asks whether the last run is a day old
TIMERS_AT_ONCE = 8
PAUSE_S, MAX_PAUSE_S = 5.0, 60.0
MAX_JOB_ATTEMPTS = 8
HEARTBEAT = timedelta(seconds=6)  # a dead worker's jobs hold their places in CONCURRENCY for so long: charges stand still meanwhile


class Wiring(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker's flows need."""

    pool: Pool
    gateway: PaymentGateway
    mail_server: MailServer
    letters: Environment
    webhooks: WebhookClient
    travel: TravelTimes
    settings: Settings


Work = Callable[[Wiring, UUID], Awaitable[object]]

JOBS: dict[str, Work] = {
    "charge_payment": lambda w, subject: charge_payment(w.pool, subject, gateway=w.gateway),
    "close_charge": lambda w, subject: close_payment(w.pool, subject, gateway=w.gateway),
    "send_refund": lambda w, subject: send_refund(w.pool, subject, gateway=w.gateway),
    "reconcile": lambda w, subject: reconcile_wanted(w.pool, subject, gateway=w.gateway),
    "send_evidence": lambda w, subject: send_evidence(w.pool, subject, gateway=w.gateway),
    "forget_customer": lambda w, subject: forget_customer(w.pool, subject, gateway=w.gateway),
    "detach_card": lambda w, subject: detach_card(w.pool, subject, gateway=w.gateway),
    "forget_card": lambda w, subject: forget_card(w.pool, subject, gateway=w.gateway),
    "deliver_webhook": lambda w, subject: deliver_webhook(w.pool, subject, client=w.webhooks),
    "freeze_demand": lambda w, subject: freeze_demand(w.pool, subject, travel=w.travel),
    "solve_event": lambda w, subject: solve_event(w.pool, subject),
    "send_offers": lambda w, subject: send_offers(w.pool, subject, secret=w.settings.secret),
    "send_mail": lambda w, subject: send_mail(w.pool, subject, server=w.mail_server, letters=w.letters, sender=w.settings.mail_from),
}

TIMERS: dict[str, Work] = {
    "trip_deadline": lambda w, subject: expire_trip(w.pool, subject),
    "pledge_hold": lambda w, subject: end_hold(w.pool, subject, gateway=w.gateway),
    "payment_retry": lambda w, subject: retry_payment(w.pool, subject),
    "payment_warning": lambda w, subject: warn_of_end(w.pool, subject),
    "forget_card": lambda w, subject: forget_card(w.pool, subject, gateway=w.gateway),
    "payment_lookup": lambda w, subject: look_up_payment(w.pool, subject, gateway=w.gateway),
    "duty_start": lambda w, subject: close_overdue_manifest(w.pool, duty_id=subject),
    "duty_end": lambda w, subject: complete_duty(w.pool, duty_id=subject),
    "webhook_try": lambda w, subject: retry_webhook(w.pool, subject),
    "transfer_expiry": lambda w, subject: expire_transfer(w.pool, subject),
    "waitlist": lambda w, subject: tend_waitlist(w.pool, subject, secret=w.settings.secret),
    "booking_close": lambda w, subject: close_booking(w.pool, subject),
    "capacity_deadline": lambda w, subject: end_capacity(w.pool, subject),
    "offer_expiry": lambda w, subject: expire_offer(w.pool, subject),
    "replan": lambda w, subject: start_replan(w.pool, subject),
    "dispute_answer": lambda w, subject: answer_by_itself(w.pool, subject),
    "dispute_reminder": lambda w, subject: remind_of_dispute(w.pool, subject),
    "dispute_lookup": lambda w, subject: look_up_dispute(w.pool, subject, gateway=w.gateway),
    "payout": lambda w, subject: send_payout(w.pool, subject, gateway=w.gateway),
    "reversal": lambda w, subject: reverse_payout(w.pool, subject, gateway=w.gateway),
    "book_close": lambda w, subject: close_book(w.pool, subject),
    "refund_lookup": lambda w, subject: look_up_refund(w.pool, subject, gateway=w.gateway),
}
CONCURRENCY = {"solve_event": 1, "charge_payment": 20, "send_refund": 12}


async def fire_due(wiring: Wiring) -> int:
    """Fires every timer that is due, some at a time; returns how many. One that fails is tried again after a pause.

    None when the clocks disagree (ClocksDisagree): a deadline decided too early cannot be taken back, one decided late can be waited for.
    """
    fired = 0
    while True:
        async with transaction(wiring.pool) as conn:
            due = await claim_due(conn, limit=TIMERS_AT_ONCE)
            if due:
                await trust_clock(conn)
        if not due:
            return fired
        fired += sum(await asyncio.gather(*(fire(wiring, timer) for timer in due)))


async def fire(wiring: Wiring, timer: Timer) -> bool:
    """Runs one timer's flow and marks the timer; False when it failed."""
    try:
        await TIMERS[timer.kind](wiring, timer.subject_id)
    except Exception:
        log.exception("timer.failed", kind=timer.kind, subject_id=str(timer.subject_id), attempts=timer.attempts)
        async with transaction(wiring.pool) as conn:
            await mark_failed(conn, timer, pause_s=min(PAUSE_S * timer.attempts, MAX_PAUSE_S))
        return False
    async with transaction(wiring.pool) as conn:
        await mark_fired(conn, timer)
    return True


async def repeat(every_s: float, stop: asyncio.Event, name: str, step: Callable[[], Awaitable[object]]) -> None:
    """Runs a step again and again until told to stop; a step that fails is logged and comes again."""
    while not stop.is_set():
        try:
            await step()
        except (*DATABASE_LOST, GatewayError) as error:
            log.warning("worker.step_failed", step=name, error=type(error).__name__)
        except ClocksDisagree as error:
            log.error("worker.clocks_disagree", step=name, detail=str(error))  # noqa: TRY400  nobody needs to know where it was noticed
        except Exception:
            log.exception("worker.step_broken", step=name)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every_s)


async def sweep(wiring: Wiring) -> None:
    """What has been in flight too long."""
    async with transaction(wiring.pool) as conn:
        forgotten = await remember_forgotten(conn, after=FORGOTTEN_AFTER)
        alarms = await alarm_stuck(conn) + await alarm_stuck_payouts(conn) + await alarm_stuck_disputes(conn)
    if forgotten:
        log.warning("payments.forgotten", count=forgotten)
    if alarms:
        log.error("payments.stuck", count=alarms)


class JobQueries(Queries):
    """pgqueuer's, but a job is never held because the database was away when it was to be put back."""

    async def retry_job(self, *args: Any, **more: Any) -> None:
        """Puts a job back; where that fails it stays picked without a heartbeat, and somebody picks it again."""
        try:
            await super().retry_job(*args, **more)
        except DATABASE_LOST as error:
            log.warning("worker.job_not_put_back", error=type(error).__name__)


def queue_of(wiring: Wiring, jobs: Mapping[str, Work] = JOBS) -> QueueManager:
    """The job queue with every entry point; a job that keeps failing is held, never deleted."""
    manager = QueueManager(JobQueries(AsyncpgPoolDriver(wiring.pool)))
    for name, work in jobs.items():

        async def run(job: Job, work: Work = work) -> None:
            if job.payload is None:
                raise ValueError("a job without a subject")
            await work(wiring, UUID(bytes=job.payload))

        manager.entrypoint(name, on_failure="hold", concurrency_limit=CONCURRENCY.get(name, 0), executor_factory=retrying)(run)
    return manager


def retrying(parameters: EntrypointExecutorParameters) -> DatabaseRetryEntrypointExecutor:
    """Jobs are tried again with growing pauses."""
    return DatabaseRetryEntrypointExecutor(parameters, max_attempts=MAX_JOB_ATTEMPTS, max_delay=timedelta(minutes=10))


async def work(wiring: Wiring, stop: asyncio.Event) -> None:
    """Works until told to stop, then finishes what is under way."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run_queue(wiring, stop), name="queue")
        tasks.create_task(repeat(TIMERS_EVERY_S, stop, "timers", partial(fire_due, wiring)))
        tasks.create_task(repeat(SWEEP_EVERY_S, stop, "sweep", partial(sweep, wiring)))
        tasks.create_task(repeat(INBOX_EVERY_S, stop, "inbox", partial(work_on_inbox, wiring.pool, gateway=wiring.gateway)))
        tasks.create_task(repeat(POLL_EVERY_S, stop, "poll", partial(poll_stripe, wiring.pool, gateway=wiring.gateway)))
        tasks.create_task(repeat(PURGE_EVERY_S, stop, "purge", partial(keep_retention, wiring.pool)))
        tasks.create_task(repeat(RECONCILE_EVERY_S, stop, "reconcile", partial(reconcile_daily, wiring.pool, gateway=wiring.gateway)))
        await stop.wait()


async def run_queue(wiring: Wiring, stop: asyncio.Event, jobs: Mapping[str, Work] = JOBS) -> None:
    """The queue's own loop; starts again when its connection was lost, with a new listener: the old one never comes back to life."""
    while not stop.is_set():
        queue = queue_of(wiring, jobs)
        ending = asyncio.create_task(shut_down(queue, stop))
        try:
            await queue.run(dequeue_timeout=timedelta(seconds=5), batch_size=10, heartbeat_timeout=HEARTBEAT, max_concurrent_tasks=40)
        except Exception as error:  # noqa: BLE001  whatever ended the queue's loop, it starts again
            log.warning("worker.queue_lost", error=type(error).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1.0)
        finally:
            ending.cancel()


async def shut_down(queue: QueueManager, stop: asyncio.Event) -> None:
    """Lets the queue finish what is under way once the worker is told to stop."""
    await stop.wait()
    queue.shutdown.set()


async def run_worker(settings: Settings) -> None:
    """Builds and runs one worker process until SIGTERM or SIGINT."""
    set_up_logging(level=settings.log_level)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    opening = open_pool(settings.database_url, max_size=24, silence_s=settings.database_silence_s)
    async with await opening as pool, travel_times(settings.osrm_url) as travel:
        gateway = StripeGateway(
            api_key=settings.stripe_api_key,
            base_url=await stripe_base_for(pool, settings),
            pace=pace_for(pool, settings, riders_wait=False),
        )
        mail_server = SmtpServer(settings.smtp_url)
        wiring = Wiring(
            pool=pool, gateway=gateway, mail_server=mail_server, webhooks=WebhookClient(), travel=travel,
            settings=settings, letters=build_letter_environment(secret=settings.secret, base_url=settings.base_url),
        )  # fmt: skip
        log.info("worker.ready")
        try:
            await work(wiring, stop)
        finally:
            await mail_server.aclose()
            await gateway.aclose()

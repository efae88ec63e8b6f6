"""Stripe's events are hints: stored first, worked on later, by webhook or by poll; each object is fetched anew."""

import asyncio
from uuid import UUID

from app.core.database import Pool, transaction
from app.core.log import logger
from app.domain.payments import inbox_store
from app.domain.payments.gateway import GatewayError, NotFound, PaymentGateway, StripeEvent
from app.domain.pledges import store as pledges
from app.flows.card_saved import look_at_card_page
from app.flows.learn_of_dispute import learn_of_dispute
from app.flows.learn_of_fee import learn_of_fee
from app.flows.learn_of_refund import learn_of_refund
from app.flows.look_up_payment import learn_of_intent
from app.flows.onboard_payee import learn_of_account

log = logger(__name__)
EVENTS_AT_ONCE = 8  # an answer takes Stripe a third of a second: one by one, a crowd's cards would count after booking has closed
PAGE = 100
PAGES_AT_ONCE = 10  # a stadium's charges make some 100 events a second: one page every ten seconds would fall behind by hours


async def store_event(pool: Pool, event: StripeEvent) -> bool:
    """Puts an event in the inbox; False when it was there."""
    async with transaction(pool) as conn:
        return await inbox_store.store_stripe_event(conn, event)


async def work_on_inbox(pool: Pool, *, gateway: PaymentGateway, limit: int = 50, at_once: int = EVENTS_AT_ONCE) -> int:
    """Works on events not settled yet, some at a time; returns how many. One that fails stays and is tried again, behind later ones."""
    async with transaction(pool) as conn:
        waiting = await inbox_store.list_open_stripe_events(conn, limit=limit)
    gate = asyncio.Semaphore(at_once)

    async def one(event_id: str, type_: str, object_ref: str) -> bool:
        async with gate:
            return await settle_event(pool, event_id, type_, object_ref, gateway=gateway)

    outcomes = await asyncio.gather(*(one(*event) for event in waiting), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes.count(True)


async def settle_event(pool: Pool, event_id: str, type_: str, object_ref: str, *, gateway: PaymentGateway) -> bool:
    """Works on one event and settles it; False when it comes again. Raises only what keeps it from being written down."""
    try:
        await work_on_event(pool, type_, object_ref, gateway=gateway)
    except GatewayError as error:
        log.warning("stripe_event.later", event_ref=event_id, error=type(error).__name__)
        return False
    except Exception:  # our own fault with one event must not keep all later ones from counting
        log.exception("stripe_event.broken", event_ref=event_id)
        async with transaction(pool) as conn:
            await inbox_store.put_back_stripe_event(conn, event_id)
        return False
    async with transaction(pool) as conn:
        await inbox_store.settle_stripe_event(conn, event_id)
    return True


async def work_on_event(pool: Pool, type_: str, object_ref: str, *, gateway: PaymentGateway) -> None:
    """Fetches the object an event is about and draws the consequence."""
    try:
        if type_.startswith("checkout.session."):
            async with transaction(pool) as conn:
                pledge_id: UUID | None = await pledges.find_by_setup_session(conn, object_ref)
            if pledge_id is not None:
                await look_at_card_page(pool, pledge_id, gateway=gateway)
        elif type_.startswith("payment_intent."):
            await learn_of_intent(pool, object_ref, gateway=gateway)
        elif type_ == "account.updated":
            await learn_of_account(pool, object_ref, gateway=gateway)
        elif type_.startswith("charge.dispute."):
            await learn_of_dispute(pool, object_ref, gateway=gateway)
        elif type_.startswith(("refund.", "charge.refund.")):
            await learn_of_refund(pool, object_ref, gateway=gateway)
        elif type_ in {"charge.succeeded", "charge.updated"}:
            await learn_of_fee(pool, object_ref, gateway=gateway)
    except NotFound:
        log.info("stripe_event.object_gone", type=type_)


async def poll_stripe(pool: Pool, *, gateway: PaymentGateway) -> int:
    """Reads the events that no webhook brought; returns how many were new. Reads on while there are more, some pages at a time."""
    new = 0
    for _ in range(PAGES_AT_ONCE):
        found = await read_page(pool, gateway=gateway)
        async with transaction(pool) as conn:
            new += sum([await inbox_store.store_stripe_event(conn, event) for event in found])
            if found:
                await inbox_store.set_news_mark(conn, found[-1].id)
        if len(found) < PAGE:
            break
    return new


async def read_page(pool: Pool, *, gateway: PaymentGateway) -> list[StripeEvent]:
    """The page of events that follows the last one read, in Stripe's order."""
    async with transaction(pool) as conn:
        after = await inbox_store.read_news_mark(conn)
    try:
        return await gateway.list_events(after_ref=after, limit=PAGE)
    except NotFound:  # Stripe keeps events for 30 days; after a longer silence we read from its oldest
        return await gateway.list_events(after_ref=None, limit=PAGE)

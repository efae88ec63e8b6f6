"""An operator says yes or no."""

from uuid import UUID

import asyncpg

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.errors import Conflict, Gone, NotFound
from app.core.ids import new_id
from app.core.live import tell
from app.core.timers import clear_timer
from app.domain.dispatch.model import Cause, DeclineReason, Offer, OfferState
from app.domain.dispatch.snapshot import duty_day
from app.domain.dispatch.store import offers, plans
from app.domain.events import store as events
from app.domain.events.model import Event
from app.domain.fleet import store as fleet
from app.domain.fleet.model import Availability, SpanKind
from app.flows.allocate_event import allocate_if_settled_within
from app.flows.want_plan import want_plan_within

NO_SUCH_OFFER = "There is no such offer, or it is not yours."


async def accept_offer(pool: Pool, offer_id: UUID, *, actor: str) -> Offer:
    """`sent -> accepted`; the last yes of an event allocates its trips in the same transaction.

    Raises NotFound; Conflict `offer_already_accepted`, `offer_already_declined`, `offer_superseded`, `vehicle_busy`,
    `operator_papers_expired`; Gone `offer_expired`, `offer_withdrawn`.
    """
    async with transaction(pool) as conn:
        await act_as(conn, actor, "offer accepted")
        event, offer = await lock_offer_within(conn, offer_id)
        await check_answerable(conn, offer)
        await check_stands(conn, event, offer)
        try:
            await offers.accept_offer(conn, offer.id)
        except asyncpg.ExclusionViolationError:
            raise Conflict(
                "This vehicle has another accepted duty at that time. Decline with reason busy, and another bus is looked for.",
                code="vehicle_busy",
            ) from None
        await clear_timer(conn, "offer_expiry", offer.id)
        await tell_answer(conn, offer)
        await allocate_if_settled_within(conn, event)
        return await read_offer(conn, offer.id)


async def decline_offer(pool: Pool, offer_id: UUID, *, reason: DeclineReason, note: str, actor: str) -> Offer:
    """`sent -> declined`; the rest is planned again. `busy` also blocks the vehicle's calendar for the duty. Raises as accepting does."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, f"offer declined: {reason.value}")
        event, offer = await lock_offer_within(conn, offer_id)
        await check_answerable(conn, offer)
        await offers.decline_offer(conn, offer.id, reason=reason, note=note)
        await clear_timer(conn, "offer_expiry", offer.id)
        if reason is DeclineReason.BUSY:
            await block_calendar(conn, offer)
        await want_plan_within(conn, event.id, Cause.DECLINED)
        await tell_answer(conn, offer)
        return await read_offer(conn, offer.id)


async def lock_offer_within(conn: Connection, offer_id: UUID) -> tuple[Event, Offer]:
    """The event of an offer, then the offer, both locked. Raises NotFound."""
    found = await offers.get_offer(conn, offer_id)
    event = None if found is None else await events.lock_event(conn, found.event_id)
    offer = await offers.lock_offer(conn, offer_id)
    if event is None or offer is None:
        raise NotFound(NO_SUCH_OFFER, code="unknown_offer")
    return event, offer


async def check_answerable(conn: Connection, offer: Offer) -> None:
    """Refuses an answer that comes twice or too late, each with its own code. The clock is read after the lock."""
    match offer.state:
        case OfferState.ACCEPTED:
            raise Conflict("This offer is accepted already: the duty is yours. See it under your duties.", code="offer_already_accepted")
        case OfferState.DECLINED:
            raise Conflict("You have declined this offer; the duty went back into planning.", code="offer_already_declined")
        case OfferState.FAILED:
            raise Conflict("You pulled out of this duty; it went back into planning.", code="offer_failed")
        case OfferState.WITHDRAWN:
            raise Gone("The plan has changed and this offer is withdrawn. Look for a newer one in your list.", code="offer_withdrawn")
        case OfferState.PROPOSED:
            raise NotFound(NO_SUCH_OFFER, code="unknown_offer")
        case OfferState.EXPIRED | OfferState.SENT:
            expired = offer.state is OfferState.EXPIRED or (offer.expires_at is not None and await busload_now(conn) >= offer.expires_at)
            if expired:
                raise Gone("This offer ran out before it was answered. Look for a newer one in your list.", code="offer_expired")


async def check_stands(conn: Connection, event: Event, offer: Offer) -> None:
    """Refuses a yes to what is no longer planned, or by an operator that may not drive on that day."""
    duty = await plans.get_duty(conn, offer.duty_id)
    if duty is None or not await plans.is_in_current_plan(conn, offer.duty_id):
        raise Conflict("The plan has changed and this duty is not part of it any more. Look for a newer offer.", code="offer_superseded")
    operator = await fleet.get_operator(conn, offer.operator_id)
    if operator is None or not operator.papers_hold_on(duty_day(event, duty.scope)):
        raise Conflict(
            "Your licence or insurance on record expires before the day of this duty. Send us the renewed papers first.",
            code="operator_papers_expired",
        )


async def block_calendar(conn: Connection, offer: Offer) -> None:
    """The vehicle is busy elsewhere at that time: it is not asked again for it, by any event."""
    span = Availability(
        id=new_id(),
        vehicle_id=offer.vehicle_id,
        kind=SpanKind.BLOCKED,
        starts_at=offer.starts_at,
        ends_at=offer.ends_at,
        note=f"busy, said when declining offer {offer.public_code}",
    )
    await fleet.add_availability(conn, span)


async def tell_answer(conn: Connection, offer: Offer) -> None:
    """Open pages look again."""
    await tell(conn, "offer", offer.id)
    await tell(conn, "event", offer.event_id)


async def read_offer(conn: Connection, offer_id: UUID) -> Offer:
    """An offer that exists."""
    found = await offers.get_offer(conn, offer_id)
    assert found is not None
    return found

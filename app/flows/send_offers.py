"""From plan to operators: what fares do not carry waits for an organiser; then every proposed offer is sent with its link."""

from collections.abc import Sequence
from uuid import UUID

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.ids import derived_token, token_hash
from app.core.jobs import enqueue_for
from app.core.live import tell
from app.core.timers import set_timer
from app.domain.dispatch.model import Duty, Offer, OfferState, offer_expiry, shortfall_of
from app.domain.dispatch.store import demand as paid
from app.domain.dispatch.store import offers, plans, snapshots
from app.domain.events import store as events
from app.domain.events.model import Event, EventState
from app.domain.fleet import store as fleet
from app.domain.fleet.model import Operator, Vehicle
from app.domain.notifications.model import NewMail, money
from app.domain.notifications.service import queue_mails
from app.domain.payments.ledger import SUBSIDY, list_balances
from app.flows.tell_organisers import tell_organisers_within


async def settle_shortfall_within(conn: Connection, event: Event) -> int:
    """Once every scope is planned: lets the offers go, or holds them for an approval; returns what is missing, minor units."""
    if await snapshots.list_unsolved(conn, event.id):
        return 0
    shortfall_minor = await read_shortfall(conn, event)
    current = await plans.list_current_plans(conn, event.id)
    await plans.ask_approval(conn, [plan.id for plan in current], shortfall_minor=shortfall_minor)
    if shortfall_minor == 0:
        await enqueue_for(conn, "send_offers", [event.id])
    else:
        what = (
            f"The fares do not carry the plan: {money(shortfall_minor, event.currency)} are missing. Offers go out once you approve that."
        )
        await tell_organisers_within(conn, event, what=what, once=f"shortfall-{current[-1].id}")
    return shortfall_minor


async def read_shortfall(conn: Connection, event: Event) -> int:
    """What the fares of the people seated and the subsidy posted so far lack to pay the current plans, minor units."""
    unserved = [party.pledge_id for party in await plans.list_unserved(conn, event.id)]
    fares_minor = await paid.fares_held_minor(conn, event.id, without=unserved)
    balances = await list_balances(conn, [event.book])
    subsidy_minor = sum(balance.amount_minor for balance in balances if balance.account == SUBSIDY)
    hire_minor = await plans.current_hire_minor(conn, event.id)
    missing = shortfall_of(fares_minor=fares_minor, fee_bp=event.fee_bp, partner_share_bp=event.partner_share_bp, hire_minor=hire_minor)
    return max(0, missing - subsidy_minor)


async def send_offers(pool: Pool, event_id: UUID, *, secret: str) -> list[UUID]:
    """`proposed -> sent` for the current plans' offers, each with its expiry, timer and mail; returns them. Repeatable."""
    async with transaction(pool) as conn:
        await act_as(conn, "dispatch", "offer sent")
        event = await events.lock_event(conn, event_id)
        if event is None or await is_held(conn, event):
            return []
        waiting = [o for o in await offers.list_offers_of_event(conn, event_id) if o.state is OfferState.PROPOSED]
        duties = {duty.id: duty for duty in await plans.list_current_duties(conn, event_id)}
        return await send_within(
            conn, event, [(offer, duties[offer.duty_id]) for offer in waiting if offer.duty_id in duties], secret=secret
        )


async def is_held(conn: Connection, event: Event) -> bool:
    """Whether offers have to wait: another scope is still being planned, the shortfall is not approved, or it is too late."""
    if await snapshots.list_unsolved(conn, event.id) or await busload_now(conn) >= await snapshots.read_seating_deadline(conn, event.id):
        return True
    return any(plan.needs_approval for plan in await plans.list_current_plans(conn, event.id))


async def send_within(conn: Connection, event: Event, waiting: Sequence[tuple[Offer, Duty]], *, secret: str) -> list[UUID]:
    """Sends these offers to their operators."""
    deadline_at = await snapshots.read_seating_deadline(conn, event.id)
    expires_at = offer_expiry(now=await busload_now(conn), capacity_deadline_at=deadline_at)
    operators = {one.id: one for one in await fleet.list_operators(conn, sorted({offer.operator_id for offer, _ in waiting}))}
    vehicles = {one.id: one for one in await fleet.list_vehicles_by_id(conn, [offer.vehicle_id for offer, _ in waiting])}
    sent, mails = [], []
    for offer, duty in waiting:
        token = derived_token(secret, "offer", offer.id)
        if await offers.send_offer(conn, offer.id, expires_at=expires_at, token_hash=token_hash(token)):
            await set_timer(conn, "offer_expiry", offer.id, expires_at)
            await tell(conn, "offer", offer.id)
            facts = offer_facts(event, offer, duty, vehicles[offer.vehicle_id]) | {"expires_at": expires_at.isoformat()}
            mails.append(offer_mail("offer_sent", offer, operators[offer.operator_id], facts))
            sent.append(offer.id)
    await queue_mails(conn, mails)
    await tell(conn, "event", event.id)
    return sent


async def tell_withdrawn(conn: Connection, event: Event, withdrawn: Sequence[Offer]) -> None:
    """Operators that had been asked hear that the offer is off; those that had not, hear nothing."""
    told = [offer for offer in withdrawn if offer.sent_at is not None]
    duties = {duty.id: duty for duty in await plans.list_duties_by_id(conn, [offer.duty_id for offer in told])}
    operators = {one.id: one for one in await fleet.list_operators(conn, sorted({offer.operator_id for offer in told}))}
    vehicles = {one.id: one for one in await fleet.list_vehicles_by_id(conn, [offer.vehicle_id for offer in told])}
    await queue_mails(
        conn,
        [
            offer_mail("offer_withdrawn", o, operators[o.operator_id], offer_facts(event, o, duties[o.duty_id], vehicles[o.vehicle_id]))
            for o in told
        ],
    )


def offer_facts(event: Event, offer: Offer, duty: Duty, vehicle: Vehicle) -> dict[str, object]:
    """What a mail about an offer says of it."""
    first, last = duty.timetable.calls[0], duty.timetable.calls[-1]
    return {
        "offer_id": str(offer.id),
        "code": offer.public_code,
        "event": event.name,
        "cancelled": event.state is EventState.CANCELLED,
        "vehicle": f"{vehicle.name} ({vehicle.plate})",
        "price_minor": offer.price_minor,
        "currency": offer.currency,
        "starts_at": offer.starts_at.isoformat(),
        "starts_zone": first.zone,
        "ends_at": offer.ends_at.isoformat(),
        "ends_zone": last.zone,
        "zone": event.zone,
        "kilometres": round(duty.distance_m / 1000),
        "drivers": duty.drivers_needed,
        "phone": event.contact_phone,
    }


def offer_mail(template: str, offer: Offer, operator: Operator, facts: dict[str, object]) -> NewMail:
    """A mail about an offer to its operator."""
    return NewMail(
        dedupe_key=f"{template}:{offer.id}",
        recipient=operator.email,
        template=template,
        locale="en",
        subject_id=offer.id,
        data={"operator": operator.name, **facts},
    )

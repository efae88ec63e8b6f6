"""A card page has ended: by webhook, by poll or by the rider's return, whichever comes first, with one effect."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.jobs import enqueue_for
from app.core.live import tell
from app.core.log import logger
from app.domain.events import store as events
from app.domain.notifications.service import queue_mail
from app.domain.payments.gateway import PaymentGateway, SetupOutcome
from app.domain.pledges import store as pledges
from app.domain.pledges.model import SECURED, Pledge, PledgeState, SavedCard
from app.domain.trips import store as trips
from app.domain.trips.model import SELLING, Trip, TripState
from app.domain.trips.store import TripLock
from app.flows.hold_for_review import held_within, why_held
from app.flows.replace_card import replace_card_within
from app.flows.secure_pledge import over_card_cap, secure_within
from app.flows.wait_for_seats import read_kept_for_line

log = logger(__name__)


async def look_at_card_page(pool: Pool, pledge_id: UUID, *, gateway: PaymentGateway) -> Pledge | None:
    """Asks how the pledge's card page stands and draws the consequence; the pledge as it is then."""
    async with transaction(pool) as conn:
        pledge = await pledges.get_pledge(conn, pledge_id)
    if pledge is None or pledge.setup_session_ref is None:
        return pledge
    return await card_saved(pool, pledge_id, await gateway.fetch_setup_session(pledge.setup_session_ref))


async def card_saved(pool: Pool, pledge_id: UUID, outcome: SetupOutcome, *, lock_trip: TripLock = trips.lock_trip) -> Pledge | None:
    """Draws the consequence of a card page's end; repeating it changes nothing."""
    card = card_of(outcome)
    async with transaction(pool) as conn:
        await act_as(conn, "rider", "card saved")
        trip_id = await pledges.find_trip_of(conn, pledge_id)
        trip = await lock_trip(conn, trip_id) if trip_id else None
        if trip is None:
            return None
        pledge = await pledges.lock_pledge(conn, pledge_id)
        if card is None or card.payment_method_ref == pledge.payment_method_ref:
            return pledge
        if outcome.reference != str(pledge_id):
            log.error("card.reference_mismatch", pledge_id=str(pledge_id))
            return pledge
        pledge = await take_card(conn, trip, pledge, card)
        await tell(conn, "trip", trip.id)
        await tell(conn, "pledge", pledge.id)
        return pledge


def card_of(outcome: SetupOutcome) -> SavedCard | None:
    """The verified card of a card page, once there is one."""
    if outcome.setup_status != "succeeded" or outcome.payment_method_ref is None or outcome.customer_ref is None:
        return None
    label = f"{(outcome.brand or 'card').title()} {outcome.last4 or ''}".strip()
    return SavedCard(
        customer_ref=outcome.customer_ref,
        payment_method_ref=outcome.payment_method_ref,
        card_fingerprint=outcome.fingerprint,
        card_label=label,
    )


async def take_card(conn: Connection, trip: Trip, pledge: Pledge, card: SavedCard) -> Pledge:
    """A verified card reaches a pledge: it counts, is re-admitted, replaces the card before, or is not needed any more."""
    if pledge.state is PledgeState.PENDING_CARD:
        return await count_pledge(conn, trip, pledge, card)
    if await pledges.is_erased(conn, pledge.id):
        card = msgspec.structs.replace(card, card_fingerprint=None, card_label="")  # nothing of whoever asked to be forgotten
    elif pledge.state is PledgeState.LAPSED:
        return await readmit(conn, trip, pledge, card)
    elif pledge.state in SECURED:
        return await replace_card_within(conn, pledge, card)
    await pledges.set_card(conn, pledge.id, card)
    await enqueue_for(conn, "detach_card", [pledge.id])
    return pledge


async def count_pledge(conn: Connection, trip: Trip, pledge: Pledge, card: SavedCard) -> Pledge:
    """The pledge is secured, unless the trip's time is over or the card carries too many people."""
    now = await busload_now(conn)
    if not await takes_people(conn, trip, now):
        await pledges.set_card(conn, pledge.id, card)  # the trip's or the hold's own timer ends the pledge and forgets the card
        return pledge
    if await over_card_cap(conn, trip.id, card.card_fingerprint, people=pledge.people):
        return await refuse(conn, trip, pledge, card)
    if await held_within(conn, trip, pledge, card, now=now):
        return await pledges.lock_pledge(conn, pledge.id)
    secured = await secure_within(conn, pledge, card, now=now)
    if pledge.account_id is not None:
        await pledges.keep_card(conn, pledge.account_id, card)
    await tell_saved(conn, trip, secured)
    return secured


async def takes_people(conn: Connection, trip: Trip, now: datetime) -> bool:
    """Whether people may still become secured: before the deadline of an open trip, before booking close of a confirmed one."""
    event = await events.get_event(conn, trip.event_id)
    assert event is not None
    selling = trip.state in SELLING and now <= event.booking_closes_at and event.booking_closed_at is None
    return selling and (trip.state is not TripState.OPEN or now <= trip.deadline_at)


async def refuse(conn: Connection, trip: Trip, pledge: Pledge, card: SavedCard) -> Pledge:
    """One card carries at most 16 people of a trip."""
    await pledges.set_card(conn, pledge.id, card)
    await trips.move_people(conn, trip.id, held=-pledge.people)
    await pledges.set_pledge_states(conn, [pledge.id], come_from=[PledgeState.PENDING_CARD], go_to=PledgeState.REFUSED)
    await enqueue_for(conn, "detach_card", [pledge.id])
    await tell_outcome(conn, pledge, trip, template="card_refused")
    return await pledges.lock_pledge(conn, pledge.id)


async def readmit(conn: Connection, trip: Trip, pledge: Pledge, card: SavedCard) -> Pledge:
    """A card saved after the hold lapsed: re-admitted if seats remain, else forgotten and the rider told."""
    now = await busload_now(conn)
    too_many = await over_card_cap(conn, trip.id, card.card_fingerprint, people=pledge.people)
    room = pledge.people <= trip.room - await read_kept_for_line(conn, trip) and not await pledges.has_live_twin(conn, pledge.id)
    if too_many or not room or not await takes_people(conn, trip, now) or await why_held(conn, trip, pledge, now=now):
        await pledges.set_card(conn, pledge.id, card)
        await enqueue_for(conn, "detach_card", [pledge.id])
        await tell_outcome(conn, pledge, trip, template="card_refused" if too_many else "card_too_late")
        return pledge
    await trips.move_people(conn, trip.id, held=pledge.people)
    secured = await secure_within(conn, pledge, card, now=now)
    await tell_saved(conn, trip, secured)
    return secured


async def tell_saved(conn: Connection, trip: Trip, pledge: Pledge) -> None:
    """The card is saved, nothing is charged. A pledge confirmed in the same moment is told of its charge instead."""
    if pledge.state is not PledgeState.ACTIVE:
        return
    event = await events.get_event(conn, trip.event_id)
    assert event is not None
    await queue_mail(
        conn, dedupe_key=f"card-saved:{pledge.id}", recipient=pledge.email, template="card_saved", locale=pledge.locale,
        subject_id=pledge.id,
        data={
            "pledge_id": str(pledge.id), "name": pledge.name, "code": pledge.public_code, "card": pledge.card_label,
            "amount_minor": pledge.amount_minor, "currency": pledge.currency, "origin": trip.origin, "event": event.name,
            "deadline_at": trip.deadline_at.isoformat(), "zone": trip.zone,
        },
    )  # fmt: skip


async def tell_outcome(conn: Connection, pledge: Pledge, trip: Trip, *, template: str) -> None:
    """The rider learns that the card was not kept, and why."""
    await queue_mail(
        conn, dedupe_key=f"{template}:{pledge.id}", recipient=pledge.email, template=template, locale=pledge.locale, subject_id=pledge.id,
        data={"name": pledge.name, "code": pledge.public_code, "origin": trip.origin, "trip": trip.public_code},
    )  # fmt: skip

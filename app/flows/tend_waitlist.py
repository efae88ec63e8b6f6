"""Timer `waitlist`: seats that came free are offered to the line in turn, each offer held by a pledge; the line ends with selling."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.ids import derived_token, new_id, public_code, token_hash
from app.core.live import tell
from app.core.timers import set_timer, set_timers
from app.domain.events import store as events
from app.domain.events.model import Event, StopState
from app.domain.notifications.model import NewMail
from app.domain.notifications.service import queue_mails
from app.domain.pledges import store as pledges
from app.domain.pledges import waitlist_store as waitlist
from app.domain.pledges.model import NewPledge, PledgeState, WaitState
from app.domain.pledges.waiting import in_turn, offer_until
from app.domain.pledges.waitlist_store import Waiting
from app.domain.trips import store as trips
from app.domain.trips.model import SELLING, Trip, TripState, price_for

AFTER_SELLING = timedelta(seconds=1)


def selling_ends_at(trip: Trip, event: Event) -> datetime:
    """Until when seats of a trip may be offered, as far as is known now: its deadline, once confirmed booking close."""
    return trip.deadline_at if trip.state is TripState.OPEN else event.booking_closes_at


async def tend_waitlist(pool: Pool, trip_id: UUID, *, secret: str) -> int:
    """Offers what is free, or ends the line; returns the number of offers. Repeatable; triggers in the database call it."""
    async with transaction(pool) as conn:
        await act_as(conn, "timer", "waiting line")
        trip = await trips.lock_trip(conn, trip_id)
        event = await events.get_event(conn, trip.event_id) if trip else None
        if trip is None or event is None:
            return 0
        line = await waitlist.lock_line(conn, trip.id)
        if not line:
            return 0
        now = await busload_now(conn)
        ends_at = selling_ends_at(trip, event)
        if trip.state not in SELLING or event.booking_closed_at is not None or now > ends_at:
            await end_line(conn, trip, event, line)
            return 0
        await set_timer(conn, "waitlist", trip.id, ends_at + AFTER_SELLING)
        until = offer_until(now, ends_at)
        return 0 if until is None else await offer_in_turn(conn, trip, event, line, now=now, until=until, secret=secret)


async def offer_in_turn(
    conn: Connection, trip: Trip, event: Event, line: Sequence[Waiting], *, now: datetime, until: datetime, secret: str
) -> int:
    """Holds seats for the parties whose turn it is and tells them; who has pledged meanwhile leaves the line."""
    pledged = await pledges.find_live_addresses(conn, trip_id=trip.id, addresses=[entry.email_normalised for entry in line])
    await waitlist.end_waiting(conn, [entry.id for entry in line if entry.email_normalised in pledged], go_to=WaitState.LEFT)
    stops = {stop.id for stop in await events.list_stops_of_trip(conn, trip.id) if stop.state is StopState.APPROVED}
    await end_line(conn, trip, event, [entry for entry in line if entry.stop_id not in stops])
    able = [entry for entry in line if entry.email_normalised not in pledged and entry.stop_id in stops]
    chosen = [able[place] for place in in_turn([entry.people for entry in able], trip.room)]
    new = [held_for(entry, trip, event, now=now, until=until, secret=secret) for entry in chosen]
    if not new:
        return 0
    await pledges.add_pledges(conn, new)
    held = await trips.move_people(conn, trip.id, held=sum(pledge.people for pledge in new))
    assert held is not None, "the line is offered what fits, under the trip's lock"
    await set_timers(conn, "pledge_hold", [pledge.id for pledge in new], until)
    await waitlist.set_offered(conn, [entry.id for entry in chosen], [pledge.id for pledge in new])
    await queue_mails(conn, [offered_mail(pledge, trip, event, until) for pledge in new])
    await tell(conn, "trip", trip.id)
    return len(new)


def held_for(entry: Waiting, trip: Trip, event: Event, *, now: datetime, until: datetime, secret: str) -> NewPledge:
    """The pledge that holds an offer, at today's price."""
    price_minor = price_for(trip, entry.legs, trip.secured)
    assert price_minor is not None, "an open trip keeps its prices, and joining checked them"
    pledge_id = new_id()
    return NewPledge(
        id=pledge_id, public_code=public_code(), trip_id=trip.id, event_id=trip.event_id, stop_id=entry.stop_id, account_id=None,
        name=entry.name, email=entry.email, email_normalised=entry.email_normalised, phone="", needs="", locale=entry.locale,
        seats=entry.seats, wheelchairs=entry.wheelchairs, legs=tuple(entry.legs), price_minor=price_minor, currency=event.currency,
        terms_shown_at=now, state=PledgeState.PENDING_CARD, manage_token_hash=token_hash(derived_token(secret, "manage", pledge_id)),
        hold_expires_at=until, partner_key_id=None, card=None,
    )  # fmt: skip


def offered_mail(pledge: NewPledge, trip: Trip, event: Event, until: datetime) -> NewMail:
    """Seats, for how much and for how long; the link leads to the card page."""
    return NewMail(
        dedupe_key=f"waitlist-offered:{pledge.id}", recipient=pledge.email, template="waitlist_offered", locale=pledge.locale,
        subject_id=pledge.id,
        data={"pledge_id": str(pledge.id), "name": pledge.name, "code": pledge.public_code, "origin": trip.origin, "event": event.name,
            "people": pledge.people, "amount_minor": pledge.price_minor * pledge.people, "currency": pledge.currency,
            "until": until.isoformat(), "zone": trip.zone, "confirmed": trip.state is TripState.CONFIRMED,
            "deadline_at": trip.deadline_at.isoformat()},
    )  # fmt: skip


async def end_line(conn: Connection, trip: Trip, event: Event, line: Sequence[Waiting]) -> None:
    """These wait no longer, for selling is over or their stop is gone, and are told."""
    ended = set(await waitlist.end_waiting(conn, [entry.id for entry in line], go_to=WaitState.ENDED))
    await queue_mails(conn, [ended_mail(entry, trip, event) for entry in line if entry.id in ended])


def ended_mail(entry: Waiting, trip: Trip, event: Event) -> NewMail:
    """No seat came free in time."""
    return NewMail(
        dedupe_key=f"waitlist-ended:{entry.id}", recipient=entry.email, template="waitlist_ended", locale=entry.locale,
        subject_id=entry.id,
        data={"name": entry.name, "origin": trip.origin, "event": event.name, "event_code": event.public_code},
    )  # fmt: skip

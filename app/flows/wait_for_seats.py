"""A trip without room has a waiting line: joining it, leaving it, and what of a trip's room is the line's."""

from uuid import UUID

import asyncpg
import msgspec

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.errors import Conflict, Invalid, NotFound
from app.core.ids import derived_token, new_id, token_hash
from app.core.timers import is_set, set_timer
from app.domain.accounts.model import normalise_email
from app.domain.events import store as events
from app.domain.events.model import check_stop
from app.domain.notifications.service import queue_mail
from app.domain.pledges import store as pledges
from app.domain.pledges import waitlist_store as waitlist
from app.domain.pledges.model import WaitState
from app.domain.pledges.waiting import kept_for_line, offer_until
from app.domain.pledges.waitlist_store import Waiting
from app.domain.trips import store as trips
from app.domain.trips.model import Trip, check_selling, price_for
from app.flows.pledge_wish import PledgeWish, check_wish
from app.flows.tend_waitlist import AFTER_SELLING, selling_ends_at

NO_ENTRY = "There is no such place in a waiting line, or this link does not open it."


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """A party that waits now, and the token that opens its place."""

    entry: Waiting
    token: str


async def read_kept_for_line(conn: Connection, trip: Trip) -> int:
    """People of a trip's room that its waiting line is offered first: none of a full trip, and none when no time is left for an offer."""
    waiting = await waitlist.list_waiting_people(conn, trip.id) if trip.room > 0 else []
    event = await events.get_event(conn, trip.event_id) if waiting else None
    if event is None or offer_until(await busload_now(conn), selling_ends_at(trip, event)) is None:
        return 0
    return kept_for_line(waiting, trip.room)


async def join_waitlist(pool: Pool, trip_id: UUID, wish: PledgeWish, *, secret: str) -> Joined:
    """A party joins the line of a trip it does not fit into. Refusals carry their own codes, `room_left` among them."""
    check_wish(wish)
    entry_id = new_id()
    token = derived_token(secret, "waitlist", entry_id)
    async with transaction(pool) as conn:
        await act_as(conn, "rider", "joined the waiting line")
        trip = await trips.lock_trip(conn, trip_id)
        if trip is None:
            raise NotFound("There is no such trip. The event's page lists those it has.", code="unknown_trip")
        await check_joining(conn, trip, wish)
        try:
            async with conn.transaction():
                await waitlist.add_waiting(
                    conn, entry_id=entry_id, trip_id=trip.id, event_id=trip.event_id, stop_id=wish.stop_id, name=wish.name.strip(),
                    email=wish.email.strip(), email_normalised=normalise_email(wish.email), locale=wish.locale, seats=wish.seats,
                    wheelchairs=wish.wheelchairs, legs=wish.legs, token_hash=token_hash(token),
                )  # fmt: skip
        except asyncpg.UniqueViolationError:
            raise Conflict(
                "This e-mail address waits for this trip already. The link to your place in line is in your mail.", code="already_waiting"
            ) from None
        entry = await waitlist.find_by_token(conn, token_hash(token))
        assert entry is not None
        await tell_place(conn, entry, trip)
        return Joined(entry=entry, token=token)


async def check_joining(conn: Connection, trip: Trip, wish: PledgeWish) -> None:
    """Refuses who need not, must not or cannot wait; sees to it that the line is looked at when selling ends."""
    event = await events.get_event(conn, trip.event_id)
    assert event is not None
    now = await busload_now(conn)
    check_selling(trip, booking_closes_at=event.booking_closes_at, booking_closed=event.booking_closed_at is not None, now=now)
    check_stop({stop.id: stop for stop in await events.list_stops_of_trip(conn, trip.id)}, wish.stop_id)
    if price_for(trip, wish.legs, trip.secured) is None:
        raise Invalid.field("legs", "This trip is sold there and back only; send both legs.", code="round_trip_only")
    ends_at = selling_ends_at(trip, event)
    if offer_until(now, ends_at) is None:
        raise Conflict("Selling ends in a few minutes; there is no time left to offer seats in turn.", code="waitlist_closed")
    if wish.people <= trip.room - await read_kept_for_line(conn, trip):
        raise Conflict("There is room for your party: pledge now instead of waiting.", code="room_left")
    if await pledges.find_live_addresses(conn, trip_id=trip.id, addresses=[normalise_email(wish.email)]):
        raise Conflict(
            "This e-mail address has a pledge on this trip already. Change or withdraw that one through the link we mailed.",
            code="already_pledged",
        )
    if not await is_set(conn, "waitlist", trip.id):
        await set_timer(conn, "waitlist", trip.id, ends_at + AFTER_SELLING)


async def tell_place(conn: Connection, entry: Waiting, trip: Trip) -> None:
    """Where they stand, and the link that opens their place."""
    place, _ = await waitlist.find_place(conn, entry.id)
    event = await events.get_event(conn, trip.event_id)
    await queue_mail(
        conn, dedupe_key=f"waitlist-joined:{entry.id}", recipient=entry.email, template="waitlist_joined", locale=entry.locale,
        subject_id=entry.id,
        data={"entry_id": str(entry.id), "name": entry.name, "origin": trip.origin, "event": event.name if event else "",
            "people": entry.people, "place": place},
    )  # fmt: skip


async def leave_waitlist(pool: Pool, entry_id: UUID) -> bool:
    """A party leaves the line; False when it did not wait any more. Seats it was offered are given up on the pledge's own page."""
    async with transaction(pool) as conn:
        await act_as(conn, "rider", "left the waiting line")
        return bool(await waitlist.end_waiting(conn, [entry_id], go_to=WaitState.LEFT))

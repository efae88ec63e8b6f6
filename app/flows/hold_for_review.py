"""A pledge that looks like made-up demand keeps its seats and counts for nothing until an organiser has looked. Its trip is never held."""

from datetime import datetime
from uuid import UUID

from app.core.audit import act_as, record_change
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.errors import Conflict, NotFound
from app.core.jobs import enqueue_for
from app.core.live import tell
from app.core.log import logger
from app.core.timers import clear_timer, set_timer
from app.domain.events import store as events
from app.domain.notifications.service import queue_mail
from app.domain.pledges import review_store as reviews
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge, PledgeState, SavedCard
from app.domain.pledges.velocity import LIMITS, looks_made_up
from app.domain.trips import store as trips
from app.domain.trips.model import SELLING, Trip, TripState
from app.flows.secure_pledge import secure_within
from app.flows.tell_organisers import tell_organisers_within

log = logger(__name__)


async def note_network(pool: Pool, pledge_id: UUID, client_hash: bytes | None) -> None:
    """Remembers the network (a keyed hash) that a pledge without a card came from; nothing for one that tells nothing."""
    if client_hash is not None:
        async with transaction(pool) as conn:
            await reviews.note_network(conn, pledge_id, client_hash)


async def held_within(conn: Connection, trip: Trip, pledge: Pledge, card: SavedCard, *, now: datetime) -> bool:
    """Whether a pledge whose card was just verified is held (again). Only open trips: a confirmed one has nothing to be tricked into."""
    if await reviews.is_held(conn, pledge.id):
        await pledges.set_card(conn, pledge.id, card)
        return True
    because = await why_held(conn, trip, pledge, now=now)
    if because is None:
        return False
    await hold(conn, trip, pledge, card, because=because)
    return True


async def why_held(conn: Connection, trip: Trip, pledge: Pledge, *, now: datetime) -> str | None:
    """Why a pledge may not count without a look, in words for an organiser; None when it may."""
    if trip.state is not TripState.OPEN:
        return None
    burst = await reviews.find_burst(conn, pledge.id, since=now - LIMITS.window)
    return looks_made_up(burst, minimum=trip.minimum) if burst is not None else None


async def hold(conn: Connection, trip: Trip, pledge: Pledge, card: SavedCard, *, because: str) -> None:
    """Marks a pledge, keeps its seats until the trip's deadline, tells the rider and the organisers."""
    await pledges.set_card(conn, pledge.id, card)
    await reviews.mark_held(conn, pledge.id, because=because, until=trip.deadline_at)
    await set_timer(conn, "pledge_hold", pledge.id, trip.deadline_at)
    await record_change(conn, "pledge", pledge.id, PledgeState.PENDING_CARD.value, {"held_for_review": because})
    event = await events.get_event(conn, trip.event_id)
    assert event is not None
    await queue_mail(
        conn, dedupe_key=f"pledge-held:{pledge.id}", recipient=pledge.email, template="pledge_held", locale=pledge.locale,
        subject_id=pledge.id, data={"pledge_id": str(pledge.id), "name": pledge.name, "code": pledge.public_code, "event": event.name},
    )  # fmt: skip
    what = "Pledges that look like made-up demand wait for a look: release or refuse them in the event's review."
    await tell_organisers_within(conn, event, what=what, once=f"review:{trip.id}:{await busload_now(conn):%Y-%m-%d-%H}")
    log.warning("pledge.held_for_review", pledge_id=str(pledge.id), trip_id=str(trip.id))


async def lock_held(conn: Connection, pledge_id: UUID) -> tuple[Trip, Pledge, SavedCard]:
    """A held pledge with its trip, locked, and its card. NotFound for an unknown one, Conflict when it does not wait (any more)."""
    trip_id = await pledges.find_trip_of(conn, pledge_id)
    trip = await trips.lock_trip(conn, trip_id) if trip_id else None
    if trip is None:
        raise NotFound("There is no such pledge.", code="unknown_pledge")
    pledge = await pledges.lock_pledge(conn, pledge_id)
    card = await reviews.card_of_held(conn, pledge_id)
    if card is None:
        raise Conflict("This pledge does not wait for a look any more. Load the list again.", code="not_held")
    return trip, pledge, card


async def release_pledge(pool: Pool, pledge_id: UUID, *, actor: str) -> None:
    """An organiser lets a held pledge count; it may be the one that confirms its trip."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "released after a look")
        await release_within(conn, pledge_id)


async def release_within(conn: Connection, pledge_id: UUID) -> None:
    """The same in a transaction it is given; Conflict when the trip takes nobody any more."""
    trip, pledge, card = await lock_held(conn, pledge_id)
    now = await busload_now(conn)
    event = await events.get_event(conn, trip.event_id)
    assert event is not None
    closed = trip.state not in SELLING or now > event.booking_closes_at or event.booking_closed_at is not None
    if closed or (trip.state is TripState.OPEN and now > trip.deadline_at):
        raise Conflict("The trip takes nobody any more. The seats go back by themselves.", code="not_selling")
    await reviews.unmark_held(conn, pledge.id)
    await secure_within(conn, pledge, card, now=now)
    await queue_mail(
        conn, dedupe_key=f"pledge-released:{pledge.id}", recipient=pledge.email, template="pledge_looked_at", locale=pledge.locale,
        subject_id=pledge.id,
        data={"pledge_id": str(pledge.id), "name": pledge.name, "code": pledge.public_code, "event": event.name, "counts": True},
    )  # fmt: skip
    await tell(conn, "trip", trip.id)
    await tell(conn, "pledge", pledge.id)


async def refuse_pledge(pool: Pool, pledge_id: UUID, *, actor: str) -> None:
    """`pending_card -> refused`: an organiser takes a held pledge for made-up; its card is forgotten, its seats are free."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "refused after a look")
        trip, pledge, _ = await lock_held(conn, pledge_id)
        event = await events.get_event(conn, trip.event_id)
        assert event is not None
        await reviews.unmark_held(conn, pledge.id)
        await pledges.set_pledge_states(conn, [pledge.id], come_from=[PledgeState.PENDING_CARD], go_to=PledgeState.REFUSED)
        await trips.move_people(conn, trip.id, held=-pledge.people)
        await clear_timer(conn, "pledge_hold", pledge.id)
        await enqueue_for(conn, "detach_card", [pledge.id])
        await queue_mail(
            conn, dedupe_key=f"pledge-refused:{pledge.id}", recipient=pledge.email, template="pledge_looked_at", locale=pledge.locale,
            subject_id=pledge.id,
            data={"pledge_id": str(pledge.id), "name": pledge.name, "code": pledge.public_code, "event": event.name, "counts": False},
        )  # fmt: skip
        await tell(conn, "trip", trip.id)
        await tell(conn, "pledge", pledge.id)


async def expect_crowd(pool: Pool, event_id: UUID, *, actor: str) -> int:
    """An organiser knows where the crowd comes from (a stadium, a campus): what is held counts, nothing more is held; how many counted."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "a crowd is expected")
        await reviews.expect_crowd(conn, event_id)
        await record_change(conn, "event", event_id, "on sale", {"crowd_expected": True})
        held = [one.id for one in await reviews.list_held(conn, event_id)]
    done = 0
    for pledge_id in held:  # a transaction each: they belong to several trips, and one that is too late stops no other
        try:
            await release_pledge(pool, pledge_id, actor=actor)
            done += 1
        except Conflict as late:
            log.info("review.not_released", pledge_id=str(pledge_id), code=late.code)
    return done

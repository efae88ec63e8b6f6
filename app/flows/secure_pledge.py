"""A pledge with a verified card counts: it is secured, and may be the one that tips the trip."""

from datetime import datetime
from uuid import UUID

from app.core.database import Connection
from app.core.timers import clear_timer
from app.domain.pledges import store as pledges
from app.domain.pledges.model import MAX_PEOPLE_PER_CARD, Pledge, PledgeState, SavedCard
from app.domain.trips import store as trips
from app.domain.trips.model import TripState, tips
from app.flows.confirm_trip import collect_fares, confirm_within
from app.flows.tell_counts import tell_counts_within


async def over_card_cap(conn: Connection, trip_id: UUID, fingerprint: str | None, *, people: int) -> bool:
    """Whether these people more would be too many of a trip on one card, known by its fingerprint."""
    if fingerprint is None:
        return False
    return await pledges.people_on_card(conn, trip_id=trip_id, card_fingerprint=fingerprint) + people > MAX_PEOPLE_PER_CARD


async def secure_within(conn: Connection, pledge: Pledge, card: SavedCard, *, now: datetime) -> Pledge:
    """Turns held people into secured ones; decides whether the trip tips. Trip and pledge are locked, its people are held.

    On a confirmed trip the pledge is confirmed at once, with its payment due. `now` is the moment, read after the trip's lock, at which the
    pledge was found in time: counting and tipping must not be judged by two, or a trip could end above its minimum and open for ever.
    """
    await pledges.set_card(conn, pledge.id, card)
    trip = await trips.move_people(conn, pledge.trip_id, held=-pledge.people, secured=pledge.people)
    assert trip is not None, "held people become secured ones: the sum does not change"
    promised = trip.state is TripState.CONFIRMED
    state = PledgeState.CONFIRMED if promised else PledgeState.ACTIVE
    await pledges.set_pledge_states(conn, [pledge.id], come_from=[PledgeState.PENDING_CARD, PledgeState.LAPSED], go_to=state)
    await clear_timer(conn, "pledge_hold", pledge.id)
    secured = await pledges.get_pledge(conn, pledge.id)
    assert secured is not None
    if promised:
        await collect_fares(conn, trip, [secured.id])
    elif tips(trip, now):
        await confirm_within(conn, trip, tipped_by=pledge.id, now=now)
        secured = await pledges.get_pledge(conn, pledge.id)
        assert secured is not None
    await tell_counts_within(conn, trip)
    return secured

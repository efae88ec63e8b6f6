"""A pledge with a verified card counts: it is secured, and may be the one that tips the trip."""

from app.core.clock import busload_now
from app.core.database import Connection
from app.core.timers import clear_timer
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge, PledgeState, SavedCard
from app.domain.trips import store as trips
from app.domain.trips.model import TripState, tips
from app.flows.confirm_trip import collect_fares, confirm_within


async def secure_within(conn: Connection, pledge: Pledge, card: SavedCard) -> Pledge:
    """Turns held people into secured ones; decides whether the trip tips. Trip and pledge are locked, its people are held.

    On a confirmed trip the pledge is confirmed at once, with its payment due.
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
        await collect_fares(conn, trip, [secured])
    elif tips(trip, await busload_now(conn)):
        await confirm_within(conn, trip, tipped_by=pledge.id)
        secured = await pledges.get_pledge(conn, pledge.id)
        assert secured is not None
    return secured

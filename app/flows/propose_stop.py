"""Riders propose stops, organisers approve them; the nearest existing stop is offered first."""

from uuid import UUID

import msgspec

from app.core.audit import act_as
from app.core.database import Pool, transaction
from app.core.errors import Conflict, Invalid, NotFound
from app.core.inputs import LONGEST_ADDRESS, is_line
from app.core.live import tell
from app.domain.events import store as events
from app.domain.events.model import NEAR_STOP_M, STOP_MACHINE, NearStop, Stop, StopState
from app.domain.trips import store as trips
from app.domain.trips.model import SELLING
from app.flows.plan_event import MAX_RIDE_S, StopWish, add_stop_within, place_faults

MAX_PROPOSALS = 40
SHORTEST_NAME, LONGEST_NAME = 2, 120


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a proposal: stops that exist near by (nothing was added), or the new stop that waits for approval."""

    near: list[NearStop]
    stop: Stop | None


async def propose_stop(pool: Pool, trip_id: UUID, *, name: str, address: str, lat: float, lon: float, insist: bool) -> Proposal:
    """Offers the existing stops within 2 km first; adds a proposed one when there are none, or when the rider insists."""
    if faults := place_faults("", lat, lon):
        raise Invalid(faults[0].message, fields=tuple(faults))
    if not SHORTEST_NAME <= len(name.strip()) <= LONGEST_NAME or not name.isprintable():
        raise Invalid.field("name", "Name the stop in 2 to 120 characters, the way people there call the place.")
    if address and not is_line(address, LONGEST_ADDRESS):
        raise Invalid.field("address", f"An address is one line of at most {LONGEST_ADDRESS} characters.")
    async with transaction(pool) as conn:
        await act_as(conn, "rider", "stop proposed")
        trip = await trips.lock_trip(conn, trip_id)
        if trip is None:
            raise NotFound("There is no such trip.", code="unknown_trip")
        if trip.state not in SELLING:
            raise Conflict(f"This trip is {trip.state.value}; it takes no new stops.", code="trip_closed")
        near = await events.list_near_stops(conn, trip_id=trip_id, lat=lat, lon=lon, within_m=NEAR_STOP_M)
        if near and not insist:
            return Proposal(near=near, stop=None)
        known = await events.list_stops_of_trip(conn, trip_id)
        if sum(stop.state is StopState.PROPOSED for stop in known) >= MAX_PROPOSALS:
            raise Conflict("Many stops are waiting for approval here already; choose one of those listed.", code="too_many_proposals")
        wish = StopWish(
            name=name, address=address, lat=lat, lon=lon, zone=trip.zone, max_ride_s=max([MAX_RIDE_S, *(s.max_ride_s for s in known)])
        )
        stop = await add_stop_within(conn, trip, wish, state=StopState.PROPOSED)
        await tell(conn, "event", trip.event_id)
        return Proposal(near=near, stop=stop)


async def decide_stop(pool: Pool, stop_id: UUID, *, approve: bool, actor: str) -> Stop:
    """An organiser approves or rejects a stop. Conflict when that is not possible any more."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "stop approved" if approve else "stop rejected")
        stop = await events.get_stop(conn, stop_id)
        if stop is None:
            raise NotFound("There is no such stop.", code="unknown_stop")
        go_to = StopState.APPROVED if approve else StopState.REJECTED
        STOP_MACHINE.check(stop.state, go_to)
        await events.set_stop_state(conn, stop_id, come_from=stop.state, go_to=go_to)
        await tell(conn, "event", stop.event_id)
        decided = await events.get_stop(conn, stop_id)
        assert decided is not None
        return decided

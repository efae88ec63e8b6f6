"""What the organisers' dispatch page and API read."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from app.core.database import Connection
from app.core.errors import NotFound
from app.core.timers import is_set
from app.domain.dispatch.model import FRESH_CAUSES, MAX_ROUNDS, Duty, Offer, OfferState, Party, Plan, attribute_hire, seat_metres
from app.domain.dispatch.store import crews, incidents, offers, plans, snapshots
from app.domain.dispatch.store import demand as paid
from app.domain.events import store as events
from app.domain.events.model import Event
from app.domain.fleet import store as fleet
from app.domain.manifests import store as manifests
from app.domain.trips import store as trips
from app.domain.trips.model import Trip
from app.flows.allocate_event import unseated_of
from app.flows.send_offers import read_shortfall
from app.surfaces.organiser.dispatch_views import (
    DispatchDuty,
    DispatchIncident,
    DispatchUnserved,
    DispatchView,
    counted,
    newest_offer,
    view_offer,
    view_plan,
)

ROUTES = 6
KINDS = ("unseated", "no_plan", "operator_pulled_out")


async def read_dispatch(conn: Connection, event_id: UUID) -> DispatchView:
    """How far an event's dispatch is; NotFound `unknown_event`."""
    event = await events.get_event(conn, event_id)
    if event is None:
        raise NotFound("There is no such event.", code="unknown_event")
    history = await offers.list_offers_of_event(conn, event_id)
    current = await plans.list_current_plans(conn, event_id)
    all_trips = await trips.list_trips(conn, [event_id])
    parties = await paid.list_paid_parties(conn, event_id)
    duties = await read_duties(conn, event, history)
    causes = {snapshot.id: snapshot.cause.value for snapshot in await snapshots.list_snapshots(conn, event_id)}
    unserved = [
        DispatchUnserved(
            pledge_id=party.pledge_id,
            trip_id=party.trip_id,
            origin=origin_of(all_trips, party.trip_id),
            people=party.people,
            scope=party.scope.value,
            reason=party.reason,
            detail=party.detail,
        )
        for party in await plans.list_unserved(conn, event_id)
    ]
    stage = await stage_of(conn, event, current, duties)
    return DispatchView(
        event_id=event.id,
        event=event.name,
        event_code=event.public_code,
        currency=event.currency,
        zone=event.zone,
        stage=stage,
        booking_closed_at=event.booking_closed_at,
        capacity_deadline_at=await snapshots.read_seating_deadline(conn, event_id),
        round=max((plan.round for plan in current), default=0),
        paid_people=sum(party.people for party in parties),
        seated_people=await count_seated(conn, event, parties),
        hire_minor=sum(duty.hire_minor for duty in duties),
        fares_minor=await paid.fares_held_minor(conn, event_id, without=[]),
        shortfall_minor=await read_shortfall(conn, event) if stage == "needs_approval" else 0,
        offers_by_state=counted([offer.state.value for offer in history]),
        trips_by_state=counted([trip.state.value for trip in all_trips]),
        duties=duties,
        unserved=unserved,
        plans=[view_plan(plan, causes) for plan in await plans.list_plans(conn, event_id)],
        incidents=[
            DispatchIncident(code=found.public_code, kind=found.kind, summary=found.summary, opened_at=found.opened_at)
            for found in await incidents.list_open_incidents(conn, event_id, KINDS)
        ],
    )


def origin_of(all_trips: Sequence[Trip], trip_id: UUID) -> str:
    """Where a trip starts."""
    return next(trip.origin for trip in all_trips if trip.id == trip_id)


async def is_planning(conn: Connection, event: Event) -> bool:
    """Whether a plan is being made."""
    return await waiting_stage(conn, event) == "planning"


async def waiting_stage(conn: Connection, event: Event) -> str | None:
    """The stage before there is a plan of what is known now; None once there is."""
    if event.booking_closed_at is None:
        return "selling"
    cause = await snapshots.wanted_cause(conn, event.id)
    if cause is not None:
        spent = cause not in FRESH_CAUSES and await snapshots.rounds_since_decision(conn, event.id) >= MAX_ROUNDS
        return "needs_organiser" if spent else "planning"
    return "planning" if await snapshots.list_unsolved(conn, event.id) else None


async def stage_of(conn: Connection, event: Event, current: Sequence[Plan], duties: Sequence[DispatchDuty]) -> str:
    """The one word for where dispatch stands."""
    if (waiting := await waiting_stage(conn, event)) is not None:
        return waiting
    if not current:
        return "closing" if await is_set(conn, "booking_close", event.id) else "no_plan"
    return planned_stage(current, duties)


def planned_stage(current: Sequence[Plan], duties: Sequence[DispatchDuty]) -> str:
    """Where dispatch stands once there is a plan and nothing is being planned."""
    if any(plan.needs_approval for plan in current):
        return "needs_approval"
    if not duties:
        return "no_plan"
    accepted = all(duty.offer is not None and duty.offer.state == OfferState.ACCEPTED.value for duty in duties)
    return "settled" if accepted else "offering"


async def read_duties(conn: Connection, event: Event, history: Sequence[Offer]) -> list[DispatchDuty]:
    """The duties of the current plans with offers, crews and the split of their hire."""
    found = await plans.list_current_duties(conn, event.id)
    vehicles = {vehicle.id: vehicle for vehicle in await fleet.list_vehicles_by_id(conn, [duty.vehicle_id for duty in found])}
    operators = {operator.id: operator.name for operator in await fleet.list_operators(conn, [duty.operator_id for duty in found])}
    crew = await crews.list_crews(conn, [duty.id for duty in found])
    riders = await read_riders(conn, found)
    manifested = await manifests.list_manifested_duties(conn, [duty.id for duty in found])
    views = []
    for number, duty in enumerate(found):
        vehicle, offer = vehicles[duty.vehicle_id], newest_offer(duty, history)
        views.append(
            DispatchDuty(
                id=duty.id,
                code=duty.public_code,
                scope=duty.scope.value,
                route=number % ROUTES + 1,
                operator=operators[duty.operator_id],
                vehicle=vehicle.name,
                plate=vehicle.plate,
                places=vehicle.seats + vehicle.wheelchair_places,
                people=sum(party.people for party in riders[duty.id]),
                hire_minor=duty.hire_minor,
                distance_m=duty.distance_m,
                drivers_needed=duty.drivers_needed,
                drivers=[seat.name for seat in crew if seat.duty_id == duty.id],
                starts_at=duty.starts_at,
                ends_at=duty.ends_at,
                zone=duty.timetable.calls[0].zone,
                offer=None if offer is None else view_offer(offer, operators[duty.operator_id]),
                has_manifest=duty.id in manifested,
                hire_by_trip=split_hire(duty, riders[duty.id]),
                calls=duty.timetable.calls,
            )
        )
    return views


async def read_riders(conn: Connection, duties: Sequence[Duty]) -> Mapping[UUID, list[Party]]:
    """The parties on each duty."""
    riders: dict[UUID, list[Party]] = {duty.id: [] for duty in duties}
    for party in await paid.list_parties_of_duties(conn, list(riders)):
        riders[party.duty_id].append(party)
    return riders


def split_hire(duty: Duty, riders: Sequence[Party]) -> dict[str, int]:
    """A duty's hire by trip; nothing to split without riders."""
    shares = seat_metres(duty.timetable, list(riders))
    return {str(trip): minor for trip, minor in attribute_hire(duty.hire_minor, shares).items()} if shares else {}


async def count_seated(conn: Connection, event: Event, parties: Sequence[Party]) -> int:
    """People with a place on accepted duties on all their legs."""
    lacking = {party.pledge_id for party in await unseated_of(conn, event, parties)}
    return sum(party.people for party in parties if party.pledge_id not in lacking)

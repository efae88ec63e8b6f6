"""Freezing demand: what is paid and who may drive becomes a problem with a hash, and a job for the solver."""

from uuid import UUID

import msgspec

from app.core.audit import act_as
from app.core.database import Connection, Pool, transaction
from app.core.errors import Unavailable
from app.core.ids import new_id
from app.core.jobs import enqueue_for
from app.core.live import tell
from app.core.log import logger
from app.domain.dispatch.model import FRESH_CAUSES, MAX_ROUNDS, Cause, OfferState, Scope, Snapshot, exclusions_of
from app.domain.dispatch.service import raise_incident
from app.domain.dispatch.snapshot import (
    Bus,
    Demand,
    buses_of,
    demand_of,
    duty_day,
    epoch_of,
    hash_of,
    horizon_of,
    places_of,
    problem_of,
    ridable,
)  # fmt: skip
from app.domain.dispatch.store import demand as paid
from app.domain.dispatch.store import offers, plans, snapshots
from app.domain.events import store as events
from app.domain.events.model import Event, EventState
from app.domain.fleet import store as fleet
from app.domain.fleet.model import Span, SpanKind
from app.flows.allocate_event import allocate_if_settled_within
from app.flows.tell_organisers import tell_organisers_within
from solver.problem import Matrix
from solver.travel import TravelTimes, TravelTimesError

log = logger(__name__)
TRIES = 5


async def freeze_demand(pool: Pool, event_id: UUID, *, travel: TravelTimes) -> list[UUID]:
    """Answers the wish for a plan with a snapshot per scope; returns their ids. Without a wish it does nothing.

    Travel times are fetched between two transactions; what changed meanwhile is read again. Raises Unavailable when there are none.
    """
    for _ in range(TRIES):
        async with transaction(pool) as conn:
            event = await events.get_event(conn, event_id)
            if event is None or await snapshots.wanted_cause(conn, event_id) is None:
                return []
            demands = await read_demands(conn, event)
        try:
            matrices = [await travel.table(places_of(demand)) for demand in demands]
        except TravelTimesError as error:
            log.warning("dispatch.no_travel_times", event_id=str(event_id), error=str(error))
            raise Unavailable("The travel-time service gave no answer.") from error
        async with transaction(pool) as conn:
            await act_as(conn, "dispatch", "demand frozen")
            event = await events.lock_event(conn, event_id)
            assert event is not None, "events are never deleted"
            if await read_demands(conn, event) == demands:
                return await keep_snapshots(conn, event, demands, matrices)
    raise Unavailable("The demand of this event keeps changing; it is frozen on the next try.")


async def read_demands(conn: Connection, event: Event) -> list[Demand]:
    """What is to be planned, by scope: accepted duties, their riders and vehicles are set already and not part of it.

    Of a cancelled event only the way home of people who have set out.
    """
    wanted = [Scope(scope) for scope in event.scopes if event.state is not EventState.CANCELLED or scope == Scope.RETURN.value]
    return [await read_demand(conn, event, scope) for scope in wanted]


async def read_demand(conn: Connection, event: Event, scope: Scope) -> Demand:
    """One scope's paid parties without a seat, and the vehicles that may be asked."""
    seated = await paid.list_seated_pledges(conn, event.id, scope)
    if event.state is EventState.CANCELLED:
        seated |= await list_stayed_home(conn, event)
    parties = [party for party in ridable(await paid.list_paid_parties(conn, event.id), scope) if party.pledge_id not in seated]
    buses = await read_buses(conn, event, scope)
    return demand_of(
        event,
        scope,
        parties=parties,
        stops=await events.list_stops(conn, event.id),
        buses=buses,
        rules=await fleet.list_driver_rules(conn, sorted({bus.vehicle.rules for bus in buses})),
    )


async def list_stayed_home(conn: Connection, event: Event) -> set[UUID]:
    """Who was to ride there and back and has no seat there: refunded, and not at the venue."""
    there = await paid.list_seated_pledges(conn, event.id, Scope.OUTBOUND)
    return {party.pledge_id for party in ridable(await paid.list_paid_parties(conn, event.id), Scope.OUTBOUND)} - there


async def read_buses(conn: Connection, event: Event, scope: Scope) -> list[Bus]:
    """In service, papers and rate card valid on the day, available then, not refused before, not in another accepted duty.

    Scopes planned together let a vehicle do one duty for the event, so one that is set already is out.
    """
    history = await offers.list_offers_of_event(conn, event.id)
    vehicles = await fleet.list_hireable(conn, currency=event.currency, day=duty_day(event, scope))
    if scope is Scope.BOTH:
        driving = {offer.vehicle_id for offer in await offers.list_accepted(conn, event.id)}
        vehicles = [vehicle for vehicle in vehicles if vehicle.id not in driving]
    ids, horizon = [vehicle.id for vehicle in vehicles], horizon_of(event, scope)
    spans = await fleet.list_availability(conn, ids, starts_at=horizon.starts_at, ends_at=horizon.ends_at)
    offered: dict[UUID, list[Span] | None] = {vehicle_id: [] for vehicle_id in await fleet.list_offered_vehicles(conn, ids)}
    taken: dict[UUID, list[Span]] = {}
    for span in spans:
        kept = (offered if span.kind is SpanKind.AVAILABLE else taken).setdefault(span.vehicle_id, [])
        assert kept is not None
        kept.append(span.span)
    for busy in await paid.list_taken_spans(conn, ids, starts_at=horizon.starts_at, ends_at=horizon.ends_at):
        taken.setdefault(busy.vehicle_id, []).append(busy.span)
    return buses_of(vehicles, event=event, scope=scope, offered=offered, taken=taken, exclusions=exclusions_of(history))


async def keep_snapshots(conn: Connection, event: Event, demands: list[Demand], matrices: list[Matrix]) -> list[UUID]:
    """Stores what differs from the newest snapshot of its scope, unless the rounds are used up and the organiser has to decide."""
    cause = await snapshots.wanted_cause(conn, event.id)
    if cause is None or await is_over(conn, event, demands):
        await snapshots.drop_wish(conn, event.id)
        return []
    if cause not in FRESH_CAUSES and await snapshots.rounds_since_decision(conn, event.id) >= MAX_ROUNDS:
        await ask_organiser(conn, event)
        return []
    round_number = await snapshots.next_round(conn, event.id)
    kept = [
        await keep_snapshot(conn, event, demand, matrix, round_number=round_number, cause=cause)
        for demand, matrix in zip(demands, matrices, strict=True)
    ]
    await snapshots.drop_wish(conn, event.id)
    await tell(conn, "event", event.id)
    made = [snapshot_id for snapshot_id in kept if snapshot_id is not None]
    if not made:
        await allocate_if_settled_within(conn, event)
    return made


async def is_over(conn: Connection, event: Event, demands: list[Demand]) -> bool:
    """Whether an event is cancelled and nobody waits for a way home, nor is anybody asked for one."""
    if event.state is not EventState.CANCELLED or any(demand.parties for demand in demands):
        return False
    return not any(offer.state in {OfferState.PROPOSED, OfferState.SENT} for offer in await offers.list_offers_of_event(conn, event.id))


async def keep_snapshot(conn: Connection, event: Event, demand: Demand, matrix: Matrix, *, round_number: int, cause: Cause) -> UUID | None:
    """Stores a scope's problem and queues its solving; None when it is the same as before, or there never was anybody to plan for."""
    scope, epoch_at = demand.scope, epoch_of(event, demand.scope)
    fixed = await fixed_duties(conn, event.id, scope)
    problem = problem_of(demand, epoch_at=epoch_at, matrix=matrix)
    newest = await snapshots.newest_snapshot(conn, event.id, scope)
    if newest is None and not demand.parties:
        return None
    if newest is not None and newest.hash == hash_of(problem) and sorted(newest.fixed) == fixed:
        return None
    snapshot = Snapshot(
        id=new_id(),
        event_id=event.id,
        scope=scope,
        round=round_number,
        hash=hash_of(problem),
        epoch_at=epoch_at,
        problem=msgspec.to_builtins(problem),
        fixed=fixed,
        cause=cause,
        created_at=epoch_at,
    )
    await snapshots.add_snapshot(conn, snapshot)
    await enqueue_for(conn, "solve_event", [snapshot.id])
    return snapshot.id


async def fixed_duties(conn: Connection, event_id: UUID, scope: Scope) -> list[UUID]:
    """The accepted duties of a scope, by id."""
    accepted = await offers.list_accepted(conn, event_id)
    duties = await plans.list_duties_by_id(conn, [offer.duty_id for offer in accepted])
    return sorted(duty.id for duty in duties if duty.scope is scope)


async def ask_organiser(conn: Connection, event: Event) -> None:
    """The wish stays; nothing more is tried until somebody decides."""
    summary = f"After {MAX_ROUNDS} rounds operators still decline. Plan once more (perhaps with other vehicles), or cancel trips."
    await raise_incident(conn, event.id, "no_plan", summary)
    await tell_organisers_within(conn, event, what=summary, once=f"rounds-{await snapshots.next_round(conn, event.id)}")
    await tell(conn, "event", event.id)

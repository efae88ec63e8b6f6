"""Snapshot to plan: solved outside any transaction, checked, stored, its duties proposed."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.ids import new_id
from app.core.log import logger
from app.domain.dispatch.keeping import keepable
from app.domain.dispatch.model import Cause, DutyDraft, OfferState, Plan, Snapshot, exclusions_of
from app.domain.dispatch.planning import Atlas, drafts_of
from app.domain.dispatch.service import keep_plan, raise_incident
from app.domain.dispatch.solving import Answer, PlanFaulty, SolveLimits, answer, limits_for
from app.domain.dispatch.store import demand as paid
from app.domain.dispatch.store import offers, plans, snapshots
from app.domain.events import store as events
from app.domain.events.model import Event
from app.domain.fleet import store as fleet
from app.flows.allocate_event import allocate_if_settled_within
from app.flows.send_offers import settle_shortfall_within, tell_withdrawn
from app.flows.tell_organisers import tell_organisers_within
from app.flows.tell_solving import telling
from app.flows.want_plan import want_plan_within
from solver import parse_problem
from solver.plan import Plan as SolverPlan
from solver.plan import PlannedDuty
from solver.problem import Problem

log = logger(__name__)


async def solve_event(pool: Pool, snapshot_id: UUID, *, limits: SolveLimits | None = None) -> UUID | None:
    """Plans a snapshot and returns the plan's id; None when it is planned already or a newer one has taken its place.

    Without `limits` the problem's size sets them.
    Raises PlanFaulty when the checker refuses what the solver found (the job is then held for a person to look at).
    """
    async with transaction(pool) as conn:
        snapshot = await snapshots.get_snapshot(conn, snapshot_id)
        if snapshot is None or not await is_open(conn, snapshot):
            return None
        problem = parse_problem(snapshot.problem)
        kept = await read_kept(conn, snapshot, problem)
        names = await read_names(conn, problem)
    try:
        async with telling(pool, snapshot.event_id, problem, names) as watch:
            found = await asyncio.to_thread(answer, problem, kept, limits or limits_for(problem), watch.on_solving, watch.on_plan)
    except PlanFaulty:
        await tell_faulty(pool, snapshot)
        raise
    duties, unserved = len(found.plan.duties), len(found.plan.unserved)
    log.info("dispatch.solved", snapshot_id=str(snapshot.id), duties=duties, unserved=unserved, kept=len(found.kept))
    async with transaction(pool) as conn:
        await act_as(conn, "solver", f"plan of round {snapshot.round}")
        return await store_answer(conn, snapshot, problem, found)


async def read_names(conn: Connection, problem: Problem) -> dict[str, str]:
    """What a problem's operators are called."""
    ids = sorted({vehicle.operator for vehicle in problem.vehicles})
    return {str(operator.id): operator.name for operator in await fleet.list_operators(conn, [UUID(name) for name in ids])}


async def tell_faulty(pool: Pool, snapshot: Snapshot) -> None:
    """Nothing is offered from a plan that breaks a promise; the organiser sees that somebody has to look."""
    async with transaction(pool) as conn:
        await act_as(conn, "solver", "plan refused by the checker")
        await raise_incident(conn, snapshot.event_id, "no_plan", "The plan found did not pass our own check and was thrown away.")


async def is_open(conn: Connection, snapshot: Snapshot) -> bool:
    """Whether a snapshot is the newest of its scope and has no plan."""
    newest = await snapshots.newest_snapshot(conn, snapshot.event_id, snapshot.scope)
    return newest is not None and newest.id == snapshot.id and not await plans.has_plan(conn, snapshot.id)


async def read_kept(conn: Connection, snapshot: Snapshot, problem: Problem) -> list[PlannedDuty]:
    """The duties of the current plan whose offers are out and that nothing has changed for."""
    current = [plan for plan in await plans.list_current_plans(conn, snapshot.event_id) if plan.scope is snapshot.scope]
    if not current:
        return []
    before = await snapshots.get_snapshot(conn, current[0].snapshot_id)
    assert before is not None
    document = msgspec.convert(await plans.read_document(conn, current[0].id), SolverPlan)
    standing = [o for o in await offers.list_offers_of_event(conn, snapshot.event_id) if o.state in {OfferState.PROPOSED, OfferState.SENT}]
    return keepable(
        problem,
        before=parse_problem(before.problem),
        epoch_at=snapshot.epoch_at,
        epoch_before_at=before.epoch_at,
        duties=document.duties,
        standing={str(offer.vehicle_id) for offer in standing},
    )


async def store_answer(conn: Connection, snapshot: Snapshot, problem: Problem, found: Answer) -> UUID | None:
    """Stores a checked plan unless the world has moved on; then a new one is wished for."""
    event = await events.lock_event(conn, snapshot.event_id)
    if event is None or not await is_open(conn, snapshot):
        return None
    if await busload_now(conn) >= await snapshots.read_seating_deadline(conn, event.id):
        return None  # the capacity deadline has settled who rides
    drafts = drafts_of(found.plan, problem, await read_atlas(conn, event, problem), scope=snapshot.scope, epoch_at=snapshot.epoch_at)
    fixed = await still_fixed(conn, snapshot, drafts)
    if fixed is None:
        await want_plan_within(conn, event.id, Cause.SUPERSEDED, at_once=True)
        return None
    plan = plan_of(snapshot, found)
    left = [(UUID(entry.party), entry.reason, entry.detail) for entry in found.plan.unserved]
    withdrawn = await keep_plan(conn, plan, document=document_of(found), drafts=drafts, fixed=fixed, unserved=left)
    await tell_withdrawn(conn, event, withdrawn)
    if left and not drafts and not fixed:
        summary = "No vehicle can carry anybody: see each party's reason on the dispatch page."
        await raise_incident(conn, event.id, "no_plan", summary)
        await tell_organisers_within(conn, event, what=summary, once=f"no-plan-{snapshot.round}")
    await settle_shortfall_within(conn, event)
    await allocate_if_settled_within(conn, event)
    return plan.id


def document_of(found: Answer) -> dict[str, object]:
    """The solver's plan file, and as `kept` the vehicles whose duties its round left as they were."""
    plan: dict[str, object] = msgspec.to_builtins(found.plan)
    return {**plan, "kept": list(found.kept)}


def plan_of(snapshot: Snapshot, found: Answer) -> Plan:
    """The row of an answer."""
    return Plan(
        id=new_id(),
        event_id=snapshot.event_id,
        snapshot_id=snapshot.id,
        scope=snapshot.scope,
        round=snapshot.round,
        status=found.plan.status,
        cost_minor=found.plan.cost_minor,
        bound_minor=found.bound_minor,
        kept_duties=len(snapshot.fixed) + len(found.kept),
        seconds=found.plan.seconds,
        is_current=True,
        needs_approval=False,
        shortfall_minor=0,
        approved_by=None,
        created_at=datetime.now(tz=snapshot.created_at.tzinfo),
    )


async def read_atlas(conn: Connection, event: Event, problem: Problem) -> Atlas:
    """What the ids of a problem stand for."""
    depots = {vehicle.depot for vehicle in problem.vehicles}
    parties = {str(party.pledge_id): party for party in await paid.list_parties_by_id(conn, [UUID(p.id) for p in problem.parties])}
    legs = {party.id: list[str](party.legs) for party in problem.parties}
    return Atlas(
        event=event,
        stops={str(stop.id): stop for stop in await events.list_stops(conn, event.id)},
        depots={str(depot.id): depot for depot in await fleet.list_depots_by_id(conn, [UUID(depot) for depot in depots])},
        parties={name: msgspec.structs.replace(party, legs=legs[name]) for name, party in parties.items()},
    )


async def still_fixed(conn: Connection, snapshot: Snapshot, drafts: Sequence[DutyDraft]) -> list[UUID] | None:
    """The accepted duties of the scope, or None when the answer is out of date.

    It is when a fixed duty has failed, when a duty was accepted that the answer lacks, or when it asks somebody who said no meanwhile.
    """
    history = await offers.list_offers_of_event(conn, snapshot.event_id)
    refused = exclusions_of(history)
    if any(draft.vehicle_id in refused.vehicle_ids or draft.operator_id in refused.operator_ids for draft in drafts):
        return None
    accepted = await plans.list_duties_by_id(conn, [offer.duty_id for offer in history if offer.state is OfferState.ACCEPTED])
    mine = {duty.id: duty.fingerprint for duty in accepted if duty.scope is snapshot.scope}
    planned = {draft.fingerprint for draft in drafts}
    late = [duty_id for duty_id, fingerprint in mine.items() if duty_id not in snapshot.fixed and fingerprint not in planned]
    if late or set(snapshot.fixed) - set(mine):
        return None
    return sorted(mine)

"""What is proven of a plan whose accepted and offered duties stayed: a bound for plans that keep them, taken from the search itself."""

import msgspec

from app.core.database import Pool
from app.domain.dispatch.keeping import settled_of, without
from app.domain.dispatch.model import DeclineReason, Offer, OfferState, Plan, Snapshot
from app.domain.dispatch.solving import SolveLimits, Solving, answer, search
from app.domain.dispatch.store import plans, snapshots
from app.flows.answer_offer import accept_offer, decline_offer
from app.flows.close_booking import dispatch_event
from solver import parse_problem
from solver.plan import Plan as SolverPlan
from solver.plan import PlannedDuty
from solver.problem import Problem
from tests.support.dispatch_world import LIMITS, World, add_party, offers_in, plan_once


async def read_plan(pool: Pool, world: World) -> tuple[Plan, Problem, SolverPlan, list[str], Snapshot]:
    """The current plan: its row, the problem it answers, its file, the vehicles kept, its snapshot."""
    async with pool.acquire() as conn:
        plan = (await plans.list_current_plans(conn, world.event_id))[0]
        snapshot = await snapshots.get_snapshot(conn, plan.snapshot_id)
        document = await plans.read_document(conn, plan.id)
    assert snapshot is not None
    kept = msgspec.convert(document["kept"], list[str])
    return plan, parse_problem(snapshot.problem), msgspec.convert(document, SolverPlan), kept, snapshot


async def resolved(pool: Pool, world: World) -> Offer:
    """Three buses at least, one duty accepted, one declined and planned anew; returns the accepted offer."""
    async with pool.acquire() as conn:
        for origin in 2 * list(world.trips):
            for _ in range(6):
                await add_party(conn, world, origin, seats=2)
    await dispatch_event(pool, world.event_id, actor="organiser")
    await plan_once(pool, world)
    first, second, *_ = await offers_in(pool, world, OfferState.SENT)
    await accept_offer(pool, first.id, actor="operator")
    await decline_offer(pool, second.id, reason=DeclineReason.BUSY, note="", actor="operator")
    await plan_once(pool, world)
    return first


def kept_duties(found: SolverPlan, kept: list[str]) -> list[PlannedDuty]:
    return [duty for duty in found.duties if duty.vehicle in kept]


async def test_a_plan_from_scratch_is_bounded_below_every_plan(pool: Pool, world: World) -> None:
    await dispatch_event(pool, world.event_id, actor="organiser")
    await plan_once(pool, world)
    plan, _, found, kept, _ = await read_plan(pool, world)
    assert (plan.kept_duties, kept) == (0, [])
    assert plan.bound_minor == found.bound_minor is not None


async def test_a_plan_after_an_answer_is_bounded_below_plans_that_keep_what_was_accepted_and_offered(pool: Pool, world: World) -> None:
    accepted = await resolved(pool, world)
    plan, problem, found, kept, snapshot = await read_plan(pool, world)
    settled = settled_of(problem, kept_duties(found, kept))

    assert snapshot.fixed == [accepted.duty_id]
    assert str(accepted.vehicle_id) not in {vehicle.id for vehicle in problem.vehicles}
    assert len(kept) >= 1
    assert plan.kept_duties == 1 + len(kept)
    assert found.bound_minor is None, "that of a plan file would hold for every plan"
    assert plan.bound_minor is not None
    assert settled.cost_minor < plan.bound_minor <= plan.cost_minor == found.cost_minor
    rest = without(problem, kept_duties(found, kept))
    others = [search(rest, msgspec.structs.replace(LIMITS, seed=seed)) for seed in (2, 3)]
    assert all(settled.cost_minor + other.cost_minor >= plan.bound_minor for other in others if not other.unserved)


async def test_where_nothing_is_left_to_plan_the_kept_duties_are_the_cheapest_that_keep_them(pool: Pool, world: World) -> None:
    await dispatch_event(pool, world.event_id, actor="organiser")
    await plan_once(pool, world)
    plan, problem, found, _, _ = await read_plan(pool, world)
    again = answer(problem, found.duties, LIMITS)
    assert again.bound_minor == again.plan.cost_minor == plan.cost_minor
    assert again.kept == tuple(duty.vehicle for duty in found.duties)


async def test_progress_beside_kept_duties_is_told_of_the_whole_plan(pool: Pool, world: World) -> None:
    await dispatch_event(pool, world.event_id, actor="organiser")
    await plan_once(pool, world)
    _, problem, found, _, _ = await read_plan(pool, world)
    told = list[Solving]()
    again = answer(problem, found.duties[:1], SolveLimits(iterations=20), told.append)
    assert again.kept == (found.duties[0].vehicle,)
    assert {(line.people, line.kept) for line in told} == {(60, 1)}
    assert told[-1].cost_minor == again.plan.cost_minor
    assert told[-1].bound_minor == again.bound_minor

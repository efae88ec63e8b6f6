import pytest

import solver
from tests.solver.events import problem


def published(seed: int = 21) -> tuple[solver.Problem, solver.Plan]:
    told = problem(seed, full=False, stops=8, vehicles=9)
    return told, solver.solve(told, solver.IterationLimit(20), seed=1).plan


def test_accepted_duties_stay_and_withdrawn_vehicles_go() -> None:
    told, plan = published()
    keep, gone = plan.duties[0], plan.duties[-1].vehicle
    changes = solver.Changes(accepted=frozenset({keep.vehicle}), withdrawn_vehicles=frozenset({gone}))
    again = solver.resolve(told, plan, changes, solver.IterationLimit(20))
    assert solver.check_plan(again.problem, again.plan, fixed=changes.accepted) == []
    assert gone not in {duty.vehicle for duty in again.plan.duties}
    same = next(duty for duty in again.plan.duties if duty.vehicle == keep.vehicle)
    assert (same.outbound, same.return_, same.cost_minor) == (keep.outbound, keep.return_, keep.cost_minor)
    assert set(keep.parties) <= set(same.parties)


def test_an_operator_that_withdraws_drives_nothing_even_what_it_had_accepted() -> None:
    told, plan = published()
    owner = {vehicle.id: vehicle.operator for vehicle in told.vehicles}
    operator = owner[plan.duties[0].vehicle]
    changes = solver.Changes(accepted=frozenset(d.vehicle for d in plan.duties), withdrawn_operators=frozenset({operator}))
    again = solver.resolve(told, plan, changes, solver.IterationLimit(10))
    assert solver.check_plan(again.problem, again.plan, fixed=changes.accepted) == []
    assert operator not in {owner[duty.vehicle] for duty in again.plan.duties}


def test_late_pledges_come_and_others_go() -> None:
    told, plan = published()
    late = solver.Party(id="late", stop=told.stops[0].id, seats=1, wheelchairs=0, legs=("outbound", "return"))
    leaver = plan.duties[0].parties[0]
    again = solver.resolve(told, plan, solver.Changes(added=(late,), dropped=frozenset({leaver})), solver.IterationLimit(10))
    assert solver.check_plan(again.problem, again.plan) == []
    everyone = again.plan.served_parties | {entry.party for entry in again.plan.unserved}
    assert "late" in everyone
    assert leaver not in everyone


def test_nothing_changed_and_a_price_on_changes_leaves_everyone_where_they_are() -> None:
    told, plan = published()
    again = solver.resolve(told, plan, solver.Changes(change_penalty_minor=10**6), solver.IterationLimit(20))
    assert solver.riders_moved(again, plan) == 0
    assert again.plan.cost_minor == plan.cost_minor


def test_changes_that_make_no_sense_are_refused() -> None:
    told, plan = published()
    for changes in (
        solver.Changes(dropped=frozenset({"ghost"})),
        solver.Changes(added=(solver.Party(id="x", stop="nowhere", seats=1, wheelchairs=0, legs=("return",)),)),
        solver.Changes(added=(told.parties[0],)),
    ):
        with pytest.raises(ValueError, match="parties"):
            solver.resolve(told, plan, changes, solver.IterationLimit(1))

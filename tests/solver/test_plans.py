"""Every plan keeps every promise, whatever the problem; same seed and iterations, same plan."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import solver
from solver.admit import Gate
from solver.bound import Bound, needs_of
from solver.children import Slice
from solver.draft import Draft
from solver.improve import Improver
from solver.instance import Instance
from solver.routing import routing_draft
from solver.start import greedy_draft
from solver.writing import write_plan
from tests.bench.event_generator import event_problem
from tests.solver.events import problem

change = msgspec.structs.replace


def faults(gate: Gate, draft: Draft, bound: int | None = None) -> Sequence[str]:
    return solver.check_plan(gate.instance.problem, write_plan(gate, draft, bound=bound, optimal=False, seconds=0.0))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(1, 10**6), full=st.booleans(), max_stops=st.integers(1, 4))
def test_start_and_improvement_keep_every_promise(seed: int, *, full: bool, max_stops: int) -> None:
    told = problem(seed, full=full, max_stops=max_stops)
    gate = Gate(Instance(told))
    first = greedy_draft(gate, range(len(told.parties)))
    assert faults(gate, first) == []
    better, _ = Improver(gate).run(first, Slice(seconds=None, iterations=12, seed=seed, size=4, max_size=6))
    assert better.rank(gate.instance) <= first.rank(gate.instance)
    assert [fault for fault in faults(gate, better) if "could carry" not in fault] == []


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(1, 10**6), full=st.booleans())
def test_the_bound_lies_below_every_plan_that_serves_the_same(seed: int, *, full: bool) -> None:
    told = problem(seed, full=full, stops=5)
    gate = Gate(Instance(told))
    draft = greedy_draft(gate, range(len(told.parties)))
    if not draft.duties:
        return
    served = [party for duty in draft.duties for party in duty.parties]
    for star in (False, True):
        bound = Bound(gate.instance, needs_of(gate.instance, served), star=star)
        proven = bound.run(seconds=10, upper=float(draft.cost))
        better, _ = Improver(gate).run(Draft(draft.duties), Slice(seconds=None, iterations=25, seed=1))
        assert 0 <= proven <= better.cost


@pytest.mark.parametrize("full", [False, True])
def test_the_whole_search_keeps_every_promise_and_repeats_itself(*, full: bool) -> None:
    told = problem(11, full=full, stops=8, vehicles=8)
    results = [solver.solve(told, solver.IterationLimit(30), seed=5, threads=2) for _ in range(2)]
    first, second = (change(result.plan, seconds=0.0) for result in results)
    assert first == second
    assert solver.check_plan(told, first) == []
    assert first.bound_minor is not None
    assert results[0].history[0].phase == "start"


def test_the_routing_library_keeps_promises_too() -> None:
    told = problem(4, full=False, stops=8, vehicles=8)
    gate = Gate(Instance(told))
    draft = routing_draft(gate, 0.3, improve=True)
    assert draft.duties
    assert [fault for fault in faults(gate, draft) if "could carry" not in fault] == []


def test_routes_of_many_stops_are_planned_too() -> None:
    told = problem(8, full=False, stops=24, vehicles=4, people=2, max_stops=30)
    wide = tuple(change(stop, max_ride_s=60_000, dwell_s=60) for stop in told.stops)
    buses = tuple(change(vehicle, seats=60, wheelchair_places=9) for vehicle in told.vehicles)
    told = change(told, stops=wide, vehicles=buses)
    result = solver.solve(told, solver.TimeLimit(6.0), seed=1)
    assert solver.check_plan(told, result.plan) == []
    assert max(len(duty.outbound) for duty in result.plan.duties) > 10
    assert result.plan.cost_minor <= result.history[0].cost_minor


def test_nobody_and_no_bus_are_plans_as_well() -> None:
    told = problem(1)
    nobody = solver.solve(change(told, parties=()), solver.TimeLimit(5))
    assert (nobody.plan.duties, nobody.plan.unserved, nobody.plan.cost_minor) == ((), (), 0)
    assert solver.check_plan(nobody.problem, nobody.plan) == []
    walkers = solver.solve(change(told, vehicles=()), solver.TimeLimit(5))
    assert {entry.reason for entry in walkers.plan.unserved} <= {"no_vehicle_available", "ride_too_long"}
    assert solver.check_plan(walkers.problem, walkers.plan) == []


def test_each_reason_to_stay_behind() -> None:
    told = problem(1, full=False)
    stop, bus = told.stops[0], told.vehicles[0]
    here = solver.Party(id="x", stop=stop.id, seats=1, wheelchairs=0, legs=("outbound", "return"))
    small = change(told, parties=(change(here, seats=500),))
    never = {"open": change(told.rules["open"], max_driving_s=1, max_driving_2_s=1)}
    cases = {
        "party_larger_than_any_bus": small,
        "no_wheelchair_place": change(told, parties=(change(here, wheelchairs=9),)),
        "ride_too_long": change(told, parties=(here,), stops=(change(stop, max_ride_s=1), *told.stops[1:])),
        "driver_hours": change(told, parties=(here,), rules=never),
        "no_vehicle_available": change(told, parties=(here,), vehicles=(change(bus, available_to_s=bus.available_from_s),)),
        "not_enough_seats": change(told, parties=(change(here, seats=bus.seats), change(here, id="y", seats=1)), vehicles=(bus,)),
    }
    for reason, case in cases.items():
        plan = solver.solve(case, solver.TimeLimit(0.1)).plan
        assert [entry.reason for entry in plan.unserved] == [reason]
        assert solver.check_plan(case, plan) == []


def test_collection_by_small_buses_is_improved_by_strings_and_repeats_itself() -> None:
    told = solver.parse_problem(event_problem("C", 3))
    plans = [solver.solve(told, solver.IterationLimit(75), seed=3) for _ in range(2)]
    assert plans[0].plan.duties == plans[1].plan.duties
    assert solver.check_plan(told, plans[0].plan) == []
    assert plans[0].plan.cost_minor < plans[0].history[0].cost_minor
    assert plans[0].plan.bound_minor

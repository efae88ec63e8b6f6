from collections.abc import Callable

import msgspec
import pytest

import solver
from solver.admit import Gate
from solver.instance import Instance
from solver.plan import Plan, Unserved, Visit
from solver.start import greedy_draft
from solver.writing import write_plan
from tests.solver.events import problem

change = msgspec.structs.replace


def planned(seed: int = 2) -> tuple[solver.Problem, Plan]:
    told = problem(seed)
    gate = Gate(Instance(told))
    return told, write_plan(gate, greedy_draft(gate, range(len(told.parties))), bound=0, optimal=False, seconds=0.0)


def duty_with(plan: Plan, **fields: object) -> Plan:
    return change(plan, duties=(change(plan.duties[0], **fields), *plan.duties[1:]))


def test_the_greedy_plan_keeps_every_promise() -> None:
    told, plan = planned()
    assert plan.duties
    assert solver.check_plan(told, plan) == []


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda plan: duty_with(plan, cost_minor=plan.duties[0].cost_minor - 1), "cost_minor"),
        (lambda plan: duty_with(plan, distance_m=plan.duties[0].distance_m + 1), "distance_m"),
        (lambda plan: duty_with(plan, drivers=3 - plan.duties[0].drivers), "drivers"),
        (lambda plan: duty_with(plan, depot_out_s=plan.duties[0].depot_out_s + 60), "depot_out_s"),
        (lambda plan: duty_with(plan, vehicle="nobody"), "unknown vehicle"),
        (lambda plan: duty_with(plan, parties=plan.duties[0].parties[1:]), "neither served"),
        (lambda plan: duty_with(plan, parties=(*plan.duties[0].parties, "ghost")), "unknown"),
        (lambda plan: duty_with(plan, outbound=(*plan.duties[0].outbound, Visit(stop="s1", arrive_s=0, depart_s=0))), "outbound"),
        (lambda plan: change(plan, duties=(*plan.duties, plan.duties[0])), "does 2 duties"),
        (lambda plan: change(plan, cost_minor=plan.cost_minor + 1), "cost_minor"),
        (lambda plan: change(plan, bound_minor=plan.cost_minor + 1), "bound_minor"),
        (lambda plan: change(plan, status="optimal"), "optimal"),
        (lambda plan: change(plan, problem="another"), "problem"),
        (lambda plan: change(plan, duties=plan.duties[1:], unserved=all_unserved(plan)), "could carry it"),
        (
            lambda plan: change(plan, unserved=(*plan.unserved, Unserved(party=plan.duties[0].parties[0], reason="driver_hours"))),
            "served and",
        ),
    ],
)
def test_each_broken_promise_is_named(spoil: Callable[[Plan], Plan], word: str) -> None:
    told, plan = planned()
    assert any(word in fault for fault in solver.check_plan(told, spoil(plan)))


def all_unserved(plan: Plan) -> tuple[Unserved, ...]:
    return tuple(Unserved(party=party, reason="not_enough_seats") for party in plan.duties[0].parties)

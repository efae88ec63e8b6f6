"""Proven optima: what `optimal` means, and that giving a problem more freedom never makes its optimum dearer."""

from itertools import permutations, product
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

import solver
from solver.admit import Gate
from solver.children import Proof, Slice
from solver.draft import Duty, has_room, make_duty
from solver.exact import Exact
from solver.improve import Improver
from solver.instance import Instance
from solver.start import greedy_draft
from tests.solver.events import event, problem

change = msgspec.structs.replace


def proven(told: solver.Problem) -> Proof | None:
    """The proof for a problem, without children; None if someone has to stay behind."""
    gate = Gate(Instance(told))
    draft = greedy_draft(gate, range(len(told.parties)))
    if draft.left or not draft.duties:
        return None
    draft, _ = Improver(gate).run(draft, Slice(seconds=None, iterations=20, seed=1))
    exact = Exact(gate, draft)
    assert exact.suits([[1]] * len(gate.instance.classes))
    return exact.run(20.0, longest_s=20.0)


def even(seed: int, **options: Any) -> dict[str, Any]:
    """A problem whose two legs are alike and whose every rider goes both ways."""
    root = event(seed, full=False, **options)
    for key in ("duration_s", "distance_m"):
        table = root["matrix"][key]
        root["matrix"][key] = [[max(table[a][b], table[b][a]) for b in range(len(table))] for a in range(len(table))]
    return root


def best_by_hand(told: solver.Problem) -> int:
    """The optimum by trying every way to deal parties to vehicles and every order (tiny problems only)."""
    instance = Instance(told)
    vehicles = [k for k, klass in enumerate(instance.classes) for _ in klass.vehicles]
    known: dict[tuple[int, tuple[int, ...]], int | None] = {}

    def cost(k: int, parties: tuple[int, ...]) -> int | None:
        if (k, parties) not in known:
            stops = {instance.riders[p].stop for p in parties}
            duties = [make_duty(instance, k, out, back, parties) for out in permutations(stops) for back in permutations(stops)]
            fine = [duty.cost for duty in duties if isinstance(duty, Duty)]
            known[k, parties] = min(fine) if fine and has_room(instance, k, parties) else None
        return known[k, parties]

    best: int | None = None
    for deal in product(range(len(vehicles)), repeat=len(instance.riders)):
        groups = [(k, tuple(p for p, v in enumerate(deal) if v == number)) for number, k in enumerate(vehicles)]
        costs = [cost(k, parties) for k, parties in groups if parties]
        if None not in costs:
            total = sum(c for c in costs if c is not None)
            best = total if best is None else min(best, total)
    assert best is not None
    return best


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 10**6))
def test_the_proof_agrees_with_trying_everything(seed: int) -> None:
    told = solver.parse_problem(even(seed, stops=3, vehicles=2, people=2))
    told = change(told, parties=told.parties[:6])
    proof = proven(told)
    if proof is None:
        return
    best = best_by_hand(told)
    assert proof.minor <= best
    if proof.draft is not None and proof.draft.cost == proof.minor:
        assert proof.minor == best


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(1, 10**6), what=st.sampled_from(["max_stops", "max_ride_s", "seats", "vehicle", "hire"]))
def test_relaxing_any_limit_never_raises_the_proven_optimum(seed: int, what: str) -> None:
    root = even(seed, stops=4, vehicles=4, people=3, max_stops=2)
    tight = proven(solver.parse_problem(root))
    if what == "max_stops":
        root["limits"]["max_stops"] += 1
    elif what == "max_ride_s":
        root["stops"][0]["max_ride_s"] += 1200
    elif what == "seats":
        root["vehicles"][0]["seats"] += 8
    elif what == "vehicle":
        root["vehicles"].append(root["vehicles"][0] | {"id": "more"})
    else:
        root["vehicles"][0]["hire"]["per_km"] //= 2
    loose = proven(solver.parse_problem(root))
    if tight is None or tight.draft is None or tight.draft.cost != tight.minor:
        return
    assert loose is not None
    assert loose.minor <= tight.minor


def test_a_small_plain_problem_is_answered_with_a_proof() -> None:
    told = solver.parse_problem(even(5, stops=5, vehicles=6, people=5))
    result = solver.solve(told, solver.TimeLimit(30), seed=1)
    assert result.plan.status == "optimal"
    assert result.plan.bound_minor == result.plan.cost_minor
    assert result.plan.gap == 0
    assert solver.check_plan(told, result.plan) == []
    assert result.seconds < 29


def test_nothing_is_called_optimal_where_rules_may_call_for_a_second_driver() -> None:
    told = problem(12)
    assert solver.solve(told, solver.IterationLimit(10)).plan.status == "feasible"

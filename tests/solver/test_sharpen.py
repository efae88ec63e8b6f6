"""The sharpened bound: never above an optimum found otherwise, and every plan keeps every inequality it uses."""

from hypothesis import given, settings
from hypothesis import strategies as st

import solver
from solver.admit import Gate
from solver.bound import Bound, column_of, needs_of
from solver.children import Slice
from solver.cuts import calls_of
from solver.draft import Draft
from solver.floor import floor_minor
from solver.improve import Improver
from solver.instance import Instance
from solver.sharpen import Sharp
from solver.start import greedy_draft
from tests.bench.event_generator import event_problem
from tests.solver.events import problem
from tests.solver.test_optimal import even, proven


def sharpened(instance: Instance, draft: Draft) -> tuple[int, Sharp]:
    """The plain bound of a draft's riders, and the sharpened one."""
    needs = needs_of(instance, [party for duty in draft.duties for party in duty.parties])
    plain = Bound(instance, needs)
    minor = plain.run(seconds=60, upper=float(draft.cost))
    sharp = Sharp(instance, needs, most=60_000)
    sharp.sharpen(seconds=60, upper=float(draft.cost), start=plain.columns, on_better=lambda _: None)
    return minor, sharp


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 10**6))
def test_the_sharpened_bound_is_below_a_proven_optimum(seed: int) -> None:
    told = solver.parse_problem(even(seed, stops=5, vehicles=4, people=6))
    proof = proven(told)
    if proof is None or proof.draft is None:
        return
    minor, sharp = sharpened(Instance(told), proof.draft)
    assert max(minor, sharp.minor()) <= proof.draft.cost


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(1, 10**6), full=st.booleans())
def test_the_floor_is_below_every_plan(seed: int, *, full: bool) -> None:
    instance = Instance(problem(seed, full=full))
    gate = Gate(instance)
    first = greedy_draft(gate, range(len(instance.riders)))
    best, _ = Improver(gate).run(first, Slice(seconds=None, iterations=15, seed=1))
    if best.duties:
        floor = floor_minor(instance, [party for duty in best.duties for party in duty.parties])
        assert floor is not None
        assert 0 <= floor <= best.cost


def test_the_floor_is_above_nothing_on_a_plain_problem() -> None:
    told = solver.parse_problem(even(5, stops=5, vehicles=6, people=5))
    best = solver.solve(told, solver.TimeLimit(30), seed=1).plan
    assert best.status == "optimal"
    floor = floor_minor(Instance(told), range(len(told.parties)))
    assert floor is not None
    assert 0 < floor <= best.cost_minor


def test_plans_keep_the_inequalities_and_the_bound_gains_by_them() -> None:
    instance = Instance(solver.parse_problem(event_problem("T", 3)))
    gate = Gate(instance)
    first = greedy_draft(gate, range(len(instance.riders)))
    better, _ = Improver(gate).run(first, Slice(seconds=None, iterations=8, seed=1))
    assert better.cost < first.cost
    minor, sharp = sharpened(instance, better)
    assert sharp.minor() > 1.005 * minor
    assert len(sharp.cuts.all) > 10
    assert {cut.seats for cut in sharp.cuts.all} == {True, False}
    for draft in (first, better):
        assert sharp.minor() <= draft.cost
        columns = [column_of(instance, duty) for duty in draft.duties]
        calls, sizes = calls_of(columns, instance.stops + 1), instance.rates.seats[[column.klass for column in columns]]
        assert all(sharp.cuts.weights(calls, sizes, cut).sum() > cut.least - 1e-6 for cut in sharp.cuts.all)

"""The bound beside duties that stay as they are: never above any plan that keeps them, nor above the best one found by trying all."""

from itertools import permutations, product

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import solver
from solver.admit import Gate, with_party
from solver.bound import Bound, needs_of
from solver.draft import Duty, has_room, make_duty
from solver.instance import Instance
from solver.kept import kept_of
from solver.sharpen import Sharp
from solver.start import greedy_draft
from tests.solver.events import problem
from tests.solver.test_optimal import even

change = msgspec.structs.replace


def bounds(instance: Instance, kept: Duty, others: list[int], upper: float) -> list[int]:
    """The plain bound with one duty kept, over paths and over stars, and the sharpened one where there is one."""
    needs = needs_of(instance, others, kept_of(instance, [kept]))
    plain, star = Bound(instance, needs), Bound(instance, needs, star=True)
    found = [bound.run(seconds=20, upper=upper) for bound in (plain, star)]
    if instance.symmetric:
        sharp = Sharp(instance, needs, most=60_000)
        found.append(sharp.sharpen(seconds=20, upper=upper, start=plain.columns, on_better=lambda _: None))
    return found


def best_beside(instance: Instance, kept: Duty, others: list[int]) -> int | None:
    """The least cost of serving everybody with one duty kept, by trying every deal and order (tiny problems only)."""
    vehicles = [k for k, klass in enumerate(instance.classes) for _ in klass.vehicles]
    vehicles.remove(kept.klass)
    known: dict[tuple[int, tuple[int, ...]], int | None] = {}

    def alone(k: int, parties: tuple[int, ...]) -> int | None:
        if (k, parties) not in known:
            out = {instance.riders[p].stop for p in parties if instance.riders[p].legs[0]}
            back = {instance.riders[p].stop for p in parties if instance.riders[p].legs[1]}
            duties = [make_duty(instance, k, a, b, parties) for a in permutations(out) for b in permutations(back)]
            known[k, parties] = min((d.cost for d in duties if isinstance(d, Duty) and has_room(instance, k, parties)), default=None)
        return known[k, parties]

    def boarded(parties: tuple[int, ...]) -> int | None:
        duty: Duty | None = kept
        for party in parties:
            duty = with_party(instance, duty, party, keep_stops=True) if duty is not None else None
        return duty.cost if duty is not None else None

    best: int | None = None
    for deal in product(range(-1, len(vehicles)), repeat=len(others)):
        groups = [tuple(p for p, v in zip(others, deal, strict=True) if v == number) for number in range(-1, len(vehicles))]
        costs = [boarded(groups[0]), *(alone(k, parties) for k, parties in zip(vehicles, groups[1:], strict=True) if parties)]
        if None not in costs:
            total = sum(c for c in costs if c is not None)
            best = total if best is None else min(best, total)
    return best


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(1, 10**6), full=st.booleans(), boarding=st.integers(1, 3))
def test_it_is_below_the_best_plan_that_keeps_the_duty(seed: int, *, full: bool, boarding: int) -> None:
    told = problem(seed, stops=3, vehicles=3, people=2) if full else solver.parse_problem(even(seed, stops=3, vehicles=3, people=2))
    told = change(told, parties=told.parties[:6])
    instance = Instance(told)
    draft = greedy_draft(Gate(instance), range(len(told.parties)))
    if not draft.duties:
        return
    first = draft.duties[0]
    staying = first.parties[: max(1, len(first.parties) - boarding)]
    kept = make_duty(instance, first.klass, first.outbound, first.back, staying)
    if isinstance(kept, str):
        return
    others = [party for party in range(len(told.parties)) if party not in kept.parties and party not in draft.left]
    best = best_beside(instance, kept, others)
    if best is not None:
        assert all(kept.cost <= minor <= best for minor in bounds(instance, kept, others, float(best)))


@pytest.mark.parametrize("full", [False, True])
def test_a_resolve_tells_what_keeping_its_promises_costs_at_least(*, full: bool) -> None:
    told = problem(21, full=full, stops=8, vehicles=9)
    plan = solver.solve(told, solver.IterationLimit(20), seed=1).plan
    accepted = frozenset(duty.vehicle for duty in plan.duties[::2])
    late = tuple(
        solver.Party(id=f"late{n}", stop=stop.id, seats=1, wheelchairs=0, legs=("outbound", "return"))
        for n, stop in enumerate(told.stops[:3])
    )
    again = solver.resolve(told, plan, solver.Changes(accepted=accepted, added=late), solver.IterationLimit(20))
    assert solver.check_plan(again.problem, again.plan, fixed=accepted) == []
    assert again.kept_bound_minor is not None
    assert again.plan.bound_minor is not None
    kept = sum(duty.cost_minor for duty in plan.duties if duty.vehicle in accepted)
    assert max(kept, again.plan.bound_minor) <= again.kept_bound_minor <= again.plan.cost_minor


def test_a_joined_plan_gets_its_bound_afterwards() -> None:
    told = problem(21, full=False, stops=8, vehicles=9)
    plan = solver.solve(told, solver.IterationLimit(20), seed=1).plan
    blank = change(plan, bound_minor=None, gap=None)
    kept = frozenset(duty.vehicle for duty in plan.duties[:2])
    plain, keeping = (solver.lower_bound(told, blank, time_limit_s=60, kept=vehicles) for vehicles in (frozenset[str](), kept))
    assert plain is not None
    assert keeping is not None
    assert 0 < plain <= keeping <= plan.cost_minor


def test_where_every_duty_is_kept_and_nobody_waits_the_bound_is_the_cost() -> None:
    told = problem(21, full=False, stops=8, vehicles=9)
    plan = solver.solve(told, solver.IterationLimit(20), seed=1).plan
    accepted = frozenset(duty.vehicle for duty in plan.duties)
    again = solver.resolve(told, plan, solver.Changes(accepted=accepted), solver.IterationLimit(5))
    assert again.kept_bound_minor == again.plan.cost_minor == plan.cost_minor

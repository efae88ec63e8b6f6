"""Routes of many stops: the bound over tours holds, a full fleet is repacked until everybody rides, and runs repeat themselves."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import solver
from solver.admit import Gate
from solver.bound import Duals
from solver.children import Slice
from solver.draft import Draft, Duty, make_duty
from solver.improve import Improver
from solver.instance import Instance
from solver.many import many_stops
from solver.ruin import PART, Ruin
from solver.start import greedy_draft
from solver.tours import Tours
from solver.writing import write_plan
from tests.bench.event_generator import event_problem
from tests.bench.hfvrp.instances import INSTANCES, best_known_minor, hfvrp_problem
from tests.solver.events import event
from tests.solver.test_optimal import even, proven


def public(number: int, fleet: str) -> Instance:
    return Instance(solver.parse_problem(hfvrp_problem(number, fleet)))


def bounded(instance: Instance, upper: int, turns: int) -> int:
    """The bound for serving everybody after so many turns."""
    work = Tours(instance, range(len(instance.riders)))
    return work.run(seconds=60, upper=float(upper), start=(), on_better=lambda _: None, turns=turns)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(1, 10**6), turns=st.integers(1, 40))
def test_the_bound_over_tours_is_below_a_proven_optimum_whenever_it_stops(seed: int, turns: int) -> None:
    told = solver.parse_problem(even(seed, stops=5, vehicles=4, people=3))
    proof = proven(told)
    if proof is not None and proof.draft is not None:
        assert 0 <= bounded(Instance(told), proof.draft.cost, turns) <= proof.draft.cost


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(1, 10**6), steep=st.floats(0.0, 3.0))
def test_any_prices_prove_something_true(seed: int, steep: float) -> None:
    told = solver.parse_problem(even(seed, stops=6, vehicles=5, people=3))
    instance = Instance(told)
    draft = greedy_draft(Gate(instance), range(len(instance.riders)))
    if draft.left or not draft.duties:
        return
    work = Tours(instance, range(len(instance.riders)))
    prices = steep * draft.cost / len(work.parties) * (work.seats / work.seats.mean())
    columns = work.prove(Duals([prices], work.best.vehicles))
    assert work.minor() <= draft.cost
    assert all(column.cost > 0 for column in columns)


@pytest.mark.parametrize("number", sorted(INSTANCES))
def test_the_bound_is_close_below_the_least_cost_known_of_a_public_problem(number: int) -> None:
    for fleet in ("limited", "free"):
        known = best_known_minor(number, fleet)
        bound = bounded(public(number, fleet), known, 25)
        assert bound <= known * 1.0002  # distances are rounded to metres
        assert bound >= 0.02 * known


def test_the_bound_comes_near_the_least_cost_known() -> None:
    known = best_known_minor(13, "limited")
    assert bounded(public(13, "limited"), known, 60) >= 0.95 * known


def test_a_full_fleet_is_repacked_until_everybody_rides() -> None:
    instance = public(13, "limited")
    gate = Gate(instance)
    first = greedy_draft(gate, range(len(instance.riders)))
    assert first.persons_left(instance) > 0
    runs = [Ruin(gate).run(first, Slice(seconds=None, iterations=60, seed=3), count=instance.rates.count) for _ in range(2)]
    draft = runs[0][0]
    assert runs[0] == runs[1]
    assert draft.left == ()
    assert draft.cost <= 1.1 * best_known_minor(13, "limited")
    assert solver.check_plan(instance.problem, write_plan(gate, draft, bound=0, optimal=False, seconds=0.0)) == []


def test_the_first_so_many_duties_stay_and_a_share_of_the_fleet_is_kept_to() -> None:
    instance = public(17, "limited")
    first = greedy_draft(Gate(instance), range(len(instance.riders)))
    count = instance.rates.count.copy()
    draft, _ = Ruin(Gate(instance)).run(first, Slice(seconds=None, iterations=20, seed=1), count=count, fixed=2)
    assert draft.duties[:2] == first.duties[:2]
    assert all(used <= count[k] for k, used in draft.used().items())
    assert draft.cost < first.cost


def of_scale(scale: str, **limits: Any) -> bool:
    root = event_problem(scale, 1)
    root["limits"] |= limits
    instance = Instance(solver.parse_problem(root))
    return many_stops(instance, greedy_draft(Gate(instance), range(len(instance.riders))))


def test_the_switch_counts_what_a_full_bus_would_call_at() -> None:
    assert [of_scale(scale) for scale in "STM"] == [False, False, False]
    assert of_scale("C")
    assert not of_scale("C", max_stops=4)
    for number in INSTANCES:
        instance = public(number, "limited")
        assert many_stops(instance, greedy_draft(Gate(instance), range(len(instance.riders))))


def test_strings_taken_off_between_exact_neighbourhoods_keep_every_promise_and_repeat_themselves() -> None:
    instance = Instance(solver.parse_problem(event_problem("M", 2)))
    gate = Gate(instance)
    first, _ = Improver(gate).run(greedy_draft(gate, range(len(instance.riders))), Slice(seconds=None, iterations=20, seed=1))
    ends = []
    for _ in range(2):
        ruin = Ruin(gate)
        draft = first
        for seed in range(2):  # the second begins milder still
            draft, _ = ruin.run(draft, Slice(seconds=None, iterations=40, seed=seed), count=instance.rates.count)
        ends.append(draft)
    assert ends[0] == ends[1]
    assert ends[0].rank(instance) < first.rank(instance)
    assert solver.check_plan(instance.problem, write_plan(gate, ends[0], bound=0, optimal=False, seconds=0.0)) == []


def three_stops_two_buses() -> Instance:
    """Thirty people at one stop and twenty each at two others: two buses of 35 do, but only if one stop is shared out."""
    root = event(3, stops=3, vehicles=3, full=False)
    for stop in root["stops"]:
        stop["max_ride_s"] = 10**5
    for vehicle in root["vehicles"]:
        vehicle["seats"] = 35
    root["parties"] = [
        {"id": f"p{stop}-{n}", "stop": f"s{stop}", "seats": 1, "wheelchairs": 0, "legs": ["outbound", "return"]}
        for stop, people in ((1, 30), (2, 20), (3, 20))
        for n in range(people)
    ]
    return Instance(solver.parse_problem(root))


@pytest.mark.parametrize(("part", "duties"), [(PART, 2), (0.0, 3)])
def test_strings_share_a_stop_out_where_that_saves_a_bus(part: float, duties: int) -> None:
    instance = three_stops_two_buses()
    gate, at = Gate(instance), {1: range(30), 2: range(30, 50), 3: range(50, 70)}
    made = [make_duty(instance, n % len(instance.classes), (stop,), (stop,), list(riders)) for n, (stop, riders) in enumerate(at.items())]
    first = Draft(tuple(duty for duty in made if isinstance(duty, Duty)))
    draft, _ = Ruin(gate).run(first, Slice(seconds=None, iterations=60, seed=1), count=instance.rates.count, part=part)
    assert len(draft.duties) == duties
    assert draft.left == ()
    assert solver.check_plan(instance.problem, write_plan(gate, draft, bound=0, optimal=False, seconds=0.0)) == []

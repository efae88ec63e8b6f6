"""Routes of many stops: the bound over tours holds, a full fleet is repacked until everybody rides, and runs repeat themselves."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import solver
import solver.ruin as ruin_module
from solver.admit import Gate
from solver.bound import Duals
from solver.children import Slice
from solver.draft import Draft, Duty, make_duty
from solver.improve import Improver
from solver.instance import Instance
from solver.many import many_stops
from solver.partition import Seen
from solver.ruin import Ruin
from solver.start import greedy_draft
from solver.strings import Roads
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
    runs = [Ruin(gate).run(first, Slice(seconds=None, iterations=60, seed=3), count=instance.rates.count, fixed=0) for _ in range(2)]
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


def test_routes_of_two_drafts_are_put_together_and_none_is_found_where_there_is_none() -> None:
    instance = public(13, "free")
    gate = Gate(instance)
    ruin = Ruin(gate)
    first = greedy_draft(gate, range(len(instance.riders)))
    poor, _ = ruin.apart(first, 0)
    count = instance.rates.count.tolist()
    alone = Seen(ruin.roads)
    cheaper = alone.best(poor, count, work=0.3, seconds=20) or poor  # the same routes on smaller vehicles
    assert alone.best(cheaper, count, work=0.3, seconds=20) is None
    better, _ = ruin.run(first, Slice(seconds=None, iterations=30, seed=1), count=instance.rates.count, fixed=0)
    found = ruin.seen.best(poor, count, work=0.3, seconds=20)
    assert found is not None
    assert sum(route.cost for route in found) <= better.cost
    assert sorted(p for route in found for unit in route.units for p in unit.parties) == list(range(len(instance.riders)))


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
            draft, _ = ruin.run(draft, Slice(seconds=None, iterations=40, seed=seed), count=instance.rates.count, fixed=0, mild=True)
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


@pytest.mark.parametrize(("share", "duties"), [(ruin_module.SPLIT, 2), (0.0, 3)])
def test_strings_share_a_stop_out_where_that_saves_a_bus(monkeypatch: pytest.MonkeyPatch, share: float, duties: int) -> None:
    monkeypatch.setattr(ruin_module, "SPLIT", share)
    instance = three_stops_two_buses()
    gate, at = Gate(instance), {1: range(30), 2: range(30, 50), 3: range(50, 70)}
    made = [make_duty(instance, n % len(instance.classes), (stop,), (stop,), list(riders)) for n, (stop, riders) in enumerate(at.items())]
    first = Draft(tuple(duty for duty in made if isinstance(duty, Duty)))
    draft, _ = Ruin(gate).run(first, Slice(seconds=None, iterations=60, seed=1), count=instance.rates.count, fixed=0, mild=True)
    assert len(draft.duties) == duties
    assert draft.left == ()
    assert solver.check_plan(instance.problem, write_plan(gate, draft, bound=0, optimal=False, seconds=0.0)) == []


@settings(max_examples=60, deadline=None)
@given(room=st.integers(1, 40), people=st.lists(st.integers(1, 6), min_size=1, max_size=12))
def test_a_unit_parted_and_joined_holds_the_same_people(room: int, people: list[int]) -> None:
    root = event(3, stops=1, vehicles=1, full=False)
    root["vehicles"][0]["seats"] = 80
    root["parties"] = [
        {"id": f"p{n}", "stop": "s1", "seats": seats, "wheelchairs": 0, "legs": ["outbound", "return"]} for n, seats in enumerate(people)
    ]
    roads = Roads(Instance(solver.parse_problem(root)))
    whole = roads.unit(range(len(people)))
    parts = roads.parted(whole, room)
    assert sorted(party for part in parts for party in part.parties) == list(range(len(people)))
    if len(parts) > 1:
        assert parts[0].seats <= room
        assert roads.joined(parts) == [whole]
    else:
        assert parts == [whole]
        assert sum(people) <= room or min(people) > room


def test_many_units_are_parted_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    roads = Roads(three_stops_two_buses())
    monkeypatch.setattr("solver.strings.MOST_UNITS", 3)
    whole = roads.unit(range(20))
    assert len(roads.parted(whole, 5)) == 2
    assert roads.parted(whole, 6) == [whole]

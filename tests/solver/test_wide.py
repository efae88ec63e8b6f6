"""The bound priced by labels: below every optimum found otherwise, whatever it looks at, and as good as the one over all paths."""

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import solver
from solver.admit import Gate
from solver.bound import Bound, Duals, Needs, needs_of
from solver.children import Slice
from solver.draft import Draft
from solver.improve import Improver
from solver.instance import Instance
from solver.sharpen import Sharp
from solver.start import greedy_draft
from solver.wide import FEW_LABELS, MOST_TO_WIN, Wide, suits
from tests.bench.event_generator import event_problem
from tests.solver.test_optimal import best_by_hand, even


def strict(seed: int, **options: Any) -> solver.Problem:
    """A problem whose legs are alike, with hours, breaks, second drivers and minimum hires that bind."""
    root, chance = even(seed, **options), random.Random(seed)
    secs = root["matrix"]["duration_s"][0][1 : len(root["stops"]) + 1]
    tour, standby = 2 * sorted(secs)[len(secs) // 2], root["venue"]["return_departs_s"] - root["venue"]["arrive_by_s"]
    root["rules"]["tight"] = {
        "max_driving_s": round(tour * chance.uniform(0.9, 1.6)),
        "max_spread_s": round(standby + tour * chance.uniform(1.1, 1.8)),
        "max_driving_2_s": 4 * tour,
        "max_spread_2_s": standby + 5 * tour,
        "break_after_s": max(1, tour // 3),
        "break_s": 907,
    }
    for vehicle in root["vehicles"]:
        vehicle["rules"] = chance.choice(["open", "tight"])
        vehicle["hire"]["minimum"] = chance.choice([0, 0, 60_000])
        vehicle["hire"]["per_km"] += chance.randint(0, 40)
    for stop in root["stops"]:
        stop["max_ride_s"] *= chance.choice([1, 3])
    return solver.parse_problem(root)


def everybody(instance: Instance) -> Needs:
    """All riders."""
    return needs_of(instance, range(len(instance.riders)))


def planned(instance: Instance) -> Draft | None:
    """A good draft that carries everybody, if one is found."""
    gate = Gate(instance)
    draft, _ = Improver(gate).run(greedy_draft(gate, range(len(instance.riders))), Slice(seconds=None, iterations=10, seed=1))
    return None if draft.left or not draft.duties else draft


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(1, 10**6), dearer=st.floats(1.0, 1.1))
def test_every_bound_is_below_an_optimum_found_by_trying_everything(seed: int, dearer: float) -> None:
    told = strict(seed, stops=4, vehicles=2, people=1)
    instance = Instance(told)
    if planned(instance) is None:
        return
    best, needs = best_by_hand(told), everybody(instance)
    wide = Wide(instance, needs)
    assert 0 < wide.run(seconds=30, upper=10.0**6) <= best
    assert 0 < Bound(instance, needs).run(seconds=30, upper=10.0**6) <= best
    upper = float(round(best * dearer) + 1)
    paths = wide.below(upper, most=10_000, seconds=30)
    if paths is None:
        assert upper > wide.minor() * (1 + MOST_TO_WIN)
        return
    sharp = Sharp(instance, needs, most=0, paths=paths)
    assert sharp.sharpen(seconds=30, upper=upper, start=wide.columns, on_better=lambda _: None) <= best


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(1, 10**6), most=st.integers(1, 30), slack=st.sampled_from([0.0, 0.02, 0.3]), steep=st.floats(0.2, 3.0))
def test_any_prices_and_any_number_of_labels_prove_something_true(seed: int, most: int, slack: float, steep: float) -> None:
    instance = Instance(strict(seed, stops=7, vehicles=6, people=3, max_stops=5))
    draft = planned(instance)
    if draft is None:
        return
    wide = Wide(instance, everybody(instance))
    wide.most, wide.slack = most, slack
    needs, chance = wide.needs.seats[0], random.Random(seed)
    prices = steep * draft.cost / needs.sum() * (needs > 0) * [chance.uniform(0.2, 2.0) for _ in needs]
    for column in wide.prove(Duals([prices], -wide.count * chance.uniform(0, 0.01) * draft.cost)):
        assert column.cost > 0
    assert wide.minor() <= draft.cost
    assert wide.run(seconds=20, upper=float(draft.cost)) <= draft.cost


def test_it_comes_to_the_bound_over_all_paths() -> None:
    instance = Instance(solver.parse_problem(event_problem("T", 2)))
    plain = Bound(instance, everybody(instance))
    over_all = plain.run(seconds=60, upper=10.0**7)
    wide = Wide(instance, everybody(instance))
    assert suits(instance, wide.needs)
    assert wide.most == FEW_LABELS
    assert 0.995 * over_all <= wide.run(seconds=60, upper=10.0**7) <= 1.001 * over_all
    assert wide.settled

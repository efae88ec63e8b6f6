from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import solver
from solver.checking import Ledger
from solver.instance import Instance
from solver.pricing import NEVER, Priced, paths_of, price, price_many
from solver.problem import Leg
from tests.solver.events import problem, tiny


def test_a_duty_worked_out_by_hand() -> None:
    instance = Instance(solver.parse_problem(tiny()))
    duty = price(instance, 0, (1,), (1,))
    assert isinstance(duty, Priced)
    work_s = 2 * (3600 + 600 + 300)
    assert duty.distance_m == 130_000
    assert duty.cost_minor == 20_000 + 120 * 130 + 3_000 * work_s // 3600 + 1_500 * 16_200 // 3600
    assert (duty.depot_out_s, duty.depot_in_s) == (64_800 - 4_500, 81_000 + 4_500)


def test_a_way_there_only_has_no_standby_and_an_empty_way_home() -> None:
    instance = Instance(solver.parse_problem(tiny()))
    duty = price(instance, 0, (1,), ())
    assert isinstance(duty, Priced)
    assert duty.depot_in_s == 64_800 + 3_600
    assert duty.distance_m == 125_000


def test_breaks_count_for_one_driver_and_not_for_two() -> None:
    root = tiny()
    root["rules"]["open"] |= {"break_after_s": 3000, "break_s": 1000, "max_driving_s": 8400}
    one = price(Instance(solver.parse_problem(root)), 0, (1,), (1,))
    root["rules"]["open"]["max_driving_s"] = 8399
    two = price(Instance(solver.parse_problem(root)), 0, (1,), (1,))
    assert isinstance(one, Priced)
    assert isinstance(two, Priced)
    assert (one.drivers, one.breaks_s, two.drivers, two.breaks_s) == (1, (1000, 1000), 2, (0, 0))
    assert one.cost_minor - two.cost_minor == -(-3_000 * 11_000 // 3600) - 3_000 * 9_000 // 3600 - 15_000


@pytest.mark.parametrize(
    ("edit", "broken"),
    [
        ({"max_driving_s": 8399, "max_driving_2_s": 8399}, "driver_hours"),
        ({"max_spread_s": 25_199, "max_spread_2_s": 25_199}, "driver_hours"),
    ],
)
def test_limits_are_inclusive(edit: dict[str, int], broken: str) -> None:
    root = tiny()
    root["rules"]["open"] |= edit
    assert price(Instance(solver.parse_problem(root)), 0, (1,), (1,)) == broken
    root["rules"]["open"] |= {key: value + 1 for key, value in edit.items()}
    assert isinstance(price(Instance(solver.parse_problem(root)), 0, (1,), (1,)), Priced)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10_000), st.data())
def test_the_price_the_arrays_and_the_checker_agree(seed: int, data: st.DataObject) -> None:
    told = problem(seed, stops=4, vehicles=3)
    instance, ledger = Instance(told), Ledger(told)
    orders = [order for size in range(4) for order in permutations(range(1, 5), size)]
    out, back = data.draw(st.sampled_from(orders)), data.draw(st.sampled_from(orders))
    if not out and not back:
        return
    names: dict[Leg, list[str]] = {"outbound": [f"s{s}" for s in reversed(out)], "return": [f"s{s}" for s in back]}
    riders = [
        solver.Party(id=f"{leg}{name}", stop=name, seats=0, wheelchairs=0, legs=(leg,)) for leg, stops in names.items() for name in stops
    ]
    for k, klass in enumerate(instance.classes):
        priced = price(instance, k, out, back)
        real = ledger.recompute(ledger.vehicles[klass.vehicles[0]], riders, names)
        assert isinstance(priced, str) == bool(real.broken)
        many = int(price_many(instance, np.array([k]), paths_of(instance, 0, [out]), paths_of(instance, 1, [back]))[0, 0])
        if isinstance(priced, Priced):
            assert (priced.cost_minor, priced.drivers, priced.distance_m) == (real.cost_minor, real.drivers, real.distance_m)
            assert (priced.depot_out_s, priced.depot_in_s) == (real.depot_out_s, real.depot_in_s)
            assert many == priced.cost_minor
        elif priced in {"driver_hours", "availability"}:
            assert many == NEVER

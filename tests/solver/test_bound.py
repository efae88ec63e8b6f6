"""The bound looks at paths in parts, to keep memory small: what it finds does not depend on the parts."""

import numpy as np
import pytest

import solver
from solver import legs, pool
from solver.bound import Bound, needs_of
from solver.instance import Instance, Ints
from solver.pool import PathPool, TooManyPaths, closed_side, enumerate_paths
from tests.bench.event_generator import event_problem


def told(scale: str) -> Instance:
    return Instance(solver.parse_problem(event_problem(scale, 3)))


def waiting(instance: Instance) -> Ints:
    return needs_of(instance, range(len(instance.riders))).seats[0]


def entries(found: PathPool) -> list[tuple[int, ...]]:
    """Per path: outermost stop, time, dwell, distance and the stops in order of number."""
    stops = np.sort(found.stops, axis=1)
    return sorted(map(tuple, np.column_stack([found.last, found.work, found.dwell, found.metres, stops]).tolist()))


def test_paths_are_the_same_however_many_are_grown_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = told("T")
    closed, seats = closed_side(instance, 0), waiting(instance)
    at_once = enumerate_paths(instance, closed, seats, 57, 100_000, partial=False)
    monkeypatch.setattr(pool, "CELLS", 1)
    assert entries(enumerate_paths(instance, closed, seats, 57, 100_000, partial=False)) == entries(at_once)
    assert len(set(entries(at_once))) == len(at_once) > 500
    with pytest.raises(TooManyPaths):
        enumerate_paths(instance, closed, seats, 57, len(at_once) - 1, partial=False)


def test_figures_too_large_for_short_numbers_are_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = told("T")
    closed, seats = closed_side(instance, 0), waiting(instance)
    short = enumerate_paths(instance, closed, seats, 57, 100_000, partial=False)
    monkeypatch.setattr(pool, "SMALL", 1)
    long = enumerate_paths(instance, closed, seats, 57, 100_000, partial=False)
    assert (short.work.dtype.itemsize, long.work.dtype.itemsize) == (4, 8)
    assert entries(short) == entries(long)


def test_a_bound_is_the_same_in_however_many_stretches_its_paths_are_priced(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = told("T")
    needs, upper = needs_of(instance, range(len(instance.riders))), 10.0**7
    whole = Bound(instance, needs).run(seconds=60, upper=upper)
    monkeypatch.setattr(legs, "CHUNK", 90)
    monkeypatch.setattr(legs, "STRETCH", 200)
    parts = Bound(instance, needs)
    assert len(list(parts.pricers[0].stretches())) > 3
    assert parts.run(seconds=60, upper=upper) == pytest.approx(whole, rel=2e-5)

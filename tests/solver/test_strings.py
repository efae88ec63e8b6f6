"""Strings of stops taken off and put back: prices, what is remembered and every count hold after any number of tries."""

import subprocess
import sys
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import solver
from solver import compiled, warm
from solver.admit import Gate
from solver.children import Slice
from solver.instance import Instance
from solver.pricing import leg_figures, price, rides_hold
from solver.routes import CALLED, NEVER, NOWHERE, hire, look, refresh, search_places
from solver.ruin import PART, Board, Ruin, empty_rows, facts_of, roads_of
from solver.start import greedy_draft
from solver.strings import SPARE, Temper
from solver.writing import write_plan
from tests.solver.events import event


def alike(seed: int, **options: Any) -> dict[str, Any]:
    """A problem in which every rule binds, but both legs are alike and everybody rides both."""
    root = event(seed, full=True, **options)
    for key in ("duration_s", "distance_m"):
        table = root["matrix"][key]
        root["matrix"][key] = [[max(table[a][b], table[b][a]) for b in range(len(table))] for a in range(len(table))]
    for party in root["parties"]:
        party["legs"] = ["outbound", "return"]
    root["weights"]["rider_minute_minor"] = 0
    return root


def board_of(root: dict[str, Any]) -> tuple[Gate, Board]:
    gate = Gate(Instance(solver.parse_problem(root)))
    draft = greedy_draft(gate, range(len(gate.instance.riders)))
    return gate, Board(gate, roads_of(gate.instance), draft, fixed=0, count=gate.instance.rates.count)


def temper_of(board: Board) -> Temper:
    duty = float(board.best.cost.max(initial=1))
    return Temper(heat=duty / 20, person=duty / 4, duty=duty, part=PART)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(1, 10**6), order=st.permutations(range(1, 6)), size=st.integers(1, 5))
def test_a_route_costs_what_the_one_pricing_function_says(seed: int, order: list[int], size: int) -> None:
    instance = Instance(solver.parse_problem(alike(seed, stops=5, max_stops=5)))
    facts, stops = facts_of(instance, roads_of(instance), range(0)), tuple(order[:size])
    for k in range(len(instance.classes)):
        figures = leg_figures(instance, k, 0, stops)
        driving = figures.driving_s - int(facts.depot_secs[k, stops[-1]])
        metres = figures.distance_m - int(facts.depot_metres[k, stops[-1]])
        asked = hire(facts, k, driving, figures.dwell_s, metres, stops[-1])
        priced = price(instance, k, stops, stops)
        if isinstance(priced, str):
            assert priced == "ride_too_long" or asked == NEVER
        else:
            assert asked == priced.cost_minor


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(1, 10**6), order=st.permutations(range(1, 7)), size=st.integers(1, 5))
def test_the_place_found_for_a_stop_keeps_every_ride_and_no_other_adds_less(seed: int, order: list[int], size: int) -> None:
    instance = Instance(solver.parse_problem(alike(seed, stops=6, max_stops=6)))
    facts, stops, s = facts_of(instance, roads_of(instance), range(0)), tuple(order[:size]), order[5]
    if not rides_hold(instance, 0, stops):
        return
    rows = empty_rows(1, 6, 7)
    rows.stop[0, :size], rows.calls[0] = stops, size
    refresh(facts, rows, 0)
    at = look(facts, rows, 0, s)
    able = [j for j in range(size + 1) if rides_hold(instance, 0, (*stops[:j], s, *stops[j:]))]
    assert (at == NOWHERE) == (not able)

    def adds(j: int) -> float:
        before, after = (leg_figures(instance, 0, 0, path) for path in (stops, (*stops[:j], s, *stops[j:])))
        secs = after.driving_s + after.dwell_s - before.driving_s - before.dwell_s
        return float(facts.per_s[0] * secs + facts.per_m[0] * (after.distance_m - before.distance_m))

    if able:
        assert abs(rows.more[s, 0] - min(adds(j) for j in able)) < 1e-3
        assert abs(adds(at) - rows.more[s, 0]) < 1e-3


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(1, 10**6), tries=st.integers(1, 400), vehicles=st.integers(2, 7))
def test_after_any_number_of_tries_everything_adds_up(seed: int, tries: int, vehicles: int) -> None:
    gate, board = board_of(alike(seed, vehicles=vehicles))
    board.anneal(temper_of(board), seed, tries)
    instance, facts, rows, plan, hand = gate.instance, board.facts, board.rows, board.plan, board.hand
    used = np.zeros(len(plan.free), np.int64)
    for r, q in enumerate(plan.slot.tolist()):
        parties = np.flatnonzero(plan.home == r)
        if not rows.calls[q]:
            assert not len(parties)
            continue
        used[rows.klass[q]] += 1
        stops = rows.stop[q, : rows.calls[q]].tolist()
        seats = [int(facts.party_seats[[p for p in parties if facts.party_stop[p] == s]].sum()) for s in stops]
        assert seats == rows.call_seats[q, : rows.calls[q]].tolist()
        assert {int(facts.party_stop[p]) for p in parties} == set(stops)
        priced = price(instance, int(rows.klass[q]), tuple(stops), tuple(stops))
        assert not isinstance(priced, str)
        assert priced.cost_minor == rows.cost[q]
    assert (used + plan.free == instance.rates.count).all()
    in_use, spare = set(plan.slot.tolist()), set(hand.spare[: hand.used[SPARE]].tolist())
    assert in_use.isdisjoint(spare)
    assert len(in_use | spare) == len(rows.calls)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(1, 10**6), tries=st.integers(1, 300))
def test_what_is_remembered_of_a_route_is_what_a_new_look_finds(seed: int, tries: int) -> None:
    _, board = board_of(alike(seed))
    board.anneal(temper_of(board), seed, tries)
    facts, rows = board.facts, board.rows
    for q in board.plan.slot.tolist():
        stops = rows.stop[q, : rows.calls[q]].tolist()
        for s in range(1, len(facts.dwell)):
            if rows.calls[q] and rows.seen[s, q] == rows.version[q]:
                told = int(rows.at[s, q]), float(rows.more[s, q])
                if s in stops:
                    assert told[0] == CALLED - stops.index(s)
                elif rows.calls[q] < facts.most:
                    search_places(facts, rows, q, s)
                    assert told == (int(rows.at[s, q]), float(rows.more[s, q]))
                else:
                    assert told[0] == NOWHERE


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(1, 10**6), vehicles=st.integers(1, 6))
def test_every_draft_keeps_every_promise_and_leaves_nobody_more_behind(seed: int, vehicles: int) -> None:
    gate = Gate(Instance(solver.parse_problem(alike(seed, vehicles=vehicles))))
    instance = gate.instance
    first = greedy_draft(gate, range(len(instance.riders)))
    draft, _ = Ruin(gate).run(first, Slice(seconds=None, iterations=3, seed=seed), count=instance.rates.count)
    assert draft.rank(instance) <= first.rank(instance)
    faults = solver.check_plan(instance.problem, write_plan(gate, draft, bound=0, optimal=False, seconds=0.0))
    assert [fault for fault in faults if "unserved" not in fault] == []  # who could still be seated, `admit` sees to


def test_a_slice_by_the_clock_ends_and_tells_of_better_drafts() -> None:
    gate = Gate(Instance(solver.parse_problem(alike(11, stops=12, vehicles=12, people=12))))
    first, told = greedy_draft(gate, range(len(gate.instance.riders))), list[int]()
    count = gate.instance.rates.count
    draft, done = Ruin(gate).run(
        first, Slice(seconds=0.3, iterations=None, seed=1), count=count, on_better=lambda draft: told.append(draft.cost)
    )
    assert done > 0
    assert told == sorted(told, reverse=True)
    assert draft.cost == (told or [first.cost])[-1]


INTERPRETED = """
import sys
from pathlib import Path
from solver import compiled
compiled.place = lambda: Path("nowhere")
from solver.ruin import Ruin
import solver.strings
assert type(solver.strings.anneal).__name__ == "function", "nothing is compiled where the cache was not filled"
assert "numba" not in sys.modules
from tests.solver.test_strings import ending
print(ending())
"""


def ending() -> tuple[int, int]:
    """-> what a short search arrives at."""
    gate = Gate(Instance(solver.parse_problem(alike(7, stops=8, vehicles=8))))
    first = greedy_draft(gate, range(len(gate.instance.riders)))
    return Ruin(gate).run(first, Slice(seconds=None, iterations=1, seed=5), count=gate.instance.rates.count)[0].rank(gate.instance)


def test_where_nothing_was_compiled_the_same_search_runs_interpreted() -> None:
    here = Path(__file__).parents[2]
    told = subprocess.run([sys.executable, "-c", INTERPRETED], cwd=here, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip() == str(ending())


def test_what_was_compiled_is_found_again_and_warming_up_does_nothing_twice() -> None:
    if compiled.ready():
        before = sorted(path.stat().st_mtime_ns for path in compiled.place().rglob("*"))
        assert warm.main() == 0
        assert sorted(path.stat().st_mtime_ns for path in compiled.place().rglob("*")) == before
    assert warm.smallest()["parties"]


def compiler_kb() -> int:
    """What the compiler's own code holds of this process's memory."""
    parts = Path("/proc/self/smaps").read_text().split("libllvmlite.so\n")
    return sum(int(after.split("Rss:")[1].split()[0]) for before, after in pairwise(parts) if " r-xp " in before.splitlines()[-1])


@pytest.mark.skipif(not Path("/proc/self/smaps").exists() or not compiled.ready(), reason="Linux only, and where something is compiled")
def test_the_compilers_pages_are_given_back_and_what_it_made_still_runs() -> None:
    before = ending()
    import_module("numba").njit(lambda x: x + 1)(1)  # something new to compile needs it
    assert compiler_kb() > 10_000
    compiled.give_back()
    assert compiler_kb() < 1_000
    assert ending() == before
    assert compiler_kb() < 10_000
    assert import_module("numba").njit(lambda x: x + 2)(1) == 3


def test_other_sources_libraries_or_processors_get_a_cache_of_their_own(monkeypatch: Any) -> None:
    place = compiled.place.__wrapped__
    assert place() == place()
    names = {place()}
    monkeypatch.setattr(compiled, "version", lambda name: f"{name} of tomorrow")
    names.add(place())
    monkeypatch.setattr(compiled, "_processor", lambda: b"another")
    names.add(place())
    monkeypatch.setattr(compiled, "SOURCES", ("routes.py",))
    names.add(place())
    assert len(names) == 4

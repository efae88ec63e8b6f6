"""Starting again and recombining: the best of all duties seen is found, and runs repeat themselves."""

import solver
from solver.admit import Gate
from solver.children import BoundNote, Slice
from solver.draft import Draft
from solver.improve import Improver
from solver.instance import Instance
from solver.start import greedy_draft
from solver.tasks import Desk
from solver.writing import write_plan
from tests.bench.event_generator import event_problem


def test_duties_of_a_better_draft_are_put_together_again() -> None:
    instance = Instance(solver.parse_problem(event_problem("T", 2)))
    gate = Gate(instance)
    first = greedy_draft(gate, range(len(instance.riders)))
    better, _ = Improver(gate).run(first, Slice(seconds=None, iterations=12, seed=1))
    assert better.cost < first.cost
    improver = Improver(gate)
    assert improver.recombined(first) is None
    improver.pool.add(better.duties)
    found = improver.recombined(first)
    assert found is not None
    assert found.cost <= better.cost
    assert solver.check_plan(instance.problem, write_plan(gate, found, bound=0, optimal=False, seconds=0.0)) == []


def test_a_search_that_starts_again_repeats_itself_and_never_ends_dearer() -> None:
    instance = Instance(solver.parse_problem(event_problem("S", 1)))
    first = greedy_draft(Gate(instance), range(len(instance.riders)))
    ends: list[tuple[Draft, int]] = []
    for _ in range(2):
        desk = Desk(instance, lambda _: None)
        assert isinstance(desk.bound(first, 60.0), BoundNote)
        draft = first
        for seed in range(2):
            draft = desk.improve(draft, Slice(seconds=None, iterations=90, seed=seed, size=9), None, 0, None).draft
        improver = desk._improver
        assert improver is not None
        ends.append((draft, improver.stats["turns"]))
    assert ends[0] == ends[1]
    assert ends[0][1] > 0
    assert ends[0][0].cost < first.cost
    assert solver.check_plan(instance.problem, write_plan(Gate(instance), ends[0][0], bound=0, optimal=False, seconds=0.0)) == []

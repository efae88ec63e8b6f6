"""Plans out of columns of the whole map: cheaper, kept promises, the same each time, and only for the riders the prices are for."""

import solver
from solver.admit import Gate
from solver.assemble import Assembly
from solver.bound import Bound, needs_of
from solver.draft import Draft
from solver.instance import Instance
from solver.sharpen import Sharp
from solver.start import greedy_draft
from solver.writing import write_plan
from tests.bench.event_generator import event_problem


def assembly_of(instance: Instance, draft: Draft) -> tuple[Assembly, int]:
    """An assembly for a draft's riders, and the bound its prices prove."""
    parties = [party for duty in draft.duties for party in duty.parties]
    needs = needs_of(instance, parties)
    plain = Bound(instance, needs)
    plain.run(seconds=60, upper=float(draft.cost))
    sharp = Sharp(instance, needs, most=60_000)
    minor = sharp.sharpen(seconds=60, upper=float(draft.cost), start=plain.columns, on_better=lambda _: None)
    return Assembly(instance, sharp, parties, longest_s=60.0), minor


def test_a_plan_is_put_together_from_columns_of_the_whole_map() -> None:
    instance = Instance(solver.parse_problem(event_problem("T", 2)))
    gate = Gate(instance)
    first = greedy_draft(gate, range(len(instance.riders)))
    assembly, minor = assembly_of(instance, first)
    found = assembly.run(first)
    assert found is not None
    assert minor <= found.cost < 1.06 * minor < first.cost
    assert solver.check_plan(instance.problem, write_plan(gate, found, bound=minor, optimal=False, seconds=0.0)) == []
    assert assembly.run(first) == found
    assert assembly.run(Draft(first.duties[1:], first.duties[0].parties)) is None

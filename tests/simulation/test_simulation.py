"""The simulation itself: a seed replays step by step, however closely it is looked at, and its mutations still fit the code."""

from pathlib import Path

import pytest

from tests.simulation.mutations import MUTATIONS, Mutation
from tests.simulation.play import play_seed
from tests.simulation.stage import Stage

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("seed", [3, 14])
async def test_a_seed_is_played_the_same_again_however_closely_it_is_looked_at(stage: Stage, seed: int) -> None:
    first, second = await play_seed(stage, seed), await play_seed(stage, seed, closely=True)
    assert (second.steps, second.outcome) == (first.steps, first.outcome)
    assert len(first.steps) > 50


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.what)
def test_each_fault_to_put_in_still_has_its_one_place(mutation: Mutation) -> None:
    assert (ROOT / mutation.path).read_text(encoding="utf-8").count(mutation.old) == 1


@pytest.mark.parametrize("mutation", [one for one in MUTATIONS if one.tested_by], ids=lambda mutation: mutation.what)
def test_a_fault_that_a_test_is_said_to_find_has_that_test(mutation: Mutation) -> None:
    path, _, name = mutation.tested_by.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")

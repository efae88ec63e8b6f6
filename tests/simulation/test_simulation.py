"""Seeds of the simulation hold, and a seed replays step by step. A failing one prints its steps: `make simulate ARGS="--seed N"`."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.simulation.play import play_seed
from tests.simulation.stage import Stage, open_stage
from tests.support.server import scratch_database

SEEDS, AT_ONCE = 20, 5


@pytest_asyncio.fixture(scope="module")
async def stage(server: tuple[str, str]) -> AsyncIterator[Stage]:
    async with scratch_database(server[0], template=server[1], purpose="simulation") as dsn, open_stage(dsn) as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1, SEEDS + 1, AT_ONCE))
async def test_whatever_happens_nothing_is_lost_doubled_or_left_behind(stage: Stage, first: int) -> None:
    for seed in range(first, first + AT_ONCE):
        told = await play_seed(stage, seed)
        assert not told.faults, "\n".join([*told.steps, f"seed {seed}:", *told.faults])


async def test_a_seed_is_played_the_same_again(stage: Stage) -> None:
    for seed in (3, 17):
        first, second = await play_seed(stage, seed), await play_seed(stage, seed)
        assert (second.steps, second.outcome) == (first.steps, first.outcome)
        assert len(first.steps) > 50

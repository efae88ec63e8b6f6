"""The seeds as tests: files are what test workers share out, so each file has some seeds, and each test names its own."""

from collections.abc import Awaitable, Callable

import pytest

from tests.simulation.play import play_seed
from tests.simulation.stage import Stage

AT_ONCE = 5


def seeds_hold(first: int, last: int) -> Callable[..., Awaitable[None]]:
    """A test per few seeds: whatever happens, nothing is lost, doubled or left behind."""
    chunks = [range(start, min(start + AT_ONCE, last + 1)) for start in range(first, last + 1, AT_ONCE)]

    @pytest.mark.parametrize("seeds", chunks, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
    async def test_hold(stage: Stage, seeds: range) -> None:
        for seed in seeds:
            told = await play_seed(stage, seed)
            assert not told.faults, "\n".join(
                [*told.steps, f"seed {seed}:", *told.faults, f'make simulate ARGS="--seed {seed}" replays it']
            )

    return test_hold

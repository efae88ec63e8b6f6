"""`kill -9` of web and PostgreSQL while a hot trip sells: whoever got a 201 has a pledge, and the trip's promises hold."""

import os
from pathlib import Path

import pytest

from tests.bench.pledges import stages
from tests.bench.pledges.world import add_riders, durable_server, open_world

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.skipif("DATABASE_URL" in os.environ, reason="the server that is killed must be our own"),
]
RIDERS = 4_000
SIZES = stages.Sizes(connections=16, seconds=1, rounds=1, steady_per_s=0, steady_s=0, watchers=0, confirmed=0, times=0)


async def test_every_acknowledged_pledge_of_a_hot_trip_survives_the_death_of_web_and_database(tmp_path: Path) -> None:
    with durable_server() as server:
        async with open_world(server, tmp_path) as world:
            await add_riders(world.pool, RIDERS)
            crash = await stages.measure_crash(world, SIZES, RIDERS, 1.5)
            assert crash["acknowledged"] > 0
            assert crash["lost"] == 0
            assert await stages.count_violations(world) == 0

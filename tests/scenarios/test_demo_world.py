"""The demo world: seeded through the real flows, every state a trip can be in, nothing violated, the same on a second run."""

from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from app.core.database import open_pool
from app.domain.trips.model import TripState
from app.flows.invariants import find_violations
from app.stage.doors import Doors
from app.stage.errors import StageError
from app.stage.world.records import read_events, read_operators
from app.stage.world.seed import seed_world
from tests.support.fake_stripe import API_KEY, WEBHOOK_SECRET, FakeStripe
from tests.support.server import ScratchDatabase, scratch_database
from tests.support.service import SECRET, running_service

pytestmark = pytest.mark.slow
BASE_URL = "http://localhost:8000"


def environment(dsn: str, stripe: FakeStripe) -> dict[str, str]:
    return {
        "DATABASE_URL": dsn,
        "STRIPE_API_KEY": API_KEY,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "BUSLOAD_SECRET": SECRET,
        "BUSLOAD_BASE_URL": BASE_URL,
        "BUSLOAD_SMTP_URL": "smtp://localhost:1",
        "BUSLOAD_STRIPE_BASE": stripe.url,
    }


class Seeded(msgspec.Struct, frozen=True, kw_only=True):
    dsn: str
    env: dict[str, str]
    doors: Doors


@pytest_asyncio.fixture(scope="module")
async def seeded(server: tuple[str, str], stripe: FakeStripe) -> AsyncIterator[Seeded]:
    async with scratch_database(server[0], template=server[1], purpose="world") as dsn:
        env = environment(dsn, stripe)
        yield Seeded(dsn=dsn, env=env, doors=await seed_world(env))


async def test_the_world_violates_no_invariant_and_its_clock_is_real_time(seeded: Seeded) -> None:
    async with await open_pool(seeded.dsn) as pool, pool.acquire() as conn:
        assert await find_violations(conn) == {}
        assert await conn.fetchval("SELECT clock_shift = interval '0' FROM installation")


async def test_there_is_a_trip_in_every_state_and_one_person_short_of_its_minimum(seeded: Seeded) -> None:
    async with await open_pool(seeded.dsn) as pool, pool.acquire() as conn:
        states = {row["state"] for row in await conn.fetch("SELECT state FROM trips")}
        short = await conn.fetch("SELECT public_code FROM trips WHERE state = 'open' AND minimum - secured = 1")
    assert states == {state.value for state in TripState}
    assert [door.url for door in seeded.doors.doors if door.role == "Rider"] == [f"{BASE_URL}/trips/{short[0]['public_code']}"]


async def test_it_spans_three_currencies_and_zones_with_real_fleets(seeded: Seeded) -> None:
    async with await open_pool(seeded.dsn) as pool, pool.acquire() as conn:
        assert {row["currency"] for row in await conn.fetch("SELECT DISTINCT currency FROM events")} == {"USD", "EUR", "GBP"}
        assert len({row["zone"] for row in await conn.fetch("SELECT DISTINCT zone FROM events")}) == 3
        fleets = await conn.fetch("SELECT count(*) AS buses, sum(wheelchair_places) AS places FROM vehicles GROUP BY operator_id")
    assert len(fleets) == len(read_operators())
    assert all(5 <= row["buses"] <= 12 and row["places"] >= 2 for row in fleets)
    assert all(-90 <= stop.lat <= 90 for event in read_events().values() for trip in event.trips for stop in trip.stops)


async def test_one_event_is_over_and_everybody_has_been_paid(seeded: Seeded) -> None:
    async with await open_pool(seeded.dsn) as pool, pool.acquire() as conn:
        event_id = await conn.fetchval("SELECT id FROM events WHERE name = $1", read_events()["assembly"].name)
        paid = await conn.fetch("SELECT kind, state, transfer_ref FROM payouts WHERE book = 'event:' || $1::uuid", event_id)
        assert {row["kind"] for row in paid} == {"hire", "reserve", "share"}
        assert {row["state"] for row in paid} == {"succeeded"}
        assert all(row["transfer_ref"] for row in paid)
        assert await conn.fetchval("SELECT closed_at IS NOT NULL FROM books WHERE event_id = $1", event_id)
        assert await conn.fetchval("SELECT bool_and(vat_bp = 1900) FROM operators WHERE country = 'DE'")


async def test_seeding_again_keeps_everything_and_gives_the_same_doors(seeded: Seeded) -> None:
    async with await open_pool(seeded.dsn) as pool, pool.acquire() as conn:
        before = await conn.fetchval("SELECT count(*) FROM audit")
        assert await seed_world(seeded.env) == seeded.doors
        assert await conn.fetchval("SELECT count(*) FROM audit") == before


async def test_the_newcomers_pledge_tips_the_trip(seeded: Seeded, server: tuple[str, str], stripe: FakeStripe) -> None:
    copy = seeded.dsn.rsplit("/", 1)[1]
    async with scratch_database(server[0], template=copy, purpose="tip") as dsn, running_service(dsn, stripe) as service:
        async with service.pool.acquire() as conn:
            trip_id = await conn.fetchval("SELECT id FROM trips WHERE state = 'open' AND minimum - secured = 1")
        detail = (await service.http.get(f"/api/trips/{trip_id}")).json()
        await service.pledged({"id": trip_id, "stops": detail["stops"]})
        assert (await service.http.get(f"/api/trips/{trip_id}")).json()["trip"]["state"] == "confirmed"


async def test_each_door_that_signs_in_opens(seeded: Seeded, server: tuple[str, str], stripe: FakeStripe) -> None:
    async with running_service(seeded.dsn, stripe) as service:
        for door in seeded.doors.doors:
            answer = await service.http.get(door.url.removeprefix(BASE_URL), follow_redirects=True)
            assert answer.status_code == 200, (door.role, door.url, answer.status_code)


async def test_a_live_database_is_refused(database: ScratchDatabase, stripe: FakeStripe) -> None:
    connection = await database.connect()
    await connection.execute("UPDATE installation SET mark = 'live'")
    with pytest.raises(StageError, match="live"):
        await seed_world(environment(database.dsn, stripe))
    assert await connection.fetchval("SELECT count(*) FROM events") == 0

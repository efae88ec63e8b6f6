"""A database whose clock is ten minutes off for a while: nothing that cannot be taken back is decided by it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import pytest_asyncio

from app.core.clock import CLOCKS_APART, ClocksDisagree, clock_error
from app.flows.doctor import Unwell, check_clock
from app.flows.expire_trip import expire_trip
from tests.support.service import Service

OFF = timedelta(minutes=10)
SOON = timedelta(minutes=5)
Setting = Callable[[timedelta], Awaitable[None]]


@pytest_asyncio.fixture
async def set_clock(service: Service) -> AsyncIterator[Setting]:
    """Lets the database's own clock be wrong by so much."""
    right = str(await service.pool.fetchval("SELECT pg_get_functiondef('busload_now'::regproc)"))

    async def set_to(by: timedelta) -> None:
        wrong = right.replace("clock_timestamp()", f"clock_timestamp() + interval '{by.total_seconds():.0f} s'")
        await service.pool.execute(wrong)

    yield set_to
    await service.pool.execute(right)


async def a_trip_that_ends_soon(service: Service) -> UUID:
    trip = await service.trip(await service.event(), deadline_at=(datetime.now(UTC) + SOON).isoformat())
    await service.pledged(trip, email="ada@example.org")
    return UUID(trip["id"])


async def state_of(service: Service, trip_id: UUID) -> str:
    return str(await service.pool.fetchval("SELECT state FROM trips WHERE id = $1", trip_id))


async def test_no_deadline_is_decided_by_a_clock_that_is_ahead(service: Service, set_clock: Setting) -> None:
    trip_id = await a_trip_that_ends_soon(service)
    await set_clock(OFF)
    with pytest.raises(ClocksDisagree, match=r"\+600 s from this host's|\+599 s"):
        await service.sweep()
    assert await state_of(service, trip_id) == "open"
    assert await service.pool.fetchval("SELECT count(*) FROM timers WHERE leased_until IS NOT NULL") == 0

    await set_clock(timedelta())
    await service.sweep()
    assert await state_of(service, trip_id) == "open"
    await service.jump(SOON + timedelta(seconds=1))
    await service.sweep()
    assert await state_of(service, trip_id) == "expired"


async def test_without_the_comparison_the_trip_would_end_before_its_time(service: Service, set_clock: Setting) -> None:
    trip_id = await a_trip_that_ends_soon(service)
    await set_clock(OFF)
    assert await expire_trip(service.pool, trip_id)


@pytest.mark.parametrize("by", [OFF, -OFF])
async def test_a_doctor_names_a_clock_that_is_wrong_and_no_shift(service: Service, set_clock: Setting, by: timedelta) -> None:
    await service.jump(timedelta(days=200))
    async with service.pool.acquire() as conn:
        assert abs(await clock_error(conn)) < CLOCKS_APART
        await check_clock(conn)
        await set_clock(by)
        assert abs(await clock_error(conn) - by) < CLOCKS_APART
        with pytest.raises(Unwell, match="no deadline is decided until they agree"):
            await check_clock(conn)

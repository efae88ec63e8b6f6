from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from tests.support.day_service import Day, Web, begun_day, serving


@pytest_asyncio.fixture(scope="session")
async def web(server: tuple[str, str]) -> AsyncIterator[Web]:
    """One web process for these tests: each has a world of its own in it."""
    async with serving(server) as running:
        yield running


@pytest_asyncio.fixture
async def day(web: Web) -> AsyncIterator[Day]:
    """A day of travel served over HTTP."""
    async with begun_day(web) as begun:
        yield begun


@pytest_asyncio.fixture
async def phone(day: Day) -> AsyncIterator[httpx.AsyncClient]:
    """The driver's phone."""
    headers = {"Authorization": f"Bearer {day.token}"}
    async with httpx.AsyncClient(base_url=day.base, headers=headers, trust_env=False, timeout=30) as client:
        yield client


@pytest_asyncio.fixture
async def nobody(day: Day) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a link."""
    async with httpx.AsyncClient(base_url=day.base, trust_env=False, timeout=30) as client:
        yield client

"""Which travel times a process plans with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from solver.travel import GreatCircle, Osrm, TravelTimes

__all__ = ["TravelTimes", "travel_times"]


@asynccontextmanager
async def travel_times(osrm_url: str | None) -> AsyncIterator[TravelTimes]:
    """An OSRM server's when one is set, else great circle x detour; the connection closes with the block."""
    if osrm_url is None:
        yield GreatCircle()
        return
    async with httpx.AsyncClient() as client:
        yield Osrm(client, osrm_url)

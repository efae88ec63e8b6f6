"""Everybody pledges: one request per person over 64 lines, on both web processes, in an order that mixes all origins."""

import asyncio
import time
from collections import Counter
from random import Random
from uuid import UUID, uuid4

import msgspec

from tests.bench.crowd import Rider
from tests.bench.keep_alive import Line, request_bytes
from tests.bench.march.country import Country

LINES = 64
TRIES = 20
BASELINE_S = 3.0
OK, CREATED, TOO_MANY, UNAVAILABLE = 200, 201, 429, 503


class Sold(msgspec.Struct, frozen=True, kw_only=True):
    """What selling came to: pledges taken, answers by status and code, seconds; `plain_per_s` empty requests go through the same lines."""

    pledges: int
    answers: dict[str, int]
    seconds: float
    plain_per_s: float

    @property
    def per_s(self) -> float:
        """Pledges a second."""
        return self.pledges / self.seconds


async def sell(webs: tuple[str, ...], country: Country, riders: list[Rider], *, seed: int) -> Sold:
    """Places one pledge per rider; a refusal that asks to come back later is honoured."""
    places = [(origin.trip_id, stop_id) for origin in country.origins for stop_id, waiting in origin.stops for _ in range(waiting)]
    Random(seed).shuffle(places)
    plain_per_s = await plain_rate(webs)
    queue = list(zip(riders, places, strict=True))[::-1]
    answers: Counter[str] = Counter()

    async def stand_in_line(web: str) -> None:
        async with Line(web) as line:
            while queue:
                rider, (trip_id, stop_id) = queue.pop()
                answers[await pledge(line, rider, trip_id, stop_id)] += 1

    began = time.monotonic()
    await asyncio.gather(*(stand_in_line(webs[number % len(webs)]) for number in range(LINES)))
    return Sold(
        pledges=answers[str(CREATED)], answers=dict(answers), seconds=time.monotonic() - began, plain_per_s=plain_per_s
    )  # fmt: skip


async def pledge(line: Line, rider: Rider, trip_id: UUID, stop_id: UUID) -> str:
    """One rider's pledge with the saved card; what became of it: `201`, or status and code."""
    body = {
        "stop_id": str(stop_id), "name": f"Marcher {rider.number}", "email": rider.email, "seats": 1, "wheelchairs": 0,
        "legs": ["outbound", "return"], "payment_method": "saved",
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {rider.token}", "Idempotency-Key": uuid4().hex, "X-Forwarded-For": address_of(rider.number)}
    request = request_bytes("POST", f"/api/trips/{trip_id}/pledges", host=f"{line.host}:{line.port}", body=body, headers=headers)
    answered = "nobody answered"
    for attempt in range(TRIES):
        try:
            status, content = await line.ask(request)
        except ConnectionError:
            await asyncio.sleep(0.1 * (attempt + 1))
            continue
        if status == CREATED:
            return str(status)
        answered = f"{status} {msgspec.json.decode(content).get('code', '')}" if content else str(status)
        if status not in {TOO_MANY, UNAVAILABLE}:
            return answered
        await asyncio.sleep(0.5 * (attempt + 1))
    return answered


def address_of(number: int) -> str:
    """A phone's own address, as the proxy in front would tell it (RFC 6598's shared space)."""
    return f"100.{64 + (number >> 16 & 63)}.{number >> 8 & 255}.{number & 255}"


async def plain_rate(webs: tuple[str, ...]) -> float:
    """What the same lines carry when the service has nothing to do: `GET /livez` a second."""
    until, done = time.monotonic() + BASELINE_S, 0

    async def ask(web: str) -> None:
        nonlocal done
        async with Line(web) as line:
            request = request_bytes("GET", "/livez", host=f"{line.host}:{line.port}")
            while time.monotonic() < until:
                status, _ = await line.ask(request)
                done += status == OK

    await asyncio.gather(*(ask(webs[number % len(webs)]) for number in range(LINES)))
    return done / BASELINE_S

"""The waiting line of a full trip: offered in turn, held by a pledge, never jumped, closed with selling."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest_asyncio

from tests.support.fake_stripe import FakeStripe
from tests.support.riders import mails_to, until
from tests.support.service import ARRIVE, Service
from tests.support.shared_service import one_story, shared_service

HOURS = timedelta(hours=1)


@pytest_asyncio.fixture(scope="module")
async def stage(server: tuple[str, str], stripe: FakeStripe) -> AsyncIterator[Service]:
    async with shared_service(server, stripe, "waitlist") as running:
        yield running


@pytest_asyncio.fixture
async def service(stage: Service) -> AsyncIterator[Service]:
    async with one_story(stage) as running:
        yield running


async def wait(service: Service, trip: dict[str, Any], email: str, *, seats: int = 1, **other: Any) -> httpx.Response:
    body = {"stop_id": trip["stops"][0]["id"], "name": "Wanda", "email": email, "seats": seats, **other}
    return await service.http.post(f"/api/trips/{trip['id']}/waitlist", json=body)


async def waits(service: Service, trip: dict[str, Any], email: str, *, seats: int = 1) -> str:
    """The token of a place in line."""
    answer = await wait(service, trip, email, seats=seats)
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["waitlist_token"]
    return token


async def place(service: Service, token: str) -> dict[str, Any]:
    found: dict[str, Any] = (await service.http.get("/api/waitlist", headers={"Authorization": f"Bearer {token}"})).json()
    return found


async def withdraw(service: Service, placed: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {placed['manage_token']}"}
    answer = await service.http.post(f"/api/pledges/{placed['pledge']['id']}/withdraw", headers=headers)
    assert answer.status_code == 200, answer.text


async def take(service: Service, waiting: dict[str, Any], card: str = "4242424242424242") -> dict[str, Any]:
    """Follows the offer's link to the card page and saves a card; the pledge as its page's token opens it."""
    token = waiting["offer_url"].rsplit("/", 1)[-1]
    await service.http.get(f"/p/{token}")
    form = {"_csrf_token": service.http.cookies["busload_csrf"]}
    answer = await service.http.post(f"/p/{token}/card", data=form)
    assert answer.status_code == 303, answer.text
    async with service.pool.acquire() as conn:
        pledge_id = await conn.fetchval("SELECT pledge_id FROM waitlist WHERE id = $1", UUID(waiting["id"]))
    taken = {"manage_token": token, "pledge": {"id": str(pledge_id), "card_url": answer.headers["location"]}}
    await service.save_card(taken, card)
    return taken


async def mailed(service: Service, token: str) -> list[str]:
    return await mails_to(service, {"pledge": {"id": (await place(service, token))["id"]}})


async def test_seats_that_come_free_are_offered_in_turn_and_a_party_too_large_keeps_its_place(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=3, cap=3)
    one, two = await service.pledged(trip), await service.pledged(trip, seats=1)
    assert (await wait(service, trip, "room@example.org")).json()["code"] == "room_left"
    await service.pledged(trip, seats=1)
    large = await waits(service, trip, "large@example.org", seats=2)
    small, late = await waits(service, trip, "small@example.org"), await waits(service, trip, "late@example.org")
    assert [((p := await place(service, t))["place"], p["people_before"]) for t in (large, small, late)] == [(1, 0), (2, 2), (3, 3)]
    again = await wait(service, trip, "SMALL@example.org")
    assert (again.status_code, again.json()["code"]) == (409, "already_waiting")

    await withdraw(service, one)
    jump = await service.pledge(trip)
    assert (jump.status_code, jump.json()["code"]) == (409, "waiting_line"), "nobody jumps the line before it is offered"
    assert await service.sweep() >= 1
    offered = await place(service, small)
    assert (offered["state"], offered["pledge_state"]) == ("offered", "pending_card")
    assert [(await place(service, t))["place"] for t in (large, late)] == [1, 2], "what does not fit keeps its place"
    now = await service.trip_now(trip)
    assert (now["secured"], now["held"]) == (2, 1), "an offer holds its seats"

    taken = await take(service, offered)
    assert (await service.show(taken))["state"] == "confirmed"
    await withdraw(service, two)
    await withdraw(service, taken)
    await service.sweep()
    assert (await place(service, large))["state"] == "offered", "with two seats free it is the first one's turn"
    await service.work()


async def test_an_offer_expires_and_goes_to_the_next(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=1, cap=1)
    sold = await service.pledged(trip)
    first, second, third = [await waits(service, trip, f"{n}@example.org") for n in ("first", "second", "third")]
    leave = await service.http.post("/api/waitlist/leave", headers={"Authorization": f"Bearer {second}"})
    assert leave.json()["state"] == "left"
    await withdraw(service, sold)
    await service.sweep()
    held = datetime.fromisoformat((await place(service, first))["offered_until"])
    await service.jump(await until(service, held - timedelta(minutes=1), past_s=0))
    await service.sweep()
    assert (await place(service, first))["pledge_state"] == "pending_card"
    await service.jump(await until(service, held))
    await service.sweep()  # the hold lapses, which calls the line
    await service.sweep()
    passed, turn = await place(service, first), await place(service, third)
    assert (passed["pledge_state"], passed["offer_url"], turn["state"]) == ("lapsed", None, "offered")
    async with service.pool.acquire() as conn:
        pledge_id = await conn.fetchval("SELECT pledge_id FROM waitlist WHERE id = $1", UUID(passed["id"]))
    assert await mails_to(service, {"pledge": {"id": str(pledge_id)}}) == ["waitlist_offered", "waitlist_expired"]
    await service.work()


async def test_the_line_ends_when_selling_does_and_offers_are_shorter_towards_it(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=1, cap=1)
    sold = await service.pledged(trip)
    first, second = await waits(service, trip, "first@example.org"), await waits(service, trip, "second@example.org")
    closes = ARRIVE - timedelta(days=10)
    await service.jump(await until(service, closes - 2 * HOURS, past_s=0))
    await withdraw(service, sold)
    await service.sweep()
    left = datetime.fromisoformat((await place(service, first))["offered_until"]) - (closes - 2 * HOURS)
    assert timedelta(minutes=29) < left < timedelta(minutes=31), "a quarter of what is left of selling"
    await service.jump(await until(service, closes, past_s=5))
    await service.sweep()
    await service.sweep()
    assert (await place(service, second))["state"] == "ended"
    assert await mailed(service, second) == ["waitlist_joined", "waitlist_ended"]
    assert (await wait(service, trip, "late@example.org")).json()["code"] == "booking_closed"
    await service.work()


async def test_a_trip_that_is_cancelled_ends_its_line(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=1, cap=1)
    await service.pledged(trip)
    waiting = await waits(service, trip, "first@example.org")
    headers = {"Idempotency-Key": "snow"}
    assert (await service.organiser.post(f"/api/trips/{trip['id']}/cancel", json={"reason": "Snow"}, headers=headers)).status_code == 200
    await service.sweep()
    assert (await place(service, waiting))["state"] == "ended"
    await service.work()


async def test_many_who_come_at_once_never_get_more_than_came_free(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=4, cap=4)
    sold = await service.pledged(trip, seats=2)
    await service.pledged(trip, seats=2)
    tokens = [await waits(service, trip, f"{n}@example.org", seats=1 + n % 2) for n in range(4)]
    await withdraw(service, sold)
    answers = await asyncio.gather(*(service.pledge(trip) for _ in range(6)), *(service.sweep() for _ in range(3)))
    codes = {answer.json()["code"] for answer in answers if isinstance(answer, httpx.Response)}
    assert codes <= {"waiting_line", "trip_full"}
    await service.sweep()
    offered = [waiting["people"] for token in tokens if (waiting := await place(service, token))["state"] == "offered"]
    now = await service.trip_now(trip)
    assert (offered, now["secured"] + now["held"]) == ([1, 1], 4)
    await service.work()

"""A spike of new cards from one network does not confirm a trip before somebody has looked; everybody else's pledges count as ever."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest_asyncio

from app.domain.pledges.velocity import LIMITS
from tests.support.fake_stripe import FakeStripe
from tests.support.ledgers import assert_sound
from tests.support.server import scratch_database
from tests.support.service import Service, running_service

CROWD = "8.8.4.4"
SEATS = 3
BEFORE_HOLD = LIMITS.pledges - 1


@pytest_asyncio.fixture(scope="module")
async def shop(server: tuple[str, str], stripe: FakeStripe) -> AsyncIterator[Service]:
    async with scratch_database(server[0], template=server[1], purpose="review") as dsn, running_service(dsn, stripe) as service:
        yield service


async def pledged_from(shop: Service, trip: dict[str, Any], address: str, **of: Any) -> dict[str, Any]:
    """A pledge from somewhere, its card saved."""
    shop.http.headers["x-forwarded-for"] = address
    try:
        answer = await shop.pledge(trip, seats=SEATS, **of)
    finally:
        del shop.http.headers["x-forwarded-for"]
    assert answer.status_code == 201, answer.text
    placed: dict[str, Any] = answer.json()
    session = placed["pledge"]["card_url"].rsplit("/", 1)[-1]
    await shop.stripe.stage(f"sessions/{session}/complete", {"card": "4242424242424242", "fingerprint_seed": placed["pledge"]["id"]})
    back = await shop.http.get(f"/p/{placed['manage_token']}/card-saved", params={"session": session})
    assert back.status_code == 303, back.text
    return placed


async def spike(shop: Service, *, minimum: int = 30) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """An event, its trip, and one pledge more from one network than counts without a look."""
    event = await shop.event()
    trip = await shop.trip(event, minimum=minimum, cap=54)
    placed = [await pledged_from(shop, trip, CROWD) for _ in range(LIMITS.pledges)]
    return event, trip, placed


async def decide(shop: Service, placed: dict[str, Any], what: str) -> httpx.Response:
    return await organiser(shop, f"/organiser/pledges/{placed['pledge']['id']}/{what}")


async def organiser(shop: Service, path: str) -> httpx.Response:
    if "busload_csrf" not in shop.organiser.cookies:
        await shop.organiser.get("/sign-in/none")
    return await shop.organiser.post(path, headers={"x-csrf-token": shop.organiser.cookies["busload_csrf"]})


async def test_a_spike_from_one_network_is_held_and_released_after_a_look(shop: Service) -> None:
    event, trip, placed = await spike(shop)
    states = [(await shop.show(one))["state"] for one in placed]
    assert states == ["active"] * BEFORE_HOLD + ["pending_card"]
    now = await shop.trip_now(trip)
    assert (now["state"], now["secured"]) == ("open", BEFORE_HOLD * SEATS), "what is held does not count"
    elsewhere = await pledged_from(shop, trip, "9.9.9.9")
    assert (await shop.show(elsewhere))["state"] == "active", "another network's counts"

    page = await shop.http.get(f"/p/{placed[-1]['manage_token']}", headers={"accept": "text/html"})
    assert "we are having a quick look" in page.text
    assert "Save a card" not in page.text
    assert "Being looked at" in page.text
    listed = await shop.organiser.get(f"/organiser/events/{event['code']}/review", headers={"accept": "text/html"})
    assert placed[-1]["pledge"]["code"] in listed.text
    assert placed[0]["pledge"]["code"] not in listed.text
    assert "80 % of the minimum of 30" in listed.text
    await shop.work("send_mail")
    assert "We are having a look" in str([m["Subject"] for m in shop.postbox.messages])
    assert [m for m in shop.postbox.messages if m["To"] == "staff@example.org"], "organisers are told"

    assert (await decide(shop, placed[-1], "release")).status_code == 303
    assert (await shop.show(placed[-1]))["state"] == "active"
    assert (await shop.trip_now(trip))["secured"] == (BEFORE_HOLD + 2) * SEATS
    assert (await decide(shop, placed[-1], "release")).status_code == 409, "once"
    async with shop.pool.acquire() as conn:
        trail = await conn.fetch("SELECT actor, to_state, reason FROM audit WHERE subject_id = $1 ORDER BY id", placed[-1]["pledge"]["id"])
    assert [row["to_state"] for row in trail] == ["pending_card", "pending_card", "active"]
    assert trail[-1]["actor"].startswith("organiser:")
    await assert_sound(shop.pool)


async def test_what_is_refused_gives_its_seats_back_and_forgets_its_card(shop: Service) -> None:
    _, trip, placed = await spike(shop)
    assert (await shop.trip_now(trip))["held"] == SEATS
    assert (await decide(shop, placed[-1], "refuse")).status_code == 303
    shown = await shop.show(placed[-1])
    assert shown["state"] == "refused"
    assert (await shop.trip_now(trip))["held"] == 0
    assert await shop.work("detach_card") >= 1
    await assert_sound(shop.pool)


async def test_a_release_may_confirm_the_trip_and_a_spike_never_does(shop: Service) -> None:
    _, trip, placed = await spike(shop, minimum=LIMITS.pledges * SEATS)
    assert (await shop.trip_now(trip))["state"] == "open", "one pledge short, and that one is held"
    await decide(shop, placed[-1], "release")
    assert (await shop.trip_now(trip))["state"] == "confirmed"
    assert (await shop.show(placed[-1]))["state"] in {"confirmed", "paid"}
    await pledged_from(shop, trip, CROWD)
    assert (await shop.trip_now(trip))["held"] == 0, "nothing is held on a confirmed trip"
    await assert_sound(shop.pool)


async def test_an_expected_crowd_is_not_held_any_more(shop: Service) -> None:
    event, trip, placed = await spike(shop)
    assert (await organiser(shop, f"/organiser/events/{event['code']}/review/expected")).status_code == 303
    assert (await shop.show(placed[-1]))["state"] == "active"
    again = await pledged_from(shop, trip, CROWD)
    assert (await shop.show(again))["state"] in {"active", "confirmed"}


async def test_the_same_people_over_a_longer_time_are_no_spike(shop: Service) -> None:
    event = await shop.event()
    trip = await shop.trip(event, minimum=30, cap=54)
    for _ in range(BEFORE_HOLD):
        await pledged_from(shop, trip, CROWD)
    await shop.jump(LIMITS.window + timedelta(minutes=1))
    late = await pledged_from(shop, trip, CROWD)
    await shop.jump(timedelta(0))
    assert (await shop.show(late))["state"] == "active"


async def test_waiting_out_the_hold_is_no_way_around_the_look(shop: Service) -> None:
    trip = await shop.trip(await shop.event(), minimum=30, cap=54)
    late = (await shop.pledge(trip, seats=SEATS)).json()
    for _ in range(LIMITS.pledges):
        await pledged_from(shop, trip, CROWD)
    async with shop.pool.acquire() as conn:  # it came from the crowd's network, and lapsed while its card page was open still
        await conn.execute(
            """
            UPDATE pledges SET state = 'lapsed', client_hash = (SELECT p.client_hash FROM pledges p
                WHERE p.client_hash IS NOT NULL AND p.trip_id = $2 LIMIT 1) WHERE id = $1
            """,
            late["pledge"]["id"],
            trip["id"],
        )
        await conn.execute("UPDATE trips SET held = held - $2 WHERE id = $1", trip["id"], SEATS)
    session = late["pledge"]["card_url"].rsplit("/", 1)[-1]
    await shop.stripe.stage(f"sessions/{session}/complete", {"card": "4242424242424242", "fingerprint_seed": late["pledge"]["id"]})
    await shop.http.get(f"/p/{late['manage_token']}/card-saved", params={"session": session})
    assert (await shop.show(late))["state"] == "lapsed"
    assert (await shop.trip_now(trip))["secured"] == BEFORE_HOLD * SEATS


async def test_a_network_is_kept_as_a_keyed_hash_and_private_ones_not_at_all(shop: Service) -> None:
    trip = await shop.trip(await shop.event())
    outside, inside = await pledged_from(shop, trip, "8.8.8.8"), await pledged_from(shop, trip, "10.0.0.7")
    async with shop.pool.acquire() as conn:
        stored = {row["id"]: row["client_hash"] for row in await conn.fetch("SELECT id::text, client_hash FROM pledges")}
    assert len(stored[outside["pledge"]["id"]]) == 16
    assert stored[inside["pledge"]["id"]] is None

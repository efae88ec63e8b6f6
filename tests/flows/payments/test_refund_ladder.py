"""Leaving after the confirmation: what comes back by the ladder, to the minor unit, whatever the charge was doing at that moment."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest_asyncio

from app.flows.withdraw_pledge import withdraw_pledge
from tests.support.fake_stripe import FakeStripe
from tests.support.riders import DECLINED, between, charge_with, mails_to, paid, states, tipped, until
from tests.support.service import ARRIVE, Service
from tests.support.shared_service import one_story, shared_service

DAYS = timedelta(days=1)
EARLY, HALF, CLOSED = ARRIVE - 20 * DAYS, ARRIVE - 12 * DAYS, ARRIVE - 9 * DAYS


@pytest_asyncio.fixture(scope="module")
async def stage(server: tuple[str, str], stripe: FakeStripe) -> AsyncIterator[Service]:
    async with shared_service(server, stripe, "ladder") as running:
        yield running


@pytest_asyncio.fixture
async def service(stage: Service) -> AsyncIterator[Service]:
    async with one_story(stage) as running:
        yield running


async def withdraw(service: Service, placed: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {placed['manage_token']}"}
    answer = await service.http.post(f"/api/pledges/{placed['pledge']['id']}/withdraw", headers=headers)
    assert answer.status_code == 200, answer.text
    await service.work()
    return await service.show(placed)


async def at(service: Service, moment: datetime) -> None:
    await service.jump(await until(service, moment))


def refunds(shown: dict[str, Any]) -> list[tuple[str, str, int]]:
    return sorted((refund["reason"], refund["state"], refund["amount_minor"]) for refund in shown["refunds"])


async def test_early_enough_everything_comes_back_and_the_seats_are_free(service: Service) -> None:
    trip, placed = await paid(service, seats=2)
    await at(service, EARLY)
    assert (await service.show(placed))["refund_now_minor"] == 6400
    shown = await withdraw(service, placed)
    assert (shown["state"], refunds(shown)) == ("refunded", [("ladder", "succeeded", 6400)])
    now = await service.trip_now(trip)
    assert (now["state"], now["secured"]) == ("confirmed", 0)
    assert await withdraw(service, placed) == shown, "again is no error and gives no second refund"


async def test_later_a_share_comes_back_and_the_odd_cent_is_the_riders(service: Service) -> None:
    _, placed = await paid(service, price_both_minor=3333, price_one_way_minor=None)
    await at(service, HALF)
    before = await service.show(placed)
    assert [(step["refund_bp"], step["amount_minor"]) for step in before["refund_ladder"]] == [(5000, 1667)]
    assert before["refund_now_minor"] == 1667
    assert refunds(await withdraw(service, placed)) == [("ladder", "succeeded", 1667)]


async def test_what_stayed_goes_back_when_the_trip_is_cancelled_after_all(service: Service) -> None:
    trip, placed = await paid(service, price_both_minor=3333, price_one_way_minor=None)
    await at(service, HALF)
    await withdraw(service, placed)
    headers = {"Idempotency-Key": "cancel"}
    assert (await service.organiser.post(f"/api/trips/{trip['id']}/cancel", json={"reason": "Snow"}, headers=headers)).status_code == 200
    await service.work()
    assert refunds(await service.show(placed)) == [("cancellation", "succeeded", 1666), ("ladder", "succeeded", 1667)]
    assert "trip_cancelled" in await mails_to(service, placed)


async def test_after_booking_close_nothing_comes_back_and_credits_stay_credits(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=1, tiers=[[2, 2801]])
    early, late = await service.pledged(trip), await service.pledged(trip)
    await service.work("charge_payment")
    await at(service, CLOSED)
    await service.sweep()
    await service.work("charge_payment", "send_refund")
    assert refunds(await service.show(early)) == [("credit_back", "succeeded", 399)]
    shown = await withdraw(service, early)
    assert (shown["state"], refunds(shown)) == ("refunded", [("credit_back", "succeeded", 399)])
    assert (await service.show(late))["state"] == "paid"


async def test_a_charge_that_waits_is_never_made(service: Service) -> None:
    _, placed = await tipped(service, card=DECLINED)
    await service.work("charge_payment")
    shown = await withdraw(service, placed)
    assert (shown["state"], await states(service, placed), shown["refunds"]) == ("withdrawn", ["void"], [])


async def test_a_charge_under_way_settles_first_and_then_gives_its_share_back(service: Service) -> None:
    _, placed = await tipped(service, price_both_minor=3333, price_one_way_minor=None, deadline_at=(ARRIVE - 11 * DAYS).isoformat())
    await at(service, HALF)

    async def leave() -> None:
        await withdraw_pledge(service.pool, UUID(placed["pledge"]["id"]), actor="rider")

    await charge_with(service, placed, between(service, "confirm_payment_intent", leave))
    await service.work()
    shown = await service.show(placed)
    assert (shown["state"], await states(service, placed)) == ("withdrawn", ["succeeded"])
    assert refunds(shown) == [("ladder", "succeeded", 1667)]


async def test_a_page_that_was_open_over_a_step_does_not_cost_the_rider_money_in_silence(service: Service) -> None:
    _, placed = await paid(service, seats=2)
    page = f"/p/{placed['manage_token']}"
    await service.http.get(page)
    form = {"at_least_minor": "6400", "_csrf_token": service.http.cookies["busload_csrf"]}
    await at(service, HALF)
    answer = await service.http.post(f"{page}/withdraw", data=form)
    assert (answer.status_code, "Look again and decide" in answer.text) == (409, True)
    assert (await service.show(placed))["state"] == "paid"
    assert (await service.http.post(f"{page}/withdraw", data={**form, "at_least_minor": "3200"})).status_code == 303
    await service.work()
    assert refunds(await service.show(placed)) == [("ladder", "succeeded", 3200)]


async def test_an_event_that_moves_takes_nothing_from_what_was_shown(service: Service) -> None:
    _, placed = await paid(service)
    await at(service, ARRIVE - 16 * DAYS)
    event_id = (await service.http.get(f"/api/trips/{placed['pledge']['trip_id']}")).json()["event"]["id"]
    sooner = {"booking_closes_at": (ARRIVE - 15 * DAYS).isoformat()}
    assert (await service.organiser.post(f"/api/events/{event_id}/move", json=sooner)).status_code == 200
    await at(service, HALF)
    assert refunds(await withdraw(service, placed)) == [("ladder", "succeeded", 1600)]


async def test_the_terms_of_a_pledge_keep_their_version_and_what_was_shown(service: Service) -> None:
    _, placed = await tipped(service)
    async with service.pool.acquire() as conn:
        row = await conn.fetchrow("SELECT terms_version, terms_shown FROM pledges WHERE id = $1", UUID(placed["pledge"]["id"]))
    assert row is not None
    assert row["terms_version"] == placed["pledge"]["terms_version"] == "2026-12"
    assert row["terms_shown"]["ladder"] == [[336, 10000], [168, 5000], [0, 2500]]
    assert datetime.fromisoformat(row["terms_shown"]["booking_closes_at"]) == ARRIVE - 10 * DAYS


async def set_ladder(service: Service, event: dict[str, Any], ladder: list[list[int]]) -> httpx.Response:
    return await service.organiser.post(f"/api/events/{event['id']}/refund-ladder", json={"refund_ladder": ladder})


async def test_an_organiser_sets_the_ladder_until_the_first_trip_opens(service: Service) -> None:
    event = await service.event(refund_ladder=[[480, 9000]])
    assert (await set_ladder(service, event, [[240, 8000], [0, 1000]])).status_code == 200
    for wrong in (
        [[0, 1000], [240, 8000]],
        [[240, 8000], [0, 8000]],
        [[240, 0]],
        [[240, 10001]],
        [[-1, 100]],
        [[h, h] for h in range(9, 2, -1)],
    ):
        answer = await set_ladder(service, event, wrong)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "refund_ladder"), wrong
    trip = await service.trip(event)
    shown = (await service.http.get(f"/api/trips/{trip['id']}")).json()["refund_ladder"]
    assert [(step["refund_bp"], step["amount_minor"]) for step in shown] == [(8000, 2560)], "the last step ends when the first does"
    late = await set_ladder(service, event, [])
    assert (late.status_code, late.json()["code"]) == (409, "terms_frozen")

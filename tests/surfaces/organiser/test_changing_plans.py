"""Organisers change what was announced: every rider hears of it, and nobody is held to what they did not agree to."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.ledgers import assert_sound, charges_at_stripe, written
from tests.support.riders import mails_to, paid, until
from tests.support.service import ARRIVE, Service, event_wish, trip_wish

DEADLINE = ARRIVE - timedelta(days=20)


async def move(service: Service, event: dict[str, Any], **wanted: Any) -> httpx.Response:
    moved = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in wanted.items()}
    return await service.organiser.post(f"/api/events/{event['id']}/move", json=moved)


async def ease(service: Service, trip: dict[str, Any], **terms: Any) -> httpx.Response:
    return await service.organiser.patch(f"/api/trips/{trip['id']}", json=terms)


async def withdraw(service: Service, placed: dict[str, Any]) -> httpx.Response:
    headers = {"Authorization": f"Bearer {placed['manage_token']}"}
    return await service.http.post(f"/api/pledges/{placed['pledge']['id']}/withdraw", headers=headers)


async def cancel(service: Service, what: str, subject: dict[str, Any], key: str | None = "once") -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await service.organiser.post(f"/api/{what}/{subject['id']}/cancel", json={"reason": "the venue is closed"}, headers=headers)


async def test_an_event_that_moves_tells_every_rider_and_lets_the_paid_ones_leave_in_full(service: Service) -> None:
    trip = await service.trip(await service.event(refund_ladder=[]), minimum=1)
    leaves, stays = await service.pledged(trip, seats=2), await service.pledged(trip)
    held = (await service.pledge(trip)).json()
    await service.work("charge_payment")
    assert (await service.show(leaves))["refund_now_minor"] == 0, "by its refund ladder nothing comes back"
    event = {"id": trip["event_id"]}

    answer = await move(service, event, starts_at=ARRIVE + timedelta(hours=2), venue_name="RFK Stadium")

    assert answer.status_code == 200, answer.text
    for placed in (leaves, stays, held):
        assert "event_moved" in await mails_to(service, placed)
    assert (await withdraw(service, leaves)).json()["state"] == "refunded"
    await service.work()
    assert [(r["state"], r["amount_minor"]) for r in (await service.show(leaves))["refunds"]] == [("succeeded", 6400)]
    assert (await service.show(stays))["state"] == "paid"
    assert (await service.trip_now(trip))["secured"] == 1
    letters = [message.get_body(("plain",)).get_content() for message in service.postbox.messages if "moved" in message["Subject"].lower()]
    assert letters
    assert all("RFK Stadium" in text for text in letters)
    await assert_sound(service.pool)


async def test_the_free_exit_ends_after_a_week(service: Service) -> None:
    trip = await service.trip(await service.event(refund_ladder=[]), minimum=1)
    placed = await service.pledged(trip)
    await service.work("charge_payment")
    await move(service, {"id": trip["event_id"]}, venue_name="RFK Stadium")
    assert (await service.show(placed))["refund_now_minor"] == 3200
    await service.jump(timedelta(days=7, seconds=5))
    left = (await withdraw(service, placed)).json()
    assert (left["state"], left["refunds"]) == ("refunded", []), "from then on the refund ladder holds"


@pytest.mark.parametrize(
    ("faulty", "status", "code"),
    [
        ({"lat": 91}, 422, "invalid_input"),
        ({"arrive_by_at": ARRIVE + timedelta(hours=3)}, 422, "invalid_input"),
        ({"booking_closes_at": DEADLINE - timedelta(days=1)}, 422, "deadline_after_booking_close"),
        ({"price": 3}, 422, "unknown_field"),
    ],
)
async def test_an_impossible_move_is_refused_and_nobody_is_told(service: Service, faulty: dict[str, Any], status: int, code: str) -> None:
    event = await service.event()
    trip = await service.trip(event)
    placed = await service.pledged(trip)
    before = await written(service.pool)
    answer = await move(service, event, **faulty)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await written(service.pool) == before
    assert "event_moved" not in await mails_to(service, placed)


async def test_a_cancelled_event_gives_everybody_everything_back(service: Service) -> None:
    trip, charged = await paid(service, seats=2)
    event = {"id": trip["event_id"]}
    waiting = await service.pledged(await service.trip(event, origin="Frederick"))
    assert (await cancel(service, "events", event)).json()["state"] == "cancelled"
    again = await cancel(service, "events", event)
    assert again.status_code == 200, "twice is no error"
    await service.work()
    assert [(await service.show(p))["state"] for p in (charged, waiting)] == ["refunded", "released"]
    assert [r["amount_minor"] for r in (await service.show(charged))["refunds"]] == [6400]
    assert (await mails_to(service, charged))[-2:] == ["trip_cancelled", "refund_sent"]
    assert "trip_cancelled" in await mails_to(service, waiting)
    assert sum(c["amount_refunded"] for c in await charges_at_stripe(service, charged)) == 6400
    await assert_sound(service.pool)


async def test_a_trip_is_cancelled_once_and_needs_a_key_because_money_moves(service: Service) -> None:
    trip, charged = await paid(service)
    refused = await cancel(service, "trips", trip, key=None)
    assert (refused.status_code, refused.json()["code"]) == (400, "idempotency_key_missing")
    for _ in range(2):
        assert (await cancel(service, "trips", trip)).json()["state"] == "cancelled"
    await service.work()
    assert [r["state"] for r in (await service.show(charged))["refunds"]] == ["succeeded"]
    await assert_sound(service.pool)


async def test_a_lower_minimum_tips_a_trip_that_reaches_it(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=5)
    placed = await service.pledged(trip, seats=2)
    assert (await ease(service, trip, minimum=3)).json()["state"] == "open"
    assert (await ease(service, trip, minimum=2)).json()["state"] == "confirmed"
    await service.work("charge_payment")
    assert (await service.show(placed))["state"] == "paid"
    assert (await mails_to(service, placed)).count("terms_eased") == 2
    async with service.pool.acquire() as conn:
        confirmations = await conn.fetch("SELECT pledge_id, secured, minimum FROM confirmations")
    assert [tuple(row) for row in confirmations] == [(None, 2, 2)]
    await assert_sound(service.pool)


async def test_a_later_deadline_is_kept_by_its_timer_and_told_to_every_rider(service: Service) -> None:
    trip = await service.trip(await service.event())
    placed = await service.pledged(trip)
    answer = await ease(service, trip, deadline_at=(DEADLINE + timedelta(days=2)).isoformat())
    assert answer.status_code == 200, answer.text
    await service.jump(await until(service, DEADLINE))
    await service.sweep()
    assert (await service.trip_now(trip))["state"] == "open"
    await service.jump(await until(service, DEADLINE + timedelta(days=2)))
    await service.sweep()
    assert (await service.trip_now(trip))["state"] == "expired"
    assert [mail for mail in await mails_to(service, placed) if mail in {"terms_eased", "trip_expired"}] == ["terms_eased", "trip_expired"]


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"minimum": 4}, "terms_only_ease"),
        ({"minimum": 0}, "invalid_input"),
        ({"deadline_at": (DEADLINE - timedelta(days=1)).isoformat()}, "terms_only_ease"),
        ({"deadline_at": (ARRIVE - timedelta(days=9)).isoformat()}, "invalid_input"),
        ({"deadline_at": "2030-05-20T00:00:00"}, "invalid_input"),
        ({"cap": 100}, "unknown_field"),
    ],
)
async def test_open_terms_only_get_easier(service: Service, terms: dict[str, Any], code: str) -> None:
    trip = await service.trip(await service.event())
    before = await written(service.pool)
    answer = await ease(service, trip, **terms)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert await written(service.pool) == before


async def test_the_deadline_without_the_minimum_releases_every_pledge_and_forgets_the_cards(service: Service) -> None:
    trip = await service.trip(await service.event())
    placed = await service.pledged(trip)
    await service.jump(await until(service, DEADLINE))
    await service.sweep()
    await service.work()
    assert ((await service.trip_now(trip))["state"], (await service.show(placed))["state"]) == ("expired", "released")
    assert await charges_at_stripe(service, placed) == []
    await assert_sound(service.pool)


async def test_a_proposed_stop_is_offered_the_nearest_ones_first_and_approved_before_it_sells(service: Service) -> None:
    trip = await service.trip(await service.event())
    path = f"/api/trips/{trip['id']}/stops"
    wish = {"name": "Inner Harbor", "lat": 39.2864, "lon": -76.6122}  # 0.9 km from Camden Yards, 2.3 km from Penn Station
    offered = (await service.http.post(path, json=wish)).json()
    assert ([stop["name"] for stop in offered["near"]], offered["stop"]) == (["Camden Yards"], None)
    assert 500 < offered["near"][0]["distance_m"] < 1500
    added = (await service.http.post(path, json={**wish, "insist": True})).json()["stop"]
    assert added["state"] == "proposed"
    refused = await service.pledge(trip, stop_id=added["id"])
    assert refused.json()["code"] == "stop_not_approved"
    decided = await service.organiser.post(f"/api/stops/{added['id']}/decide", json={"approve": True})
    assert decided.json()["state"] == "approved"
    assert (await service.pledge(trip, stop_id=added["id"])).status_code == 201


async def test_a_stop_with_a_fault_is_refused(service: Service) -> None:
    trip = await service.trip(await service.event())
    before = await written(service.pool)
    for faulty in ({"lat": 95}, {"lon": 181}, {"name": "x"}, {"name": "Bus\u0000stop"}):
        wish = {"name": "Laurel", "lat": 39.1, "lon": -76.8, **faulty}
        answer = await service.http.post(f"/api/trips/{trip['id']}/stops", json=wish)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input"), faulty
    assert await written(service.pool) == before


async def test_times_need_their_offset(service: Service) -> None:
    before = await written(service.pool)
    answer = await service.organiser.post("/api/events", json=event_wish(starts_at="2030-06-01T17:00:00"))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert [error["field"] for error in answer.json()["errors"]] == ["starts_at"]
    assert await written(service.pool) == before
    assert (await service.http.get("/api/schema/openapi.json")).status_code == 200


@pytest.mark.parametrize(
    ("faulty", "field"),
    [
        ({"minimum": 11}, "minimum"),
        ({"price_one_way_minor": 0}, "price_both_minor"),
        ({"tiers": [[5, 3300]]}, "tiers"),
        ({"stops": [{"name": "A", "lat": 39.3, "lon": -76.6, "zone": "Mars/Base"}]}, "stops[0].zone"),
        ({"deadline_at": (ARRIVE - timedelta(days=9)).isoformat()}, "deadline_at"),
    ],
)
async def test_a_trip_with_a_fault_is_refused_with_its_field(service: Service, faulty: dict[str, Any], field: str) -> None:
    event = await service.event()
    before = await written(service.pool)
    answer = await service.organiser.post(f"/api/events/{event['id']}/trips", json=trip_wish(**faulty))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert await written(service.pool) == before


@pytest.mark.parametrize("faulty", [{"max_stops": 0}, {"kind": "party"}, {"currency": "usd"}, {"fee_bp": 9000, "partner_share_bp": 2000}])
async def test_an_event_with_a_fault_is_refused(service: Service, faulty: dict[str, Any]) -> None:
    answer = await service.organiser.post("/api/events", json=event_wish(**faulty))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


async def test_what_an_organiser_does_for_a_rider_is_written_down_as_such(service: Service) -> None:
    trip = await service.trip(await service.event())
    theirs, own = await service.pledged(trip), await service.pledged(trip)
    await service.organiser.post(f"/api/pledges/{theirs['pledge']['id']}/withdraw")
    await withdraw(service, own)
    async with service.pool.acquire() as conn:
        rows = await conn.fetch("SELECT subject_id, actor FROM audit WHERE to_state = 'withdrawn'")
    actors = {str(row["subject_id"]): row["actor"].partition(":")[0] for row in rows}
    assert actors == {theirs["pledge"]["id"]: "organiser", own["pledge"]["id"]: "rider"}

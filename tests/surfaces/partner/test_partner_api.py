"""Keys, endpoints and deliveries over JSON; nobody reaches another partner's."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.support.receiver import Receiver
from tests.support.service import Service
from tests.surfaces.partner.conftest import SITE, Team


async def test_a_key_is_made_moved_and_revoked(team: Team) -> None:
    key = await team.key("https://City.example/", SITE)
    assert key["origins"] == [SITE]
    moved = await team.http.patch(f"/api/partner/keys/{key['id']}", json={"origins": ["https://new.example"]})
    assert moved.json()["origins"] == ["https://new.example"]
    ended = await team.http.post(f"/api/partner/keys/{key['id']}/revoke")
    assert ended.json()["revoked_at"]
    again = await team.http.post(f"/api/partner/keys/{key['id']}/revoke")
    assert again.json()["revoked_at"] == ended.json()["revoked_at"]
    late = await team.http.patch(f"/api/partner/keys/{key['id']}", json={"origins": [SITE]})
    assert (late.status_code, late.json()["code"]) == (404, "unknown_key")
    assert [listed["id"] for listed in (await team.http.get("/api/partner/keys")).json()] == [key["id"]]


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("keys", {"origins": ["https://*.example"]}, "bad_origin"),
        ("keys", {"origins": []}, "bad_origin"),
        ("keys", {"origins": "https://a.example"}, "invalid_input"),
        ("keys", {"origins": [SITE], "colour": "red"}, "unknown_field"),
        ("webhooks", {"url": "http://10.0.0.1/"}, "bad_webhook_url"),
        ("webhooks", {"url": "https://169.254.169.254/"}, "bad_webhook_url"),
    ],
)
async def test_bad_input_has_its_own_code_and_leaves_nothing(team: Team, path: str, body: dict[str, Any], code: str) -> None:
    answer = await team.http.post(f"/api/partner/{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (await team.http.get(f"/api/partner/{path}")).json() == []


async def test_nobody_reads_or_changes_what_is_another_partners(service: Service, team: Team, rival: Team, receiver: Receiver) -> None:
    key = await team.key()
    endpoint = (await team.http.post("/api/partner/webhooks", json={"url": receiver.url})).json()["endpoint"]
    delivery = (await team.http.post(f"/api/partner/webhooks/{endpoint['id']}/test")).json()["delivery_id"]
    attempts = [
        await rival.http.patch(f"/api/partner/keys/{key['id']}", json={"origins": [SITE]}),
        await rival.http.post(f"/api/partner/keys/{key['id']}/revoke"),
        await rival.http.post(f"/api/partner/webhooks/{endpoint['id']}/disable"),
        await rival.http.post(f"/api/partner/webhooks/{endpoint['id']}/test"),
        await rival.http.get(f"/api/partner/webhooks/{endpoint['id']}/deliveries"),
        await rival.http.post(f"/api/partner/deliveries/{delivery}/replay"),
        await rival.http.post("/api/partner/keys", json={"origins": [SITE], "partner_id": str(team.id)}),
        await rival.http.get(f"/partner/{team.code}/webhooks/{endpoint['id']}"),
    ]
    assert [answer.status_code for answer in attempts] == [404] * len(attempts)
    assert (await rival.http.get("/api/partner/keys")).json() == []
    assert (await rival.http.get("/api/partner/webhooks")).json() == []
    for client, status in ((service.http, 401), (service.organiser, 403)):
        for path in ("events", "keys", "webhooks"):
            assert (await client.get(f"/api/partner/{path}")).status_code == status


async def test_another_site_cannot_speak_in_a_partners_name(team: Team) -> None:
    token = team.http.headers["authorization"].removeprefix("Bearer ")
    headers = {"cookie": f"busload_session={token}", "authorization": "", "sec-fetch-site": "cross-site"}
    answer = await team.http.post("/api/partner/keys", json={"origins": ["https://evil.example"]}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request")
    headers["sec-fetch-site"] = "same-origin"
    assert (await team.http.post("/api/partner/keys", json={"origins": [SITE]}, headers=headers)).status_code == 201


async def test_a_confirmed_trip_reaches_the_partners_server(
    service: Service, team: Team, event: dict[str, Any], receiver: Receiver
) -> None:
    made = await team.http.post("/api/partner/webhooks", json={"url": receiver.url})
    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    assert "secret" not in (await team.http.get("/api/partner/webhooks")).text
    trip = await service.trip(event, minimum=2)
    await service.pledged(trip, seats=2)
    await service.work("deliver_webhook")
    confirmed = [message for message in receiver.received if '"trip.confirmed"' in message.body]
    assert len(confirmed) == 1
    assert trip["code"] in confirmed[0].body


async def test_counts_and_an_expiry_reach_the_partners_server(
    service: Service, team: Team, event: dict[str, Any], receiver: Receiver
) -> None:
    await team.http.post("/api/partner/webhooks", json={"url": receiver.url})
    trip = await service.trip(event, minimum=5)
    for seats in (1, 2):
        await service.pledged(trip, seats=seats)
    leaver = await service.pledged(trip, seats=1)
    await service.http.post(
        f"/api/pledges/{leaver['pledge']['id']}/withdraw", headers={"Authorization": f"Bearer {leaver['manage_token']}"}
    )
    await service.jump(timedelta(minutes=2))
    await service.sweep()
    await service.work("deliver_webhook")
    counts = [json.loads(message.body) for message in receiver.received]
    assert {message["type"] for message in counts} == {"trip.progress"}
    assert len(counts) <= 2, "a minute may have turned in between"
    assert (counts[-1]["data"]["secured"], counts[-1]["data"]["to_go"]) == (3, 2)
    async with service.pool.acquire() as conn:
        left = await conn.fetchval("SELECT deadline_at - busload_now() FROM trips WHERE id = $1", UUID(trip["id"]))
    await service.jump(left + timedelta(minutes=3))
    await service.sweep()
    await service.work("deliver_webhook")
    assert [json.loads(message.body)["type"] for message in receiver.received][-1] == "trip.expired"


async def test_the_delivery_log_goes_on_by_cursor_and_replays(service: Service, team: Team, receiver: Receiver) -> None:
    endpoint = (await team.http.post("/api/partner/webhooks", json={"url": receiver.url})).json()["endpoint"]
    for _ in range(3):
        await team.http.post(f"/api/partner/webhooks/{endpoint['id']}/test")
    await service.work("deliver_webhook")
    path, seen, cursor = f"/api/partner/webhooks/{endpoint['id']}/deliveries", [], None
    while True:
        answer = await team.http.get(path, params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        seen += answer.json()["items"]
        cursor = answer.json()["next_cursor"]
        if not cursor:
            break
        assert 'rel="next"' in answer.headers["link"]
    assert len({delivery["id"] for delivery in seen}) == 3
    assert {(delivery["state"], delivery["last_status"]) for delivery in seen} == {("delivered", 204)}
    replayed = await team.http.post(f"/api/partner/deliveries/{seen[0]['id']}/replay")
    assert (replayed.status_code, replayed.json()["state"]) == (202, "pending")
    await service.work("deliver_webhook")
    assert len(receiver.received) == 4
    assert (await team.http.get(path, params={"limit": 0})).status_code == 422


async def test_the_share_follows_the_fares(service: Service, team: Team, event: dict[str, Any]) -> None:
    trip = await service.trip(event, minimum=2)
    await service.pledged(trip, seats=2)
    await service.work("charge_payment")
    (shown,) = (await team.http.get("/api/partner/events")).json()
    assert (shown["people"], shown["fares_minor"], shown["share_bp"], shown["share_minor"]) == (2, 6400, 500, 320)
    await service.organiser.post(f"/api/trips/{trip['id']}/cancel", json={"reason": "no road"}, headers={"Idempotency-Key": "c"})
    await service.work("send_refund")
    (shown,) = (await team.http.get("/api/partner/events")).json()
    assert (shown["fares_minor"], shown["share_minor"]) == (0, 0)

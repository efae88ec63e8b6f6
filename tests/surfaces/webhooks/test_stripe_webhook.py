"""Stripe's webhook: stored before the answer when it is signed and fresh, nothing stored when it is not."""

import hashlib
import hmac
import json
import time

import httpx
import pytest

from tests.support.fake_stripe import WEBHOOK_SECRET
from tests.support.service import Service


def event_body(event_id: str = "evt_1") -> bytes:
    body = {
        "id": event_id,
        "object": "event",
        "type": "checkout.session.completed",
        "created": int(time.time()),
        "data": {"object": {"id": "cs_1", "object": "checkout.session", "metadata": {}}},
    }
    return json.dumps(body).encode()


def signed(body: bytes, *, age_s: int = 0, secret: str = WEBHOOK_SECRET) -> dict[str, str]:
    at_s = int(time.time()) - age_s
    digest = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={at_s},v1={digest}", "content-type": "application/json"}


async def stored(service: Service) -> list[str]:
    async with service.pool.acquire() as conn:
        return [row["id"] for row in await conn.fetch("SELECT id FROM stripe_events ORDER BY id")]


async def send(service: Service, body: bytes, headers: dict[str, str]) -> httpx.Response:
    return await service.http.post("/api/stripe/webhook", content=body, headers=headers)


async def test_a_signed_event_is_stored_before_the_answer_and_once(service: Service) -> None:
    body = event_body()
    for _ in range(2):
        answer = await send(service, body, signed(body))
        assert (answer.status_code, answer.json()) == (200, {"received": True})
        assert await stored(service) == ["evt_1"]


async def test_an_event_almost_five_minutes_old_is_taken(service: Service) -> None:
    body = event_body()
    assert (await send(service, body, signed(body, age_s=290))).status_code == 200


@pytest.mark.parametrize("fault", ["stale", "forged", "altered", "none", "garbage"])
async def test_what_is_stale_or_forged_is_refused_and_nothing_is_stored(service: Service, fault: str) -> None:
    body = event_body()
    headers = {
        "stale": signed(body, age_s=301),
        "forged": signed(body, secret="whsec_other"),
        "altered": signed(body.replace(b"cs_1", b"cs_2")),
        "none": {},
        "garbage": {"stripe-signature": "v1=,t=x"},
    }[fault]
    answer = await send(service, body, headers)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["type"]) == (
        400,
        "webhook_signature_invalid",
        "/problems/webhook_signature_invalid",
    )
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert await stored(service) == []

"""Stripe's webhooks: signed events, each stored before it is answered."""

import hashlib
import hmac
import time
from itertools import count as counting

import msgspec

from app.core.database import Pool
from app.stage.roles import HOST
from tests.bench.limits.requests import address_of
from tests.bench.limits.stepping import Budget, Load

NEWS = Budget(p99_ms=1_000, stated="ours: Stripe waits for seconds, then sends again")


async def receive_webhooks(pool: Pool, port: int, *, secret: str) -> Load:
    """Events of charges, as many as there are charges and more."""
    numbers = counting()

    async def make(count: int) -> list[bytes]:
        return [webhook_bytes(port, next(numbers), secret) for _ in range(count)]

    async def kept() -> int:
        return int(await pool.fetchval("SELECT count(*) FROM stripe_events"))

    return Load(
        name="Stripe's webhooks", budget=NEWS, make=make, marker='"received"', kept=kept,
        acknowledged=lambda seen: seen.statuses.get("200", 0),
    )  # fmt: skip


def webhook_bytes(port: int, number: int, secret: str) -> bytes:
    """One event with its signature of now."""
    now = int(time.time())
    thing = {
        "id": f"pi_limits_{number}",
        "object": "payment_intent",
        "amount": 3200,
        "currency": "usd",
        "metadata": {},
        "status": "succeeded",
    }
    event = {"id": f"evt_limits_{number}", "object": "event", "type": "payment_intent.succeeded", "created": now, "data": {"object": thing}}
    body = msgspec.json.encode(event)
    signature = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    head = (
        f"POST /api/stripe/webhook HTTP/1.1\r\nHost: {HOST}:{port}\r\nX-Forwarded-For: {address_of(number % 16)}\r\n"
        f"Content-Type: application/json\r\nStripe-Signature: t={now},v1={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body

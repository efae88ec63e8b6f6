"""Ten thousand webhooks that are not Stripe's as sent: each refused by the real route, none stored; the true one among them is."""

import asyncio
import hashlib
import hmac
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from litestar import Litestar

from app.core.database import open_pool
from app.main import build_app
from app.settings import Settings
from tests.support.fake_stripe import API_KEY, WEBHOOK_SECRET, FakeStripe
from tests.support.server import ScratchDatabase
from tests.support.service import SECRET

EACH = 2_500
PATH = "/api/stripe/webhook"


def true_body(number: int) -> bytes:
    """An event as Stripe sends it: two-space indents, its own order of keys."""
    return json.dumps(
        {
            "id": f"evt_{number:05}",
            "object": "event",
            "type": "payment_intent.succeeded",
            "created": int(time.time()),
            "data": {"object": {"id": f"pi_{number:05}", "object": "payment_intent", "amount": 3200 + number, "metadata": {}}},
        },
        indent=2,
    ).encode()


def sign(body: bytes, *, at_s: int, secret: str = WEBHOOK_SECRET) -> str:
    return f"t={at_s},v1={hmac.new(secret.encode(), f'{at_s}.'.encode() + body, hashlib.sha256).hexdigest()}"


def forged(number: int, dice: random.Random, now_s: int) -> tuple[bytes, str]:
    """Signed by somebody else, with another scheme, or with a signature cut from a true one."""
    body = true_body(number)
    true = sign(body, at_s=now_s)
    digest = true.rpartition("=")[2]
    at = dice.randrange(len(digest))
    other = "0" if digest[at] != "0" else "1"
    return body, dice.choice(
        [
            sign(body, at_s=now_s, secret=f"whsec_{number}"),
            sign(body, at_s=now_s, secret=""),
            true.replace("v1=", "v0="),
            true.replace(digest, digest[:at] + other + digest[at + 1 :]),
            true.replace(digest, digest[:-1]),
            true.replace(digest, digest.upper() if digest.upper() != digest else digest + "0"),
            f"t={now_s}",
            digest,
            "",
        ]
    )


def stale(number: int, dice: random.Random, now_s: int) -> tuple[bytes, str]:
    """Truly signed, more than 300 s ago; half of them with a fresh time written over the old one."""
    body = true_body(number)
    then_s = now_s - dice.randrange(302, 90_000)
    signature = sign(body, at_s=then_s)
    return body, signature if dice.random() < 0.5 else signature.replace(f"t={then_s}", f"t={now_s}")


def reserialised(number: int, dice: random.Random, now_s: int) -> tuple[bytes, str]:
    """The same event under its true signature, written by another program."""
    body = true_body(number)
    event = json.loads(body)
    shuffled = dict(dice.sample(list(event.items()), len(event)))
    again = dice.choice(
        [
            json.dumps(event).encode(),
            json.dumps(event, separators=(",", ":")).encode(),
            json.dumps(event, indent=2, sort_keys=True).encode(),
            json.dumps(shuffled, indent=4).encode(),
            body + b"\n",
            body.replace(b"evt_", b"\\u0065vt_"),
        ]
    )
    return again, sign(body, at_s=now_s)


def altered(number: int, dice: random.Random, now_s: int) -> tuple[bytes, str]:
    """One digit of the amount or of an id changed, or one byte dropped."""
    body = true_body(number)
    at = dice.choice([place for place, byte in enumerate(body) if chr(byte).isdigit()])
    digit = b"%d" % ((body[at] - 47) % 10)
    return body[:at] + (digit if dice.random() < 0.8 else b"") + body[at + 1 :], sign(body, at_s=now_s)


def bulk(seed: int, now_s: int) -> Iterator[tuple[bytes, str]]:
    dice = random.Random(seed)
    for number in range(EACH):
        for spoil in (forged, stale, reserialised, altered):
            yield spoil(number, dice, now_s)


async def post(app: Litestar, body: bytes, signature: str) -> int:
    """One request to the application itself, as a server would hand it over; its status."""
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http", "path": PATH,
        "raw_path": PATH.encode(), "query_string": b"", "root_path": "", "client": ("127.0.0.1", 50_000), "server": ("127.0.0.1", 80),
        "headers": [
            (b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()),
            (b"stripe-signature", signature.encode()),
        ],
        "state": {},
    }  # fmt: skip
    status: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            status.append(message["status"])

    await app(scope, receive, send)  # type: ignore[arg-type]
    return status[0]


async def test_ten_thousand_forged_stale_and_rewritten_webhooks_are_refused_and_none_is_stored(
    database: ScratchDatabase, stripe: FakeStripe
) -> None:
    settings = Settings(
        database_url=database.dsn, stripe_api_key=API_KEY, stripe_webhook_secret=WEBHOOK_SECRET, stripe_base=stripe.url, secret=SECRET,
        base_url="http://localhost", smtp_url="smtp://localhost:1", mail_from="Busload <busload@localhost>", osrm_url=None,
        log_level="ERROR",
    )  # fmt: skip
    app = build_app(settings)
    statuses: Counter[int] = Counter()
    async with app.lifespan(), await open_pool(database.dsn, min_size=1, max_size=1) as pool:
        for body, signature in bulk(20_261_121, int(time.time())):
            statuses[await post(app, body, signature)] += 1
        assert statuses == {400: 4 * EACH}
        assert await pool.fetchval("SELECT count(*) FROM stripe_events") == 0
        body = true_body(0)
        signatures = [sign(body, at_s=int(time.time())) for _ in range(3)]
        assert set(await asyncio.gather(*(post(app, body, signature) for signature in signatures))) == {200}
        assert await pool.fetchval("SELECT count(*) FROM stripe_events") == 1

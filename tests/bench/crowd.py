"""Signed-in riders with saved cards, thousands in a few statements: the people a load test sends to the box office."""

from datetime import timedelta
from random import Random

import httpx
import msgspec

from app.core.clock import busload_now
from app.core.database import Pool, transaction
from app.core.ids import random_token, token_hash

GOOD_CARD = "4242424242424242"
FAILING_CARDS = ("4000000000000341", "4000000000009995")  # save, then decline when charged
AT_ONCE = 2_000


class Rider(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with an account and a saved card; `token` is their session's, for `Authorization: Bearer`."""

    number: int
    email: str
    token: str
    card_fails: bool


async def gather_crowd(pool: Pool, stripe: httpx.AsyncClient, *, people: int, failing_share: float = 0.0, seed: int = 1) -> list[Rider]:
    """So many riders, each with a card of their own at the fake Stripe; `failing_share` of the cards decline when charged."""
    dice = Random(seed)
    riders = [
        Rider(number=number, email=f"crowd-{seed}-{number}@rider.example", token=random_token(), card_fails=dice.random() < failing_share)
        for number in range(people)
    ]
    for begin in range(0, people, AT_ONCE):
        await _settle_in(pool, stripe, riders[begin : begin + AT_ONCE], dice)
    return riders


async def _settle_in(pool: Pool, stripe: httpx.AsyncClient, riders: list[Rider], dice: Random) -> None:
    wanted = [
        {"card": dice.choice(FAILING_CARDS) if rider.card_fails else GOOD_CARD, "fingerprint_seed": rider.email, "email": rider.email}
        for rider in riders
    ]
    answer = await stripe.post("/_stage/wallets", json={"wallets": wanted}, timeout=60.0)
    answer.raise_for_status()
    wallets = answer.json()["wallets"]
    async with transaction(pool) as conn:
        until = await busload_now(conn) + timedelta(days=30)
        await conn.execute(
            """
            WITH crowd AS (
                SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[])
                    AS c (email, token_hash, customer, method, fingerprint, label)
            ), people AS (
                INSERT INTO accounts (email, name) SELECT email, 'Rider ' || split_part(email, '@', 1) FROM crowd RETURNING id, email
            ), doors AS (
                INSERT INTO sessions (account_id, token_hash, expires_at)
                SELECT p.id, c.token_hash, $7 FROM people p JOIN crowd c ON c.email = p.email::text
            )
            INSERT INTO saved_cards (account_id, customer_ref, payment_method_ref, card_fingerprint, card_label)
            SELECT p.id, c.customer, c.method, c.fingerprint, c.label FROM people p JOIN crowd c ON c.email = p.email::text
            """,
            [rider.email for rider in riders],
            [token_hash(rider.token) for rider in riders],
            [wallet["customer"] for wallet in wallets],
            [wallet["payment_method"] for wallet in wallets],
            [wallet["fingerprint"] for wallet in wallets],
            [f"Visa {wallet['last4']}" for wallet in wallets],
            until,
        )

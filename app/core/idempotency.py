"""`Idempotency-Key`: one effect per key and scope, the same answer again, another body refused."""

import hashlib
from uuid import UUID

import asyncpg
import msgspec

from app.core.database import Connection
from app.core.errors import Conflict, Refusal

MAX_KEY_LENGTH = 255


class KeyReused(Refusal):
    """The key was used for another request."""

    code = "idempotency_key_reused"
    status = 422
    title = "This Idempotency-Key belongs to another request"


class KeyMissing(Refusal):
    """The operation needs a key."""

    code = "idempotency_key_missing"
    status = 400
    title = "An Idempotency-Key is needed"


class KeyedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request that moves money: its Idempotency-Key and the body that the key stands for."""

    key: str
    body: bytes


def check_key(key: str | None) -> str:
    """The header's value, or KeyMissing saying what to send."""
    if not key or len(key) > MAX_KEY_LENGTH or not key.isprintable():
        raise KeyMissing(
            "Send a header Idempotency-Key with a value of your own (a UUID, say) of at most 255 characters, and the same one on a retry."
        )
    return key


async def claim_key(conn: Connection, *, scope: str, key: str, body: bytes, effect_id: UUID) -> UUID | None:
    """Claims a key for an effect about to be made in this transaction.

    Returns None when it is ours, else the id of the effect made before with the same key and body.
    Raises KeyReused for another body and Conflict (`idempotency_key_in_flight`) while the first request is still under way.
    """
    digest = hashlib.sha256(body).digest()
    try:
        claimed = await conn.fetchval(
            """
            INSERT INTO idempotency_keys (scope, key, body_hash, effect_id) VALUES ($1, $2, $3, $4)
            ON CONFLICT (scope, key) DO NOTHING RETURNING true
            """,
            scope,
            key,
            digest,
            effect_id,
        )
    except asyncpg.LockNotAvailableError:
        raise Conflict(
            "The first request with this key is still being worked on; ask again in a moment.",
            code="idempotency_key_in_flight",
            retry_after_s=1,
        ) from None
    if claimed:
        return None
    row = await conn.fetchrow("SELECT body_hash, effect_id FROM idempotency_keys WHERE scope = $1 AND key = $2", scope, key)
    if row is None or row["body_hash"] != digest:
        raise KeyReused("This key was sent before with another request. Use a new key for a new request.")
    effect: UUID = row["effect_id"]
    return effect


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What a key stands for: the hash of its request's body (SHA-256) and the effect that was made."""

    body_hash: bytes
    effect_id: UUID

"""A place in the line before a hot trip: a number, signed, good for one trip and one Idempotency-Key, for a while."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from uuid import UUID

import msgspec

from app.core.database import Pool, transaction
from app.core.errors import Place
from app.domain.trips import waiting_store

LONGEST_TOKEN = 1_000
MAC_BYTES = 32
KEPT_S, KEPT_TIMES = 600.0, 3.0  # a place stays good for ten minutes, or for three times the wait it was given with


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """What a token says: whose place it is (trip and key), its number, and until when (Unix seconds)."""

    trip_id: UUID
    key: str
    number: int
    expires_s: int


def sign_ticket(secret: str, ticket: Ticket) -> str:
    """The token of a ticket."""
    body = msgspec.msgpack.encode(ticket)
    return urlsafe_b64encode(mac_of(secret, body) + body).rstrip(b"=").decode()


def read_ticket(secret: str, token: str | None, *, now_s: float) -> Ticket | None:
    """The ticket in a token; None for a missing, changed or expired one, which is the same as having none."""
    if not token or len(token) > LONGEST_TOKEN:
        return None
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        ticket = msgspec.msgpack.decode(raw[MAC_BYTES:], type=Ticket)
    except (NotBase64, ValueError, msgspec.MsgspecError):
        return None
    genuine = hmac.compare_digest(raw[:MAC_BYTES], mac_of(secret, raw[MAC_BYTES:]))
    return ticket if genuine and now_s <= ticket.expires_s else None


def mac_of(secret: str, body: bytes) -> bytes:
    """The signature of a ticket's body."""
    return hmac.digest(secret.encode(), b"waiting-place:" + body, "sha256")


def place_of(secret: str, ticket: Ticket, *, let_in: int, rate_per_s: float) -> Place:
    """Where a ticket stands now. `wait_s` is an estimate at the rate the trip takes people."""
    position = max(0, ticket.number - let_in)
    return Place(
        token=sign_ticket(secret, ticket), number=ticket.number, position=position, wait_s=round(position / rate_per_s, 1),
        expires_s=ticket.expires_s,
    )  # fmt: skip


async def take_numbers(pool: Pool, trip_id: UUID, count: int) -> waiting_store.Line:
    """Gives the next `count` numbers of a trip's line: the last of them is `given`."""
    async with transaction(pool) as conn:
        await waiting_store.commit_without_waiting(conn)
        return await waiting_store.give_numbers(conn, trip_id, count)


async def let_in(pool: Pool, trip_id: UUID, count: int) -> waiting_store.Line | None:
    """Lets the next `count` people of a trip's line in; the line as it is then, None when nobody waits in it."""
    async with transaction(pool) as conn:
        await waiting_store.commit_without_waiting(conn)
        return await waiting_store.let_in(conn, trip_id, count)

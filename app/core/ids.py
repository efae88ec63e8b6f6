"""Ids, public codes and tokens."""

import hashlib
import hmac
import os
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol
from uuid import UUID

CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # nothing that is read aloud as something else


class Births(Protocol):
    """Where ids and public codes come from: the moment of a birth, and bits that nobody can guess."""

    def now_ms(self) -> int:
        """Unix milliseconds."""

    def bits(self, count: int) -> bytes:
        """`count` random bytes."""


class RealBirths:
    """This machine's clock and the operating system's randomness."""

    def now_ms(self) -> int:
        """See Births."""
        return time.time_ns() // 1_000_000

    def bits(self, count: int) -> bytes:
        """See Births."""
        return os.urandom(count)


_births: ContextVar[Births] = ContextVar("births", default=RealBirths())  # noqa: B039  it has no state


@contextmanager
def ids_from(births: Births) -> Iterator[None]:
    """Ids and public codes made within, by this task and by those it starts, come from `births`: a simulation can be played again.

    Tokens never do: what opens a door is always made of the operating system's randomness.
    """
    before = _births.set(births)
    try:
        yield
    finally:
        _births.reset(before)


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then random bits, so that ids sort by birth."""
    births = _births.get()
    raw = bytearray(births.now_ms().to_bytes(6, "big") + births.bits(10))
    raw[6] = (raw[6] & 0x0F) | 0x70
    raw[8] = (raw[8] & 0x3F) | 0x80
    return UUID(bytes=bytes(raw))


def public_code(length: int = 8) -> str:
    """A short code people see and type; 31**8 is 8.5e11, the database's unique constraint settles the rest."""
    number = int.from_bytes(_births.get().bits(length + 4), "big")  # far more bits than the code has: no letter is likelier than another
    letters = []
    for _ in range(length):
        number, letter = divmod(number, len(CODE_ALPHABET))
        letters.append(CODE_ALPHABET[letter])
    return "".join(letters)


def random_token() -> str:
    """256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def derived_token(secret: str, purpose: str, subject: UUID | str) -> str:
    """A 256-bit capability that can be made again for a mail or a repeated answer, and so never rests in the database."""
    digest = hmac.digest(secret.encode(), f"{purpose}:{subject}".encode(), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def link_subject(subject: UUID | str, holder: int) -> str:
    """What a pledge's links are made from: its id, and once it has changed hands how often, so that the links of before are dead."""
    return f"{subject}:{holder}" if holder else str(subject)


def token_hash(token: str) -> bytes:
    """What the database keeps of a token (SHA-256; the token itself has 256 bits, so no salt or stretching is needed)."""
    return hashlib.sha256(token.encode()).digest()

"""Ids, public codes and tokens."""

import hashlib
import hmac
import os
import secrets
import time
from base64 import urlsafe_b64encode
from uuid import UUID

CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # nothing that is read aloud as something else


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then random bits, so that ids sort by birth."""
    raw = bytearray(int(time.time() * 1000).to_bytes(6, "big") + os.urandom(10))
    raw[6] = (raw[6] & 0x0F) | 0x70
    raw[8] = (raw[8] & 0x3F) | 0x80
    return UUID(bytes=bytes(raw))


def public_code(length: int = 8) -> str:
    """A short code people see and type; 31**8 is 8.5e11, the database's unique constraint settles the rest."""
    number = int.from_bytes(os.urandom(length + 4), "big")  # far more bits than the code has: no letter is likelier than another
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

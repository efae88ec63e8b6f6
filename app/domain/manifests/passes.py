"""Boarding passes: a signed statement of 53 bytes, checked by a phone without a network.

Layout, big-endian: version (1), key id (4), pledge (16), duty (16), person (1), leg (1), valid from and until (4 + 4, Unix
seconds), serial (6); then the Ed25519 signature over all of it (64, RFC 8032). 117 bytes are a whole number of base64 groups:
no padding, so every character of the 156 counts and any change of one is another pass.
"""

import hashlib
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.core.errors import Invalid
from app.domain.manifests.model import BoardingPass, Leg

PASS_VERSION = 1
TOKEN_LENGTH = 156
_LAYOUT = struct.Struct(">B4s16s16sBBII6s")
_LEGS: tuple[Leg, Leg] = ("outbound", "return")


class PassRefused(Invalid):
    """The pass does not hold: altered, of an unknown key, or out of its time. `code` says which."""

    code = "pass_invalid"
    title = "This pass does not hold"


class PassClaims(msgspec.Struct, frozen=True, kw_only=True):
    """What a pass states: this person (1 to 8) of this pledge rides this duty on this leg, between two times (whole seconds)."""

    pledge_id: UUID
    duty_id: UUID
    person: int
    leg: Leg
    valid_from: datetime
    valid_until: datetime
    serial: bytes


class PassKey(msgspec.Struct, frozen=True, kw_only=True):
    """The key that signs. Its id is the hash of its public half, so that every process gives it the same name."""

    key_id: str
    private_key: Ed25519PrivateKey

    @property
    def public_key(self) -> bytes:
        """The 32 raw bytes that phones check with."""
        return self.private_key.public_key().public_bytes_raw()


def key_id_of(public_key: bytes) -> str:
    """The first 4 bytes of the key's SHA-256, in hex."""
    return hashlib.sha256(public_key).digest()[:4].hex()


def signing_key(secret: str) -> PassKey:
    """The key of this installation's secret (HKDF-SHA256, RFC 5869): a new secret is a new key, old public halves stay on record."""
    seed = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"busload boarding passes 1").derive(secret.encode())
    private_key = Ed25519PrivateKey.from_private_bytes(seed)
    return PassKey(key_id=key_id_of(private_key.public_key().public_bytes_raw()), private_key=private_key)


def serial_of(pass_id: UUID) -> bytes:
    """What a revocation list names: the last 6 bytes of the pass's id, all of them random in a UUIDv7."""
    return pass_id.bytes[10:]


def claims_of(one: BoardingPass) -> PassClaims:
    """What a pass on record states."""
    return PassClaims(
        pledge_id=one.pledge_id,
        duty_id=one.duty_id,
        person=one.person,
        leg=one.leg,
        valid_from=one.valid_from,
        valid_until=one.valid_until,
        serial=serial_of(one.id),
    )


def sign_pass(key: PassKey, claims: PassClaims) -> str:
    """The pass as 156 URL-safe characters; the same claims under the same key are the same pass."""
    body = _LAYOUT.pack(
        PASS_VERSION,
        bytes.fromhex(key.key_id),
        claims.pledge_id.bytes,
        claims.duty_id.bytes,
        claims.person,
        _LEGS.index(claims.leg),
        int(claims.valid_from.timestamp()),
        int(claims.valid_until.timestamp()),
        claims.serial,
    )
    return urlsafe_b64encode(body + key.private_key.sign(body)).decode()


def read_pass(token: str, public_keys: Mapping[str, bytes], *, at: datetime) -> PassClaims:
    """What a genuine pass states; `public_keys` by key id, `at` is when it was scanned. PassRefused otherwise."""
    raw = _decode(token)
    body, signature = raw[: _LAYOUT.size], raw[_LAYOUT.size :]
    version, key_id, pledge, duty, person, leg, valid_from, valid_until, serial = _LAYOUT.unpack(body)
    public_key = public_keys.get(key_id.hex())
    if version != PASS_VERSION or public_key is None:
        raise PassRefused("This pass was signed with a key we do not know. Check the rider in by name.", code="pass_key_unknown")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, body)
    except InvalidSignature:
        raise PassRefused("This is no genuine pass. Check the rider in by name.") from None
    claims = PassClaims(
        pledge_id=UUID(bytes=pledge),
        duty_id=UUID(bytes=duty),
        person=person,
        leg=_LEGS[leg],
        valid_from=datetime.fromtimestamp(valid_from, UTC),
        valid_until=datetime.fromtimestamp(valid_until, UTC),
        serial=serial,
    )
    if not claims.valid_from <= at <= claims.valid_until:
        raise PassRefused("This pass is for another day. Check the rider's booking by name.", code="pass_out_of_time")
    return claims


def _decode(token: str) -> bytes:
    """Exactly the bytes that were encoded: the standard decoder skips what is not of its alphabet, a pass must not."""
    if len(token) == TOKEN_LENGTH:
        try:
            raw = urlsafe_b64decode(token)
        except ValueError:
            raw = b""
        if urlsafe_b64encode(raw).decode() == token:
            return raw
    raise PassRefused("This is no boarding pass of ours. Check the rider in by name.", code="pass_unreadable")

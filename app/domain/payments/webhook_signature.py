"""Stripe's webhook signature: `t=<unix>,v1=<hmac>` over `<unix>.<body>`, checked against a clock we are given."""

import hashlib
import hmac
from datetime import datetime

import msgspec

from app.domain.payments.gateway import SignatureInvalid, StripeEvent
from app.domain.payments.stripe_shapes import stripe_event

LONGEST_HEADER = 4096


def verified_event(payload: bytes, signature: str, secret: str, now: datetime, tolerance_s: int) -> StripeEvent:
    """The event of a webhook whose signature holds and is at most `tolerance_s` old. Raises SignatureInvalid.

    Several `v1` may be sent while a secret is being rolled; one match is enough. A time ahead of our clock is no replay and passes.
    """
    signed_at_s, candidates = _read(signature)
    expected = hmac.new(secret.encode(), f"{signed_at_s}.".encode() + payload, hashlib.sha256).hexdigest()
    if not secret or not any(hmac.compare_digest(expected, one) for one in candidates):
        raise SignatureInvalid("The webhook's signature does not match its body.", code="signature_mismatch")
    if now.timestamp() - signed_at_s > tolerance_s:
        raise SignatureInvalid("The webhook's signature is too old.", code="signature_stale")
    try:
        return stripe_event(payload)
    except msgspec.DecodeError:
        raise SignatureInvalid("The webhook's body is no event.", code="event_unreadable") from None


def _read(signature: str) -> tuple[int, list[str]]:
    """Time and candidate signatures of the header."""
    pairs = [part.strip().partition("=")[::2] for part in signature[:LONGEST_HEADER].split(",")]
    times = [value for name, value in pairs if name == "t"]
    candidates = [value for name, value in pairs if name == "v1" and value.isascii()]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdecimal() and len(times[0]) <= 12) or not candidates:  # noqa: PLR2004
        raise SignatureInvalid("The webhook has no readable signature.", code="signature_unreadable")
    return int(times[0]), candidates

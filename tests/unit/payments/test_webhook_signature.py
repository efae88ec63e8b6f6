"""Only a webhook signed with our secret, recently, over exactly this body, is an event."""

import json
import random
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.payments.gateway import SignatureInvalid
from app.domain.payments.webhook_signature import verified_event
from app.stage.fake_stripe.deliveries import sign

SECRET = "whsec_right"
NOW = datetime(2026, 5, 14, 12, 0, tzinfo=UTC)
AT = int(NOW.timestamp())
BODY = json.dumps(
    {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": AT - 2,
        "data": {"object": {"id": "pi_1", "object": "payment_intent", "metadata": {"busload_payment_id": "pay-1"}}},
    }
).encode()


def test_a_good_webhook_is_read() -> None:
    event = verified_event(BODY, sign(BODY, SECRET, AT), SECRET, NOW, 300)
    assert (event.id, event.type, event.object_ref, event.object_type) == ("evt_1", "payment_intent.succeeded", "pi_1", "payment_intent")
    assert event.reference == "pay-1"
    assert event.created_at == NOW - timedelta(seconds=2)


def test_one_matching_signature_of_several_is_enough_while_a_secret_is_rolled() -> None:
    old, new = sign(BODY, "whsec_old", AT), sign(BODY, SECRET, AT)
    assert verified_event(BODY, f"{old},{new.split(',')[1]},v0=abc", SECRET, NOW, 300).id == "evt_1"


@pytest.mark.parametrize("age_s", [0, 299, 300, -600])
def test_a_signature_within_the_tolerance_or_ahead_of_our_clock_holds(age_s: int) -> None:
    assert verified_event(BODY, sign(BODY, SECRET, AT - age_s), SECRET, NOW, 300).id == "evt_1"


@pytest.mark.parametrize(
    ("body", "signature", "code"),
    [
        (BODY, sign(BODY, SECRET, AT - 301), "signature_stale"),
        (BODY, sign(BODY, "whsec_wrong", AT), "signature_mismatch"),
        (BODY + b" ", sign(BODY, SECRET, AT), "signature_mismatch"),
        (json.dumps(json.loads(BODY), indent=1).encode(), sign(BODY, SECRET, AT), "signature_mismatch"),
        (BODY, sign(BODY, SECRET, AT).replace(f"t={AT}", f"t={AT + 1}"), "signature_mismatch"),
        (BODY, sign(BODY, SECRET, AT).replace("v1=", "v0="), "signature_unreadable"),
        (BODY, "", "signature_unreadable"),
        (BODY, "t=,v1=", "signature_unreadable"),
        (BODY, f"t={AT}", "signature_unreadable"),
        (BODY, f"t={AT},t={AT},v1=00", "signature_unreadable"),
        (BODY, f"t=٣,v1={'0' * 64}", "signature_unreadable"),
        (BODY, f"t={AT},v1=é", "signature_unreadable"),
        (BODY, f"t={'9' * 40},v1=00", "signature_unreadable"),
        (b"{}", sign(b"{}", SECRET, AT), "event_unreadable"),
        (b"not json", sign(b"not json", SECRET, AT), "event_unreadable"),
        (b"\xff\xfe", sign(b"\xff\xfe", SECRET, AT), "event_unreadable"),
    ],
)
def test_anything_else_is_invalid(body: bytes, signature: str, code: str) -> None:
    with pytest.raises(SignatureInvalid) as invalid:
        verified_event(body, signature, SECRET, NOW, 300)
    assert invalid.value.code == code


def test_an_empty_secret_accepts_nothing() -> None:
    with pytest.raises(SignatureInvalid):
        verified_event(BODY, sign(BODY, "", AT), "", NOW, 300)


def test_ten_thousand_altered_webhooks_are_all_refused() -> None:
    dice = random.Random(4)
    signature = sign(BODY, SECRET, AT)
    refused = 0
    for _ in range(10_000):
        body, header = bytearray(BODY), signature
        if dice.random() < 0.5:
            place = dice.randrange(len(body))
            body[place] ^= 1 << dice.randrange(8)
        else:
            place = dice.randrange(len(f"t={AT},v1="), len(header))
            other = dice.choice([one for one in "0123456789abcdef" if one != header[place]])
            header = header[:place] + other + header[place + 1 :]
        try:
            verified_event(bytes(body), header, SECRET, NOW, 300)
        except SignatureInvalid:
            refused += 1
    assert refused == 10_000

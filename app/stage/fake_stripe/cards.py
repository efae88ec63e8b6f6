"""Test cards by number, as in https://docs.stripe.com/testing (docs/fake-stripe.md lists where we differ)."""

import hashlib
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from app.stage.fake_stripe.model import Card
from app.stage.fake_stripe.refusals import Refusal

SHORTEST_NUMBER, LONGEST_NUMBER = 12, 19
MONTHS = 12


class Asks(StrEnum):
    """When the bank wants its customer to approve."""

    NEVER = "never"
    UNTIL_SET_UP = "until_set_up"
    ALWAYS = "always"


class Habit(msgspec.Struct, frozen=True, kw_only=True):
    """How a test card behaves: declines when saved or when charged (code, decline_code), asks for approval, is disputed, fails refunds."""

    brand: str = "visa"
    at_save: tuple[str, str | None] | None = None
    at_charge: tuple[str, str | None] | None = None
    asks: Asks = Asks.NEVER
    asks_at_save: bool = False
    dispute_reason: str | None = None
    refund_fails: bool = False
    available_at_once: bool = False


HABITS: dict[str, Habit] = {
    "4242424242424242": Habit(),
    "5555555555554444": Habit(brand="mastercard"),
    "378282246310005": Habit(brand="amex"),
    "4000000000000077": Habit(available_at_once=True),
    "4000000000000341": Habit(at_charge=("card_declined", "generic_decline")),
    "4000000000009995": Habit(at_charge=("card_declined", "insufficient_funds")),
    "4000000000009987": Habit(at_charge=("card_declined", "lost_card")),
    "4000000000009979": Habit(at_charge=("card_declined", "stolen_card")),
    "4000000000000002": Habit(at_save=("card_declined", "generic_decline")),
    "4000000000000069": Habit(at_save=("expired_card", None)),
    "4000000000000127": Habit(at_save=("incorrect_cvc", None)),
    "4000000000000119": Habit(at_save=("processing_error", None)),
    "4000002500003155": Habit(asks=Asks.UNTIL_SET_UP),
    "4000002760003184": Habit(asks=Asks.ALWAYS),
    "4000000000003220": Habit(asks=Asks.ALWAYS, asks_at_save=True),
    "4000000000000259": Habit(dispute_reason="fraudulent"),
    "4000000000002685": Habit(dispute_reason="product_not_received"),
    "4000000000005126": Habit(refund_fails=True),
}
MESSAGES = {
    "generic_decline": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "lost_card": "Your card was declined.",
    "stolen_card": "Your card was declined.",
    "test_mode_live_card": "Your card was declined. Your request was in test mode, but used a non test card.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "incorrect_number": "Your card number is incorrect.",
    "invalid_expiry_year": "Your card's expiration year is invalid.",
    "invalid_expiry_month": "Your card's expiration month is invalid.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "authentication_required": "Your card was declined. This transaction requires authentication.",
    "payment_intent_authentication_failure": "The provided payment method has failed authentication.",
    "setup_intent_authentication_failure": "The provided payment method has failed authentication.",
}


def habit_of(number: str) -> Habit:
    """Behaviour of a number. Any other number that starts 4242 and passes the Luhn check succeeds, so that a crowd can have a card each."""
    known = HABITS.get(number)
    if known is not None:
        return known
    return Habit() if number.startswith("4242") else Habit(at_save=("card_declined", "test_mode_live_card"))


def decline(code: str, decline_code: str | None) -> Refusal:
    """The 402 of a card that said no."""
    text = MESSAGES.get(decline_code or "", "") or MESSAGES.get(code, "Your card was declined.")
    return Refusal(402, text, type="card_error", code=code, decline_code=decline_code)


def read_card(*, number: str, exp_month: int, exp_year: int, now: datetime, fingerprint_seed: str = "") -> Card:
    """A card as typed in. Equal numbers give equal fingerprints. Raises Refusal for a number or date that cannot be one."""
    digits = "".join(number.split()).replace("-", "")
    if not (digits.isdecimal() and SHORTEST_NUMBER <= len(digits) <= LONGEST_NUMBER and luhn_holds(digits)):
        raise decline("incorrect_number", None)
    if not 1 <= exp_month <= MONTHS:
        raise decline("invalid_expiry_month", None)
    if (exp_year, exp_month) < (now.year, now.month) or exp_year > now.year + 50:
        raise decline("invalid_expiry_year", None)
    print_of = hashlib.sha256(f"{digits}:{fingerprint_seed}".encode()).hexdigest()[:16]
    return Card(
        number=digits,
        brand=habit_of(digits).brand,
        last4=digits[-4:],
        exp_month=exp_month,
        exp_year=exp_year,
        fingerprint=print_of,
    )


def plain_card(number: str, now_s: float, fingerprint_seed: str = "") -> Card:
    """A test card with a date that is good for three years."""
    now = datetime.fromtimestamp(now_s, UTC)
    return read_card(number=number, exp_month=12, exp_year=now.year + 3, now=now, fingerprint_seed=fingerprint_seed)


def luhn_holds(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B check digit."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value // 10 + value % 10
    return total % 10 == 0

"""What a bank is told about a contested charge: facts as Stripe's evidence fields, in plain words. Pure; imports nothing but words."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

LONGEST_FIELD = 20_000  # Stripe: 20,000 characters a field, 150,000 in all
LONGEST_IN_ALL = 150_000


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A mail to the rider: what about and when it was sent (None: it is waiting)."""

    about: str
    sent_at: datetime | None


class Boarded(msgspec.Struct, frozen=True, kw_only=True):
    """One check-in of the party: which person, which leg, how, when."""

    person: int
    leg: str
    method: str
    at: datetime


class GivenBack(msgspec.Struct, frozen=True, kw_only=True):
    """A refund of the contested charge."""

    amount: str
    reason: str
    state: str
    refund_ref: str | None
    at: datetime | None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything we know that speaks of one charge. Amounts are ready to read, such as `EUR 32.00`."""

    name: str
    email: str
    code: str
    people: int
    legs: Sequence[str]
    trip: str
    travels_at: datetime
    pledged_at: datetime
    confirmed_at: datetime | None
    agreed: str
    terms_version: str
    terms: str
    mandate: str
    terms_shown_at: datetime
    ladder: Sequence[tuple[datetime, int]]  # until when which share came back after the confirmation, basis points
    card: str
    amount: str
    charged_at: datetime | None
    charge_ref: str | None
    intent_ref: str | None
    state: str
    told: Sequence[Told]
    boarded: Sequence[Boarded]
    given_back: Sequence[GivenBack]


def evidence_of(facts: Facts, note: str) -> dict[str, str]:
    """The fields to send, each within Stripe's length; `note` is the organiser's own text and comes first."""
    fields = {
        "customer_name": facts.name,
        "customer_email_address": facts.email,
        "product_description": f"{facts.people} seat(s) on a bus: {facts.trip}, {' and '.join(facts.legs)}, pledge {facts.code}.",
        "service_date": facts.travels_at.astimezone(UTC).strftime("%Y-%m-%d"),
        "access_activity_log": _boarded(facts),
        "cancellation_policy_disclosure": _agreed(facts),
        "refund_policy_disclosure": _ladder(facts) or _agreed(facts),
        "refund_refusal_explanation": _given_back(facts),
        "uncategorized_text": "\n\n".join(part for part in (note.strip(), _pledged(facts), _charged(facts), _told(facts)) if part),
    }
    kept: dict[str, str] = {}
    left = LONGEST_IN_ALL
    for name, text in fields.items():
        cut = text[: min(LONGEST_FIELD, left)]
        if cut:
            kept[name] = cut
            left -= len(cut)
    return kept


def _time(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if moment else "not yet"


def _agreed(facts: Facts) -> str:
    return (
        f"Terms version {facts.terms_version}, shown to and accepted by the customer on {_time(facts.terms_shown_at)}, before the card was "
        f"saved:\n{facts.terms}\n\nMandate accepted with them:\n{facts.mandate}"
    )


def _ladder(facts: Facts) -> str:
    lines = [f"- until {_time(until)}: {refund_bp / 100:g} % of the fare comes back" for until, refund_bp in facts.ladder]
    return "Refunds after the confirmation, as shown before the card was saved:\n" + "\n".join(lines) if lines else ""


def _pledged(facts: Facts) -> str:
    return (
        f"Pledge {facts.code}: {facts.people} person(s), placed on {_time(facts.pledged_at)}, at most {facts.agreed} agreed to. "
        f"The trip was confirmed on {_time(facts.confirmed_at)}. The pledge is now {facts.state.replace('_', ' ')}."
    )


def _charged(facts: Facts) -> str:
    return (
        f"Receipt: {facts.amount} charged to {facts.card or 'the saved card'} on {_time(facts.charged_at)} "
        f"(charge {facts.charge_ref or 'unknown'}, payment intent {facts.intent_ref or 'unknown'})."
    )


def _told(facts: Facts) -> str:
    lines = [f"- {one.about.replace('_', ' ')}: {_time(one.sent_at)}" for one in facts.told]
    return "Mails sent to the customer:\n" + "\n".join(lines) if lines else ""


def _boarded(facts: Facts) -> str:
    lines = [
        f"- person {one.person} of {facts.people}, {one.leg}: boarded {_time(one.at)}, checked by {one.method}" for one in facts.boarded
    ]
    return "Check-ins by the driver:\n" + "\n".join(lines) if lines else ""


def _given_back(facts: Facts) -> str:
    lines = [
        f"- {one.amount} ({one.reason.replace('_', ' ')}): {one.state}, {_time(one.at)}, refund {one.refund_ref or 'not sent yet'}"
        for one in facts.given_back
    ]
    return "Refunds of this charge:\n" + "\n".join(lines) if lines else ""

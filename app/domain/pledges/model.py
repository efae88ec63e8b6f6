"""Pledges: states, the party, and what may be changed when."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import msgspec

from app.core.machine import Machine

HOLD = timedelta(minutes=15)
MAX_PEOPLE = 8
MAX_PEOPLE_PER_CARD = 16
TERMS_VERSION = "2026-12"


class PledgeState(StrEnum):
    """A pledge counts from `active` on; `pending_card` holds seats for 15 minutes."""

    PENDING_CARD = "pending_card"
    ACTIVE = "active"
    CONFIRMED = "confirmed"
    PAID = "paid"
    TRAVELLED = "travelled"
    NO_SHOW = "no_show"
    LAPSED = "lapsed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    RELEASED = "released"
    DROPPED = "dropped"
    REFUNDED = "refunded"


P = PledgeState
PLEDGE_MACHINE = Machine(
    "pledge",
    births=frozenset({P.PENDING_CARD, P.ACTIVE, P.CONFIRMED}),
    arrows={
        P.PENDING_CARD: frozenset({P.ACTIVE, P.CONFIRMED, P.LAPSED, P.REFUSED, P.WITHDRAWN, P.RELEASED}),
        P.LAPSED: frozenset({P.ACTIVE, P.CONFIRMED}),
        P.ACTIVE: frozenset({P.CONFIRMED, P.WITHDRAWN, P.RELEASED}),
        P.CONFIRMED: frozenset({P.PAID, P.WITHDRAWN, P.RELEASED, P.DROPPED}),
        P.PAID: frozenset({P.TRAVELLED, P.NO_SHOW, P.REFUNDED}),
    },
)


class TransferState(StrEnum):
    """Seats on their way to another person: offered until they accept, the owner cancels, or the offer expires."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


TRANSFER_MACHINE = Machine(
    "transfer",
    births=frozenset({TransferState.OFFERED}),
    arrows={TransferState.OFFERED: frozenset({TransferState.ACCEPTED, TransferState.CANCELLED, TransferState.EXPIRED})},
)


class WaitState(StrEnum):
    """A party in a trip's waiting line. What becomes of seats it was offered is told by the pledge that holds them."""

    WAITING = "waiting"
    OFFERED = "offered"
    LEFT = "left"
    ENDED = "ended"


WAITLIST_MACHINE = Machine(
    "waitlist",
    births=frozenset({WaitState.WAITING}),
    arrows={WaitState.WAITING: frozenset({WaitState.OFFERED, WaitState.LEFT, WaitState.ENDED})},
)
HELD = frozenset({P.PENDING_CARD})
SECURED = frozenset({P.ACTIVE, P.CONFIRMED, P.PAID})
LIVE = HELD | SECURED


class Pledge(msgspec.Struct, frozen=True, kw_only=True):
    """A party's commitment. `price_minor` is per person, the most it agreed to; `amount_minor` is for all of its people."""

    id: UUID
    public_code: str
    trip_id: UUID
    event_id: UUID
    stop_id: UUID
    account_id: UUID | None
    name: str
    email: str
    phone: str
    needs: str
    locale: str
    seats: int
    wheelchairs: int
    people: int
    legs: list[str]
    price_minor: int
    amount_minor: int
    currency: str
    terms_version: str
    terms_shown_at: datetime
    state: PledgeState
    hold_expires_at: datetime | None
    setup_session_ref: str | None
    card_url: str | None
    customer_ref: str | None
    payment_method_ref: str | None
    card_fingerprint: str | None
    card_label: str
    free_exit_until: datetime | None
    created_at: datetime


class PartyBefore(msgspec.Struct, frozen=True, kw_only=True):
    """A party before a dearer change; `price_minor` per person."""

    seats: int
    wheelchairs: int
    legs: list[str]
    price_minor: int


class NewPledge(msgspec.Struct, frozen=True, kw_only=True):
    """A pledge about to be born."""

    id: UUID
    public_code: str
    trip_id: UUID
    event_id: UUID
    stop_id: UUID
    account_id: UUID | None
    name: str
    email: str
    email_normalised: str
    phone: str
    needs: str
    locale: str
    seats: int
    wheelchairs: int
    legs: tuple[str, ...]
    price_minor: int
    currency: str
    terms_shown_at: datetime
    state: PledgeState
    manage_token_hash: bytes
    hold_expires_at: datetime | None
    partner_key_id: UUID | None
    card: "SavedCard | None"

    @property
    def people(self) -> int:
        """Who travels: seats and wheelchair places."""
        return self.seats + self.wheelchairs


class SavedCard(msgspec.Struct, frozen=True, kw_only=True):
    """A verified card as we know it: opaque references and a label such as 'Visa 4242'."""

    customer_ref: str
    payment_method_ref: str
    card_fingerprint: str | None
    card_label: str


def born(new: NewPledge, at: datetime) -> Pledge:
    """A pledge as it is once stored."""
    card = new.card
    return Pledge(
        id=new.id, public_code=new.public_code, trip_id=new.trip_id, event_id=new.event_id, stop_id=new.stop_id, account_id=new.account_id,
        name=new.name, email=new.email, phone=new.phone, needs=new.needs, locale=new.locale, seats=new.seats, wheelchairs=new.wheelchairs,
        people=new.people, legs=list(new.legs), price_minor=new.price_minor, amount_minor=new.price_minor * new.people,
        currency=new.currency, terms_version=TERMS_VERSION, terms_shown_at=new.terms_shown_at, state=new.state,
        hold_expires_at=new.hold_expires_at, setup_session_ref=None, card_url=None, customer_ref=card.customer_ref if card else None,
        payment_method_ref=card.payment_method_ref if card else None, card_fingerprint=card.card_fingerprint if card else None,
        card_label=card.card_label if card else "", free_exit_until=None, created_at=at,
    )  # fmt: skip

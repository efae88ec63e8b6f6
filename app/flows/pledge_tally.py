"""How a locked trip stands while pledges are decided one after the other: pure, no database. Each refusal leaves the tally as it was."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.errors import Conflict, Invalid
from app.core.ids import public_code
from app.domain.events.model import Event, Stop, check_stop
from app.domain.pledges.model import HOLD, MAX_PEOPLE_PER_CARD, NewPledge, PledgeState, SavedCard
from app.domain.pledges.waiting import check_line
from app.domain.trips.model import Trip, TripState, check_room, check_selling, price_for, tips
from app.flows.pledge_wish import PledgeRequest


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch is decided by, read after the trip's lock. `people_on_card` is by fingerprint, `cards` by account."""

    now: datetime
    event: Event
    stops: Mapping[UUID, Stop]
    cards: Mapping[UUID, SavedCard]
    people_on_card: Mapping[str, int]
    live_addresses: frozenset[str]
    kept_for_line: int = 0


class Tally:
    """The counters after every pledge admitted so far; `tipped_by` is the one that reached the minimum, should one have."""

    def __init__(self, trip: Trip, facts: Facts) -> None:
        self.trip = trip
        self.tipped_by: UUID | None = None
        self._facts = facts
        self._on_card = dict(facts.people_on_card)
        self._addresses = set(facts.live_addresses)

    def admit(self, request: PledgeRequest) -> NewPledge:
        """Decides the next request and counts it; a Refusal says what to do, each with its own code."""
        card = self._card_for(request)
        event, now = self._facts.event, self._facts.now
        check_selling(self.trip, booking_closes_at=event.booking_closes_at, booking_closed=event.booking_closed_at is not None, now=now)
        check_stop(self._facts.stops, request.wish.stop_id)
        check_room(self.trip, request.wish.people)
        check_line(request.wish.people, room=self.trip.room, kept=self._facts.kept_for_line)
        self._check_card(card, request.wish.people)
        price_minor = price_for(self.trip, request.wish.legs, self.trip.secured)
        if price_minor is None:
            raise Invalid.field("legs", "This trip is sold there and back only; send both legs.", code="round_trip_only")
        self._check_address(request.email_normalised)
        new = self._new_pledge(request, card, price_minor)
        self._count(new, card)
        return new

    def _card_for(self, request: PledgeRequest) -> SavedCard | None:
        """The account's card when the wish is to use it."""
        if request.wish.payment_method is None:
            return None
        card = self._facts.cards.get(request.account_id) if request.account_id else None
        if card is None:
            raise Invalid.field(
                "payment_method", "There is no saved card on your account; leave this out and save one on the next page.",
                code="no_saved_card",
            )  # fmt: skip
        return card

    def _check_card(self, card: SavedCard | None, people: int) -> None:
        if card is None or card.card_fingerprint is None:
            return
        if self._on_card.get(card.card_fingerprint, 0) + people > MAX_PEOPLE_PER_CARD:
            raise Conflict(
                f"One card carries at most {MAX_PEOPLE_PER_CARD} people of a trip. Leave payment_method out and save another card.",
                code="card_limit",
            )

    def _check_address(self, email_normalised: str) -> None:
        if email_normalised in self._addresses:
            raise Conflict(
                "This e-mail address has a pledge on this trip already. Change or withdraw that one through the link we mailed.",
                code="already_pledged",
            )

    def _new_pledge(self, request: PledgeRequest, card: SavedCard | None, price_minor: int) -> NewPledge:
        wish, trip, now = request.wish, self.trip, self._facts.now
        return NewPledge(
            id=request.pledge_id, public_code=public_code(), trip_id=trip.id, event_id=trip.event_id, stop_id=wish.stop_id,
            account_id=request.account_id, name=wish.name.strip(), email=wish.email.strip(), email_normalised=request.email_normalised,
            phone=wish.phone.strip(), needs=wish.needs.strip(), locale=wish.locale, seats=wish.seats, wheelchairs=wish.wheelchairs,
            legs=wish.legs, price_minor=price_minor, currency=self._facts.event.currency, terms_shown_at=now,
            state=self._state_at_birth(card), manage_token_hash=request.manage_token_hash,
            hold_expires_at=now + HOLD if card is None else None, partner_key_id=request.partner_key_id, card=card,
        )  # fmt: skip

    def _state_at_birth(self, card: SavedCard | None) -> PledgeState:
        if card is None:
            return PledgeState.PENDING_CARD
        return PledgeState.CONFIRMED if self.trip.state is TripState.CONFIRMED else PledgeState.ACTIVE

    def _count(self, new: NewPledge, card: SavedCard | None) -> None:
        """Adds a pledge to the counters and decides whether it tips the trip, exactly where it stands in the order of arrival."""
        self._addresses.add(new.email_normalised)
        if card is None:
            self.trip = msgspec.structs.replace(self.trip, held=self.trip.held + new.people)
            return
        if card.card_fingerprint is not None:
            self._on_card[card.card_fingerprint] = self._on_card.get(card.card_fingerprint, 0) + new.people
        self.trip = msgspec.structs.replace(self.trip, secured=self.trip.secured + new.people)
        if tips(self.trip, self._facts.now):
            self.trip = msgspec.structs.replace(self.trip, state=TripState.CONFIRMED)
            self.tipped_by = new.id

"""A pledge's story in plain words and dates: what happened, what comes next, what it costs."""

import msgspec

from app.domain.events.model import Event
from app.domain.payments.model import Payment, PaymentState, Refund, RefundState
from app.domain.pledges.model import Pledge, PledgeState
from app.domain.trips.model import PROMISED, Trip, TripState
from app.web.formats import money, stamp

P, T, C = PledgeState, TripState, PaymentState


class Chapter(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the timeline macro."""

    title: str
    meta: str
    text: str
    tone: str
    state: str


class Headline(msgspec.Struct, frozen=True, kw_only=True):
    """What matters now, in one sentence, and how it feels."""

    title: str
    text: str
    tone: str


def headline(pledge: Pledge, trip: Trip, charges: list[Payment]) -> Headline:
    """The one thing the rider wants to know first."""
    amount = money(pledge.amount_minor, pledge.currency)
    by = stamp(trip.deadline_at, trip.zone)
    promised = trip.state in PROMISED
    held = stamp(pledge.hold_expires_at, trip.zone) if pledge.hold_expires_at else "now"
    if pledge.state is P.PENDING_CARD and pledge.payment_method_ref is not None:  # held for review (app/flows/hold_for_review.py)
        text = "Many pledges came in from one network at once. Your seats are held, nothing is charged meanwhile, and we mail you."
        return Headline(title="Your card is saved, and we are having a quick look", text=text, tone="wait")
    waiting = next((c for c in charges if c.state in {C.NEEDS_ACTION, C.RETRYABLE}), None)
    if waiting is not None and pledge.state in {P.CONFIRMED, P.PAID}:
        until = stamp(waiting.collect_until, trip.zone)
        if waiting.state is C.NEEDS_ACTION:
            return Headline(
                title="Your bank wants your approval", text=f"One tap, and your seats are paid. They stay yours until {until}.", tone="wait"
            )
        again = f"We try again on {stamp(waiting.next_attempt_at, trip.zone)}; you" if waiting.next_attempt_at else "You"
        text = f"{again} can use another card or try this one again now. Your seats stay yours until {until}."
        return Headline(title="Your card did not work", text=text, tone="bad")
    told = {
        P.PENDING_CARD: (
            "One step left: save your card",
            f"Your seats are held until {held}. "
            + (
                f"The trip is confirmed: {amount} are charged at once."
                if promised
                else f"You pay {amount} only if it is confirmed by {by}."
            ),
            "wait",
        ),
        P.ACTIVE: ("Your seats count", f"You pay {amount} only if the trip is confirmed by {by}. Otherwise nothing.", "good"),
        P.CONFIRMED: ("It runs! Your card is being charged", f"{amount}, once. This takes a moment.", "good"),
        P.PAID: ("It runs, and you are on it", f"{amount} paid with {pledge.card_label}.", "good"),
        P.TRAVELLED: ("Thank you for riding along", "", "good"),
        P.NO_SHOW: ("We missed you", "You were not checked in on this trip.", "info"),
        P.LAPSED: (
            "Your held seats went back on sale",
            "No card was saved within 15 minutes. Nothing was charged. Save a card now and you are back in if seats remain.",
            "void",
        ),
        P.REFUSED: (
            "Your pledge was not counted",
            "Its card stands for too many people on this trip, or it looked made up. Nothing was charged, and the card is forgotten.",
            "bad",
        ),
        P.WITHDRAWN: ("You withdrew", "Your card is forgotten, and a charge not made yet is not made any more.", "void"),
        P.RELEASED: ("This trip does not run", "Nothing was charged and your card is forgotten.", "void"),
        P.DROPPED: ("Your seats were given up", "Your card could not be charged in time. Nothing was charged.", "bad"),
        P.REFUNDED: ("You are off this trip", "What comes back is on its way to the card that paid.", "info"),
    }[pledge.state]
    return Headline(title=told[0], text=told[1], tone=told[2])


def price_note(pledge: Pledge, refunds: list[Refund]) -> str:
    """What the amount on the ticket means by now."""
    back = sum(one.amount_minor for one in refunds if one.state is not RefundState.FAILED or one.elsewhere_at is not None)
    if pledge.state is P.REFUNDED:
        return f"{money(back, pledge.currency)} of it given back"
    if pledge.state in {P.PAID, P.TRAVELLED, P.NO_SHOW}:
        return f"paid, {money(back, pledge.currency)} of it came back" if back else "paid"
    return "at most" if pledge.state in {P.PENDING_CARD, P.ACTIVE, P.CONFIRMED} else "not charged"


def story(pledge: Pledge, trip: Trip, event: Event) -> list[Chapter]:
    """The pledge's past and, as long as it lives, what comes next."""
    chapters = [done("You pledged", stamp(pledge.created_at, trip.zone), f"{pledge.people} from {trip.origin}")]
    if trip.state in PROMISED:
        chapters.append(done("The trip was confirmed", "", f"At least {trip.minimum} people are going."))
    if pledge.state in {P.PENDING_CARD, P.ACTIVE} and trip.state is T.OPEN:
        chapters.append(
            ahead("Go or no-go", stamp(trip.deadline_at, trip.zone), f"The trip is confirmed the moment {trip.minimum} people are in.")
        )
    if pledge.state in {P.ACTIVE, P.CONFIRMED, P.PAID} and event.booking_closed_at is None:
        chapters.append(
            ahead("Booking closes", stamp(event.booking_closes_at, trip.zone), "Until then you may change your stop, seats or card.")
        )
    if pledge.state in {P.CONFIRMED, P.PAID} and trip.state is T.CONFIRMED:
        chapters.append(ahead("Buses and times", "", "You get your departure time and boarding pass by mail."))
    return chapters


def done(title: str, meta: str, text: str) -> Chapter:
    """Something that happened."""
    return Chapter(title=title, meta=meta, text=text, tone="good", state="done")


def ahead(title: str, meta: str, text: str) -> Chapter:
    """Something to come."""
    return Chapter(title=title, meta=meta, text=text, tone="", state="ahead")

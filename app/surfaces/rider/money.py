"""What riders see of their money: each charge, each try, each refund, in plain words with its date, and what comes next."""

from collections.abc import Iterator
from datetime import date, datetime

import msgspec

from app.core.database import Connection
from app.domain.events.model import Event
from app.domain.payments import attempt_store as attempts
from app.domain.payments import receipt_store as receipts
from app.domain.payments.attempt_store import Attempt
from app.domain.payments.dates import refund_arrival
from app.domain.payments.model import Payment, PaymentState, Refund, RefundReason, RefundState
from app.domain.pledges import card_store as cards
from app.domain.pledges.card_store import SetAsideCard, SetAsideReason
from app.domain.pledges.model import MAX_PEOPLE_PER_CARD, Pledge, PledgeState
from app.domain.pledges.transfer_store import last_passed_on
from app.domain.trips.model import Trip, price_for
from app.surfaces.rider.story import Chapter, ahead, done
from app.web.formats import money, stamp

P, C, R = PledgeState, PaymentState, RefundState
WAITS = frozenset({C.NEEDS_ACTION, C.RETRYABLE})
UNDER_WAY = frozenset({C.DUE, C.SUBMITTING, C.UNKNOWN})
FAILED_TRIES = frozenset({"needs_action", "retryable"})
WHY_DECLINED = {
    "insufficient_funds": "There was not enough money on it.",
    "expired_card": "It has expired.",
    "lost_card": "Its bank does not accept it any more.",
    "stolen_card": "Its bank does not accept it any more.",
}
WHY_BACK = {
    RefundReason.CREDIT_BACK: "More people came along, so the price fell for everyone. This is the difference to what you paid.",
    RefundReason.LADDER: "The share that comes back for the seats you gave up.",
    RefundReason.CANCELLATION: "Your trip was cancelled.",
    RefundReason.UNSEATED: "We could not find a seat for you. We are sorry.",
    RefundReason.FREE_EXIT: "You left free of charge after a change of ours.",
}


class MoneyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on record about a pledge's money; `counted_at`: when its card was saved, `passed_on_at`: when it last changed hands."""

    charges: list[Payment]
    refunds: list[Refund]
    tries: list[Attempt]
    set_aside: list[SetAsideCard]
    passed_on_at: datetime | None
    counted_at: datetime | None
    receipt_code: str


class MoneyStory(msgspec.Struct, frozen=True, kw_only=True):
    """The rider's money as chapters; `waiting` is a charge that wants the rider: `bank` to approve it, `card` for another one."""

    chapters: list[Chapter]
    waiting: str
    waiting_amount: str
    receipt_code: str


async def read_money(conn: Connection, pledge: Pledge, charges: list[Payment], refunds: list[Refund]) -> MoneyRecord:
    """What is on record about a pledge's money."""
    receipt = await receipts.find_receipt(conn, pledge.id)
    passed_on = await last_passed_on(conn, pledge.id)
    return MoneyRecord(
        charges=charges,
        refunds=refunds,
        tries=await attempts.list_attempts(conn, [charge.id for charge in charges]),
        set_aside=[without_digits(card, passed_on) for card in await cards.list_set_aside(conn, pledge.id)],
        passed_on_at=passed_on[0] if passed_on else None,
        counted_at=await cards.read_counted_at(conn, pledge.id),
        receipt_code=receipt.code if receipt else "",
    )


def without_digits(card: SetAsideCard, passed_on: tuple[datetime, str] | None) -> SetAsideCard:
    """A card of whoever had the seats before: whose it was, not which."""
    if passed_on is None or card.set_aside_at > passed_on[0]:
        return card
    return msgspec.structs.replace(card, card_label=f"card of {passed_on[1]}")


def card_label(pledge: Pledge, record: MoneyRecord, charge: Payment) -> str:
    """The card a charge is on: the pledge's, or one it has parted with since."""
    gone = {card.payment_method_ref: card.card_label for card in record.set_aside}
    return gone.get(charge.payment_method_ref, pledge.card_label)


def tell_money(pledge: Pledge, trip: Trip, event: Event, record: MoneyRecord) -> MoneyStory:
    """The story: what happened by date, then what comes."""
    past = sorted(
        [*card_past(pledge, trip, record), *charge_past(pledge, trip, record), *refund_past(trip, record)], key=lambda one: one[0]
    )
    waiting = next((charge for charge in record.charges if charge.state in WAITS), None) if pledge.state in {P.CONFIRMED, P.PAID} else None
    return MoneyStory(
        chapters=[*(chapter for _, chapter in past), *coming(pledge, trip, event, record)],
        waiting="" if waiting is None else "bank" if waiting.state is C.NEEDS_ACTION else "card",
        waiting_amount=money(waiting.amount_minor, waiting.currency) if waiting else "",
        receipt_code=record.receipt_code,
    )


Dated = Iterator[tuple[datetime, Chapter]]


def card_past(pledge: Pledge, trip: Trip, record: MoneyRecord) -> Dated:
    """Which cards were saved, replaced or not taken."""
    own = [card for card in record.set_aside if record.passed_on_at is None or card.set_aside_at > record.passed_on_at]
    replaced = [card for card in own if card.reason is SetAsideReason.REPLACED]
    labels = [*(card.card_label for card in replaced), pledge.card_label]
    if record.counted_at is not None and labels[0]:
        yield record.counted_at, done(f"{labels[0]} saved", stamp(record.counted_at, trip.zone), "Saving it charged nothing.")
    for card, instead in zip(replaced, labels[1:], strict=True):
        at = stamp(card.set_aside_at, trip.zone)
        yield card.set_aside_at, done(f"{instead} instead of {card.card_label}", at, "The old card is not used any more.")
    for card in own:
        if card.reason is SetAsideReason.CARD_LIMIT:
            text = f"{MAX_PEOPLE_PER_CARD} people of a trip is the most that one card may stand for. Your card stays {pledge.card_label}."
            chapter = Chapter(
                title=f"{card.card_label} was not taken", meta=stamp(card.set_aside_at, trip.zone), text=text, tone="bad", state="done"
            )
            yield card.set_aside_at, chapter


def charge_past(pledge: Pledge, trip: Trip, record: MoneyRecord) -> Dated:
    """Tries that failed, and what became of each charge."""
    for charge in record.charges:
        amount, card = money(charge.amount_minor, charge.currency), card_label(pledge, record, charge)
        for attempt in record.tries:
            if attempt.payment_id == charge.id and attempt.outcome in FAILED_TRIES:
                yield attempt.finished_at, failed_try(charge, attempt, trip.zone, amount)
        if charge.settled_at is None:
            continue
        settled = stamp(charge.settled_at, trip.zone)
        if charge.state in {C.VOID, C.ABANDONED}:
            yield charge.settled_at, done(f"{amount} was not charged", settled, "And it will not be.")
        else:
            yield charge.settled_at, done(f"{amount} charged to {card}", settled, f"Tax included. Receipt {record.receipt_code}.")
        if charge.state in {C.DISPUTED, C.WON, C.LOST}:
            yield charge.settled_at, done(f"{amount} is contested at your bank", "", "Your bank decides about it.")


def failed_try(charge: Payment, attempt: Attempt, zone: str, amount: str) -> Chapter:
    """A try that did not go through."""
    if attempt.outcome == "needs_action":
        title, text = f"Your bank asked for your approval of {amount}", "Nothing is charged until you give it."
    else:
        why = (
            WHY_DECLINED.get(charge.decline_code, "Your bank declined it.")
            if attempt.number == charge.attempts
            else "Your bank declined it."
        )
        title, text = f"The card did not take {amount}", f"{why} Nothing was charged."
    return Chapter(title=title, meta=stamp(attempt.finished_at, zone), text=text, tone="wait", state="done")


def refund_past(trip: Trip, record: MoneyRecord) -> Dated:
    """What went back, and when it arrives."""
    for refund in record.refunds:
        amount = money(refund.amount_minor, refund.currency)
        if refund.state is R.SUCCEEDED and refund.settled_at is not None:
            first, last = refund_arrival(refund.settled_at, trip.zone)
            text = f"{why_back(refund)} Your bank shows it between {plain_day(first)} and {plain_day(last)}."
            yield refund.settled_at, done(f"{amount} refunded", stamp(refund.settled_at, trip.zone), text)
        elif refund.elsewhere_at is not None:
            by_bank = "Your bank gave it back to you when you disputed the charge." if refund.held_by else "Not to the card: see our mail."
            yield refund.elsewhere_at, done(f"{amount} given back another way", stamp(refund.elsewhere_at, trip.zone), by_bank)
        elif refund.state is R.FAILED:
            at = refund.settled_at or refund.created_at
            text = "The card may have been closed. The money is yours: we look into it and send it again."
            yield at, Chapter(title=f"{amount} came back from your bank", meta=stamp(at, trip.zone), text=text, tone="bad", state="done")


def why_back(refund: Refund) -> str:
    """Why money goes back, in a sentence."""
    return WHY_BACK.get(RefundReason(refund.reason)) or "" if refund.reason in set(RefundReason) else "Your party became smaller."


def plain_day(day: date) -> str:
    """`Fri 10 May`."""
    return f"{day:%a} {day.day} {day:%b}"


def coming(pledge: Pledge, trip: Trip, event: Event, record: MoneyRecord) -> Iterator[Chapter]:
    """What happens to the money next."""
    if pledge.state is P.ACTIVE:
        amount = money(pledge.amount_minor, pledge.currency)
        yield ahead(
            f"{amount} is charged once the trip is confirmed", "", f"To {pledge.card_label}, once. If it is not confirmed: nothing."
        )
    if pledge.state in {P.CONFIRMED, P.PAID}:
        for charge in record.charges:
            yield from coming_of(pledge, trip, record, charge)
    for refund in record.refunds:
        if refund.held_by is not None and refund.elsewhere_at is None:
            text = "You disputed the charge, so your bank decides about this money. What it leaves with us is refunded by itself."
            yield ahead(f"{money(refund.amount_minor, refund.currency)} waits for your bank", "", text)
        elif refund.state in {R.DUE, R.SUBMITTING, R.UNKNOWN} and refund.elsewhere_at is None:
            text = f"{why_back(refund)} Banks take 5 to 10 working days to show it."
            yield ahead(f"{money(refund.amount_minor, refund.currency)} is on its way back to you", "", text)
    if pledge.state is P.PAID and event.booking_closed_at is None and may_fall(trip, pledge):
        at = stamp(event.booking_closes_at, trip.zone)
        yield ahead(
            "The price may still fall", at, "When booking closes, everyone pays the same price. You get the difference back by itself."
        )


def coming_of(pledge: Pledge, trip: Trip, record: MoneyRecord, charge: Payment) -> Iterator[Chapter]:
    """What happens to one charge next."""
    amount, card = money(charge.amount_minor, charge.currency), card_label(pledge, record, charge)
    if charge.state is C.UNKNOWN:
        yield ahead(f"{amount}: no answer yet", "", "We ask again every minute. You are not charged twice.")
    elif charge.state in UNDER_WAY:
        yield ahead(f"{amount} is being charged to {card}", "", "This takes a moment.")
    elif charge.state in WAITS:
        if charge.next_attempt_at is not None:
            title = "We remind you" if charge.state is C.NEEDS_ACTION else "We try again by ourselves"
            yield ahead(title, stamp(charge.next_attempt_at, trip.zone), "You need not wait for that.")
        lost = "Your seats go back on sale" if charge.purpose == "fare" else "Your change is taken back"
        yield ahead(f"{lost} if {amount} is not paid by then", stamp(charge.collect_until, trip.zone), "")


def may_fall(trip: Trip, pledge: Pledge) -> bool:
    """Whether the trip's best price is below what the rider agreed to."""
    best = price_for(trip, tuple(pledge.legs), trip.cap)
    return best is not None and best < pledge.price_minor

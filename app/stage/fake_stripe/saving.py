"""Saving a card on the hosted page: the session, its setup intent and the payment method that comes of them."""

import msgspec

from app.stage.fake_stripe.cards import MESSAGES, decline, habit_of
from app.stage.fake_stripe.model import Card, Customer, Failure, PaymentMethod, Session, SetupIntent
from app.stage.fake_stripe.refusals import Refusal
from app.stage.fake_stripe.world import World


def refresh(world: World, session: Session) -> Session:
    """The session as of now: an open one past its expiry expires."""
    if session.status == "open" and session.expires_at <= world.clock.now():
        return expire(world, session)
    return session


def expire(world: World, session: Session) -> Session:
    """Close the page for good; its setup intent is cancelled with it."""
    closed = world.books.put(msgspec.structs.replace(session, status="expired"))
    intent = world.need(SetupIntent, session.setup_intent, "setupintent", param="setup_intent")
    if intent.status not in ("succeeded", "canceled"):
        gone = msgspec.structs.replace(intent, status="canceled", cancellation_reason="abandoned", next_action_return_url=None)
        world.announce("setup_intent.canceled", world.books.put(gone))
    world.announce("checkout.session.expired", closed)
    return closed


def enter_card(world: World, session: Session, card: Card, *, name: str | None, email: str | None) -> SetupIntent:
    """A card was typed into the page. Returns the intent `succeeded`, or `requires_action` when the bank asks at once.

    Raises Refusal 402 for a card declined at saving, 400 for a session that is no longer open.
    """
    session = refresh(world, session)
    if session.status != "open":
        raise Refusal(400, "This Checkout Session is no longer open.", code="checkout_session_not_open")
    intent = world.need(SetupIntent, session.setup_intent, "setupintent", param="setup_intent")
    habit = habit_of(card.number)
    if habit.at_save is not None:
        raise _declined(world, intent, *habit.at_save)
    method = world.books.put(
        PaymentMethod(
            id=world.new_id("pm"),
            created=world.clock.now(),
            customer=None,
            card=card,
            name=name,
            email=email,
            metadata={},
        )
    )
    if habit.asks_at_save:
        waiting = msgspec.structs.replace(
            intent,
            status="requires_action",
            payment_method=method.id,
            next_action_return_url=f"{world.terms.public_url}/c/pay/{session.id}",
        )
        world.announce("setup_intent.requires_action", world.books.put(waiting))
        return waiting
    return complete(world, session, intent, method)


def complete(world: World, session: Session, intent: SetupIntent, method: PaymentMethod) -> SetupIntent:
    """Attach the card, succeed the intent, complete the session."""
    attached = world.books.put(msgspec.structs.replace(method, customer=session.customer))
    saved = world.books.put(
        msgspec.structs.replace(intent, status="succeeded", payment_method=attached.id, last_error=None, next_action_return_url=None)
    )
    done = world.books.put(msgspec.structs.replace(session, status="complete"))
    world.announce("payment_method.attached", attached)
    world.announce("setup_intent.succeeded", saved)
    world.announce("checkout.session.completed", done)
    return saved


def give_wallet(world: World, card: Card, *, name: str, email: str) -> PaymentMethod:
    """A customer whose card is saved already, as if the hosted page had been through; announces nothing. Raises Refusal 402 as the page."""
    habit = habit_of(card.number)
    if habit.at_save is not None:
        raise decline(*habit.at_save)
    now = world.clock.now()
    customer = Customer(id=world.new_id("cus"), created=now, email=email, name=name, description=None, metadata={})
    method = PaymentMethod(id=world.new_id("pm"), created=now, customer=customer.id, card=card, name=name, email=email, metadata={})
    world.books.put(customer)
    return world.books.put(method)


def decide(world: World, intent: SetupIntent, *, approved: bool) -> SetupIntent:
    """The bank's customer approved or refused the saving of the card."""
    method = world.books.get(PaymentMethod, intent.payment_method or "")
    sessions = world.books.newest_first(Session, setup_intent=intent.id)
    session = next((one for one in sessions if refresh(world, one).status == "open"), None)
    if intent.status != "requires_action" or method is None or session is None:
        return intent
    if approved:
        return complete(world, session, intent, method)
    code = "setup_intent_authentication_failure"
    return _fail(world, intent, Failure(code=code, decline_code=None, message=MESSAGES[code]))


def _declined(world: World, intent: SetupIntent, code: str, decline_code: str | None) -> Refusal:
    refusal = decline(code, decline_code)
    _fail(world, intent, Failure(code=code, decline_code=decline_code, message=str(refusal)))
    return refusal


def _fail(world: World, intent: SetupIntent, failure: Failure) -> SetupIntent:
    failed = world.books.put(
        msgspec.structs.replace(
            intent,
            status="requires_payment_method",
            payment_method=None,
            last_error=failure,
            next_action_return_url=None,
        )
    )
    world.announce("setup_intent.setup_failed", failed)
    return failed

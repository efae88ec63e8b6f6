"""What a confirmed PaymentIntent does with the card: charge it, be declined, or ask the bank's customer."""

import msgspec

from app.stage.fake_stripe import balance
from app.stage.fake_stripe.cards import MESSAGES, Asks, Habit, habit_of
from app.stage.fake_stripe.model import Charge, Failure, PaymentIntent, PaymentMethod
from app.stage.fake_stripe.refusals import Refusal
from app.stage.fake_stripe.world import World

DISPUTE_AFTER_S = 3
CAPTURED_AFTER_S = 1


def attempt(world: World, intent: PaymentIntent, method: PaymentMethod, *, off_session: bool, return_url: str | None) -> PaymentIntent:
    """Confirm. Returns the intent succeeded or requiring action; raises the 402 of a declined card after writing the failed charge."""
    habit = habit_of(method.card.number)
    if asks_customer(habit, method):
        if off_session:
            raise declined(world, intent, method, "authentication_required", "authentication_required")
        if return_url is None:
            raise Refusal(400, "This card needs approval: pass a `return_url`.", code="parameter_missing", param="return_url")
        waiting = world.books.put(
            msgspec.structs.replace(
                intent,
                status="requires_action",
                payment_method=method.id,
                next_action_return_url=return_url,
                last_error=None,
            )
        )
        world.announce("payment_intent.requires_action", waiting)
        return waiting
    return settle(world, intent, method)


def asks_customer(habit: Habit, method: PaymentMethod) -> bool:
    return habit.asks is Asks.ALWAYS or (habit.asks is Asks.UNTIL_SET_UP and not method.card.set_up)


def settle(world: World, intent: PaymentIntent, method: PaymentMethod) -> PaymentIntent:
    """Take the money, or raise the card's decline."""
    habit = habit_of(method.card.number)
    if habit.at_charge is not None:
        raise declined(world, intent, method, *habit.at_charge)
    if world.chaos.declines():
        raise declined(world, intent, method, "card_declined", "insufficient_funds")
    charge = take(world, intent, method, habit)
    paid = world.books.put(
        msgspec.structs.replace(
            intent,
            status="succeeded",
            payment_method=method.id,
            amount_received=intent.amount,
            latest_charge=charge.id,
            last_error=None,
            next_action_return_url=None,
        )
    )
    world.announce("charge.succeeded", charge)
    world.announce("payment_intent.succeeded", paid)
    return paid


def take(world: World, intent: PaymentIntent, method: PaymentMethod, habit: Habit) -> Charge:
    """The succeeded charge, with its balance movement unless that comes later (asynchronous capture)."""
    charge = new_charge(world, intent, method, status="succeeded", failure=None)
    if habit.dispute_reason is not None:
        world.schedule(charge.id, "dispute", after_s=DISPUTE_AFTER_S)
    if intent.capture_method == "automatic_async":
        world.schedule(charge.id, "capture", after_s=CAPTURED_AFTER_S)
        return charge
    return capture(world, charge, habit)


def capture(world: World, charge: Charge, habit: Habit) -> Charge:
    """The charge's movement on our balance, with its fee."""
    terms = world.terms
    movement = balance.move(
        world,
        type="charge",
        amount=charge.amount,
        fee=-(-charge.amount * terms.fee_bps // 10_000) + terms.fee_fixed_minor,
        currency=charge.currency,
        source=charge.id,
        settle_after_s=0 if habit.available_at_once else terms.settle_after_s,
        description=charge.description,
    )
    return world.books.put(msgspec.structs.replace(charge, balance_transaction=movement.id))


def declined(world: World, intent: PaymentIntent, method: PaymentMethod, code: str, decline_code: str | None) -> Refusal:
    """Write the failed charge and the intent's failure; returns the 402 to raise."""
    text = MESSAGES.get(decline_code or code, MESSAGES["generic_decline"])
    failure = Failure(code=code, decline_code=decline_code, message=text, payment_method=method.id)
    charge = world.books.put(new_charge(world, intent, method, status="failed", failure=failure))
    failed = fail(world, intent, msgspec.structs.replace(failure, charge=charge.id), charge_id=charge.id)
    world.announce("charge.failed", charge)
    world.announce("payment_intent.payment_failed", failed)
    return Refusal(
        402,
        text,
        type="card_error",
        code=code,
        decline_code=decline_code,
        charge=charge.id,
        objects={"payment_intent": intent.id, "payment_method": method.id},
    )


def fail(world: World, intent: PaymentIntent, failure: Failure, *, charge_id: str | None) -> PaymentIntent:
    """The intent wants another payment method; `latest_charge` is the failed one, if one was made."""
    return world.books.put(
        msgspec.structs.replace(
            intent,
            status="requires_payment_method",
            payment_method=None,
            latest_charge=charge_id or intent.latest_charge,
            last_error=failure,
            next_action_return_url=None,
        )
    )


def new_charge(world: World, intent: PaymentIntent, method: PaymentMethod, *, status: str, failure: Failure | None) -> Charge:
    return world.books.put(
        Charge(
            id=world.new_id("ch"),
            created=world.clock.now(),
            amount=intent.amount,
            currency=intent.currency,
            status=status,
            customer=intent.customer,
            payment_intent=intent.id,
            payment_method=method.id,
            description=intent.description,
            metadata=intent.metadata,
            transfer_group=intent.transfer_group,
            failure=failure,
        )
    )


def decide(world: World, intent: PaymentIntent, *, approved: bool) -> PaymentIntent:
    """The bank's customer approved or refused. A decline after approval is told by the intent, nobody is there to get a 402."""
    method = world.books.get(PaymentMethod, intent.payment_method or "")
    if intent.status != "requires_action" or method is None:
        return intent
    if not approved:
        code = "payment_intent_authentication_failure"
        failure = Failure(code=code, decline_code=None, message=MESSAGES[code], payment_method=method.id)
        refused = fail(world, intent, failure, charge_id=None)
        world.announce("payment_intent.payment_failed", refused)
        return refused
    card = msgspec.structs.replace(method.card, set_up=True)
    method = world.books.put(msgspec.structs.replace(method, card=card))
    try:
        return settle(world, intent, method)
    except Refusal:
        return world.books.get(PaymentIntent, intent.id) or intent

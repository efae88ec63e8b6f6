"""The control room under `/_stage`: faults, clock, books, and what a person would do on the hosted pages, for machines."""

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from app.stage.fake_stripe import balance, charging, model, paying_out, refunding, saving
from app.stage.fake_stripe.cards import plain_card
from app.stage.fake_stripe.faults import Rates, SingleFault
from app.stage.fake_stripe.refusals import Refusal
from app.stage.fake_stripe.world import World


class Nothing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An empty body."""


class FaultsWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`rates` replaces those it names; `once` adds single faults; `clear` ends all faults first; `rate_limited` switches the limits."""

    clear: bool = False
    rates: dict[str, Any] = {}
    once: list[SingleFault] = []
    rate_limited: bool | None = None


def set_faults(world: World, wanted: FaultsWanted) -> dict[str, Any]:
    """Raises Refusal 400 for an unknown or impossible rate."""
    chaos = world.chaos
    if wanted.clear:
        chaos.rates, chaos.waiting = Rates(), []
    try:
        chaos.rates = msgspec.convert({**msgspec.structs.asdict(chaos.rates), **wanted.rates}, Rates)
    except (msgspec.ValidationError, ValueError) as fault:
        raise Refusal(400, str(fault)) from None
    chaos.waiting.extend(wanted.once)
    if wanted.rate_limited is not None:
        world.terms = msgspec.structs.replace(world.terms, rate_limited=wanted.rate_limited)
    return show_faults(world)


def show_faults(world: World) -> dict[str, Any]:
    return {
        "rates": world.chaos.rates,
        "once": world.chaos.waiting,
        "struck": world.chaos.struck,
        "rate_limited": world.terms.rate_limited,
    }


class ClockWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Exactly one of: `advance_s` from where it stands, `offset_s` from this machine's clock, `now` as unix seconds or ISO 8601."""

    advance_s: float | None = None
    offset_s: float | None = None
    now: float | datetime | None = None


def set_clock(world: World, wanted: ClockWanted) -> dict[str, Any]:
    clock = world.clock
    given = [value for value in (wanted.advance_s, wanted.offset_s, wanted.now) if value is not None]
    if len(given) != 1:
        raise Refusal(400, "Give exactly one of advance_s, offset_s, now.")
    offset_s = wanted.offset_s if wanted.offset_s is not None else clock.offset_s + (wanted.advance_s or 0.0)
    if wanted.now is not None:
        now_s = wanted.now.timestamp() if isinstance(wanted.now, datetime) else wanted.now
        offset_s = now_s - (clock.now_s() - clock.offset_s)
    clock.move_to_offset(offset_s)
    return show_clock(world)


def show_clock(world: World) -> dict[str, Any]:
    now_s = world.clock.now_s()
    return {"now": now_s, "iso": datetime.fromtimestamp(now_s, UTC), "offset_s": world.clock.offset_s}


class CardWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A card for the hosted page. `fingerprint_seed` makes the same number another card; `approve` answers a bank that asks at saving."""

    card: str
    fingerprint_seed: str = ""
    name: str | None = None
    approve: bool = True


def complete_session(world: World, session_id: str, wanted: CardWanted) -> dict[str, Any]:
    """What a person does on the page: the session's outcome. A declined card is an outcome, with the error as the API words it."""
    session = saving.refresh(world, world.need(model.Session, session_id, "checkout.session", param="session", in_path=True))
    error: dict[str, Any] | None = None
    try:
        card = plain_card(wanted.card, world.clock.now_s(), wanted.fingerprint_seed)
        intent = saving.enter_card(world, session, card, name=wanted.name, email=session.customer_email)
        if intent.status == "requires_action":
            saving.decide(world, intent, approved=wanted.approve)
    except Refusal as refusal:
        if refusal.status != 402:  # noqa: PLR2004 - HTTP
            raise
        error = refusal.error
    intent = world.need(model.SetupIntent, session.setup_intent, "setupintent", param="setup_intent")
    closed = world.need(model.Session, session_id, "checkout.session", param="session")
    return {
        "session": closed.id,
        "status": closed.status,
        "setup_status": intent.status,
        "payment_method": intent.payment_method,
        "error": error,
        "redirect_url": closed.success_url.replace("{CHECKOUT_SESSION_ID}", closed.id) if closed.status == "complete" else None,
    }


class WalletWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A customer with a saved card; `fingerprint_seed` as in CardWanted."""

    card: str
    fingerprint_seed: str = ""
    name: str = ""
    email: str = ""


class WalletsWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    wallets: list[WalletWanted]


def give_wallets(world: World, wanted: WalletsWanted) -> dict[str, Any]:
    """Customers with saved cards for a crowd, in the order asked for; no page is shown and no event announced."""
    now_s = world.clock.now_s()
    given = [
        saving.give_wallet(world, plain_card(one.card, now_s, one.fingerprint_seed), name=one.name, email=one.email)
        for one in wanted.wallets
    ]
    return {
        "wallets": [
            {"customer": one.customer, "payment_method": one.id, "fingerprint": one.card.fingerprint, "last4": one.card.last4}
            for one in given
        ]
    }


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    approve: bool


def decide_intent(world: World, intent_id: str, wanted: Decision) -> dict[str, Any]:
    """The bank's customer taps approve or refuse, for a payment or a setup intent."""
    if intent_id.startswith("seti_"):
        setup = world.need(model.SetupIntent, intent_id, "setupintent", param="intent", in_path=True)
        return world.renderer.show(saving.decide(world, setup, approved=wanted.approve))
    payment = world.need(model.PaymentIntent, intent_id, "payment_intent", param="intent", in_path=True)
    return world.renderer.show(charging.decide(world, payment, approved=wanted.approve))


class DisputeWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    charge: str
    reason: Literal["fraudulent", "product_not_received", "duplicate", "credit_not_processed", "general"] = "fraudulent"


def open_dispute(world: World, wanted: DisputeWanted) -> dict[str, Any]:
    charge = world.need(model.Charge, wanted.charge, "charge", param="charge")
    return world.renderer.show(refunding.open_dispute(world, charge, reason=wanted.reason))


class Verdict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    won: bool


def close_dispute(world: World, dispute_id: str, wanted: Verdict) -> dict[str, Any]:
    row = world.need(model.Dispute, dispute_id, "dispute", param="dispute", in_path=True)
    return world.renderer.show(refunding.close_dispute(world, row, won=wanted.won))


def enable_account(world: World, account_id: str) -> dict[str, Any]:
    row = world.need(model.Account, account_id, "account", param="account", in_path=True)
    return world.renderer.show(paying_out.enable(world, row))


class TopUp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Money of our own that we bring to our balance, minor units; available at once."""

    amount: int
    currency: str


def top_up(world: World, wanted: TopUp) -> dict[str, Any]:
    made = balance.move(world, type="topup", amount=wanted.amount, currency=wanted.currency.lower(), source="")
    return world.renderer.show(made)


class Tampering(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Falsify our balance for a reconciliation to find: `drift` changes movement `ref` by `amount`, `double` repeats it, `hide` drops it.

    `stray` adds one nobody knows of.
    """

    kind: Literal["drift", "double", "hide", "stray"]
    ref: str | None = None
    amount: int = 1
    currency: str = "eur"


def tamper(world: World, wanted: Tampering) -> dict[str, Any]:
    if wanted.kind == "stray":
        made = balance.move(world, type="adjustment", amount=wanted.amount, currency=wanted.currency, source="", description="stray")
        return world.renderer.show(made)
    row = world.need(model.BalanceTransaction, wanted.ref or "", "balance transaction", param="ref")
    if wanted.kind == "double":
        return world.renderer.show(world.books.put(msgspec.structs.replace(row, id=world.new_id("txn"))))
    changes: dict[str, Any] = {"amount": row.amount + wanted.amount} if wanted.kind == "drift" else {"account": "hidden"}
    return world.renderer.show(world.books.put(msgspec.structs.replace(row, **changes)))


def show_balance(world: World) -> dict[str, Any]:
    """The balance by currency alone, for a crowd whose books would be too long a letter; minor units."""
    return {
        "balance": {
            currency: {"available": available, "pending": pending}
            for currency, (available, pending) in sorted(balance.totals(world, None).items())
        }
    }


def show_books(world: World) -> dict[str, Any]:
    """Everything that is money, oldest first, in minor units."""

    def rows(kind: type[Any]) -> list[Any]:
        return list(world.books.newest_first(kind))[::-1]

    mine = [row for row in rows(model.BalanceTransaction) if row.account is None]
    return {
        "clock": show_clock(world),
        **show_balance(world),
        "payment_intents": rows(model.PaymentIntent),
        "charges": rows(model.Charge),
        "refunds": rows(model.Refund),
        "disputes": rows(model.Dispute),
        "transfers": rows(model.Transfer),
        "reversals": rows(model.Reversal),
        "accounts": rows(model.Account),
        "balance_transactions": mine,
        "counts": {kind.__name__: world.books.count(kind) for kind in (model.Customer, model.Session, model.PaymentMethod, model.Event)},
        "struck": world.chaos.struck,
    }

"""Customers, Checkout sessions in setup mode, setup intents, payment methods."""

# ruff: noqa: RUF012 - msgspec copies empty defaults for each instance

from typing import Literal

import msgspec

from app.stage.fake_stripe import saving
from app.stage.fake_stripe.call import Call, ListParams, Page, Params, checked_metadata, refuse_method_types
from app.stage.fake_stripe.model import Customer, PaymentMethod, Session, SetupIntent
from app.stage.fake_stripe.refusals import Refusal

SHORTEST_SESSION_S = 30 * 60
LONGEST_SESSION_S = 24 * 3600


class NewCustomer(Params, frozen=True, kw_only=True, forbid_unknown_fields=True):
    email: str | None = None
    name: str | None = None
    description: str | None = None
    metadata: dict[str, str] = {}


def create_customer(call: Call, params: NewCustomer) -> Customer:
    world = call.world
    row = Customer(
        id=world.new_id("cus", 14),
        created=world.clock.now(),
        email=params.email,
        name=params.name,
        description=params.description,
        metadata=checked_metadata(params.metadata),
    )
    world.books.put(row)
    world.announce("customer.created", row)
    return row


def fetch_customer(call: Call, _params: Params) -> Customer:
    return call.named(Customer, "customer", "customer")


def delete_customer(call: Call, _params: Params) -> Customer:
    """Gone for good: its cards are detached with it."""
    world, row = call.world, call.named(Customer, "customer", "customer")
    for method in list(world.books.newest_first(PaymentMethod, customer=row.id)):
        world.books.put(msgspec.structs.replace(method, customer=None))
    gone = world.books.put(msgspec.structs.replace(row, deleted=True, email=None, name=None, metadata={}))
    world.announce("customer.deleted", gone)
    return gone


class CustomerList(ListParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    email: str | None = None


def list_customers(call: Call, params: CustomerList) -> Page:
    return call.page(Customer, params, keep=lambda row: not row.deleted and params.email in (None, row.email))


class SetupIntentData(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    description: str | None = None
    metadata: dict[str, str] = {}
    on_behalf_of: str | None = None


class NewSession(Params, frozen=True, kw_only=True, forbid_unknown_fields=True):
    success_url: str
    mode: Literal["setup"]
    cancel_url: str | None = None
    client_reference_id: str | None = None
    currency: str | None = None
    customer: str | None = None
    customer_email: str | None = None
    expires_at: int | None = None
    locale: str | None = None
    metadata: dict[str, str] = {}
    allowed_payment_method_types: list[Literal["card"]] = []
    payment_method_types: list[str] = []
    setup_intent_data: SetupIntentData = SetupIntentData()


def create_session(call: Call, params: NewSession) -> Session:
    """A hosted card page with its setup intent. It stays open for 30 minutes to 24 hours."""
    world, now = call.world, call.world.clock.now()
    expires_at = params.expires_at or now + LONGEST_SESSION_S
    _require_expiry(expires_at - now)
    refuse_method_types(params.payment_method_types)
    if not params.allowed_payment_method_types and params.currency is None:
        text = "You must provide `currency` unless `allowed_payment_method_types` is given."
        raise Refusal(400, text, code="parameter_missing", param="currency")
    email = params.customer_email
    if params.customer is not None:
        email = world.need(Customer, params.customer, "customer", param="customer").email
    intent = SetupIntent(
        id=world.new_id("seti"),
        created=now,
        customer=params.customer,
        status="requires_payment_method",
        usage="off_session",
        payment_method=None,
        description=params.setup_intent_data.description,
        metadata=checked_metadata(params.setup_intent_data.metadata),
    )
    row = Session(
        id=world.new_id("cs_test", 58),
        created=now,
        expires_at=expires_at,
        status="open",
        customer=params.customer,
        customer_email=email,
        setup_intent=intent.id,
        success_url=params.success_url,
        cancel_url=params.cancel_url,
        client_reference_id=params.client_reference_id,
        currency=params.currency,
        locale=params.locale,
        metadata=checked_metadata(params.metadata),
    )
    world.books.put(intent)
    world.announce("setup_intent.created", intent)
    world.books.put(row)
    world.schedule(row.id, "expire_session", after_s=expires_at - now)
    return row


def _require_expiry(in_s: int) -> None:
    if in_s < SHORTEST_SESSION_S:
        raise Refusal(400, "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.", param="expires_at")
    if in_s > LONGEST_SESSION_S:
        raise Refusal(400, "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.", param="expires_at")


def fetch_session(call: Call, _params: Params) -> Session:
    return saving.refresh(call.world, call.named(Session, "checkout.session", "session"))


def expire_session(call: Call, _params: Params) -> Session:
    row = saving.refresh(call.world, call.named(Session, "checkout.session", "session"))
    if row.status != "open":
        raise Refusal(400, f'Only Checkout Sessions with a status in ["open"] can be expired. This one is `{row.status}`.')
    return saving.expire(call.world, row)


class SessionList(ListParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    customer: str | None = None
    setup_intent: str | None = None
    status: Literal["open", "complete", "expired"] | None = None


def list_sessions(call: Call, params: SessionList) -> Page:
    return call.page(
        Session, params, keep=lambda row: params.status in (None, row.status), customer=params.customer, setup_intent=params.setup_intent
    )


def fetch_setup_intent(call: Call, _params: Params) -> SetupIntent:
    return call.named(SetupIntent, "setupintent", "intent")


class SetupIntentList(ListParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    customer: str | None = None
    payment_method: str | None = None


def list_setup_intents(call: Call, params: SetupIntentList) -> Page:
    return call.page(SetupIntent, params, customer=params.customer, payment_method=params.payment_method)


def fetch_payment_method(call: Call, _params: Params) -> PaymentMethod:
    return call.named(PaymentMethod, "PaymentMethod", "payment_method")


class PaymentMethodList(ListParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    customer: str | None = None
    type: Literal["card"] | None = None


def list_payment_methods(call: Call, params: PaymentMethodList) -> Page:
    return call.page(PaymentMethod, params, customer=params.customer)


def detach_payment_method(call: Call, _params: Params) -> PaymentMethod:
    world, row = call.world, call.named(PaymentMethod, "PaymentMethod", "payment_method")
    if row.customer is None:
        raise Refusal(
            400,
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            code="payment_method_not_attached",
            param="payment_method",
        )
    bare = world.books.put(msgspec.structs.replace(row, customer=None))
    world.announce("payment_method.detached", bare)
    return bare

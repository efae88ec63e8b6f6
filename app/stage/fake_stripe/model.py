"""What the fake remembers, one Struct per Stripe resource, in the provider's own words. Times are unix seconds of the fake's clock."""

import msgspec

Metadata = dict[str, str]


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """`number` decides how the card behaves (see cards.py); `set_up` once its holder approved an off-session agreement."""

    number: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    fingerprint: str
    set_up: bool = False


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why the last attempt failed, as in `last_payment_error` and `last_setup_error`."""

    code: str
    decline_code: str | None
    message: str
    charge: str | None = None
    payment_method: str | None = None


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    created: int
    email: str | None
    name: str | None
    description: str | None
    metadata: Metadata
    deleted: bool = False


class PaymentMethod(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    created: int
    customer: str | None
    card: Card
    name: str | None
    email: str | None
    metadata: Metadata


class SetupIntent(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    created: int
    customer: str | None
    status: str
    usage: str
    payment_method: str | None
    description: str | None
    metadata: Metadata
    cancellation_reason: str | None = None
    last_error: Failure | None = None
    next_action_return_url: str | None = None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    created: int
    expires_at: int
    status: str
    customer: str | None
    customer_email: str | None
    setup_intent: str
    success_url: str
    cancel_url: str | None
    client_reference_id: str | None
    currency: str | None
    locale: str | None
    metadata: Metadata


class PaymentIntent(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    created: int
    amount: int
    currency: str
    customer: str | None
    payment_method: str | None
    status: str
    description: str | None
    metadata: Metadata
    receipt_email: str | None
    transfer_group: str | None
    statement_descriptor_suffix: str | None
    capture_method: str = "automatic_async"
    setup_future_usage: str | None = None
    amount_received: int = 0
    latest_charge: str | None = None
    last_error: Failure | None = None
    next_action_return_url: str | None = None
    canceled_at: int | None = None
    cancellation_reason: str | None = None


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    created: int
    amount: int
    currency: str
    status: str
    customer: str | None
    payment_intent: str
    payment_method: str
    description: str | None
    metadata: Metadata
    transfer_group: str | None
    amount_refunded: int = 0
    balance_transaction: str | None = None
    failure: Failure | None = None
    dispute: str | None = None


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    created: int
    amount: int
    currency: str
    charge: str
    payment_intent: str
    status: str
    reason: str | None
    metadata: Metadata
    balance_transaction: str | None = None
    failure_balance_transaction: str | None = None
    failure_reason: str | None = None


class Dispute(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    created: int
    amount: int
    currency: str
    charge: str
    payment_intent: str
    reason: str
    status: str
    due_by: int
    evidence: dict[str, str]
    submission_count: int
    metadata: Metadata
    balance_transactions: tuple[str, ...]


class BalanceTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """`account` is None for our own balance, else the connected account whose balance moved."""

    id: str
    created: int
    available_on: int
    amount: int
    fee: int
    currency: str
    type: str
    source: str | None
    description: str | None
    account: str | None = None


class Account(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    created: int
    type: str
    country: str
    email: str | None
    business_type: str | None
    default_currency: str
    capabilities: tuple[str, ...]
    enabled: bool
    metadata: Metadata


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    created: int
    amount: int
    amount_reversed: int
    currency: str
    destination: str
    description: str | None
    source_transaction: str | None
    transfer_group: str | None
    balance_transaction: str
    destination_payment: str
    metadata: Metadata


class Reversal(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    created: int
    amount: int
    currency: str
    transfer: str
    balance_transaction: str
    metadata: Metadata


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """`body` is the event as sent, with its snapshot of the object."""

    id: str
    created: int
    type: str
    object_id: str
    body: msgspec.Raw


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """An event (`id`) wanted by the webhook endpoint; `done` once that took it, or it was dropped or given up."""

    id: str
    done: bool


class StoredReply(msgspec.Struct, frozen=True, kw_only=True):
    """What an Idempotency-Key answered, replayed until it is pruned. `id` is the key."""

    id: str
    created: int
    endpoint: str
    digest: str
    status: int
    body: msgspec.Raw


class ClockOffset(msgspec.Struct, frozen=True, kw_only=True):
    """How far the fake's clock stands from this machine's. One row, id `clock`."""

    id: str
    offset_s: float


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """Something the fake does by itself at `at`: `act` happens to `object_id`."""

    id: str
    object_id: str
    at: int
    act: str
    done: bool = False


Resource = (
    Customer
    | PaymentMethod
    | SetupIntent
    | Session
    | PaymentIntent
    | Charge
    | Refund
    | Dispute
    | BalanceTransaction
    | Account
    | Transfer
    | Reversal
)
Record = Resource | Event | Delivery | StoredReply | ClockOffset | Due

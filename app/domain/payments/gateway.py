"""What payments asks of the card world: one protocol, its Structs and its errors.

Amounts are integer minor units with a lower-case ISO 4217 currency. A `*_ref` is the provider's own opaque id (`cus_`, `pm_`, `pi_` ...);
a `*_id` is ours. Every call may raise `GatewayError`; what each kind says about the outcome is written on the kind itself.
"""

from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

import msgspec

SessionStatus = Literal["open", "complete", "expired"]
IntentStatus = Literal["requires_confirmation", "requires_action", "requires_payment_method", "processing", "succeeded", "canceled"]
RefundStatus = Literal["pending", "requires_action", "succeeded", "failed", "canceled"]
DisputeStatus = Literal["open", "under_review", "won", "lost"]


class SetupSession(msgspec.Struct, frozen=True, kw_only=True):
    """A hosted card page just opened. `url` is where the rider goes (top-level redirect)."""

    id: str
    url: str
    customer_ref: str
    setup_intent_ref: str | None


class SetupOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a card page. Card fields are set once `setup_status` is `succeeded`.

    `setup_status` is the SetupIntent's own status (`requires_payment_method`, `requires_action`, `succeeded`, `canceled` ...);
    `fingerprint` is equal for equal card numbers within our account; `reference` is what `create_setup_session` was given.
    """

    status: SessionStatus
    setup_status: str | None
    customer_ref: str | None
    payment_method_ref: str | None
    fingerprint: str | None
    brand: str | None
    last4: str | None
    exp_month: int | None
    exp_year: int | None
    reference: str | None


class IntentState(msgspec.Struct, frozen=True, kw_only=True):
    """A PaymentIntent as the provider holds it now. `error_code` and `decline_code` tell of its last failed attempt.

    `fee_minor` is in `currency` of the account's balance and known only with the charge's balance transaction; `action_url` is where
    the rider approves while `status` is `requires_action`; `payment_id` is ours, from the metadata.
    """

    ref: str
    status: IntentStatus
    amount_minor: int
    amount_received_minor: int
    currency: str
    charge_ref: str | None
    fee_minor: int | None
    decline_code: str | None
    error_code: str | None
    action_url: str | None
    payment_id: str | None


class RefundState(msgspec.Struct, frozen=True, kw_only=True):
    """A refund as the provider holds it now; `refund_id` is ours, from the metadata. `failure_reason`: why a bank sent it back."""

    ref: str
    status: RefundStatus
    amount_minor: int
    refund_id: str | None
    failure_reason: str | None


class StripeEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event reduced to a hint: which object to fetch. `reference` is our id in that object's metadata, when it carries one."""

    id: str
    type: str
    created_at: datetime
    object_ref: str
    object_type: str
    reference: str | None


class BalanceTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """One movement of our balance at the provider: net = amount - fee, signed (a refund is negative).

    `source_ref` is the charge, refund, dispute, transfer or reversal that moved it; of that object, when the list showed it,
    `source_reference` is our id in its metadata and `charge_ref` the charge it is about.
    """

    ref: str
    type: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    currency: str
    source_ref: str | None
    source_reference: str | None
    charge_ref: str | None
    created_at: datetime


class ConnectAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's account to be paid into. Transfers are refused until `transfers_enabled`."""

    ref: str
    transfers_enabled: bool
    payouts_enabled: bool
    operator_id: str | None


class TransferState(msgspec.Struct, frozen=True, kw_only=True):
    """Money moved from our balance to an operator's; `payout_id` is ours, from the metadata."""

    ref: str
    amount_minor: int
    reversed_minor: int
    currency: str
    account_ref: str
    payout_id: str | None


class ReversalState(msgspec.Struct, frozen=True, kw_only=True):
    """Part of a transfer taken back; `reversal_id` is ours, from the metadata."""

    ref: str
    amount_minor: int
    transfer_ref: str
    reversal_id: str | None


class DisputeState(msgspec.Struct, frozen=True, kw_only=True):
    """A charge contested at the bank. Evidence counts until `evidence_due_at`; `submissions` says how often some was sent.

    `movements` are what it has moved of our balance so far: the withdrawal with its fee, and what came back. An inquiry moves nothing.
    """

    ref: str
    status: DisputeStatus
    amount_minor: int
    currency: str
    reason: str
    intent_ref: str | None
    charge_ref: str
    evidence_due_at: datetime | None
    submissions: int
    movements: list[BalanceTransaction]


class GatewayError(Exception):
    """Root of this tree; raised itself when we are misconfigured (bad key, missing permission): nothing was done, an operator must act."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class GatewayRefused(GatewayError):
    """A definite no to the card or to the request: no money moved by this call. `intent` is its state when the answer held one."""

    def __init__(self, message: str, *, code: str | None, decline_code: str | None = None, intent: IntentState | None = None) -> None:
        super().__init__(message, code=code)
        self.decline_code = decline_code
        self.intent = intent


class GatewayUnreachable(GatewayError):
    """Outcome unknown (timeout, connection cut, 5xx, the same key still in flight): look the object up before doing anything again.

    `answered` tells a 5xx from silence. The provider keeps such an answer under the idempotency key and repeats it for 24 hours: once a
    look-up has shown that nothing was done, the next try needs another key. After silence the same key is the safe one. Creations here
    do so themselves (the object is looked for by our id, then made under a further key); confirmations leave it to the caller.
    """

    def __init__(self, message: str, *, code: str | None = None, answered: bool = False) -> None:
        super().__init__(message, code=code)
        self.answered = answered


class GatewayRateLimited(GatewayError):
    """Refused before anything was done; the same call may be repeated after `retry_after_s`."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message, code="rate_limit")
        self.retry_after_s = retry_after_s


class SignatureInvalid(GatewayError):
    """A webhook that is forged, altered, stale or unreadable. Store nothing of it."""


class NotFound(GatewayError):
    """The provider knows no object of that ref."""


@runtime_checkable
class PaymentGateway(Protocol):
    """The provider's side of payments. Nothing whose outcome is unknown is repeated here: the caller's own row decides what follows."""

    async def create_setup_session(
        self,
        *,
        reference: str,
        email: str,
        success_url: str,
        cancel_url: str,
        expires_at: datetime,
        idempotency_key: str,
        customer_ref: str | None = None,
    ) -> SetupSession:
        """Create a hosted card page for off-session use, for a new customer or the one given (an intent takes only its cards).

        `expires_at` holds for a new customer; another card of a known one may be saved for a day.

        `{CHECKOUT_SESSION_ID}` in `success_url` is filled in. The provider keeps a page open for 30 min to 24 h, so it may outlive
        `expires_at`: end it with `expire_session`.
        """
        ...

    async def fetch_setup_session(self, session_ref: str) -> SetupOutcome:
        """State of the card page and of the card saved by it. Raises NotFound."""
        ...

    async def expire_session(self, session_ref: str) -> SetupOutcome:
        """Close an open card page and return its final state: `complete` when the rider was faster. Repeatable."""
        ...

    async def create_payment_intent(
        self,
        *,
        payment_id: str,
        customer_ref: str,
        payment_method_ref: str,
        amount_minor: int,
        currency: str,
        description: str,
        metadata: dict[str, str],
        idempotency_key: str,
    ) -> IntentState:
        """Create an unconfirmed intent: moves no money. `payment_id` is added to `metadata`, so that `find_payment_intents` sees it."""
        ...

    async def confirm_payment_intent(
        self,
        intent_ref: str,
        *,
        payment_method_ref: str,
        off_session: bool,
        return_url: str | None,
        idempotency_key: str,
    ) -> IntentState:
        """Charge. Raises GatewayRefused with `intent` on a decline, off-session with code `authentication_required` too.

        That one means the bank wants the rider. On-session (`off_session=False`) needs `return_url`; when the answer's status is
        `requires_action`, the rider is sent to `action_url`.
        """
        ...

    async def fetch_payment_intent(self, intent_ref: str) -> IntentState:
        """Raises NotFound."""
        ...

    async def find_payment_intents(self, *, customer_ref: str, payment_id: str) -> list[IntentState]:
        """All intents of the customer that carry `payment_id`, newest first: how a lost reply to a creation is resolved."""
        ...

    async def cancel_payment_intent(self, intent_ref: str) -> IntentState:
        """Raises GatewayRefused with code `payment_intent_unexpected_state` and `intent` when it can no longer be cancelled."""
        ...

    async def create_refund(
        self, *, refund_id: str, intent_ref: str, amount_minor: int, metadata: dict[str, str], idempotency_key: str
    ) -> RefundState:
        """Refund part or all of a succeeded intent. Raises GatewayRefused when it exceeds what is left of the charge."""
        ...

    async def fetch_refund(self, refund_ref: str) -> RefundState:
        """Raises NotFound."""
        ...

    async def find_refunds(self, *, intent_ref: str, refund_id: str) -> list[RefundState]:
        """All refunds of the intent that carry `refund_id`, newest first."""
        ...

    async def detach_payment_method(self, payment_method_ref: str) -> None:
        """Forget a saved card. A card already detached is no error."""
        ...

    async def delete_customer(self, customer_ref: str) -> None:
        """Forget a customer and every card of theirs; charges made stay. Raises NotFound; one deleted before is no error."""
        ...

    async def fetch_event(self, event_ref: str) -> StripeEvent:
        """Raises NotFound."""
        ...

    async def list_events(self, *, after_ref: str | None, limit: int) -> list[StripeEvent]:
        """Up to `limit` (1-100) events that came after `after_ref`, oldest first; the provider's oldest ones for None."""
        ...

    async def verify_webhook(self, payload: bytes, signature: str, secret: str, now: datetime, tolerance_s: int = 300) -> StripeEvent:
        """Check a webhook's signature over the raw body and read its hint. No network. Raises SignatureInvalid."""
        ...

    async def list_balance_transactions(
        self, *, after_ref: str | None, limit: int, since: datetime | None = None
    ) -> list[BalanceTransaction]:
        """Up to `limit` (1-100) movements that came after `after_ref`, oldest first; from the beginning (or `since`) for None."""
        ...

    async def create_connect_account(self, *, operator_id: str, email: str, country: str, idempotency_key: str) -> ConnectAccount:
        """Open an operator's account. `country` is ISO 3166-1 alpha-2."""
        ...

    async def fetch_connect_account(self, account_ref: str) -> ConnectAccount:
        """Raises NotFound."""
        ...

    async def create_onboarding_link(self, account_ref: str, *, return_url: str, refresh_url: str) -> str:
        """The address of the page where the account's owner tells the provider what it wants to know. Valid for minutes."""
        ...

    async def create_transfer(
        self,
        *,
        payout_id: str,
        account_ref: str,
        amount_minor: int,
        currency: str,
        metadata: dict[str, str],
        idempotency_key: str,
    ) -> TransferState:
        """Pay an operator from our balance. Raises GatewayRefused with code `balance_insufficient` when it does not carry it."""
        ...

    async def find_transfers(self, *, account_ref: str, payout_id: str) -> list[TransferState]:
        """All transfers to the account that carry `payout_id`, newest first."""
        ...

    async def reverse_transfer(
        self, *, reversal_id: str, transfer_ref: str, amount_minor: int, metadata: dict[str, str], idempotency_key: str
    ) -> ReversalState:
        """Take back part or all of a transfer. Raises GatewayRefused when the operator's balance does not carry it."""
        ...

    async def find_reversals(self, *, transfer_ref: str, reversal_id: str) -> list[ReversalState]:
        """All reversals of the transfer that carry `reversal_id`, newest first."""
        ...

    async def fetch_dispute(self, dispute_ref: str) -> DisputeState:
        """Raises NotFound."""
        ...

    async def submit_dispute_evidence(self, dispute_ref: str, *, evidence: dict[str, str], idempotency_key: str) -> DisputeState:
        """Answer a dispute, once: fields as the provider names them (`access_activity_log`, `uncategorized_text` ...)."""
        ...

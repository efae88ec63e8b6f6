"""The payment gateway on the `stripe` SDK: the only file that imports it.

SDK retries are off. A request whose outcome is unknown surfaces as GatewayUnreachable, and our own payment row decides what follows.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

import httpx
import stripe
from stripe.params import DisputeUpdateParamsEvidence

from app.domain.payments import stripe_shapes
from app.domain.payments.gateway import (
    BalanceTransaction,
    ConnectAccount,
    DisputeState,
    GatewayError,
    GatewayRateLimited,
    GatewayRefused,
    GatewayUnreachable,
    IntentState,
    NotFound,
    RefundState,
    ReversalState,
    SetupOutcome,
    SetupSession,
    StripeEvent,
    TransferState,
)
from app.domain.payments.stripe_shapes import OPERATOR_ID, PAYMENT_ID, PAYOUT_ID, REFERENCE, REFUND_ID, REVERSAL_ID
from app.domain.payments.webhook_signature import verified_event

T = TypeVar("T")

PAGE = 100
SHORTEST_SESSION = timedelta(minutes=40)  # Stripe refuses under 30; ten more leave room to repeat the call with the same parameters
LONGEST_SESSION = timedelta(hours=23, minutes=50)
RETRY_AFTER_S = 1.0
CONNECT_TIMEOUT_S = 5.0
FEE = "latest_charge.balance_transaction"


class _Http(stripe.HTTPClient):
    """The SDK's transport on httpx. Its own httpx one sends bodies in a way that httpx deprecates, and knows no connect timeout."""

    name = "httpx"

    def __init__(self, timeout_s: float) -> None:
        super().__init__()
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)))

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send one request; whatever goes wrong on the way leaves its outcome unknown."""
        try:
            answer = await self._client.request(method, url, headers=headers, content=post_data or None)
        except httpx.HTTPError as error:
            raise stripe.APIConnectionError(f"No answer from Stripe: {type(error).__name__}") from error  # type: ignore[no-untyped-call]
        return answer.content, answer.status_code, answer.headers

    async def close_async(self) -> None:
        await self._client.aclose()


class StripeGateway:
    """PaymentGateway over HTTP. `base_url` is for a Stripe that is not Stripe's own (tests, demo); None is the real one."""

    def __init__(self, *, api_key: str, base_url: str | None = None, timeout_s: float = 30.0) -> None:
        self._http = _Http(timeout_s)
        addresses: dict[str, str] = {} if base_url is None else {"api": base_url, "connect": base_url, "files": base_url}
        client = stripe.StripeClient(
            api_key,
            http_client=self._http,
            base_addresses=cast("Any", addresses),  # the SDK does not publish this dict's type
            max_network_retries=0,
        )
        self._v1 = client.v1

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.close_async()

    async def create_setup_session(
        self, *, reference: str, email: str, success_url: str, cancel_url: str, expires_at: datetime, idempotency_key: str
    ) -> SetupSession:
        """See PaymentGateway. The page's expiry is reckoned from Stripe's clock, as the customer's creation shows it."""
        metadata = {REFERENCE: reference}
        async with _translated():
            customer = await self._v1.customers.create_async(
                {"email": email, "metadata": metadata}, {"idempotency_key": f"{idempotency_key}:customer"}
            )
            created = datetime.fromtimestamp(customer.created, UTC)
            until = min(max(expires_at, created + SHORTEST_SESSION), created + LONGEST_SESSION)
            session = await self._v1.checkout.sessions.create_async(
                {
                    "mode": "setup",
                    "customer": customer.id,
                    "allowed_payment_method_types": ["card"],
                    "success_url": success_url,
                    "cancel_url": cancel_url,
                    "expires_at": int(until.timestamp()),
                    "client_reference_id": reference,
                    "metadata": metadata,
                    "setup_intent_data": {"metadata": metadata},
                },
                {"idempotency_key": f"{idempotency_key}:session"},
            )
        setup = session.setup_intent
        return SetupSession(
            id=session.id,
            url=session.url or "",
            customer_ref=customer.id,
            setup_intent_ref=setup if setup is None or isinstance(setup, str) else setup.id,
        )

    async def fetch_setup_session(self, session_ref: str) -> SetupOutcome:
        async with _translated():
            found = await self._v1.checkout.sessions.retrieve_async(session_ref, {"expand": ["setup_intent.payment_method"]})
        return stripe_shapes.setup_outcome(found.to_dict())

    async def expire_session(self, session_ref: str) -> SetupOutcome:
        """See PaymentGateway. Stripe refuses to expire a session that is not open; its state is then the answer."""
        try:
            async with _translated():
                await self._v1.checkout.sessions.expire_async(session_ref)
        except GatewayRefused:
            outcome = await self.fetch_setup_session(session_ref)
            if outcome.status == "open":
                raise
            return outcome
        return await self.fetch_setup_session(session_ref)

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
        async with _translated():
            made = await self._v1.payment_intents.create_async(
                {
                    "amount": amount_minor,
                    "currency": currency.lower(),
                    "customer": customer_ref,
                    "payment_method": payment_method_ref,
                    "allowed_payment_method_types": ["card"],
                    "capture_method": "automatic",  # asynchronous capture (the default) would leave the fee unknown for a while
                    "description": description,
                    "metadata": {**metadata, PAYMENT_ID: payment_id},
                },
                {"idempotency_key": idempotency_key},
            )
        return stripe_shapes.intent_state(made.to_dict())

    async def confirm_payment_intent(
        self, intent_ref: str, *, payment_method_ref: str, off_session: bool, return_url: str | None, idempotency_key: str
    ) -> IntentState:
        params: stripe.params.PaymentIntentConfirmParams = {
            "payment_method": payment_method_ref,
            "off_session": off_session,
            "expand": [FEE],
        }
        if return_url is not None:
            params["return_url"] = return_url
        async with _translated():
            confirmed = await self._v1.payment_intents.confirm_async(intent_ref, params, {"idempotency_key": idempotency_key})
        return stripe_shapes.intent_state(confirmed.to_dict())

    async def fetch_payment_intent(self, intent_ref: str) -> IntentState:
        async with _translated():
            found = await self._v1.payment_intents.retrieve_async(intent_ref, {"expand": [FEE]})
        return stripe_shapes.intent_state(found.to_dict())

    async def find_payment_intents(self, *, customer_ref: str, payment_id: str) -> list[IntentState]:
        """See PaymentGateway. Stripe has no metadata filter: all of the customer's are listed and matched here."""
        async with _translated():
            page = await self._v1.payment_intents.list_async({"customer": customer_ref, "limit": PAGE, "expand": [f"data.{FEE}"]})
            found = [stripe_shapes.intent_state(one.to_dict()) async for one in page.auto_paging_iter()]
        return [one for one in found if one.payment_id == payment_id]

    async def cancel_payment_intent(self, intent_ref: str) -> IntentState:
        async with _translated():
            gone = await self._v1.payment_intents.cancel_async(intent_ref, {"expand": [FEE]})
        return stripe_shapes.intent_state(gone.to_dict())

    async def create_refund(
        self, *, refund_id: str, intent_ref: str, amount_minor: int, metadata: dict[str, str], idempotency_key: str
    ) -> RefundState:
        async with _translated():
            made = await self._v1.refunds.create_async(
                {"payment_intent": intent_ref, "amount": amount_minor, "metadata": {**metadata, REFUND_ID: refund_id}},
                {"idempotency_key": idempotency_key},
            )
        return stripe_shapes.refund_state(made.to_dict())

    async def fetch_refund(self, refund_ref: str) -> RefundState:
        async with _translated():
            found = await self._v1.refunds.retrieve_async(refund_ref)
        return stripe_shapes.refund_state(found.to_dict())

    async def find_refunds(self, *, intent_ref: str, refund_id: str) -> list[RefundState]:
        async with _translated():
            page = await self._v1.refunds.list_async({"payment_intent": intent_ref, "limit": PAGE})
            found = [stripe_shapes.refund_state(one.to_dict()) async for one in page.auto_paging_iter()]
        return [one for one in found if one.refund_id == refund_id]

    async def detach_payment_method(self, payment_method_ref: str) -> None:
        try:
            async with _translated():
                await self._v1.payment_methods.detach_async(payment_method_ref)
        except GatewayRefused as refused:
            found = await self._method_owner(payment_method_ref)
            if found is not None:
                raise refused from None

    async def _method_owner(self, payment_method_ref: str) -> str | None:
        async with _translated():
            found = await self._v1.payment_methods.retrieve_async(payment_method_ref)
        return cast("str | None", found.to_dict().get("customer"))

    async def fetch_event(self, event_ref: str) -> StripeEvent:
        async with _translated():
            found = await self._v1.events.retrieve_async(event_ref)
        return stripe_shapes.stripe_event(found.to_dict())

    async def list_events(self, *, after_ref: str | None, limit: int) -> list[StripeEvent]:
        async with _translated():
            if after_ref is None:
                first = await self._v1.events.list_async({"limit": PAGE})
                return await _oldest(first, stripe_shapes.stripe_event, limit)
            page = await self._v1.events.list_async({"ending_before": after_ref, "limit": limit})
        return [stripe_shapes.stripe_event(one.to_dict()) for one in reversed(page.data)]

    async def verify_webhook(self, payload: bytes, signature: str, secret: str, now: datetime, tolerance_s: int = 300) -> StripeEvent:
        return verified_event(payload, signature, secret, now, tolerance_s)

    async def list_balance_transactions(self, *, after_ref: str | None, limit: int) -> list[BalanceTransaction]:
        async with _translated():
            if after_ref is None:
                first = await self._v1.balance_transactions.list_async({"limit": PAGE})
                return await _oldest(first, stripe_shapes.balance_transaction, limit)
            page = await self._v1.balance_transactions.list_async({"ending_before": after_ref, "limit": limit})
        return [stripe_shapes.balance_transaction(one.to_dict()) for one in reversed(page.data)]

    async def create_connect_account(self, *, operator_id: str, email: str, country: str, idempotency_key: str) -> ConnectAccount:
        async with _translated():
            made = await self._v1.accounts.create_async(
                {
                    "type": "express",
                    "country": country,
                    "email": email,
                    "business_type": "company",
                    "capabilities": {"transfers": {"requested": True}},
                    "metadata": {OPERATOR_ID: operator_id},
                },
                {"idempotency_key": idempotency_key},
            )
        return stripe_shapes.connect_account(made.to_dict())

    async def fetch_connect_account(self, account_ref: str) -> ConnectAccount:
        async with _translated():
            found = await self._v1.accounts.retrieve_async(account_ref)
        return stripe_shapes.connect_account(found.to_dict())

    async def create_onboarding_link(self, account_ref: str, *, return_url: str, refresh_url: str) -> str:
        async with _translated():
            link = await self._v1.account_links.create_async(
                {"account": account_ref, "type": "account_onboarding", "return_url": return_url, "refresh_url": refresh_url}
            )
        return link.url

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
        async with _translated():
            made = await self._v1.transfers.create_async(
                {
                    "amount": amount_minor,
                    "currency": currency.lower(),
                    "destination": account_ref,
                    "metadata": {**metadata, PAYOUT_ID: payout_id},
                },
                {"idempotency_key": idempotency_key},
            )
        return stripe_shapes.transfer_state(made.to_dict())

    async def find_transfers(self, *, account_ref: str, payout_id: str) -> list[TransferState]:
        async with _translated():
            page = await self._v1.transfers.list_async({"destination": account_ref, "limit": PAGE})
            found = [stripe_shapes.transfer_state(one.to_dict()) async for one in page.auto_paging_iter()]
        return [one for one in found if one.payout_id == payout_id]

    async def reverse_transfer(
        self, *, reversal_id: str, transfer_ref: str, amount_minor: int, metadata: dict[str, str], idempotency_key: str
    ) -> ReversalState:
        async with _translated():
            made = await self._v1.transfers.reversals.create_async(
                transfer_ref,
                {"amount": amount_minor, "metadata": {**metadata, REVERSAL_ID: reversal_id}},
                {"idempotency_key": idempotency_key},
            )
        return stripe_shapes.reversal_state(made.to_dict())

    async def fetch_dispute(self, dispute_ref: str) -> DisputeState:
        async with _translated():
            found = await self._v1.disputes.retrieve_async(dispute_ref)
        return stripe_shapes.dispute_state(found.to_dict())

    async def submit_dispute_evidence(self, dispute_ref: str, *, evidence: dict[str, str], idempotency_key: str) -> DisputeState:
        async with _translated():
            answered = await self._v1.disputes.update_async(
                dispute_ref,
                {"evidence": cast("DisputeUpdateParamsEvidence", evidence), "submit": True},
                {"idempotency_key": idempotency_key},
            )
        return stripe_shapes.dispute_state(answered.to_dict())


async def _oldest(first: stripe.ListObject[Any], read: Callable[[dict[str, Any]], T], limit: int) -> list[T]:
    """The oldest `limit` of a list that Stripe gives newest first only: page through to its end."""
    last: deque[Any] = deque(maxlen=limit)
    async for one in first.auto_paging_iter():
        last.append(one)
    return [read(one.to_dict()) for one in reversed(last)]


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """Turn the SDK's errors into ours."""
    try:
        yield
    except stripe.StripeError as error:
        raise _gateway_error(error) from error


def _gateway_error(error: stripe.StripeError) -> GatewayError:
    message = error.user_message or type(error).__name__
    match error:
        case stripe.CardError() | stripe.InvalidRequestError():
            return _refused(error, message)
        case stripe.IdempotencyError():
            return GatewayRefused(message, code="idempotency_error")
        case stripe.RateLimitError():
            return GatewayRateLimited(message, retry_after_s=_retry_after_s(error))
        case stripe.AuthenticationError() | stripe.PermissionError():
            return GatewayError(message, code=error.code or type(error).__name__)
        case _:
            return GatewayUnreachable(message, code=error.code)


def _refused(error: stripe.CardError | stripe.InvalidRequestError, message: str) -> GatewayError:
    """404, and a list's cursor that is gone, are NotFound. The intent comes along when Stripe showed it."""
    if error.http_status == 404 or (error.code == "resource_missing" and error.param == "ending_before"):  # noqa: PLR2004 - HTTP
        return NotFound(message, code=error.code)
    body = error.json_body if isinstance(error.json_body, dict) else {}
    details: dict[str, Any] = body.get("error", {})
    intent = details.get("payment_intent")
    return GatewayRefused(
        message,
        code=error.code,
        decline_code=details.get("decline_code"),
        intent=stripe_shapes.intent_state(intent) if isinstance(intent, dict) else None,
    )


def _retry_after_s(error: stripe.StripeError) -> float:
    try:
        return max(0.0, float((error.headers or {}).get("retry-after", RETRY_AFTER_S)))
    except ValueError:
        return RETRY_AFTER_S

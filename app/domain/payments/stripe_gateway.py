"""The payment gateway on the `stripe` SDK: the only file that imports it.

SDK retries are off. A request whose outcome is unknown surfaces as GatewayUnreachable, and our own payment row decides what follows.
Only an error that Stripe answered with, and would repeat under its key for a day, is stepped past: after looking for the object.

Over 400 lines, because it is the protocol of gateway.py method by method; what can stand apart (shapes, signatures) does.
"""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast
from urllib.parse import quote_plus, urlsplit

import httpx
import stripe
from stripe.params import (
    BalanceTransactionListParams,
    DisputeUpdateParamsEvidence,
    EventListParams,
    PaymentIntentConfirmParams,
    PaymentIntentCreateParams,
    RefundCreateParams,
    TransferCreateParams,
    TransferReversalCreateParams,
)
from stripe.params.checkout import SessionCreateParams

from app.domain.payments import stripe_shapes
from app.domain.payments.budget import Pace
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
KEYS_IN_A_ROW = 3
CONNECT_TIMEOUT_S = 5.0
TOO_MANY, PATIENT_TRIES = 429, 4
FEE = "latest_charge.balance_transaction"


class _Http(stripe.HTTPClient):
    """The SDK's transport on httpx. Its own httpx one sends bodies in a way that httpx deprecates, and knows no connect timeout."""

    name = "httpx"

    def __init__(self, timeout_s: float, pace: Pace | None) -> None:
        super().__init__()
        self._pace = pace
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)))

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send one request when its turn has come. One that was too many all the same had no effect, and is sent again in time."""
        if self._pace is None:
            return await self._send(method, url, headers, post_data)
        path = urlsplit(url).path
        for _ in range(PATIENT_TRIES):
            await self._pace.wait(method, path)
            answer = await self._send(method, url, headers, post_data)
            if answer[1] != TOO_MANY:
                break
            pause_s = _seconds(answer[2])
            await self._pace.hold(method, path, pause_s=pause_s, reason=answer[2].get("stripe-rate-limited-reason", ""))
        return answer

    async def _send(self, method: str, url: str, headers: Mapping[str, str], post_data: str | None) -> tuple[bytes, int, Mapping[str, str]]:
        """Whatever goes wrong on the way leaves the request's outcome unknown."""
        try:
            answer = await self._client.request(method, url, headers=headers, content=post_data or None)
        except httpx.HTTPError as error:
            raise stripe.APIConnectionError(f"No answer from Stripe: {type(error).__name__}") from error  # type: ignore[no-untyped-call]
        return answer.content, answer.status_code, answer.headers

    async def close_async(self) -> None:
        await self._client.aclose()


class StripeGateway:
    """PaymentGateway over HTTP. `base_url` is for a Stripe that is not Stripe's own (tests, demo); None is the real one.

    Every request waits for its turn at `pace`; without one (a single question of the doctor's) it goes at once.
    """

    def __init__(self, *, api_key: str, base_url: str | None = None, timeout_s: float = 30.0, pace: Pace | None = None) -> None:
        self._http = _Http(timeout_s, pace)
        addresses: dict[str, str] = {} if base_url is None else {"api": base_url, "connect": base_url, "files": base_url}
        client = stripe.StripeClient(
            api_key,
            http_client=self._http,
            base_addresses=cast("Any", addresses),  # the SDK does not publish this dict's type
            max_network_retries=0,
        )
        self._client, self._v1 = client, client.v1

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.close_async()

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
        """See PaymentGateway. A new customer's page expires by Stripe's clock, as the customer's creation shows it."""
        metadata = {REFERENCE: reference}
        until: datetime | None = None
        if customer_ref is None:
            customer = await _past_stored_errors(
                f"{idempotency_key}:customer",
                lambda key: _asked(self._v1.customers.create_async({"email": email, "metadata": metadata}, {"idempotency_key": key}), dict),
            )
            customer_ref = str(customer["id"])
            created = datetime.fromtimestamp(customer["created"], UTC)
            until = min(max(expires_at, created + SHORTEST_SESSION), created + LONGEST_SESSION)
        page: SessionCreateParams = {
            "mode": "setup",
            "customer": customer_ref,
            "allowed_payment_method_types": ["card"],
            "success_url": success_url,
            "cancel_url": cancel_url,
            "client_reference_id": reference,
            "metadata": metadata,
            "setup_intent_data": {"metadata": metadata},
        }
        session_key = f"{idempotency_key}:session"
        if until is not None:
            page["expires_at"] = int(until.timestamp())
            session_key += f":{page['expires_at']}"  # asked again after long, or by a clock set right, it is another page: another request
        session = await _past_stored_errors(
            session_key,
            lambda key: _asked(self._v1.checkout.sessions.create_async(page, {"idempotency_key": key}), dict),
        )
        return SetupSession(
            id=session["id"], url=session["url"] or "", customer_ref=customer_ref, setup_intent_ref=session.get("setup_intent")
        )

    async def fetch_setup_session(self, session_ref: str) -> SetupOutcome:
        return await _asked(
            self._v1.checkout.sessions.retrieve_async(session_ref, {"expand": ["setup_intent.payment_method"]}), stripe_shapes.setup_outcome
        )

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
        wanted: PaymentIntentCreateParams = {
            "amount": amount_minor,
            "currency": currency.lower(),
            "customer": customer_ref,
            "payment_method": payment_method_ref,
            "allowed_payment_method_types": ["card"],
            "capture_method": "automatic",  # asynchronous capture (the default) would leave the fee unknown for a while
            "description": description,
            "metadata": {**metadata, PAYMENT_ID: payment_id},
        }
        return await _past_stored_errors(
            idempotency_key,
            lambda key: self._plain("post", "/v1/payment_intents", wanted, stripe_shapes.intent_state, idempotency_key=key),
            look=lambda: self.find_payment_intents(customer_ref=customer_ref, payment_id=payment_id),
        )

    async def confirm_payment_intent(
        self, intent_ref: str, *, payment_method_ref: str, off_session: bool, return_url: str | None, idempotency_key: str
    ) -> IntentState:
        params: PaymentIntentConfirmParams = {"payment_method": payment_method_ref, "off_session": off_session, "expand": [FEE]}
        if return_url is not None:
            params["return_url"] = return_url
        path = f"/v1/payment_intents/{quote_plus(intent_ref)}/confirm"
        return await self._plain("post", path, params, stripe_shapes.intent_state, idempotency_key=idempotency_key)

    async def fetch_payment_intent(self, intent_ref: str) -> IntentState:
        return await self._plain("get", f"/v1/payment_intents/{quote_plus(intent_ref)}", {"expand": [FEE]}, stripe_shapes.intent_state)

    async def find_payment_intents(self, *, customer_ref: str, payment_id: str) -> list[IntentState]:
        """See PaymentGateway. Stripe has no metadata filter: all of the customer's are listed and matched here."""
        found = await _all(
            self._v1.payment_intents.list_async({"customer": customer_ref, "limit": PAGE, "expand": [f"data.{FEE}"]}),
            stripe_shapes.intent_state,
        )
        return [one for one in found if one.payment_id == payment_id]

    async def cancel_payment_intent(self, intent_ref: str) -> IntentState:
        return await _asked(self._v1.payment_intents.cancel_async(intent_ref, {"expand": [FEE]}), stripe_shapes.intent_state)

    async def create_refund(
        self, *, refund_id: str, intent_ref: str, amount_minor: int, metadata: dict[str, str], idempotency_key: str
    ) -> RefundState:
        ours = {**metadata, REFUND_ID: refund_id}
        wanted: RefundCreateParams = {"payment_intent": intent_ref, "amount": amount_minor, "metadata": ours}
        return await _past_stored_errors(
            idempotency_key,
            lambda key: self._plain("post", "/v1/refunds", wanted, stripe_shapes.refund_state, idempotency_key=key),
            look=lambda: self.find_refunds(intent_ref=intent_ref, refund_id=refund_id),
        )

    async def fetch_refund(self, refund_ref: str) -> RefundState:
        return await self._plain("get", f"/v1/refunds/{quote_plus(refund_ref)}", {}, stripe_shapes.refund_state)

    async def find_refunds(self, *, intent_ref: str, refund_id: str) -> list[RefundState]:
        found = await _all(self._v1.refunds.list_async({"payment_intent": intent_ref, "limit": PAGE}), stripe_shapes.refund_state)
        return [one for one in found if one.refund_id == refund_id]

    async def detach_payment_method(self, payment_method_ref: str) -> None:
        try:
            async with _translated():
                await self._v1.payment_methods.detach_async(payment_method_ref)
        except GatewayRefused:
            if await _asked(self._v1.payment_methods.retrieve_async(payment_method_ref), lambda method: method.get("customer")) is not None:
                raise

    async def delete_customer(self, customer_ref: str) -> None:
        await _asked(self._v1.customers.delete_async(customer_ref), dict)

    async def fetch_event(self, event_ref: str) -> StripeEvent:
        return await _asked(self._v1.events.retrieve_async(event_ref), stripe_shapes.stripe_event)

    async def list_events(self, *, after_ref: str | None, limit: int) -> list[StripeEvent]:
        if after_ref is None:
            every = self._v1.events.list_async({"limit": PAGE})
            return await _oldest_first(every, stripe_shapes.stripe_event, after_ref=None, limit=limit)
        params: EventListParams = {"ending_before": after_ref, "limit": limit}
        return await self._plain("get", "/v1/events", params, lambda page: [*map(stripe_shapes.stripe_event, reversed(page["data"]))])

    async def verify_webhook(self, payload: bytes, signature: str, secret: str, now: datetime, tolerance_s: int = 300) -> StripeEvent:
        return verified_event(payload, signature, secret, now, tolerance_s)

    async def list_balance_transactions(
        self, *, after_ref: str | None, limit: int, since: datetime | None = None
    ) -> list[BalanceTransaction]:
        params: BalanceTransactionListParams = {"limit": PAGE if after_ref is None else limit, "expand": ["data.source"]}
        if after_ref is not None:
            params["ending_before"] = after_ref
        if since is not None:
            params["created"] = {"gte": int(since.timestamp())}
        return await _oldest_first(
            self._v1.balance_transactions.list_async(params), stripe_shapes.balance_transaction, after_ref=after_ref, limit=limit
        )

    async def create_connect_account(self, *, operator_id: str, email: str, country: str, idempotency_key: str) -> ConnectAccount:
        return await _asked(
            self._v1.accounts.create_async(
                {
                    "type": "express",
                    "country": country,
                    "email": email,
                    "business_type": "company",
                    "capabilities": {"transfers": {"requested": True}},
                    "metadata": {OPERATOR_ID: operator_id},
                },
                {"idempotency_key": idempotency_key},
            ),
            stripe_shapes.connect_account,
        )

    async def fetch_connect_account(self, account_ref: str) -> ConnectAccount:
        return await _asked(self._v1.accounts.retrieve_async(account_ref), stripe_shapes.connect_account)

    async def create_onboarding_link(self, account_ref: str, *, return_url: str, refresh_url: str) -> str:
        """The address of the page where the operator gives the provider what it wants to know. Valid for minutes."""
        link = self._v1.account_links.create_async(
            {"account": account_ref, "type": "account_onboarding", "return_url": return_url, "refresh_url": refresh_url}
        )
        return await _asked(link, lambda made: str(made["url"]))

    async def create_transfer(
        self, *, payout_id: str, account_ref: str, amount_minor: int, currency: str, metadata: dict[str, str], idempotency_key: str
    ) -> TransferState:
        wanted: TransferCreateParams = {
            "amount": amount_minor,
            "currency": currency.lower(),
            "destination": account_ref,
            "metadata": {**metadata, PAYOUT_ID: payout_id},
        }
        return await _past_stored_errors(
            idempotency_key,
            lambda key: _asked(self._v1.transfers.create_async(wanted, {"idempotency_key": key}), stripe_shapes.transfer_state),
            look=lambda: self.find_transfers(account_ref=account_ref, payout_id=payout_id),
        )

    async def find_transfers(self, *, account_ref: str, payout_id: str) -> list[TransferState]:
        found = await _all(self._v1.transfers.list_async({"destination": account_ref, "limit": PAGE}), stripe_shapes.transfer_state)
        return [one for one in found if one.payout_id == payout_id]

    async def reverse_transfer(
        self, *, reversal_id: str, transfer_ref: str, amount_minor: int, metadata: dict[str, str], idempotency_key: str
    ) -> ReversalState:
        wanted: TransferReversalCreateParams = {"amount": amount_minor, "metadata": {**metadata, REVERSAL_ID: reversal_id}}
        return await _past_stored_errors(
            idempotency_key,
            lambda key: _asked(
                self._v1.transfers.reversals.create_async(transfer_ref, wanted, {"idempotency_key": key}), stripe_shapes.reversal_state
            ),
            look=lambda: self.find_reversals(transfer_ref=transfer_ref, reversal_id=reversal_id),
        )

    async def find_reversals(self, *, transfer_ref: str, reversal_id: str) -> list[ReversalState]:
        found = await _all(self._v1.transfers.reversals.list_async(transfer_ref, {"limit": PAGE}), stripe_shapes.reversal_state)
        return [one for one in found if one.reversal_id == reversal_id]

    async def fetch_dispute(self, dispute_ref: str) -> DisputeState:
        return await _asked(self._v1.disputes.retrieve_async(dispute_ref), stripe_shapes.dispute_state)

    async def submit_dispute_evidence(self, dispute_ref: str, *, evidence: dict[str, str], idempotency_key: str) -> DisputeState:
        return await _asked(
            self._v1.disputes.update_async(
                dispute_ref,
                {"evidence": cast("DisputeUpdateParamsEvidence", evidence), "submit": True},
                {"idempotency_key": idempotency_key},
            ),
            stripe_shapes.dispute_state,
        )

    async def _plain(
        self, method: str, path: str, params: Mapping[str, Any], read: Callable[[dict[str, Any]], T], *, idempotency_key: str | None = None
    ) -> T:
        """One call whose answer stays plain JSON, for what is asked by the thousand: the SDK's objects cost more than all else it does."""
        options = {} if idempotency_key is None else {"idempotency_key": idempotency_key}
        async with _translated():
            answer = await self._client.raw_request_async(method, path, **params, **options)
        return read(answer.data)


async def _asked(call: Awaitable[stripe.StripeObject], read: Callable[[dict[str, Any]], T]) -> T:
    """One call, read into ours."""
    async with _translated():
        return read((await call).to_dict())


async def _all(call: Awaitable[stripe.ListObject[Any]], read: Callable[[dict[str, Any]], T]) -> list[T]:
    """All pages of a list."""
    async with _translated():
        return [read(one.to_dict()) async for one in (await call).auto_paging_iter()]


async def _oldest_first(
    call: Awaitable[stripe.ListObject[Any]], read: Callable[[dict[str, Any]], T], *, after_ref: str | None, limit: int
) -> list[T]:
    """The page next newer than the cursor; without one the oldest `limit` of all, for which the list is walked to its end."""
    async with _translated():
        page = await call
        rows: deque[Any] = deque(maxlen=limit)
        if after_ref is not None:
            rows.extend(page.data)
        else:
            rows.extend([one async for one in page.auto_paging_iter()])
    return [read(one.to_dict()) for one in reversed(rows)]


async def _past_stored_errors(key: str, make: Callable[[str], Awaitable[T]], *, look: Callable[[], Awaitable[list[T]]] | None = None) -> T:
    """Make an object past errors that Stripe stored under its key: `look` for it, then try the next key of a fixed row.

    An answered 5xx is over, so what a look does not show then was not made. Silence is not over and is raised at once. Without `look`
    a second object must do no harm. The row is the same whenever the call is repeated, so a repeated call ends at the same object.
    """
    for number in range(1, KEYS_IN_A_ROW + 1):
        try:
            return await make(key if number == 1 else f"{key}:{number}")
        except GatewayUnreachable as error:
            if not error.answered:
                raise
            if look is not None and (found := await look()):
                return found[0]
            last = error
    raise last


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
            code = error.code or (f"http_{error.http_status}" if error.http_status else None)
            return GatewayUnreachable(message, code=code, answered=(error.http_status or 0) >= 500)  # noqa: PLR2004 - HTTP


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
    return _seconds(error.headers or {})


def _seconds(headers: Mapping[str, str]) -> float:
    """How long an answer asks us to wait."""
    try:
        return max(0.0, float(headers.get("retry-after", RETRY_AFTER_S)))
    except ValueError:
        return RETRY_AFTER_S

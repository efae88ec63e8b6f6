"""Our requests and the fake's answers against Stripe's own description of its API, and against the SDK's parameter types."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import stripe.params as sdk
from stripe.params.checkout import SessionCreateParams, SessionExpireParams, SessionRetrieveParams

from app.domain.payments.gateway import GatewayRefused
from app.stage.fake_stripe.routes import ENDPOINTS
from tests.support.fake_stripe import FakeStripe, fake_stripe
from tests.support.stripe_spec import PATH, WHY_SKIPPED, StripeSpec, typed_form

described = pytest.mark.skipif(not PATH.exists(), reason=WHY_SKIPPED)

SDK_PARAMS: dict[str, Any] = {
    "POST /v1/customers": sdk.CustomerCreateParams,
    "DELETE /v1/customers/{customer}": sdk.CustomerDeleteParams,
    "POST /v1/checkout/sessions": SessionCreateParams,
    "GET /v1/checkout/sessions/{session}": SessionRetrieveParams,
    "POST /v1/checkout/sessions/{session}/expire": SessionExpireParams,
    "POST /v1/payment_methods/{payment_method}/detach": sdk.PaymentMethodDetachParams,
    "POST /v1/payment_intents": sdk.PaymentIntentCreateParams,
    "GET /v1/payment_intents": sdk.PaymentIntentListParams,
    "GET /v1/payment_intents/{intent}": sdk.PaymentIntentRetrieveParams,
    "POST /v1/payment_intents/{intent}/confirm": sdk.PaymentIntentConfirmParams,
    "POST /v1/payment_intents/{intent}/cancel": sdk.PaymentIntentCancelParams,
    "POST /v1/refunds": sdk.RefundCreateParams,
    "GET /v1/refunds": sdk.RefundListParams,
    "GET /v1/events": sdk.EventListParams,
    "GET /v1/balance_transactions": sdk.BalanceTransactionListParams,
    "POST /v1/disputes/{dispute}": sdk.DisputeUpdateParams,
    "POST /v1/accounts": sdk.AccountCreateParams,
    "POST /v1/account_links": sdk.AccountLinkCreateParams,
    "POST /v1/transfers": sdk.TransferCreateParams,
    "GET /v1/transfers": sdk.TransferListParams,
    "POST /v1/transfers/{transfer}/reversals": sdk.TransferReversalCreateParams,
    "GET /v1/transfers/{transfer}/reversals": sdk.TransferReversalListParams,
    "GET /v1/accounts/{account}": sdk.AccountRetrieveParams,
    "GET /v1/disputes/{dispute}": sdk.DisputeRetrieveParams,
    "GET /v1/refunds/{refund}": sdk.RefundRetrieveParams,
}
NEWER_THAN_THE_DESCRIPTION = {"allowed_payment_method_types"}


@pytest.fixture(scope="module")
def spec() -> StripeSpec:
    return StripeSpec()


@pytest_asyncio.fixture(scope="module")
async def seen(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[dict[str, Any]]]:
    """Every request of a life with the gateway: cards, charges, declines, approvals, refunds, disputes, payouts, lists."""
    async with fake_stripe(tmp_path_factory.mktemp("spec")) as fake:
        await _pay(fake)
        await _pay_out(fake)
        requests: Any = await fake.stage("requests")
        yield requests


async def _pay(fake: FakeStripe) -> None:
    card = await fake.saved_card()
    paid = await fake.charge(card)
    refund = await fake.gateway.create_refund(
        refund_id="r", intent_ref=paid.ref, amount_minor=100, metadata={"why": "credit"}, idempotency_key="r"
    )
    await fake.gateway.fetch_refund(refund.ref)
    await fake.gateway.find_refunds(intent_ref=paid.ref, refund_id="r")
    await fake.gateway.find_payment_intents(customer_ref=card.customer_ref or "", payment_id="pay-1")
    for number in ("4000000000009995", "4000002760003184"):
        poor = await fake.saved_card(number)
        with pytest.raises(GatewayRefused):
            await fake.charge(poor)
    asked = await fake.saved_card("4000002760003184")
    waiting = await fake.confirm(await fake.intent(asked), asked, off_session=False)
    await fake.stage(f"intents/{waiting.ref}/decide", {"approve": False})
    await fake.gateway.fetch_payment_intent(waiting.ref)
    await fake.gateway.cancel_payment_intent(waiting.ref)
    await fake.saved_card("4000000000000002")
    await fake.gateway.detach_payment_method(card.payment_method_ref or "")
    await fake.gateway.delete_customer(card.customer_ref or "")
    again = await fake.charge(await fake.saved_card())
    dispute = await fake.stage("disputes", {"charge": again.charge_ref})
    await fake.gateway.fetch_dispute(dispute["id"])
    await fake.gateway.submit_dispute_evidence(dispute["id"], evidence={"uncategorized_text": "winning_evidence"}, idempotency_key="e")


async def _pay_out(fake: FakeStripe) -> None:
    await fake.charge(await fake.saved_card("4000000000000077"), amount_minor=90_000)
    account = await fake.gateway.create_connect_account(operator_id="o", email="o@example.org", country="DE", idempotency_key="a")
    await fake.gateway.fetch_connect_account(account.ref)
    await fake.gateway.create_onboarding_link(account.ref, return_url="http://127.0.0.1:1/a", refresh_url="http://127.0.0.1:1/b")
    transfer = await fake.gateway.create_transfer(
        payout_id="p", account_ref=account.ref, amount_minor=9_000, currency="eur", metadata={}, idempotency_key="t"
    )
    await fake.gateway.reverse_transfer(reversal_id="v", transfer_ref=transfer.ref, amount_minor=10, metadata={}, idempotency_key="v")
    await fake.gateway.find_transfers(account_ref=account.ref, payout_id="p")
    await fake.gateway.find_reversals(transfer_ref=transfer.ref, reversal_id="v")
    await fake.stage("topups", {"amount": 700, "currency": "eur"})
    await fake.gateway.list_balance_transactions(after_ref=None, limit=3)
    movements = await fake.gateway.list_balance_transactions(after_ref=None, limit=100)
    assert {one.type for one in movements} >= {"charge", "refund", "adjustment", "transfer", "transfer_refund", "topup"}
    events = await fake.gateway.list_events(after_ref=None, limit=100)
    await fake.gateway.list_events(after_ref=events[0].id, limit=100)
    for event in events:
        await fake.gateway.fetch_event(event.id)
    headers = {"Authorization": "Bearer sk_test_fake"}
    for path in ("balance", "charges", "disputes", "customers", "payment_methods", "setup_intents", "checkout/sessions", "accounts"):
        (await fake.http.get(f"/v1/{path}", headers=headers)).raise_for_status()


def test_every_parameter_we_send_is_one_the_sdk_knows(seen: list[dict[str, Any]]) -> None:
    """This holds for the version the SDK speaks, which is newer than the description."""
    strangers = set()
    for one in seen:
        known = set(SDK_PARAMS[one["endpoint"]].__annotations__) if one["endpoint"] in SDK_PARAMS else {"expand", "limit"}
        strangers |= {f"{one['endpoint']} {name}" for name in set(one["params"]) - known}
    assert strangers == set()
    assert {one["endpoint"] for one in seen} >= set(SDK_PARAMS) - {"POST /v1/checkout/sessions/{session}/expire"}


@described
def test_every_request_we_make_is_one_stripe_describes(spec: StripeSpec, seen: list[dict[str, Any]]) -> None:
    faults = []
    for one in seen:
        params = {name: value for name, value in one["params"].items() if name not in NEWER_THAN_THE_DESCRIPTION}
        schema = spec.request_schema(one["endpoint"])
        faults += spec.faults(f"request {one['endpoint']}", schema, typed_form(params, schema))
    assert faults == []
    assert len({one["endpoint"] for one in seen}) > 30


@described
def test_every_answer_the_fake_gives_is_one_stripe_describes(spec: StripeSpec, seen: list[dict[str, Any]]) -> None:
    faults = []
    for one in seen:
        schema = spec.response_schema(one["endpoint"], one["status"])
        kind = "answer" if one["status"] == 200 else "error"
        faults += spec.faults(f"{kind} {one['endpoint']}", schema, one["body"])
    assert faults == []


@described
def test_the_fake_shows_no_field_stripe_does_not_have(spec: StripeSpec, seen: list[dict[str, Any]]) -> None:
    strangers = set()
    for one in seen:
        for shown in (one["body"], *one["body"].get("data", [])) if isinstance(one["body"].get("data"), list) else (one["body"],):
            kind = shown.get("object")
            if kind not in (None, "list") and not shown.get("deleted"):
                strangers |= {f"{kind}.{name}" for name in set(shown) - spec.known_fields(kind)}
    assert strangers == set()


@described
def test_every_endpoint_of_the_fake_is_one_of_stripes(spec: StripeSpec) -> None:
    for name, _, _ in ENDPOINTS:
        spec.request_schema(name)


@described
def test_a_parameter_stripe_does_not_describe_is_found(spec: StripeSpec) -> None:
    """The check itself can fail."""
    schema = spec.request_schema("POST /v1/refunds")
    assert spec.faults("request POST /v1/refunds", schema, {"payment_intent": "pi_1", "ammount": 3})
    assert spec.faults("request POST /v1/refunds", schema, {"payment_intent": "pi_1", "amount": "three"})

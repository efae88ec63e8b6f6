"""Paying operators out: accounts, transfers, reversals, and what the balance must carry."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from app.domain.payments.gateway import ConnectAccount, GatewayRefused, TransferState
from tests.support.fake_stripe import FakeStripe, fake_stripe

CARD_AVAILABLE_AT_ONCE = "4000000000000077"


@pytest_asyncio.fixture(scope="module")
async def rich(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FakeStripe]:
    """A fake whose new accounts must be onboarded."""
    async with fake_stripe(tmp_path_factory.mktemp("rich"), "--connect-onboarding") as fake:
        yield fake


async def operator(rich: FakeStripe, *, ready: bool = True) -> ConnectAccount:
    account = await rich.gateway.create_connect_account(
        operator_id="op-1", email="op@example.org", country="DE", idempotency_key=uuid4().hex
    )
    if ready:
        await rich.stage(f"accounts/{account.ref}/enable", {})
    return account


async def pay(rich: FakeStripe, account: ConnectAccount, amount_minor: int, payout_id: str = "payout-1") -> TransferState:
    return await rich.gateway.create_transfer(
        payout_id=payout_id,
        account_ref=account.ref,
        amount_minor=amount_minor,
        currency="eur",
        metadata={"duty": "d-1"},
        idempotency_key=uuid4().hex,
    )


async def available_minor(rich: FakeStripe) -> int:
    balance: int = (await rich.books())["balance"].get("eur", {"available": 0})["available"]
    return balance


async def test_an_account_takes_transfers_once_it_is_onboarded(rich: FakeStripe) -> None:
    await rich.charge(await rich.saved_card(CARD_AVAILABLE_AT_ONCE), amount_minor=10_000)
    account = await operator(rich, ready=False)
    assert not (await rich.gateway.fetch_connect_account(account.ref)).transfers_enabled
    with pytest.raises(GatewayRefused) as refused:
        await pay(rich, account, 100)
    assert refused.value.code == "insufficient_capabilities_for_transfer"
    link = await rich.gateway.create_onboarding_link(
        account.ref, return_url="http://127.0.0.1:1/done", refresh_url="http://127.0.0.1:1/again"
    )
    answer = await rich.http.get(link)
    assert answer.headers["location"] == "http://127.0.0.1:1/done"
    ready = await rich.gateway.fetch_connect_account(account.ref)
    assert (ready.transfers_enabled, ready.payouts_enabled, ready.operator_id) == (True, True, "op-1")
    assert (await pay(rich, account, 100)).payout_id == "payout-1"


async def test_a_transfer_needs_money_that_has_settled(rich: FakeStripe) -> None:
    account = await operator(rich)
    before = await available_minor(rich)
    await rich.charge(await rich.saved_card(), amount_minor=50_000)
    with pytest.raises(GatewayRefused) as refused:
        await pay(rich, account, before + 1)
    assert refused.value.code == "balance_insufficient"
    await rich.stage("clock", {"advance_s": 2 * 86_400})
    assert (await pay(rich, account, before + 1)).amount_minor == before + 1


async def test_a_transfer_is_taken_back_in_parts_and_never_beyond_itself(rich: FakeStripe) -> None:
    await rich.charge(await rich.saved_card(CARD_AVAILABLE_AT_ONCE), amount_minor=20_000)
    account = await operator(rich)
    transfer = await pay(rich, account, 9_000)
    before = await available_minor(rich)
    back = await rich.gateway.reverse_transfer(
        reversal_id="rev-1", transfer_ref=transfer.ref, amount_minor=4_000, metadata={}, idempotency_key=uuid4().hex
    )
    assert (back.amount_minor, back.transfer_ref, back.reversal_id) == (4_000, transfer.ref, "rev-1")
    assert await available_minor(rich) == before + 4_000
    with pytest.raises(GatewayRefused, match="unreversed 5000"):
        await rich.gateway.reverse_transfer(
            reversal_id="rev-2", transfer_ref=transfer.ref, amount_minor=5_001, metadata={}, idempotency_key=uuid4().hex
        )
    (found,) = await rich.gateway.find_transfers(account_ref=account.ref, payout_id="payout-1")
    assert found.reversed_minor == 4_000
    assert await rich.gateway.find_transfers(account_ref=account.ref, payout_id="payout-2") == []


@pytest.mark.parametrize("kind", ["drift", "double", "hide", "stray"])
async def test_the_balance_can_be_falsified_for_a_reconciliation_to_find(rich: FakeStripe, kind: str) -> None:
    paid = await rich.charge(await rich.saved_card(), amount_minor=3200)
    before = await rich.books()
    movement = next(one for one in before["balance_transactions"] if one["source"] == paid.charge_ref)
    await rich.stage("movements", {"kind": kind, "ref": movement["id"]} if kind != "stray" else {"kind": kind})
    after = (await rich.books())["balance_transactions"]
    grown = sum(one["amount"] for one in after) - sum(one["amount"] for one in before["balance_transactions"])
    assert grown == {"drift": 1, "double": 3200, "hide": -3200, "stray": 1}[kind]

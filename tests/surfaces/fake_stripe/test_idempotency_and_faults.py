"""The fake as bad as the real one: keys, lost replies, stored errors, limits, and a death in the middle."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import pytest_asyncio

from app.domain.payments.gateway import GatewayError, GatewayRateLimited, GatewayRefused, GatewayUnreachable, SetupOutcome
from app.domain.payments.stripe_gateway import StripeGateway
from tests.support.fake_stripe import API_KEY, FakeStripe, fake_stripe

CREATE = "POST /v1/payment_intents"
REFUND = "POST /v1/refunds"
CONFIRM = "POST /v1/payment_intents/{intent}/confirm"
DAY_S = 86_400


@pytest_asyncio.fixture(scope="module")
async def moody(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FakeStripe]:
    async with fake_stripe(tmp_path_factory.mktemp("moody")) as fake:
        yield fake


@pytest_asyncio.fixture
async def bad(moody: FakeStripe) -> AsyncIterator[FakeStripe]:
    """A fake that each test may spoil; well again afterwards."""
    yield moody
    await moody.stage("faults", {"clear": True, "rate_limited": False})


@pytest.fixture
def key() -> str:
    return uuid4().hex


async def made_for(fake: FakeStripe, card: SetupOutcome, kind: str) -> list[dict[str, Any]]:
    """What the books hold for this rider."""
    return [one for one in (await fake.books())[kind] if one["customer"] == card.customer_ref]


async def test_the_same_key_and_request_give_the_same_payment(bad: FakeStripe, key: str) -> None:
    card = await bad.saved_card()
    assert (await bad.intent(card, key=key)).ref == (await bad.intent(card, key=key)).ref
    assert len(await made_for(bad, card, "payment_intents")) == 1


async def test_the_same_key_with_another_request_is_refused(bad: FakeStripe, key: str) -> None:
    card = await bad.saved_card()
    await bad.intent(card, key=key, amount_minor=3200)
    with pytest.raises(GatewayRefused) as refused:
        await bad.intent(card, key=key, amount_minor=3300)
    assert refused.value.code == "idempotency_error"


async def test_the_same_key_at_once_is_refused_while_the_first_is_in_flight(bad: FakeStripe, key: str) -> None:
    card = await bad.saved_card()
    await bad.stage("faults", {"rates": {"latency_s": 0.3}})
    answers = await asyncio.gather(bad.intent(card, key=key), bad.intent(card, key=key), return_exceptions=True)
    assert len([one for one in answers if isinstance(one, GatewayUnreachable)]) == 1
    assert len(await made_for(bad, card, "payment_intents")) == 1


async def test_a_key_is_forgotten_after_a_day_and_a_doubled_create_then_moves_no_money(bad: FakeStripe, key: str) -> None:
    card = await bad.saved_card()
    assert card.customer_ref is not None
    first = await bad.intent(card, key=key)
    await bad.stage("clock", {"advance_s": DAY_S - 60})
    assert (await bad.intent(card, key=key)).ref == first.ref
    await bad.stage("clock", {"advance_s": 61})
    forgotten = (await bad.stage("ready"))["keys_forgotten"]
    second = await bad.intent(card, key=key)
    assert second.ref != first.ref
    assert (await bad.stage("ready"))["keys_forgotten"] > forgotten
    found = await bad.gateway.find_payment_intents(customer_ref=card.customer_ref, payment_id="pay-1")
    assert {one.ref for one in found} == {first.ref, second.ref}
    assert await made_for(bad, card, "charges") == []


async def test_a_stored_server_error_is_replayed_until_the_key_is_forgotten(bad: FakeStripe, key: str) -> None:
    card = await bad.saved_card()
    intent = await bad.intent(card)
    await bad.fault(CONFIRM, "server_error")
    for _ in range(2):
        with pytest.raises(GatewayUnreachable) as unknown:
            await bad.confirm(intent, card, key=key)
        assert (unknown.value.answered, unknown.value.code) == (True, "http_500")
    assert (await bad.gateway.fetch_payment_intent(intent.ref)).status == "requires_confirmation"
    await bad.stage("clock", {"advance_s": DAY_S + 1})
    assert (await bad.confirm(intent, card, key=key)).status == "succeeded"


@pytest.mark.parametrize("endpoint", ["POST /v1/customers", "POST /v1/checkout/sessions", CREATE])
async def test_what_moves_no_money_steps_past_a_stored_error_and_stays_repeatable(bad: FakeStripe, key: str, endpoint: str) -> None:
    await bad.fault(endpoint, "server_error")
    card = await bad.saved_card()
    first, second = [await bad.intent(card, key=key) for _ in range(2)]
    assert first == second


@pytest.mark.parametrize("fault", ["server_error", "server_error_after_effect"])
async def test_a_refund_steps_past_a_stored_error_and_is_made_once(bad: FakeStripe, key: str, fault: str) -> None:
    paid = await bad.charge(await bad.saved_card(), amount_minor=3200)
    await bad.fault(REFUND, fault)
    wanted: dict[str, Any] = {"refund_id": key, "intent_ref": paid.ref, "amount_minor": 1000, "metadata": {}, "idempotency_key": key}
    first, second = [await bad.gateway.create_refund(**wanted) for _ in range(2)]
    assert first == second
    assert len([one for one in (await bad.books())["refunds"] if one["payment_intent"] == paid.ref]) == 1


async def test_a_refund_that_nobody_answered_for_is_not_tried_again_here(bad: FakeStripe, key: str) -> None:
    paid = await bad.charge(await bad.saved_card(), amount_minor=3200)
    await bad.fault(REFUND, "lost_reply")
    with pytest.raises(GatewayUnreachable) as unknown:
        await bad.gateway.create_refund(refund_id=key, intent_ref=paid.ref, amount_minor=1000, metadata={}, idempotency_key=key)
    assert not unknown.value.answered
    (found,) = await bad.gateway.find_refunds(intent_ref=paid.ref, refund_id=key)
    assert found.status == "succeeded"


async def test_what_moves_no_money_gives_up_when_every_answer_is_an_error(bad: FakeStripe) -> None:
    card = await bad.saved_card()
    await bad.stage("faults", {"rates": {"server_error_rate": 1.0}})
    with pytest.raises(GatewayUnreachable):
        await bad.intent(card)
    assert await made_for(bad, card, "payment_intents") == []


async def test_a_charge_may_be_made_and_answered_with_a_stored_error(bad: FakeStripe, key: str) -> None:
    card = await bad.saved_card()
    intent = await bad.intent(card)
    await bad.fault(CONFIRM, "server_error_after_effect")
    for _ in range(2):
        with pytest.raises(GatewayUnreachable):
            await bad.confirm(intent, card, key=key)
    assert (await bad.gateway.fetch_payment_intent(intent.ref)).status == "succeeded"
    assert len(await made_for(bad, card, "charges")) == 1


async def test_a_lost_reply_is_replayed_under_its_key_and_charges_once(bad: FakeStripe, key: str) -> None:
    card = await bad.saved_card()
    intent = await bad.intent(card)
    await bad.fault(CONFIRM, "lost_reply")
    with pytest.raises(GatewayUnreachable) as unknown:
        await bad.confirm(intent, card, key=key)
    assert not unknown.value.answered
    assert (await bad.confirm(intent, card, key=key)).status == "succeeded"
    assert len(await made_for(bad, card, "charges")) == 1


async def test_a_cut_before_the_effect_does_nothing(bad: FakeStripe) -> None:
    card = await bad.saved_card()
    intent = await bad.intent(card)
    await bad.fault(CONFIRM, "cut_before_effect")
    with pytest.raises(GatewayUnreachable):
        await bad.confirm(intent, card)
    assert (await bad.gateway.fetch_payment_intent(intent.ref)).status == "requires_confirmation"


async def test_a_reply_slower_than_the_timeout_leaves_the_outcome_unknown_and_the_charge_made(bad: FakeStripe, key: str) -> None:
    card = await bad.saved_card()
    intent = await bad.intent(card)
    await bad.fault(CONFIRM, "slow_reply")
    hasty = StripeGateway(api_key="sk_test_fake", base_url=bad.url, timeout_s=0.3)
    async with aclosing(hasty):
        with pytest.raises(GatewayUnreachable):
            await hasty.confirm_payment_intent(
                intent.ref, payment_method_ref=card.payment_method_ref or "", off_session=True, return_url=None, idempotency_key=key
            )
    assert (await bad.gateway.fetch_payment_intent(intent.ref)).status == "succeeded"


async def test_rates_strike_about_as_often_as_they_say_and_nothing_is_charged_twice(bad: FakeStripe) -> None:
    cards = [await bad.saved_card(fingerprint_seed=str(number)) for number in range(5)]
    intents = [(await bad.intent(card, payment_id=f"pay-{number}"), card) for number in range(20) for card in cards]
    await bad.stage("faults", {"rates": {"server_error_rate": 0.2, "lost_reply_rate": 0.2, "endpoints": [CONFIRM]}})
    answers = await asyncio.gather(*(bad.confirm(intent, card) for intent, card in intents), return_exceptions=True)
    unknown = [one for one in answers if isinstance(one, GatewayUnreachable)]
    assert 15 < len(unknown) < 65
    assert len(unknown) + len([one for one in answers if not isinstance(one, BaseException)]) == len(intents)
    charged = [one["payment_intent"] for card in cards for one in await made_for(bad, card, "charges")]
    assert len(charged) == len(set(charged))
    assert len(charged) > len(intents) - len(unknown)  # some of the unknown were made


async def test_beyond_25_a_second_on_one_endpoint_requests_are_refused_undone(bad: FakeStripe) -> None:
    card = await bad.saved_card()
    await bad.stage("faults", {"rate_limited": True})
    answers = await asyncio.gather(*(bad.intent(card, payment_id=f"pay-{number}") for number in range(60)), return_exceptions=True)
    limited = [one for one in answers if isinstance(one, GatewayRateLimited)]
    assert limited
    assert limited[0].retry_after_s == 1.0
    assert len(await made_for(bad, card, "payment_intents")) == 60 - len(limited)
    assert (await bad.stage("faults"))["struck"]["over_limit"] == len(limited)


async def test_a_request_whose_sender_died_in_the_middle_of_it_was_none(bad: FakeStripe, key: str) -> None:
    charged = await bad.charge(await bad.saved_card())
    there = urlsplit(bad.url)
    reader, writer = await asyncio.open_connection(there.hostname, there.port)
    head = f"{REFUND} HTTP/1.1\r\nHost: fake\r\nAuthorization: Bearer {API_KEY}\r\nIdempotency-Key: {key}\r\nContent-Length: 99\r\n\r\n"
    writer.write(head.encode())
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    whole = await bad.gateway.create_refund(refund_id=key, intent_ref=charged.ref, amount_minor=100, metadata={}, idempotency_key=key)
    assert whole.amount_minor == 100


async def test_a_wrong_key_is_our_fault_and_nobody_elses(bad: FakeStripe) -> None:
    stranger = StripeGateway(api_key="sk_live_oops", base_url=bad.url)
    async with aclosing(stranger):
        with pytest.raises(GatewayError) as wrong:
            await stranger.fetch_payment_intent("pi_1")
    assert type(wrong.value) is GatewayError


async def test_a_death_by_kill_9_loses_nothing_that_was_answered(bad: FakeStripe, key: str) -> None:
    card = await bad.saved_card()
    paid = [await bad.charge(card, payment_id=f"pay-{number}", key=f"{key}-{number}") for number in range(10)]
    before = await bad.books()
    await bad.child.kill()
    await bad.child.start()
    after = await bad.books()
    for name in ("payment_intents", "charges", "balance_transactions"):
        assert after[name] == before[name]
    assert (await bad.intent(card, payment_id="pay-3", key=f"{key}-3")).ref == paid[3].ref


async def test_a_journal_line_cut_short_is_ignored(bad: FakeStripe) -> None:
    await bad.charge(await bad.saved_card())
    before = await bad.books()
    await bad.child.kill()
    with bad.journal.open("ab") as journal:
        journal.write(b'[["PaymentIntent",{"id":"pi_half')
    await bad.child.start()
    assert (await bad.books())["payment_intents"] == before["payment_intents"]


async def test_the_books_add_up(tmp_path: Path) -> None:
    async with fake_stripe(tmp_path) as fresh:
        paid = await fresh.charge(await fresh.saved_card(), amount_minor=3200)
        await fresh.gateway.create_refund(refund_id="r", intent_ref=paid.ref, amount_minor=1000, metadata={}, idempotency_key="r")
        books = await fresh.books()
        assert sum(one["amount"] - one["fee"] for one in books["balance_transactions"]) == 3200 - 73 - 1000
        assert books["balance"]["eur"] == {"available": -1000, "pending": 3127}
        await fresh.stage("clock", {"advance_s": 2 * DAY_S})
        assert (await fresh.books())["balance"]["eur"] == {"available": 2127, "pending": 0}

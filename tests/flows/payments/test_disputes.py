"""A charge contested at the bank: learnt from a hint, answered once with what we know, decided; no money goes back twice."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest_asyncio

from app.domain.payments import dispute_store
from app.domain.payments.model import Dispute
from app.flows.charge_payment import charge_payment
from app.flows.learn_of_dispute import learn_of_dispute
from app.flows.reconcile import reconcile
from app.flows.stripe_news import poll_stripe, work_on_inbox
from tests.support.fake_stripe import fake_stripe
from tests.support.ledgers import assert_sound, charges_at_stripe
from tests.support.riders import between, later, paid, payments, states
from tests.support.server import ScratchDatabase
from tests.support.service import Service, running_service


@pytest_asyncio.fixture
async def service(database: ScratchDatabase, tmp_path: Path) -> AsyncIterator[Service]:
    """A service with a Stripe of its own: at the end every invariant holds, and every cent of both is matched."""
    async with fake_stripe(tmp_path) as own, running_service(database.dsn, own) as running:
        yield running
        await own.stage("faults", {"clear": True})
        await hear(running)
        await assert_sound(running.pool)
        found = await reconcile(running.pool, gateway=own.gateway)
        assert (found.findings, found.matched) == ([], found.movements)


async def hear(service: Service) -> None:
    """What the poller brings is worked on until nothing is new."""
    while await poll_stripe(service.pool, gateway=service.stripe.gateway):
        while await work_on_inbox(service.pool, gateway=service.stripe.gateway):
            pass


async def disputed(service: Service, placed: dict[str, Any], reason: str = "product_not_received") -> Dispute:
    """The rider contests the pledge's charge, and we hear of it."""
    (charge,) = await charges_at_stripe(service, placed)
    await service.stripe.stage("disputes", {"charge": charge["id"], "reason": reason})
    await hear(service)
    return await only_dispute(service)


async def only_dispute(service: Service) -> Dispute:
    async with service.pool.acquire() as conn:
        (dispute,) = await dispute_store.list_disputes(conn, book=None)
    return dispute


async def at_stripe(service: Service) -> dict[str, Any]:
    (dispute,) = (await service.stripe.books())["disputes"]
    found: dict[str, Any] = dispute
    return found


async def balance(service: Service, account: str) -> int:
    async with service.pool.acquire() as conn:
        found: int = await conn.fetchval("SELECT coalesce(sum(amount_minor), 0)::bigint FROM ledger_entries WHERE account = $1", account)
    return found


async def answer(service: Service, dispute: Dispute, note: str = "", *, key: str = "k1") -> Any:
    return await service.organiser.post(
        f"/api/organiser/disputes/{dispute.id}/answer", json={"note": note}, headers={"Idempotency-Key": key}
    )


async def test_a_won_dispute_costs_its_fee_and_was_answered_with_what_we_know(service: Service) -> None:
    _, placed = await paid(service)
    await service.work()  # its mails
    dispute = await disputed(service, placed)
    assert (dispute.state, dispute.amount_minor, await states(service, placed)) == ("open", 3200, ["disputed"])
    assert (await balance(service, "stripe:disputed"), await balance(service, "house:disputes")) == (3200, 2000)

    assert (await answer(service, dispute, "She waved at the driver.")).status_code == 200
    assert (await answer(service, dispute, "She waved at the driver.")).status_code == 200, "the same key again is the same answer"
    assert (await answer(service, dispute, "Another story", key="k2")).status_code == 409, "evidence is sent once"
    await service.work("send_evidence")
    there = await at_stripe(service)
    assert (there["submission_count"], there["status"]) == (1, "under_review")
    evidence = there["evidence"]
    assert evidence["uncategorized_text"].startswith("She waved at the driver.")
    assert placed["pledge"]["code"] in evidence["uncategorized_text"]
    assert "trip confirmed: 20" in evidence["uncategorized_text"], "mails with the time they were sent"
    assert "Terms version 20" in evidence["cancellation_policy_disclosure"]
    assert "I allow Busload to charge the saved card" in evidence["cancellation_policy_disclosure"]
    assert ": 50 % of the fare comes back" in evidence["refund_policy_disclosure"]
    assert (await only_dispute(service)).state == "under_review"

    await service.stripe.stage(f"disputes/{there['id']}/close", {"won": True})
    await hear(service)
    assert (await states(service, placed), (await only_dispute(service)).state) == (["won"], "won")
    assert (await balance(service, "stripe:disputed"), await balance(service, "house:disputes")) == (0, 2000)
    await learn_of_dispute(service.pool, there["id"], gateway=service.stripe.gateway)  # a late copy of a hint changes nothing


async def test_refunds_of_a_disputed_charge_wait_and_are_never_sent_once_it_is_lost(service: Service) -> None:
    trip, placed = await paid(service)
    dispute = await disputed(service, placed)
    await service.organiser.post(f"/api/trips/{trip['id']}/cancel", json={"reason": "no bus"}, headers={"Idempotency-Key": "c"})
    await service.work()
    assert (await service.stripe.books())["refunds"] == []
    (waiting,) = (await service.organiser.get(f"/api/organiser/disputes/{dispute.id}")).json()["refunds"]
    assert (waiting["state"], waiting["held"]) == ("due", True)
    assert "bank" in waiting["why"]
    again = await service.organiser.post(f"/api/organiser/refunds/{waiting['id']}/send-again", headers={"Idempotency-Key": "r"})
    assert (again.status_code, again.json()["code"]) == (409, "refund_held")

    await service.stripe.stage(f"disputes/{dispute.dispute_ref}/close", {"won": False})
    await hear(service)
    await later(service, timedelta(hours=1))
    assert (await service.stripe.books())["refunds"] == []
    assert await states(service, placed) == ["lost"]
    assert (await balance(service, "stripe:disputed"), await balance(service, "house:disputes")) == (0, 2000)
    assert await balance(service, "riders:fares") == 0, "the bank gave what was owed anyway: it is no cost, and no longer owed"
    assert (await service.organiser.get("/api/organiser/money")).json()["refunds"] == []


async def test_a_lost_dispute_of_a_charge_that_nobody_was_owed_costs_all_of_it(service: Service) -> None:
    _, placed = await paid(service)
    dispute = await disputed(service, placed)
    await service.stripe.stage(f"disputes/{dispute.dispute_ref}/close", {"won": False})
    await hear(service)
    assert (await balance(service, "house:disputes"), await balance(service, "riders:fares")) == (5200, -3200)


async def test_a_charge_whose_dispute_was_won_is_disputed_once_more_and_lost(service: Service) -> None:
    trip, placed = await paid(service)
    first = await disputed(service, placed)
    await service.stripe.stage(f"disputes/{first.dispute_ref}/close", {"won": True})
    await hear(service)
    assert await states(service, placed) == ["won"]
    (charge,) = await charges_at_stripe(service, placed)
    await service.stripe.stage("disputes", {"charge": charge["id"], "reason": "fraudulent"})
    await hear(service)
    assert await states(service, placed) == ["disputed"]
    await service.organiser.post(f"/api/trips/{trip['id']}/cancel", json={"reason": "no bus"}, headers={"Idempotency-Key": "c"})
    await service.work()
    assert (await service.stripe.books())["refunds"] == [], "the second dispute holds it, though the first was won"
    async with service.pool.acquire() as conn:
        second = next(one for one in await dispute_store.list_disputes(conn, book=None) if one.id != first.id)
    await service.stripe.stage(f"disputes/{second.dispute_ref}/close", {"won": False})
    await hear(service)
    assert await states(service, placed) == ["lost"]
    assert (await balance(service, "stripe:disputed"), await balance(service, "house:disputes")) == (0, 4000), "two fees"
    assert await balance(service, "riders:fares") == 0


async def test_refunds_held_by_a_dispute_go_out_once_it_is_won(service: Service) -> None:
    trip, placed = await paid(service)
    dispute = await disputed(service, placed)
    await service.organiser.post(f"/api/trips/{trip['id']}/cancel", json={"reason": "no bus"}, headers={"Idempotency-Key": "c"})
    await service.work()
    await service.stripe.stage(f"disputes/{dispute.dispute_ref}/close", {"won": True})
    await hear(service)
    await service.work()
    (refund,) = (await service.stripe.books())["refunds"]
    assert (refund["amount"], refund["status"]) == (3200, "succeeded")


async def test_a_charge_that_went_back_before_it_is_disputed(service: Service) -> None:
    trip, placed = await paid(service)
    await service.organiser.post(f"/api/trips/{trip['id']}/cancel", json={"reason": "no bus"}, headers={"Idempotency-Key": "c"})
    await service.work()
    dispute = await disputed(service, placed, "credit_not_processed")
    assert (dispute.amount_minor, await balance(service, "stripe:disputed"), await balance(service, "house:disputes")) == (0, 0, 2000)
    await answer(service, dispute)
    await service.work("send_evidence")
    explained = (await at_stripe(service))["evidence"]["refund_refusal_explanation"]
    assert "(cancellation): succeeded" in explained
    assert "refund re_" in explained


async def test_nobody_answers_a_dispute_so_it_reminds_and_then_answers_itself(service: Service) -> None:
    _, placed = await paid(service)
    dispute = await disputed(service, placed)
    assert dispute.evidence_due_at is not None
    async with service.pool.acquire() as conn:
        left: timedelta = dispute.evidence_due_at - await conn.fetchval("SELECT clock_timestamp()")
    for days in (5, 2, 1):
        await later(service, left - timedelta(days=days) + timedelta(minutes=1))
    async with service.pool.acquire() as conn:
        told = await conn.fetch("SELECT data->>'subject' AS subject FROM mails WHERE template = 'money_needs_you' ORDER BY id")
    code = placed["pledge"]["code"]
    assert [row["subject"] for row in told] == [
        f"A charge is disputed ({code})",
        *(f"A dispute waits for your answer: {days} days left ({code})" for days in (5, 2, 1)),
    ]
    await later(service, left - timedelta(hours=11))
    assert (await only_dispute(service)).submitted_by == "timer"
    assert (await at_stripe(service))["submission_count"] == 1


async def test_an_answer_nobody_confirmed_is_looked_up_and_not_sent_twice(service: Service) -> None:
    _, placed = await paid(service)
    dispute = await disputed(service, placed)
    await service.stripe.fault("POST /v1/disputes/{dispute}", "lost_reply")
    await answer(service, dispute)
    await service.work("send_evidence")
    assert (await only_dispute(service)).state == "unknown"
    await later(service, timedelta(minutes=3))
    assert ((await only_dispute(service)).state, (await at_stripe(service))["submission_count"]) == ("under_review", 1)


async def test_an_answer_that_never_arrived_is_sent_again(service: Service) -> None:
    _, placed = await paid(service)
    dispute = await disputed(service, placed)
    await service.stripe.fault("POST /v1/disputes/{dispute}", "server_error")  # kept under its key for a day
    await answer(service, dispute)
    await service.work("send_evidence")
    await later(service, timedelta(minutes=3))
    assert ((await only_dispute(service)).state, (await at_stripe(service))["submission_count"]) == ("under_review", 1)


async def test_a_dispute_heard_of_before_its_charge_is_settled(service: Service) -> None:
    made = await service.trip(await service.event(), minimum=1)
    placed = await service.pledged(made)

    async def contest() -> None:
        (charge,) = await charges_at_stripe(service, placed)
        await service.stripe.stage("disputes", {"charge": charge["id"], "reason": "fraudulent"})
        await hear(service)

    (payment,) = await payments(service, placed)
    await charge_payment(service.pool, payment.id, gateway=between(service, "confirm_payment_intent", contest))
    assert await states(service, placed) == ["disputed"]

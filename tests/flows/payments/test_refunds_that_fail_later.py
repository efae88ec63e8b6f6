"""A refund that went through and comes back: taken back in the ledger, told, and sent again by an organiser as another refund."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from app.flows.invariants import find_violations
from app.flows.reconcile import reconcile
from app.flows.stripe_news import poll_stripe, work_on_inbox
from tests.support.fake_stripe import fake_stripe
from tests.support.ledgers import assert_sound
from tests.support.riders import later, mails_to
from tests.support.server import ScratchDatabase
from tests.support.service import Service, running_service

BOUNCES = "4000000000005126"


@pytest_asyncio.fixture
async def service(database: ScratchDatabase, tmp_path: Path) -> AsyncIterator[Service]:
    """A service with a Stripe of its own."""
    async with fake_stripe(tmp_path) as own, running_service(database.dsn, own) as running:
        yield running


async def hear(service: Service) -> None:
    while await poll_stripe(service.pool, gateway=service.stripe.gateway):
        while await work_on_inbox(service.pool, gateway=service.stripe.gateway):
            pass


async def sent_and_bounced(service: Service) -> dict[str, Any]:
    """A cancelled trip whose only refund went through; seconds later the bank sends it back."""
    trip = await service.trip(await service.event(), minimum=1)
    placed = await service.pledged(trip, card=BOUNCES)
    await service.work()
    await service.organiser.post(f"/api/trips/{trip['id']}/cancel", json={"reason": "no bus"}, headers={"Idempotency-Key": "c"})
    await service.work()
    await hear(service)
    await assert_sound(service.pool)
    await bounce(service)
    return placed


async def bounce(service: Service) -> None:
    await service.stripe.stage("clock", {"advance_s": 10})
    await hear(service)


async def waiting(service: Service) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await service.organiser.get("/api/organiser/money")).json()["refunds"]
    return found


async def test_a_refund_that_comes_back_is_taken_back_told_and_sent_again(service: Service) -> None:
    placed = await sent_and_bounced(service)
    (refund,) = await waiting(service)
    assert (refund["state"], refund["came_back"], refund["code"]) == ("failed", 1, placed["pledge"]["code"])
    assert "lost or stolen card" in refund["why"]
    assert "refund_failed" in await mails_to(service, placed)
    async with service.pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM mails WHERE template = 'money_needs_you'") == 1
        broken = await find_violations(conn)
    assert {name[:3] for name in broken} == {"I03", "I05"}, "money is still owed: the doctor says so until it is sent"
    found = await reconcile(service.pool, gateway=service.stripe.gateway)
    assert (found.findings, found.movements, found.matched) == ([], 3, 3)
    await hear(service)  # every hint once more changes nothing
    assert len(await waiting(service)) == 1

    path = f"/api/organiser/refunds/{refund['id']}/send-again"
    for _ in range(2):
        assert (await service.organiser.post(path, headers={"Idempotency-Key": "again"})).status_code == 202
    await service.work()
    refunds = (await service.stripe.books())["refunds"]
    assert [one["status"] for one in refunds] == ["failed", "succeeded"]
    assert await waiting(service) == []
    await assert_sound(service.pool)
    assert (await service.organiser.post(path, headers={"Idempotency-Key": "third"})).json()["code"] == "refund_not_failed"

    await bounce(service)
    (refund,) = await waiting(service)
    assert refund["came_back"] == 2
    found = await reconcile(service.pool, gateway=service.stripe.gateway)
    assert (found.findings, found.movements, found.matched) == ([], 5, 5)


async def test_a_refund_no_card_takes_is_settled_another_way_once_and_nothing_is_owed_any_more(service: Service) -> None:
    placed = await sent_and_bounced(service)
    (refund,) = await waiting(service)
    assert refund["may_settle"]
    path = f"/api/organiser/refunds/{refund['id']}/settle-elsewhere"
    note = {"note": "Bank transfer on 3 December"}
    assert (await service.organiser.post(path, json={"note": " \n x"}, headers={"Idempotency-Key": "k0"})).status_code in {400, 422}
    for _ in range(2):
        assert (await service.organiser.post(path, json=note, headers={"Idempotency-Key": "k1"})).status_code == 200
    late = await service.organiser.post(path, json=note, headers={"Idempotency-Key": "k2"})
    again = await service.organiser.post(path.replace("settle-elsewhere", "send-again"), headers={"Idempotency-Key": "k3"})
    assert (late.json()["code"], again.json()["code"]) == ("refund_not_failed", "refund_not_failed")
    assert await waiting(service) == []
    assert "refund_elsewhere" in await mails_to(service, placed)
    await service.work()
    await hear(service)
    assert len((await service.stripe.books())["refunds"]) == 1, "nothing is sent any more"
    await assert_sound(service.pool)
    found = await reconcile(service.pool, gateway=service.stripe.gateway)
    assert (found.findings, found.matched) == ([], 3)
    async with service.pool.acquire() as conn:
        balances = {
            row["account"]: row["sum"]
            for row in await conn.fetch("SELECT account, sum(amount_minor)::bigint FROM ledger_entries GROUP BY account")
        }
        trail = await conn.fetchval("SELECT detail ->> 'settled_another_way' FROM audit WHERE machine = 'refund' ORDER BY id DESC LIMIT 1")
        assert trail == note["note"]
        with pytest.raises(asyncpg.CheckViolationError):
            await conn.execute("UPDATE refunds SET state = 'submitting' WHERE elsewhere_at IS NOT NULL")
        async with conn.transaction():
            await conn.execute("ALTER TABLE ledger_entries DISABLE TRIGGER ALL")
            await conn.execute(
                "DELETE FROM ledger_entries WHERE transaction_id IN (SELECT id FROM ledger_transactions WHERE kind = 'refund_elsewhere')"
            )
            await conn.execute("ALTER TABLE ledger_entries ENABLE TRIGGER ALL")
        assert {name[:3] for name in await find_violations(conn)} == {"I01"}
    assert (balances["riders:fares"], balances["house:bank"]) == (0, -refund["amount_minor"])
    receipt = await service.http.get(f"{placed['manage_url']}/receipt")
    assert "another way" in receipt.text


async def test_a_refund_that_nobody_answered_for_and_that_came_back_meanwhile_is_posted_both_ways(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=1)
    placed = await service.pledged(trip, card=BOUNCES)
    await service.work()
    await service.stripe.fault("POST /v1/refunds", "lost_reply")
    await service.organiser.post(f"/api/trips/{trip['id']}/cancel", json={"reason": "no bus"}, headers={"Idempotency-Key": "c"})
    await service.work()
    await service.stripe.stage("clock", {"advance_s": 10})
    await later(service, timedelta(minutes=3))
    await hear(service)
    (refund,) = await waiting(service)
    assert (refund["state"], refund["came_back"]) == ("failed", 1)
    assert "refund_sent" not in await mails_to(service, placed)
    found = await reconcile(service.pool, gateway=service.stripe.gateway)
    assert (found.findings, found.matched) == ([], 3)

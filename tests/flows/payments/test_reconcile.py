"""The ledger against Stripe's balance transactions: nothing on a clean world, and each falsification found in one run."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest_asyncio

from app.domain.payments.gateway import BalanceTransaction
from app.domain.payments.ledger import list_balances
from app.domain.payments.reconciling import compare
from app.flows.doctor import examine
from app.flows.learn_of_bank import learn_of_bank_movements
from app.flows.reconcile import list_all, read_ours, reconcile, reconcile_daily
from tests.support.fake_stripe import API_KEY, WEBHOOK_SECRET, fake_stripe
from tests.support.riders import between, charge_with
from tests.support.server import ScratchDatabase
from tests.support.service import SECRET, Service, running_service


@pytest_asyncio.fixture
async def service(database: ScratchDatabase, tmp_path: Path) -> AsyncIterator[Service]:
    """A service with a Stripe of its own, which nobody else writes to."""
    async with fake_stripe(tmp_path) as own, running_service(database.dsn, own) as running:
        yield running


async def sold(service: Service, people: int) -> list[dict[str, Any]]:
    """A confirmed trip with that many charged pledges, a card each."""
    trip = await service.trip(await service.event(), minimum=people)
    placed = [await service.pledged(trip) for _ in range(people)]
    await service.work()
    return placed


async def listed(service: Service) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await service.stripe.books())["balance_transactions"]
    return found


async def kinds(service: Service) -> list[str]:
    found = await reconcile(service.pool, gateway=service.stripe.gateway)
    return sorted(one.kind for one in found.findings)


async def command(service: Service, *options: str) -> tuple[int, str]:
    """`busload reconcile` as a process of its own."""
    settings = {
        "DATABASE_URL": service.settings.database_url, "STRIPE_API_KEY": API_KEY, "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "BUSLOAD_STRIPE_BASE": service.stripe.url, "BUSLOAD_SECRET": SECRET, "BUSLOAD_BASE_URL": "http://localhost:1",
        "BUSLOAD_SMTP_URL": "smtp://localhost:1", "BUSLOAD_MAIL_FROM": "Busload <busload@localhost>",
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.cli", "reconcile", *options, env={**os.environ, **settings},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode() + err.decode()


async def test_a_clean_world_has_no_finding_and_each_falsification_is_found_in_one_run(service: Service) -> None:
    placed = await sold(service, 5)
    trip = placed[0]["pledge"]["trip_id"]
    assert await kinds(service) == []
    code, text = await command(service)
    assert (code, text.strip().splitlines()[-1]) == (0, "5 movements at Stripe, 5 matched, 0 differences, 0 still settling")
    drifts, doubles, hidden, *_ = await listed(service)
    await service.stripe.stage("movements", {"kind": "drift", "ref": drifts["id"], "amount": 1})
    code, text = await command(service)
    assert code == 1
    assert "amount_differs" in text
    assert "differ by USD 0.01" in text
    assert drifts["id"] in text
    assert drifts["source"] in text
    assert "pledge " in text
    assert "do:    Open the object at Stripe" in text
    await service.stripe.stage("movements", {"kind": "drift", "ref": drifts["id"], "amount": -1})
    assert await kinds(service) == []

    await service.stripe.stage("movements", {"kind": "hide", "ref": hidden["id"]})
    assert await kinds(service) == ["missing_at_stripe"]
    await service.stripe.stage("movements", {"kind": "double", "ref": doubles["id"]})
    assert await kinds(service) == ["doubled_at_stripe", "missing_at_stripe"]
    await service.stripe.stage("movements", {"kind": "stray", "amount": 77, "currency": "usd"})
    assert await kinds(service) == ["doubled_at_stripe", "missing_at_stripe", "stray"]
    code, text = await command(service, "--json")
    report = json.loads(text)
    by_kind = {one["kind"]: one for one in report["findings"]}
    assert code == 1
    assert by_kind["doubled_at_stripe"]["source_ref"] == doubles["source"]
    assert by_kind["missing_at_stripe"]["source_ref"] == hidden["source"]
    assert by_kind["missing_at_stripe"]["pledge_code"] in {one["pledge"]["code"] for one in placed}
    assert by_kind["stray"]["stripe_minor"] == 77
    assert (await command(service, "--since", "2200-01-01"))[0] == 0, "nothing moved from then on"
    assert trip

    shown = (await service.organiser.get("/api/organiser/reconciliation")).json()
    assert (shown["is_clean"], len(shown["findings"])) == (True, 0), "the last run is shown, and it looked at the year 2200 only"
    await reconcile(service.pool, gateway=service.stripe.gateway)
    text = (await service.organiser.get("/organiser/money/reconciliation.csv")).text
    assert text.count("\r\n") == 4
    check = next(one for one in await examine(service.settings) if one.check == "ledger and Stripe agree")
    assert not check.ok
    assert "3 differences" in check.detail


async def test_a_fee_that_drifts_is_a_finding_of_its_own(service: Service) -> None:
    await sold(service, 1)
    async with service.pool.acquire() as conn:
        payment_id = await conn.fetchval("SELECT id FROM payments")
        ref = await conn.fetchval("SELECT external_ref FROM ledger_transactions WHERE kind = 'charge'")
        transaction_id = await conn.fetchval(
            "INSERT INTO ledger_transactions (kind, cause, external_ref) VALUES ('other_fee', $1, $2) RETURNING id", payment_id, ref
        )
        await conn.execute(
            """
            INSERT INTO ledger_entries (transaction_id, account, book, amount_minor, currency)
            VALUES ($1, 'house:stripe_fees', 'event:x', 1, 'USD'), ($1, 'stripe:clearing', 'event:x', -1, 'USD')
            """,
            transaction_id,
        )
    assert await kinds(service) == ["fee_differs"]


async def test_a_movement_posted_twice_in_the_ledger_and_one_without_an_id_are_named(service: Service) -> None:
    await sold(service, 1)
    async with service.pool.acquire() as conn:
        ref = await conn.fetchval("SELECT external_ref FROM ledger_transactions WHERE kind = 'charge'")
        for external_ref in (ref, None):
            transaction_id = await conn.fetchval(
                "INSERT INTO ledger_transactions (kind, cause, external_ref) VALUES ('charge', $1, $2) RETURNING id", uuid4(), external_ref
            )
            await conn.execute(
                """
                INSERT INTO ledger_entries (transaction_id, account, book, amount_minor, currency)
                VALUES ($1, 'riders:fares', 'event:x', -3200, 'USD'), ($1, 'stripe:clearing', 'event:x', 3200, 'USD')
                """,
                transaction_id,
            )
    assert await kinds(service) == ["doubled_in_ledger"], "a charge without its fee may still be listed: it is named as in flight"
    await service.jump(timedelta(days=2))
    assert await kinds(service) == ["doubled_in_ledger", "no_stripe_id"]


async def test_a_charge_whose_news_is_on_its_way_is_named_and_no_fault(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=1)
    placed = await service.pledged(trip)
    seen: list[Any] = []

    async def compare() -> None:
        seen.append(await reconcile(service.pool, gateway=service.stripe.gateway))

    await charge_with(service, placed, between(service, "confirm_payment_intent", compare))
    (run,) = seen
    assert run.findings == []
    assert [(one.kind, one.pledge_code) for one in run.in_flight] == [("settling", placed["pledge"]["code"])]


async def test_a_charge_of_another_program_with_our_key_is_a_stray(service: Service) -> None:
    await service.stripe.charge(await service.stripe.saved_card())
    assert await kinds(service) == ["stray"]


async def test_a_worker_compares_once_a_day_and_tells_what_differs(service: Service) -> None:
    await sold(service, 1)
    gateway = service.stripe.gateway
    assert [await reconcile_daily(service.pool, gateway=gateway) for _ in range(2)] == [True, False]
    await service.stripe.stage("movements", {"kind": "stray", "amount": 5, "currency": "usd"})
    await service.jump(timedelta(hours=25))
    assert await reconcile_daily(service.pool, gateway=gateway)
    async with service.pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM mails WHERE template = 'money_needs_you'") == 1


async def test_more_movements_than_a_page_are_all_looked_at(service: Service) -> None:
    await sold(service, 1)
    card = await service.stripe.saved_card()
    for number in range(105):
        await service.stripe.charge(card, amount_minor=500 + number, payment_id=str(uuid4()))
    found = await reconcile(service.pool, gateway=service.stripe.gateway)
    assert (found.movements, found.matched, {one.kind for one in found.findings}) == (106, 1, {"stray"})


async def test_what_stripe_pays_to_our_bank_and_bills_us_is_posted_once_by_the_comparison(service: Service) -> None:
    await sold(service, 1)
    now = datetime.now(UTC)

    def moved(ref: str, type_: str, amount_minor: int, *, source_ref: str | None, fee_minor: int = 0) -> BalanceTransaction:
        return BalanceTransaction(
            ref=ref, type=type_, amount_minor=amount_minor, fee_minor=fee_minor, net_minor=amount_minor - fee_minor, currency="usd",
            source_ref=source_ref, source_reference=None, charge_ref=None, created_at=now,
        )  # fmt: skip

    listed = [
        moved("txn_1", "payout", -3000, source_ref="po_1", fee_minor=10),
        moved("txn_2", "payout_failure", 3000, source_ref="po_1"),
        moved("txn_3", "stripe_fee", -150, source_ref=None),
        moved("txn_4", "topup", 700, source_ref="tu_1"),
    ]
    assert [await learn_of_bank_movements(service.pool, listed) for _ in range(2)] == [4, 0]
    theirs = await list_all(service.stripe.gateway, since=None)
    posted, owners = await read_ours(service.pool, [*theirs, *listed], since=None)
    result = compare([*theirs, *listed], posted, owners, began_at=now)
    assert (result.findings, result.matched) == ([], 5)
    async with service.pool.acquire() as conn:
        balances = {one.account: one.amount_minor for one in await list_balances(conn, ["house"])}
    assert balances == {"house:bank": -700, "house:stripe_fees": 160, "stripe:clearing": 540}

"""The rehearsal plays a whole event and tells the truth about it: nothing wrong on a sound service, everything wrong named."""

import io
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from rich.console import Console

from app.stage.chaos.director import ChaosPlan
from app.stage.chaos.faults import FAULTS
from app.stage.rehearsal.auditing import Money, check_books, check_doctor, check_ledger, check_promises
from app.stage.rehearsal.calling import Caller
from app.stage.rehearsal.promises import PromisedPledge
from app.stage.rehearsal.rehearse import run_rehearsal
from app.stage.rehearsal.report import Notes, Report, print_report
from tests.support.fake_stripe import FakeStripe
from tests.support.service import Service

REPORT_KEYS = [
    "riders", "pledges", "trips_confirmed", "trips_expired", "withdrawals", "dropped", "charged_minor", "refunded_minor", "offers_declined",
    "resolves", "duties", "manifests", "check_ins", "unserved_people", "payouts", "paid_out_minor", "seconds", "violations",
]  # fmt: skip


def a_console() -> Console:
    return Console(file=io.StringIO(), width=120)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_short_rehearsal_with_every_fault_loses_nothing_and_charges_nobody_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)  # a server of its own, which may be killed and whose disk may be full
    report, broken = await run_rehearsal(riders=40, seed=1, url=None, console=a_console(), chaos=ChaosPlan(at_most=1, silence_s=4))
    assert report.violations == {}
    assert broken is not None
    assert broken.not_recovered == []
    assert broken.faults == dict.fromkeys(set(FAULTS) - set(broken.skipped), 1)
    assert set(broken.skipped) <= {"disk full"}  # where no file system can be mounted
    assert broken.acknowledged > report.pledges > 0
    assert report.check_ins > 0
    assert report.payouts == 2 * report.duties


async def test_acknowledged_writes_that_are_not_there_are_named(service: Service) -> None:
    placed = (await service.pledged(await service.trip(await service.event()), email="ada@example.org"))["pledge"]
    trip_id = str(await service.pool.fetchval("SELECT trip_id FROM pledges WHERE id = $1", placed["id"]))
    as_asked = PromisedPledge(id=placed["id"], trip_id=trip_id, email="ada@example.org", seats=1, wheelchairs=0)
    notes, lost = Notes(), str(uuid4())
    notes.promises.pledges.append(as_asked)
    await check_promises(service.pool, notes)
    assert notes.details == {}

    notes.promises.pledges += [msgspec.structs.replace(as_asked, seats=2), msgspec.structs.replace(as_asked, id=lost)]
    notes.promises.withdrawn.append(placed["id"])
    notes.promises.accepted.append(lost)
    notes.promises.declined.append(lost)
    notes.promises.checked_in.append(lost)
    await check_promises(service.pool, notes)
    assert sorted(notes.details["acknowledged writes survive"]) == sorted(
        [
            f"pledge {placed['id']} was answered with 201 and is not there as it was asked for",
            f"pledge {lost} was answered with 201 and is not there as it was asked for",
            f"pledge {placed['id']} was withdrawn and is active",
            f"offer {lost} was accepted and is gone",
            f"offer {lost} was declined and is gone",
            f"check-in {lost} was taken and is not there",
        ]
    )


def test_the_report_has_exactly_the_keys_that_were_promised() -> None:
    report = Notes().report(riders=1, charged_minor={}, refunded_minor={})
    assert list(msgspec.json.decode(msgspec.json.encode(report))) == REPORT_KEYS


def test_a_violation_is_printed_and_counted() -> None:
    notes, console = Notes(), a_console()
    notes.violated("I06 counters match pledges, under the cap", ["trip x counts 3"])
    report: Report = notes.report(riders=1, charged_minor={"EUR": 3200}, refunded_minor={})
    print_report(console, report, notes)
    assert report.violations == {"I06 counters match pledges, under the cap": 1}
    assert "trip x counts 3" in console.file.getvalue()  # type: ignore[attr-defined]


async def charge_for(stripe: FakeStripe, pledge_id: str) -> None:
    card = await stripe.saved_card()
    assert card.customer_ref is not None
    assert card.payment_method_ref is not None
    intent = await stripe.gateway.create_payment_intent(
        payment_id=str(uuid4()), customer_ref=card.customer_ref, payment_method_ref=card.payment_method_ref, amount_minor=3200,
        currency="eur", description="a fare", metadata={"busload_reference": pledge_id, "busload_purpose": "fare"},
        idempotency_key=uuid4().hex,
    )  # fmt: skip
    await stripe.confirm(intent, card)


def a_pledge(pledge_id: str) -> Any:
    class Known:
        id = pledge_id

    return Known()


async def test_a_double_charge_in_the_books_is_found(stripe: FakeStripe) -> None:
    pledge_id, notes, money = str(uuid4()), Notes(), Money()
    for _ in range(2):
        await charge_for(stripe, pledge_id)
    money.charged = Counter({"EUR": 3200})
    async with httpx.AsyncClient(base_url=stripe.url, trust_env=False) as books:
        await check_books(books, [a_pledge(pledge_id)], money, notes)
    assert set(notes.details) == {"charged once in the books", "charges match the books"}


async def test_books_that_agree_to_the_cent_pass_and_a_cent_more_does_not(stripe: FakeStripe) -> None:
    pledge_id, notes, money = str(uuid4()), Notes(), Money()
    await charge_for(stripe, pledge_id)
    async with httpx.AsyncClient(base_url=stripe.url, trust_env=False) as books:
        money.charged = Counter({"EUR": 3200})
        await check_books(books, [a_pledge(pledge_id)], money, notes)
        assert notes.details == {}
        money.charged = Counter({"EUR": 3201})
        await check_books(books, [a_pledge(pledge_id)], money, notes)
    assert notes.details == {"charges match the books": ["EUR: 3201 and 3200"]}


async def test_a_ledger_that_differs_from_what_riders_were_told_is_found(service: Service) -> None:
    notes, money = Notes(), Money()
    money.charged = Counter({"USD": 5})
    await check_ledger(service.pool, str(uuid4()), money, notes)
    assert notes.details == {"charges match the ledger": ["USD: 5 and 0"]}


async def test_what_the_doctor_names_is_a_violation(service: Service) -> None:
    event = await service.event()
    trip = await service.trip(event)
    await service.pool.execute("UPDATE trips SET secured = 2 WHERE id = $1", trip["id"])
    notes = Notes()
    await check_doctor(Caller(service.http), notes)
    assert "I06 counters match pledges, under the cap" in notes.details
    assert "mail server answers" in notes.details

"""Statements and accounts over HTTP: what operators, partners and organisers see of payouts, and what they can do."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest_asyncio

from app.domain.accounts.model import Role
from app.domain.payments.payouts.model import PayoutKind
from app.flows.close_book import close_book
from tests.support.fake_stripe import FakeStripe
from tests.support.payouts import FARES_MINOR, HIRE_MINOR, Yard, build_yard
from tests.support.server import scratch_database
from tests.support.service import Service, running_service, signed_in


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """A driven event behind the service; its operator, partner and an organiser, signed in."""

    service: Service
    yard: Yard
    operator: httpx.AsyncClient
    partner: httpx.AsyncClient
    partner_path: str


@pytest_asyncio.fixture(scope="module")
async def desk(server: tuple[str, str], stripe: FakeStripe) -> AsyncIterator[Desk]:
    async with scratch_database(server[0], template=server[1], purpose="desk") as dsn, running_service(dsn, stripe) as service:
        yard = await build_yard(service.pool, stripe)
        await service.pool.execute("UPDATE operators SET vat_bp = 1900")
        tokens = [
            await signed_in(service.pool, "desk@coaches.example", Role.OPERATOR, operator_id=yard.world.operator_id),
            await signed_in(service.pool, "desk@club.example", Role.PARTNER, partner_id=yard.partner),
        ]
        code = await service.pool.fetchval("SELECT public_code FROM partners WHERE id = $1", yard.partner)
        base = str(service.http.base_url)
        async with (
            httpx.AsyncClient(base_url=base, trust_env=False, timeout=30, headers={"Authorization": f"Bearer {tokens[0]}"}) as operator,
            httpx.AsyncClient(base_url=base, trust_env=False, timeout=30, headers={"Authorization": f"Bearer {tokens[1]}"}) as partner,
        ):
            yield Desk(service=service, yard=yard, operator=operator, partner=partner, partner_path=f"/partner/{code}/statements")


async def read(client: httpx.AsyncClient, path: str) -> Any:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def onboarded(desk: Desk, client: httpx.AsyncClient, path: str, body: dict[str, str], back: str) -> None:
    """Through Stripe's page and back."""
    answer = await client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    page = await desk.service.stripe.http.get(answer.json()["url"], follow_redirects=False)
    assert page.headers["location"].endswith(back)
    assert (await client.get(back)).status_code == 200


async def test_an_operator_sets_up_its_account_is_paid_and_reads_its_statement(desk: Desk) -> None:
    yard, duty = desk.yard, desk.yard.duty
    [account] = await read(desk.operator, "/api/operator/payout-account")
    assert account["state"] == "not_started"
    await yard.sweep()
    waiting = await read(desk.service.organiser, "/api/organiser/payouts")
    assert [(one["kind"], one["is_stuck"]) for one in waiting if one["is_stuck"]] == [("hire", True)]
    assert "no account at Stripe" in waiting[0]["why"]
    assert {one["payee"] for one in waiting} == {
        statement["operator"] for statement in await read(desk.operator, "/api/operator/statements")
    }
    page = (await desk.service.organiser.get("/organiser/payouts")).text
    assert all(one["event_code"] in page for one in waiting)
    assert "no account at Stripe" in page
    assert "Set up payments" in (await desk.operator.get("/operator/statements")).text
    await onboarded(desk, desk.operator, "/api/operator/payout-account", {}, f"/operator/statements?back={yard.world.operator_id}")
    [account] = await read(desk.operator, "/api/operator/payout-account")
    assert account["state"] == "ready"
    await yard.sweep()

    [statement] = await read(desk.operator, "/api/operator/statements")
    assert statement == await read(desk.operator, f"/api/operator/statements/{duty}")
    figures = {name: statement[f"{name}_minor"] for name in ("gross", "net", "tax", "reserve", "fee", "paid", "corrected")}
    assert figures == {"gross": HIRE_MINOR, "net": HIRE_MINOR, "tax": 0, "reserve": 18_000, "fee": 0, "paid": 162_000, "corrected": 0}
    transfer = next(one for one in statement["transfers"] if one["kind"] == "hire")
    assert transfer["transfer_id"] == (await yard.payout()).transfer_ref
    assert transfer["paid_at"] is not None

    month = statement["accrued_at"][:7]
    sheet = await desk.operator.get("/operator/statements.csv", params={"month": month})
    [row] = list(csv.DictReader(io.StringIO(sheet.text)))
    assert (row["duty"], row["gross_minor"], row["paid_minor"], row["transfer"]) == (
        statement["duty_code"], "180000", "162000", transfer["transfer_id"],
    )  # fmt: skip
    assert (await read(desk.operator, "/api/operator/statements?month=2001-01")) == []
    assert (await desk.operator.get("/api/operator/statements", params={"month": "yesterday"})).status_code == 422
    paper = await desk.operator.get(f"/operator/statements/{duty}/statement.pdf")
    assert (paper.headers["content-type"], paper.content[:5]) == ("application/pdf", b"%PDF-")
    page = (await desk.operator.get(f"/operator/statements/{duty}")).text
    assert transfer["transfer_id"] in page


async def test_an_organiser_sees_every_payout_and_takes_a_hire_back_once(desk: Desk) -> None:
    yard, organiser = desk.yard, desk.service.organiser
    view = await read(organiser, f"/api/events/{yard.world.event_id}/payouts")
    assert (view["book"]["kept_minor"], view["book"]["hire_minor"], view["book"]["missing_minor"]) == (FARES_MINOR, HIRE_MINOR, 0)
    path, body = f"/api/duties/{yard.duty}/corrections", {"amount_minor": 20_000, "reason": "Arrived two hours late."}
    assert (await organiser.post(path, json=body)).status_code == 400
    key = {"Idempotency-Key": uuid4().hex}
    for _ in range(2):
        answer = await organiser.post(path, json=body, headers=key)
        assert answer.status_code == 200, answer.text
        assert answer.json()["corrected_minor"] == 20_000
    await yard.sweep()
    statement = await read(desk.operator, f"/api/operator/statements/{yard.duty}")
    assert [one["reason"] for one in statement["corrections"]] == ["Arrived two hours late."]
    assert statement["paid_minor"] == 160_000  # the reserve covers 18,000 of it, 2,000 came back
    code = await yard.pool.fetchval("SELECT public_code FROM events WHERE id = $1", yard.world.event_id)
    assert "Arrived two hours late." in (await organiser.get(f"/organiser/events/{code}/payouts")).text
    nothing = await organiser.post(
        f"/api/events/{yard.world.event_id}/payouts/cover", json={"missing_minor": 5}, headers={"Idempotency-Key": uuid4().hex}
    )
    assert nothing.json()["code"] == "nothing_to_cover"
    terms = await organiser.put(f"/api/operators/{yard.world.operator_id}/pay-terms", json={"vat_bp": 700, "reserve_bp": 500})
    assert terms.json() == {"vat_bp": 700, "reserve_bp": 500}


async def test_a_partner_reads_its_share_and_is_paid_once_the_book_is_closed(desk: Desk) -> None:
    yard = desk.yard
    [share] = await read(desk.partner, "/api/partner/statements")
    assert (share["kept_minor"], share["share_minor"], share["transfer"]) == (FARES_MINOR, FARES_MINOR * 2 // 100, None)
    no_country = await desk.partner.post("/api/partner/payout-account", json={"country": "Germany"})
    assert no_country.status_code in {400, 422}
    await onboarded(desk, desk.partner, "/api/partner/payout-account", {"country": "DE"}, f"{desk.partner_path}?back=true")
    await close_book(yard.pool, yard.world.event_id)
    await yard.sweep(after=timedelta(minutes=1))
    [share] = await read(desk.partner, "/api/partner/statements")
    paid = await yard.payout(PayoutKind.SHARE)
    assert (share["transfer"]["transfer_id"], share["transfer"]["amount_minor"]) == (paid.transfer_ref, FARES_MINOR * 2 // 100)
    page = (await desk.partner.get(desk.partner_path)).text
    assert paid.transfer_ref is not None
    assert paid.transfer_ref in page
    paper = await desk.partner.get(f"{desk.partner_path}/{share['event_code']}/statement.pdf")
    assert paper.content[:5] == b"%PDF-"
    assert "The Club" in (await desk.partner.get(f"{desk.partner_path}.csv")).text


async def test_an_operator_says_which_tax_its_prices_contain_and_its_reserve_stays(desk: Desk) -> None:
    operator_id = desk.yard.world.operator_id
    before = await desk.service.pool.fetchrow("SELECT vat_bp, reserve_bp FROM operators WHERE id = $1", operator_id)
    assert before is not None
    await desk.operator.get("/sign-in/none")
    desk.operator.headers["x-csrf-token"] = desk.operator.cookies["busload_csrf"]
    csrf = {"operator_id": str(operator_id), "vat_percent": "7,7"}
    try:
        answer = await desk.operator.post("/operator/vat", data=csrf, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        assert 'value="7.7"' in (await desk.operator.get("/operator/statements")).text
        answer = await desk.operator.put("/api/operator/vat", json={"vat_bp": 2_000})
        assert answer.json() == {"vat_bp": 2_000, "reserve_bp": before["reserve_bp"]}
        for wrong in ("", "ninety", "51", "-1", "19.005"):
            refused = await desk.operator.post("/operator/vat", data={**csrf, "vat_percent": wrong})
            assert (refused.status_code, "field-error" in refused.text) == (422, True), wrong
        assert (await desk.operator.put("/api/operator/vat", json={"vat_bp": 5_001})).status_code in {400, 422}
        stranger = await desk.operator.post("/operator/vat", data={**csrf, "operator_id": str(uuid4())})
        assert stranger.status_code == 404
        told = await desk.service.pool.fetch(
            "SELECT (detail ->> 'vat_bp')::int AS vat_bp FROM audit WHERE machine = 'operator' AND subject_id = $1 ORDER BY id", operator_id
        )
        assert [row["vat_bp"] for row in told][-2:] == [770, 2_000]
    finally:
        await desk.service.pool.execute("UPDATE operators SET vat_bp = $2 WHERE id = $1", operator_id, before["vat_bp"])


async def test_organisers_see_what_waits_over_all_events_and_why(desk: Desk) -> None:
    assert await read(desk.service.organiser, "/api/organiser/payouts") == [], "everything of this desk is paid by now"
    assert "Nothing waits" in (await desk.service.organiser.get("/organiser/payouts")).text
    assert (await desk.operator.get("/api/organiser/payouts")).status_code == 403

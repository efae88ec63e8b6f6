"""Seats passed on to another person: both are told, old links are dead, the money stays with who paid."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest_asyncio

from app.core.ids import derived_token
from tests.support.fake_stripe import FakeStripe
from tests.support.riders import paid, signed_in_rider, until
from tests.support.service import SECRET, Service
from tests.support.shared_service import one_story, shared_service


@pytest_asyncio.fixture(scope="module")
async def stage(server: tuple[str, str], stripe: FakeStripe) -> AsyncIterator[Service]:
    async with shared_service(server, stripe, "transfers") as running:
        yield running


@pytest_asyncio.fixture
async def service(stage: Service) -> AsyncIterator[Service]:
    async with one_story(stage) as running:
        yield running


async def offer(service: Service, placed: dict[str, Any], email: str, name: str = "Theo Taker") -> httpx.Response:
    headers = {"Authorization": f"Bearer {placed['manage_token']}"}
    path = f"/api/pledges/{placed['pledge']['id']}/transfer"
    return await service.http.post(path, json={"to_name": name, "to_email": email}, headers=headers)


async def offered(service: Service, placed: dict[str, Any], email: str) -> str:
    """The token that the other person is mailed."""
    answer = await offer(service, placed, email)
    assert answer.status_code == 201, answer.text
    return derived_token(SECRET, "transfer", answer.json()["id"])


async def accept(service: Service, token: str, **told: str) -> httpx.Response:
    return await service.http.post("/api/transfer/accept", json=told, headers={"Authorization": f"Bearer {token}"})


async def opens(service: Service, token: str) -> int:
    return (await service.http.get(f"/p/{token}")).status_code


async def letters_to(service: Service, address: str) -> list[str]:
    """What somebody has been mailed, newest last: subject and text."""
    await service.work("send_mail")
    return [f"{m['Subject']}\n{m.get_body(('plain',)).get_content()}" for m in service.postbox.messages if m["To"] == address]


async def test_who_accepts_has_the_seats_and_the_only_link_and_refunds_go_to_who_paid(service: Service) -> None:
    trip, placed = await paid(service, seats=2)
    giver = placed["pledge"]["email"]
    token = await offered(service, placed, "theo@example.org")
    shown = (await service.http.get("/api/transfer", headers={"Authorization": f"Bearer {token}"})).json()
    assert (shown["state"], shown["people"], shown["from_name"]) == ("offered", 2, "Ada")
    assert await opens(service, placed["manage_token"]) == 200, "nothing changes before it is accepted"
    assert any("The money stays with you" in letter for letter in await letters_to(service, giver))
    assert any(
        "The money stays with Ada" in letter and f"/transfer/{token}" in letter for letter in await letters_to(service, "theo@example.org")
    )

    answer = await accept(service, token, phone="+43 1 5", needs="a guide dog")
    assert answer.status_code == 200, answer.text
    theirs = answer.json()
    assert await opens(service, placed["manage_token"]) == 404
    assert await opens(service, theirs["manage_token"]) == 200
    assert (theirs["pledge"]["name"], theirs["pledge"]["email"], theirs["pledge"]["needs"]) == (
        "Theo Taker",
        "theo@example.org",
        "a guide dog",
    )
    assert (theirs["pledge"]["state"], theirs["pledge"]["seats"], "Visa" in theirs["pledge"]["card"]) == ("paid", 2, False)
    assert any(f"/p/{theirs['manage_token']}" in letter for letter in await letters_to(service, "theo@example.org"))
    assert not any(theirs["manage_token"] in letter for letter in await letters_to(service, giver))
    assert (await accept(service, token)).json()["code"] == "transfer_over"
    assert (await service.trip_now(trip))["secured"] == 2

    mine = await service.http.get("/pledges", headers=await signed_in_rider(service, "theo@example.org"))
    assert f"/p/{theirs['manage_token']}" in mine.text
    assert "/p/" not in (await service.http.get("/pledges", headers=await signed_in_rider(service, giver))).text

    own_link = next(line for letter in await letters_to(service, giver) for line in letter.splitlines() if "/receipts/" in line)
    seen = await service.http.get(own_link)
    assert (seen.status_code, "Visa 4242" in seen.text, "$64.00" in seen.text) == (200, True, True), "who paid reads it with their own card"
    assert "theo@example.org" not in seen.text
    assert theirs["manage_token"] not in seen.text
    assert seen.headers["cache-control"] == "no-store"
    assert (await service.http.get(f"{own_link}/receipt.pdf")).content.startswith(b"%PDF-")
    for path in (f"/p/{theirs['manage_token']}/receipt", f"/p/{theirs['manage_token']}"):
        shown_to_theo = (await service.http.get(path)).text
        assert ("4242" in shown_to_theo, "card of Ada" in shown_to_theo) == (False, True), "whose card, not which"
    other = derived_token(SECRET, "payer_receipt", str(UUID(int=1)))
    assert (await service.http.get(f"/receipts/{other}")).status_code == 404

    headers = {"Authorization": f"Bearer {theirs['manage_token']}"}
    assert (await service.http.post(f"/api/pledges/{placed['pledge']['id']}/withdraw", headers=headers)).json()["state"] == "refunded"
    await service.work()
    assert "$64.00" in (await letters_to(service, giver))[-1].replace("USD 64.00", "$64.00")
    assert not any("on their way back" in letter for letter in await letters_to(service, "theo@example.org"))
    assert own_link in (await letters_to(service, giver))[-1]
    assert "Refund: seats given up" in (await service.http.get(own_link)).text


async def test_seats_passed_on_twice_keep_the_money_with_the_first_and_show_it_to_nobody_between(service: Service) -> None:
    _, placed = await paid(service, seats=1)
    second = (await accept(service, await offered(service, placed, "theo@example.org"))).json()
    assert (await accept(service, await offered(service, second, "tina@example.org"))).status_code == 200
    between = await letters_to(service, "theo@example.org")
    assert any("Tina" in letter or "has your seats now" in letter for letter in between)
    assert not any("/receipts/" in letter for letter in between), "it was not his card"
    async with service.pool.acquire() as conn:
        his = await conn.fetchval("SELECT id FROM transfers WHERE to_email = 'tina@example.org'")
    shown = (await service.http.get(f"/receipts/{derived_token(SECRET, 'payer_receipt', his)}")).text
    assert ("4242" in shown, "$32.00" in shown, "Nothing has been charged" in shown) == (False, False, True)


async def test_a_request_repeated_after_the_seats_changed_hands_tells_nothing_of_their_new_owner(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=1)
    wish = {"email": "ada@example.org", "key": "again"}
    placed = (await service.pledge(trip, **wish)).json()
    await service.save_card(placed)
    await accept(service, await offered(service, placed, "theo@example.org"))
    again = await service.pledge(trip, **wish)
    assert (again.status_code, again.json()["code"]) == (410, "pledge_passed_on")
    assert "theo" not in again.text


async def test_an_offer_is_taken_back_declined_or_expires_and_both_are_told(service: Service) -> None:
    _, placed = await paid(service)
    path, headers = f"/api/pledges/{placed['pledge']['id']}/transfer", {"Authorization": f"Bearer {placed['manage_token']}"}
    first = await offered(service, placed, "one@example.org")
    assert (await offer(service, placed, "two@example.org")).json()["code"] == "transfer_open"
    assert (await service.http.post(f"{path}/cancel", headers=headers)).status_code == 204
    assert (await accept(service, first)).json()["code"] == "transfer_over"
    second = await offered(service, placed, "two@example.org")
    assert (await service.http.post("/api/transfer/decline", headers={"Authorization": f"Bearer {second}"})).status_code == 204
    third = await offered(service, placed, "three@example.org")
    await service.jump(timedelta(hours=48, minutes=1))
    assert (await accept(service, third)).status_code == 410
    await service.sweep()
    mine = UUID(placed["pledge"]["id"])
    async with service.pool.acquire() as conn:
        states = [row["state"] for row in await conn.fetch("SELECT state FROM transfers WHERE pledge_id = $1 ORDER BY id", mine)]
        mails = await conn.fetch("SELECT template FROM mails WHERE subject_id = $1 AND template LIKE 'transfer%'", mine)
    assert states == ["cancelled", "cancelled", "expired"]
    assert {row["template"] for row in mails} == {
        f"transfer_{what}_{side}" for what in ("offered", "cancelled", "expired") for side in ("from", "to")
    }
    assert (await service.show(placed))["name"] == "Ada"
    await service.work()


async def test_one_address_has_one_pledge_on_a_trip_also_by_transfer(service: Service) -> None:
    trip, placed = await paid(service)
    theo = await service.pledged(trip, email="theo@example.org")
    await service.work("charge_payment")
    assert (await offer(service, placed, "THEO@example.org")).json()["code"] == "already_pledged"
    token = await offered(service, placed, "late@example.org")
    await service.pledged(trip, email="late@example.org")
    assert (await accept(service, token)).json()["code"] == "already_pledged"
    assert (await service.show(placed))["name"] == "Ada"
    bad = await offer(service, theo, "nobody", name="")
    assert (bad.status_code, [error["field"] for error in bad.json()["errors"]]) == (422, ["to_name", "to_email"])
    await service.work()


async def test_a_card_charged_after_the_seats_were_passed_on_is_its_owners_news(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=2)
    placed = await service.pledged(trip, email="ada@example.org")
    theirs = (await accept(service, await offered(service, placed, "theo@example.org"))).json()
    await service.pledged(trip)
    await service.work("charge_payment")
    assert (await service.show(theirs))["state"] == "paid"
    assert any("charged for the seats you passed on" in letter for letter in await letters_to(service, "ada@example.org"))
    assert not any("Receipt" in letter for letter in await letters_to(service, "theo@example.org"))
    await service.work()


async def test_seats_that_do_not_count_and_trips_that_are_over_are_not_passed_on(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=5)
    held = (await service.pledge(trip)).json()
    assert (await offer(service, held, "theo@example.org")).json()["code"] == "nothing_to_pass_on"
    counted = await service.pledged(trip)
    token = await offered(service, counted, "theo@example.org")
    async with service.pool.acquire() as conn:
        deadline = await conn.fetchval("SELECT deadline_at FROM trips WHERE id = $1", UUID(trip["id"]))
    await service.jump(await until(service, deadline))
    await service.sweep()
    assert (await accept(service, token)).status_code in {409, 410}
    await service.work()

"""What riders see of their money: the pledge's page in every state, receipts on page and paper."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.core.database import transaction
from app.flows.credit_back import credit_back_within
from tests.support.riders import ASKS, DECLINED, POOR, later, paid, set_decline_rate, signed_in_rider, tipped
from tests.support.service import Service

HOURS = timedelta(hours=1)


async def told(service: Service, placed: dict[str, Any], path: str = "") -> str:
    """A page of the pledge as words."""
    answer = await service.http.get(f"/p/{placed['manage_token']}{path}")
    assert answer.status_code == 200, answer.text
    main = re.search(r"<main.*</main>", answer.text, re.DOTALL)
    assert main is not None
    return " ".join(re.sub(r"<[^>]+>", " ", main.group()).split()).replace(" ", " ").replace("&#39;", "'")


async def test_before_the_confirmation_the_page_says_what_will_be_charged_and_when_not(service: Service) -> None:
    placed = await service.pledged(await service.trip(await service.event()))
    text = await told(service, placed)
    assert "Visa 4242 saved" in text
    assert "$32.00 is charged once the trip is confirmed" in text
    assert "Nothing has been charged yet" in await told(service, placed, "/receipt")
    paper = await service.http.get(f"/p/{placed['manage_token']}/receipt.pdf")
    assert (paper.status_code, paper.json()["code"]) == (404, "no_receipt")


@pytest.mark.parametrize(
    ("card", "says", "button"),
    [
        (DECLINED, "The card did not take $32.00", "Try this card again"),
        (POOR, "There was not enough money on it.", "Use another card"),
        (ASKS, "Your bank asked for your approval of $32.00", "Approve $32.00 at my bank"),
    ],
)
async def test_a_charge_that_waits_says_what_to_do_when_we_try_again_and_until_when(
    service: Service, card: str, says: str, button: str
) -> None:
    _, placed = await tipped(service, card=card)
    await service.work("charge_payment")
    text = await told(service, placed)
    dates = re.findall(r"\w{3} \d{1,2} \w{3}, \d\d:\d\d E[DS]T", text)
    assert len(dates) >= 4, text
    assert says in text
    assert button in text
    assert "Your seats go back on sale if $32.00 is not paid by then" in text


async def test_after_the_window_the_page_says_that_nothing_was_charged(service: Service) -> None:
    _, placed = await tipped(service, card=DECLINED)
    await service.work("charge_payment")
    for hours in (49, 97, 145, 169):
        await later(service, hours * HOURS)
    text = await told(service, placed)
    assert "Your seats were given up" in text
    assert text.count("The card did not take $32.00") == 4
    assert "$32.00 was not charged" in text


async def test_credit_and_refund_stand_on_page_and_receipt_with_what_is_left_paid(service: Service) -> None:
    trip, placed = await paid(service, seats=2, tiers=[[2, 2500]])
    assert "The price may still fall" in await told(service, placed)
    async with transaction(service.pool) as conn:
        await credit_back_within(conn, UUID(trip["event_id"]))
    assert "$14.00 is on its way back to you" in await told(service, placed)
    assert "$14.00 more is on its way back" in await told(service, placed, "/receipt")
    await service.work()

    text = await told(service, placed)
    assert "$64.00 charged to Visa 4242" in text
    assert "$14.00 refunded" in text
    assert re.search(r"Your bank shows it between \w{3} \d+ \w{3} and \w{3} \d+ \w{3}\.", text)
    receipt = await told(service, placed, "/receipt")
    assert re.search(r"Receipt BL-\d{4}-\d{6}", receipt)
    for part in (
        "Fare",
        "Credit: the price fell for everyone",
        "Charged $64.00",
        "Credited and refunded $14.00",
        "Paid $50.00",
        "include tax",
    ):
        assert part in receipt, receipt


async def test_the_paper_is_for_the_link_the_owner_and_staff_and_for_nobody_else(service: Service) -> None:
    _, placed = await paid(service)
    api = f"/api/pledges/{placed['pledge']['id']}/receipt.pdf"
    owner = await signed_in_rider(service, placed["pledge"]["email"])
    stranger = await signed_in_rider(service, "mallory@example.org")
    for path, headers in ((f"/p/{placed['manage_token']}/receipt.pdf", {}), (api, owner), (f"{api}?token={placed['manage_token']}", {})):
        answer = await service.http.get(path, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
        assert answer.content.startswith(b"%PDF-")
        assert "no-store" in answer.headers["cache-control"]
    for headers in (stranger, {}):
        assert (await service.http.get(api, headers=headers)).status_code == 404
    assert (await service.http.get("/p/wrong/receipt.pdf")).status_code == 404


async def test_each_pledge_has_one_receipt_whatever_is_charged_to_it_later(service: Service) -> None:
    _, placed = await paid(service)
    first = re.findall(r"BL-\d{4}-\d{6}", await told(service, placed))[0]
    headers = {"Authorization": f"Bearer {placed['manage_token']}"}
    for seats in (3, 1):
        answer = await service.http.post(f"/api/pledges/{placed['pledge']['id']}/change", json={"seats": seats}, headers=headers)
        assert answer.status_code == 200, answer.text
        await service.work()
    receipt = await told(service, placed, "/receipt")
    assert set(re.findall(r"BL-\d{4}-\d{6}", receipt)) == {first}
    assert receipt.count("Change of the party") == 1
    assert "Refund: smaller party" in receipt
    assert "Paid $32.00" in receipt


async def test_a_party_that_could_not_pay_for_more_seats_reads_that_only_the_change_is_at_stake(service: Service) -> None:
    _, placed = await paid(service)
    await set_decline_rate(service, 1.0)
    headers = {"Authorization": f"Bearer {placed['manage_token']}"}
    await service.http.post(f"/api/pledges/{placed['pledge']['id']}/change", json={"seats": 2}, headers=headers)
    await service.work()
    await set_decline_rate(service, 0.0)
    assert "Your change is taken back if $32.00 is not paid by then" in await told(service, placed)

"""What riders hear of a charge: each occasion once, in words that can be read, with its dates, until it is paid or given up."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.core.database import transaction
from app.domain.payments.model import Payment
from app.flows.approve_charge import approve_charge
from app.flows.credit_back import credit_back_within
from tests.support.riders import ASKS, DECLINED, POOR, later, mails_to, paid, payments, set_decline_rate, tipped
from tests.support.service import Service

HOURS = timedelta(hours=1)
MONEY_MAILS = (
    "card_saved",
    "payment_failed",
    "payment_approval",
    "payment_last_warning",
    "payment_succeeded",
    "pledge_dropped",
    "refund_sent",
)


def letters(service: Service) -> list[tuple[str, str]]:
    """Subject and text of what was delivered."""
    return [(message["Subject"], message.get_body(("plain",)).get_content()) for message in service.postbox.messages]


def is_a_week(payment: Payment) -> bool:
    """Whether there is a week to pay; both moments are read within one transaction."""
    return abs(payment.collect_until - payment.created_at - 7 * 24 * HOURS) < timedelta(seconds=5)


async def money_mails(service: Service, placed: dict[str, Any]) -> list[str]:
    return [template for template in await mails_to(service, placed) if template in MONEY_MAILS]


@pytest.mark.parametrize(("card", "first"), [(DECLINED, "payment_failed"), (ASKS, "payment_approval")])
async def test_an_unpaid_charge_is_told_of_every_two_days_then_warned_of_and_dropped(service: Service, card: str, first: str) -> None:
    trip, placed = await tipped(service, card=card)
    await service.work("charge_payment")
    for hours, told in ((47, 1), (49, 2), (95, 2), (97, 3)):
        await later(service, hours * HOURS)
        assert await money_mails(service, placed) == [first] * told
    for hours in (145, 150, 167):
        await later(service, hours * HOURS)
        assert await money_mails(service, placed) == [first] * 3 + ["payment_last_warning"]
    for hours in (169, 170, 171):
        await later(service, hours * HOURS)
    assert await money_mails(service, placed) == [first] * 3 + ["payment_last_warning", "pledge_dropped"]
    assert ((await service.show(placed))["state"], (await service.trip_now(trip))["room"]) == ("dropped", 10), "the seats are sold again"
    await service.work("forget_card", "detach_card", "send_mail")
    texts = letters(service)
    assert all("EDT" in text or "EST" in text for subject, text in texts if "pay by" in subject)
    assert [subject for subject, _ in texts if subject.startswith("Last call: USD 32.00 to pay by")] != []


async def test_a_rider_who_left_the_banks_page_half_way_is_reminded(service: Service) -> None:
    _, placed = await tipped(service, card=ASKS)
    await service.work("charge_payment")
    await approve_charge(service.pool, UUID(placed["pledge"]["id"]), gateway=service.stripe.gateway, return_url="http://localhost/")
    assert await money_mails(service, placed) == ["payment_approval"]
    await later(service, 49 * HOURS)
    assert await money_mails(service, placed) == ["payment_approval"] * 2


async def test_a_riders_own_failed_try_costs_none_of_ours(service: Service) -> None:
    _, placed = await tipped(service, card=POOR)
    await service.work("charge_payment")
    for _ in range(4):
        await approve_charge(service.pool, UUID(placed["pledge"]["id"]), gateway=service.stripe.gateway, return_url="http://localhost/")
    (payment,) = await payments(service, placed)
    assert payment.attempts == 5
    assert payment.next_attempt_at == payment.created_at + 48 * HOURS
    assert is_a_week(payment)


async def test_a_window_that_booking_close_cuts_short_still_has_its_warning(service: Service) -> None:
    closes = datetime.now(tz=UTC) + timedelta(days=3, hours=20)
    event = await service.event(booking_closes_at=closes.isoformat())
    trip = await service.trip(event, minimum=1, deadline_at=(closes - timedelta(days=1)).isoformat())
    placed = await service.pledged(trip, card=DECLINED)
    await service.work("charge_payment")
    await later(service, 49 * HOURS)
    assert await money_mails(service, placed) == ["payment_failed", "payment_last_warning"], "no other try before booking closes"
    await later(service, 69 * HOURS)
    assert await money_mails(service, placed) == ["payment_failed", "payment_last_warning", "payment_last_warning"], "the last day begins"
    await later(service, 91 * HOURS)
    assert (await money_mails(service, placed)).count("payment_last_warning") == 2


async def test_a_charge_has_its_receipt_and_a_refund_the_days_when_it_arrives(service: Service) -> None:
    trip, placed = await paid(service, seats=2, tiers=[[2, 2500]])
    async with transaction(service.pool) as conn:
        await credit_back_within(conn, UUID(trip["event_id"]))
    await service.work()
    assert Counter(await money_mails(service, placed)) == {"payment_succeeded": 1, "refund_sent": 1}
    texts = dict(letters(service))
    receipt = next(subject for subject in texts if subject.startswith("Receipt BL-"))
    assert f"/p/{placed['manage_token']}/receipt" in texts[receipt]
    back = next(text for subject, text in texts.items() if "on their way back" in subject)
    assert "the price fell for everyone" in back
    assert "look for it between" in back


async def test_a_changes_charge_has_a_receipt_of_its_own_and_a_window_of_a_week(service: Service) -> None:
    _, placed = await paid(service)
    headers = {"Authorization": f"Bearer {placed['manage_token']}"}
    path = f"/api/pledges/{placed['pledge']['id']}/change"
    assert (await service.http.post(path, json={"seats": 2}, headers=headers)).status_code == 200
    await service.work()
    assert (await money_mails(service, placed)).count("payment_succeeded") == 2
    await set_decline_rate(service, 1.0)
    assert (await service.http.post(path, json={"seats": 3}, headers=headers)).status_code == 200
    await service.work()
    unpaid = (await payments(service, placed))[-1]
    assert is_a_week(unpaid)
    await later(service, 169 * HOURS)
    shown = await service.show(placed)
    assert (shown["state"], shown["seats"]) == ("paid", 2)
    assert any("we take it back; what you paid before stays yours" in text for _, text in letters(service))

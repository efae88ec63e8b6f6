"""What becomes of a charge that does not go through: retries, another card, the end of the window, and changes of a party."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from app.core.database import transaction
from app.flows.approve_charge import approve_charge
from app.flows.collect_payment import end_collection_within
from app.flows.credit_back import credit_back_within
from app.flows.look_up_payment import look_up_payment
from app.flows.send_refund import look_up_refund, send_refund
from tests.support.ledgers import charges_at_stripe, payment_ids
from tests.support.riders import ASKS, DECLINED, GOOD, later, mails_to, paid, payments, set_decline_rate, states, tipped
from tests.support.service import Service

HOURS = timedelta(hours=1)


async def change(service: Service, placed: dict[str, Any], **wanted: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {placed['manage_token']}"}
    return await service.http.post(f"/api/pledges/{placed['pledge']['id']}/change", json=wanted, headers=headers)


async def other_card(service: Service, placed: dict[str, Any], card: str) -> None:
    """The rider saves another card."""
    headers = {"Authorization": f"Bearer {placed['manage_token']}"}
    answer = await service.http.post(f"/api/pledges/{placed['pledge']['id']}/card", headers=headers)
    assert answer.status_code == 200, answer.text
    await service.save_card({**placed, "pledge": {**placed["pledge"], "card_url": answer.json()["card_url"]}}, card)


async def test_a_failed_charge_is_tried_every_two_days_and_dropped_at_the_end_of_its_week(service: Service) -> None:
    trip, placed = await tipped(service, card=DECLINED, seats=2)
    await service.work("charge_payment")
    for hours, attempts in ((47, 1), (49, 2), (98, 3), (147, 4), (167, 4)):
        await later(service, hours * HOURS)
        assert [(p.state, p.attempts) for p in await payments(service, placed)] == [("retryable", attempts)]
    assert (await service.trip_now(trip))["secured"] == 2

    await later(service, 169 * HOURS)

    assert await states(service, placed) == ["abandoned"]
    assert (await service.show(placed))["state"] == "dropped"
    now = await service.trip_now(trip)
    assert (now["state"], now["secured"]) == ("confirmed", 0), "seats are sold again, the promise stands"
    assert (await mails_to(service, placed))[-1] == "pledge_dropped"


async def test_a_charge_that_waits_for_approval_is_closed_at_the_bank_before_its_pledge_is_dropped(service: Service) -> None:
    _, placed = await tipped(service, card=ASKS)
    await service.work("charge_payment")
    await later(service, 167 * HOURS)
    await approve_charge(service.pool, UUID(placed["pledge"]["id"]), gateway=service.stripe.gateway, return_url="http://localhost/")
    (waiting,) = await payments(service, placed)
    await later(service, 169 * HOURS)  # closes the intent
    await later(service, 170 * HOURS)  # gives the payment up
    assert (await service.show(placed))["state"] == "dropped"
    assert waiting.intent_ref is not None
    assert (await service.stripe.gateway.fetch_payment_intent(waiting.intent_ref)).status == "canceled"


async def test_an_approval_as_the_window_ends_pays_and_nobody_is_dropped(service: Service) -> None:
    _, placed = await tipped(service, card=ASKS)
    await service.work("charge_payment")
    await service.jump(167 * HOURS)
    await approve_charge(service.pool, UUID(placed["pledge"]["id"]), gateway=service.stripe.gateway, return_url="http://localhost/")
    (waiting,) = await payments(service, placed)
    await service.jump(169 * HOURS)
    await service.sweep()  # the window ends: the intent is to be closed
    await service.stripe.stage(f"intents/{waiting.intent_ref}/decide", {"approve": True})
    await service.work()
    assert (await states(service, placed), (await service.show(placed))["state"]) == (["succeeded"], "paid")


async def test_another_card_is_charged_at_once_on_the_same_intent(service: Service) -> None:
    _, placed = await tipped(service, card=DECLINED)
    await service.work("charge_payment")
    (failed,) = await payments(service, placed)
    await other_card(service, placed, GOOD)
    await service.work("charge_payment")
    (charged,) = await payments(service, placed)
    assert (charged.state, charged.intent_ref, charged.attempts) == ("succeeded", failed.intent_ref, 2)
    assert (await service.show(placed))["state"] == "paid"


async def test_more_seats_before_the_charge_change_its_amount_only(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=3)
    placed = await service.pledged(trip)
    assert (await change(service, placed, seats=2)).json()["amount_minor"] == 6400
    assert await payments(service, placed) == []
    assert (await service.trip_now(trip))["secured"] == 2
    assert (await change(service, placed, seats=3)).json()["state"] == "confirmed", "a larger party makes the minimum"
    await service.work("charge_payment")
    assert [payment.amount_minor for payment in await payments(service, placed)] == [9600]


async def test_a_change_of_the_amount_waits_until_the_charge_has_gone_through(service: Service) -> None:
    _, placed = await tipped(service)
    answer = await change(service, placed, seats=2)
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (409, "charge_under_way", "60")
    assert (await change(service, placed, needs="a seat in front")).status_code == 200


async def test_more_seats_after_the_charge_are_charged_the_difference_and_fewer_get_theirs_back(service: Service) -> None:
    trip, placed = await paid(service, seats=2)
    assert (await change(service, placed, seats=3)).status_code == 200
    await service.work()
    assert (await change(service, placed, seats=1)).status_code == 200
    await service.work()
    shown = await service.show(placed)
    assert [(charge["state"], charge["amount_minor"]) for charge in shown["charges"]] == [("succeeded", 6400), ("succeeded", 3200)]
    assert sorted((refund["state"], refund["amount_minor"]) for refund in shown["refunds"]) == [("succeeded", 3200)] * 2
    assert (shown["state"], shown["amount_minor"], (await service.trip_now(trip))["secured"]) == ("paid", 3200, 1)


async def unpaid_change(service: Service) -> tuple[dict[str, Any], dict[str, Any]]:
    """A paid pledge for one whose second seat cannot be charged."""
    trip, placed = await paid(service)
    await set_decline_rate(service, 1.0)
    assert (await change(service, placed, seats=2)).status_code == 200
    await service.work()
    assert await states(service, placed) == ["succeeded", "retryable"]
    assert (await service.trip_now(trip))["secured"] == 2
    return trip, placed


async def test_a_change_that_is_never_paid_is_taken_back_at_booking_close_and_the_pledge_stays_paid(service: Service) -> None:
    trip, placed = await unpaid_change(service)
    async with transaction(service.pool) as conn:
        assert await end_collection_within(conn, UUID(trip["event_id"]))
    await service.work("send_mail")
    shown = await service.show(placed)
    assert (shown["state"], shown["seats"], shown["amount_minor"]) == ("paid", 1, 3200)
    assert (await service.trip_now(trip))["secured"] == 1
    assert await states(service, placed) == ["succeeded", "abandoned"]
    assert (await mails_to(service, placed))[-1] == "change_taken_back"


async def test_a_paid_rider_gives_another_card_for_a_change_that_failed(service: Service) -> None:
    _, placed = await unpaid_change(service)
    await set_decline_rate(service, 0.0)
    await other_card(service, placed, "5555555555554444")
    await service.work()
    shown = await service.show(placed)
    assert ([charge["state"] for charge in shown["charges"]], shown["seats"]) == (["succeeded", "succeeded"], 2)


async def test_a_refund_that_nobody_answers_for_is_made_once_however_often_it_is_asked_for(service: Service) -> None:
    trip, placed = await paid(service)
    await service.organiser.post(f"/api/trips/{trip['id']}/cancel", json={"reason": "no bus"}, headers={"Idempotency-Key": "c"})
    await service.stripe.fault("POST /v1/refunds", "lost_reply")
    async with service.pool.acquire() as conn:
        refund_id = await conn.fetchval("SELECT id FROM refunds")
    await send_refund(service.pool, refund_id, gateway=service.stripe.gateway)
    assert [refund["state"] for refund in (await service.show(placed))["refunds"]] == ["unknown"]
    for ask in (look_up_refund, send_refund, look_up_refund):
        await ask(service.pool, refund_id, gateway=service.stripe.gateway)
    await service.work()
    (charge,) = await charges_at_stripe(service, placed)
    mine = [refund for refund in (await service.stripe.books())["refunds"] if refund["charge"] == charge["id"]]
    assert [refund["amount"] for refund in mine] == [3200]
    assert [refund["state"] for refund in (await service.show(placed))["refunds"]] == ["succeeded"]


async def test_a_payment_that_is_settled_is_not_looked_up_or_charged_again(service: Service) -> None:
    _, placed = await paid(service)
    (payment_id,) = await payment_ids(service.pool, placed)
    before = await payments(service, placed)
    await look_up_payment(service.pool, payment_id, gateway=service.stripe.gateway)
    assert await payments(service, placed) == before


async def test_booking_close_waits_for_the_bank_and_then_drops_who_has_not_paid(service: Service) -> None:
    closes = datetime.now(tz=UTC) + timedelta(days=2)
    event = await service.event(booking_closes_at=closes.isoformat())
    trip = await service.trip(event, minimum=1, deadline_at=(closes - timedelta(days=1)).isoformat())
    waits, good = await service.pledged(trip, card=ASKS), await service.pledged(trip)
    await service.work("charge_payment")
    await approve_charge(service.pool, UUID(waits["pledge"]["id"]), gateway=service.stripe.gateway, return_url="http://localhost/")
    collecting = ("charge_payment", "close_charge", "detach_card", "send_mail")

    for wait in (timedelta(days=2, seconds=1), timedelta(days=2, seconds=12), timedelta(days=2, seconds=24)):
        await service.jump(wait)
        await service.sweep()
        await service.work(*collecting)

    assert [(await service.show(placed))["state"] for placed in (waits, good)] == ["dropped", "paid"]
    (payment,) = await payments(service, waits)
    assert payment.intent_ref is not None
    assert (await service.stripe.gateway.fetch_payment_intent(payment.intent_ref)).status == "canceled"
    assert (await service.trip_now(trip))["secured"] == 1
    async with service.pool.acquire() as conn:
        assert await conn.fetchval("SELECT booking_closed_at IS NOT NULL FROM events")


async def test_the_credit_of_a_party_that_changed_is_spread_over_its_charges_and_made_once(service: Service) -> None:
    trip, placed = await paid(service, seats=2, tiers=[[3, 2000]])
    for seats in (1, 3):  # 32.00 of the fare go back, then 64.00 more are charged: the fare alone cannot carry 3 x 12.00
        assert (await change(service, placed, seats=seats)).status_code == 200
        await service.work()
    for due in (3600, 0):
        async with transaction(service.pool) as conn:
            assert await credit_back_within(conn, UUID(trip["event_id"])) == due
    await service.work()
    shown = await service.show(placed)
    charged = sum(charge["amount_minor"] for charge in shown["charges"] if charge["state"] == "succeeded")
    given_back = sum(refund["amount_minor"] for refund in shown["refunds"] if refund["state"] == "succeeded")
    assert charged - given_back == 3 * 2000

"""When a card makes a pledge count: in time, late, saved before, shared by too many, or heard of in any order."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from app.core.database import transaction
from app.domain.payments.gateway import StripeEvent
from app.domain.payments.inbox_store import list_open_stripe_events, store_stripe_event
from app.flows.card_saved import look_at_card_page
from app.flows.lapse_pledge import lapse_pledge
from app.flows.stripe_news import poll_stripe, work_on_inbox
from tests.support.riders import between, mails_to, signed_in_rider, until
from tests.support.service import ARRIVE, Service

HOLD_OVER = timedelta(minutes=16)


async def complete(service: Service, placed: dict[str, Any], card: str = "4242424242424242", *, seed: str = "") -> str:
    """The rider fills the card page in and closes the browser; the page's id."""
    session: str = placed["pledge"]["card_url"].rsplit("/", 1)[-1]
    await service.stripe.stage(f"sessions/{session}/complete", {"card": card, "fingerprint_seed": seed})
    return session


async def state(service: Service, placed: dict[str, Any]) -> str:
    found: str = (await service.show(placed))["state"]
    return found


async def counters(service: Service, trip: dict[str, Any]) -> tuple[str, int, int]:
    now = await service.trip_now(trip)
    return now["state"], now["secured"], now["held"]


async def hear_of(service: Service, session: str, event_id: str) -> None:
    """A webhook about a card page, stored as the door stores it."""
    async with transaction(service.pool) as conn:
        now = await conn.fetchval("SELECT clock_timestamp()")
        event = StripeEvent(
            id=event_id,
            type="checkout.session.completed",
            created_at=now,
            object_ref=session,
            object_type="checkout.session",
            reference=None,
        )
        await store_stripe_event(conn, event)


async def test_a_held_pledge_counts_once_its_card_is_saved_and_not_before(service: Service) -> None:
    trip = await service.trip(await service.event())
    placed = (await service.pledge(trip, seats=2)).json()
    assert (await state(service, placed), await counters(service, trip)) == ("pending_card", ("open", 0, 2))
    await service.save_card(placed)
    assert (await state(service, placed), await counters(service, trip)) == ("active", ("open", 2, 0))


async def test_a_card_that_stripe_refuses_to_save_leaves_the_pledge_held(service: Service) -> None:
    trip = await service.trip(await service.event())
    placed = (await service.pledge(trip)).json()
    await service.save_card(placed, "4000000000000002")
    assert (await state(service, placed), await counters(service, trip)) == ("pending_card", ("open", 0, 1))


async def test_webhook_poll_and_return_for_one_card_count_it_once(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=1)
    placed = (await service.pledge(trip, seats=2)).json()
    session = await complete(service, placed)
    await hear_of(service, session, "evt_webhook")
    pledge_id = UUID(placed["pledge"]["id"])
    await poll_stripe(service.pool, gateway=service.stripe.gateway)
    await asyncio.gather(
        work_on_inbox(service.pool, gateway=service.stripe.gateway, limit=500),
        work_on_inbox(service.pool, gateway=service.stripe.gateway, limit=500),
        *(look_at_card_page(service.pool, pledge_id, gateway=service.stripe.gateway) for _ in range(4)),
        service.http.get(f"/p/{placed['manage_token']}/card-saved", params={"session": session}),
    )
    assert (await state(service, placed), await counters(service, trip)) == ("confirmed", ("confirmed", 2, 0))
    async with service.pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM confirmations") == 1
        assert await conn.fetchval("SELECT count(*) FROM payments") == 1
        assert await conn.fetchval("SELECT count(*) FROM audit WHERE subject_id = $1 AND to_state = 'active'", pledge_id) == 1


async def test_a_hold_that_runs_out_gives_its_seats_back_and_closes_the_card_page(service: Service) -> None:
    trip = await service.trip(await service.event())
    placed = (await service.pledge(trip, seats=2)).json()
    await service.jump(HOLD_OVER)
    await service.sweep()
    assert (await state(service, placed), await counters(service, trip)) == ("lapsed", ("open", 0, 0))
    assert (await mails_to(service, placed))[-1] == "pledge_lapsed"
    session = placed["pledge"]["card_url"].rsplit("/", 1)[-1]
    assert (await service.stripe.gateway.fetch_setup_session(session)).status == "expired"


async def test_a_card_saved_in_time_that_nobody_told_of_counts_when_the_hold_ends(service: Service) -> None:
    trip = await service.trip(await service.event())
    placed = (await service.pledge(trip)).json()
    await complete(service, placed)
    await service.jump(HOLD_OVER)
    await service.sweep()
    assert (await state(service, placed), await counters(service, trip)) == ("active", ("open", 1, 0))


async def test_while_stripe_does_not_answer_a_hold_is_not_ended(service: Service) -> None:
    trip = await service.trip(await service.event())
    placed = (await service.pledge(trip)).json()
    await service.jump(HOLD_OVER)
    await service.stripe.fault("POST /v1/checkout/sessions/{session}/expire", "cut_before_effect")
    await service.sweep()
    assert await state(service, placed) == "pending_card"
    await service.jump(HOLD_OVER + timedelta(minutes=1, seconds=1))
    await service.sweep()
    assert await state(service, placed) == "lapsed"


async def lapsed(service: Service, trip: dict[str, Any], **other: Any) -> dict[str, Any]:
    """A pledge that lapsed although its card page is still open."""
    placed: dict[str, Any] = (await service.pledge(trip, **other)).json()
    await service.jump(HOLD_OVER)
    assert await lapse_pledge(service.pool, UUID(placed["pledge"]["id"]))
    await service.jump(timedelta())
    return placed


async def test_a_late_card_is_admitted_again_while_seats_remain(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=2)
    placed = await lapsed(service, trip, seats=2)
    await service.save_card(placed)
    assert (await state(service, placed), await counters(service, trip)) == ("confirmed", ("confirmed", 2, 0))


async def forgotten(service: Service, placed: dict[str, Any]) -> bool:
    """Whether Stripe has let go of the pledge's card."""
    await service.work("detach_card")
    outcome = await service.stripe.gateway.fetch_setup_session(placed["pledge"]["card_url"].rsplit("/", 1)[-1])
    assert outcome.payment_method_ref is not None
    answer = await service.stripe.http.get(
        f"/v1/payment_methods/{outcome.payment_method_ref}", headers={"Authorization": "Bearer sk_test_fake"}
    )
    return answer.json()["customer"] is None


async def test_a_late_card_without_a_seat_is_forgotten_and_its_rider_told(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=2, cap=2)
    placed = await lapsed(service, trip)
    await service.pledge(trip, seats=2)
    await service.save_card(placed)
    assert (await state(service, placed), await counters(service, trip)) == ("lapsed", ("open", 0, 2))
    assert (await mails_to(service, placed))[-1] == "card_too_late"
    assert await forgotten(service, placed)


async def test_a_late_card_of_a_rider_who_pledged_again_is_forgotten_and_holds_nobody_up(service: Service) -> None:
    trip = await service.trip(await service.event())
    old = await lapsed(service, trip, email="ada@example.org")
    new = await service.pledged(trip, email="ada@example.org")
    other = (await service.pledge(trip)).json()
    for number, placed in enumerate((old, other)):
        await hear_of(service, await complete(service, placed), f"evt_{number}")
    await work_on_inbox(service.pool, gateway=service.stripe.gateway)
    assert [await state(service, placed) for placed in (old, new, other)] == ["lapsed", "active", "active"]
    assert await forgotten(service, old)


async def test_one_event_we_cannot_work_on_does_not_keep_later_ones_from_counting(service: Service) -> None:
    trip = await service.trip(await service.event())
    one, other = (await service.pledge(trip)).json(), (await service.pledge(trip)).json()
    for number, placed in enumerate((one, other)):
        await hear_of(service, await complete(service, placed), f"evt_{number}")
    asked = iter([True, False])

    async def break_once() -> None:
        if next(asked):
            raise ValueError("a bug of ours")

    assert await work_on_inbox(service.pool, gateway=between(service, "fetch_setup_session", break_once)) == 1
    assert sorted([await state(service, one), await state(service, other)]) == ["active", "pending_card"]
    assert await work_on_inbox(service.pool, gateway=service.stripe.gateway) == 1
    assert [await state(service, one), await state(service, other)] == ["active", "active"]


async def test_stripe_is_asked_about_several_events_at_once(service: Service) -> None:
    trip = await service.trip(await service.event())
    for number in range(2):
        await hear_of(service, await complete(service, (await service.pledge(trip)).json()), f"evt_{number}")
    both_asked = asyncio.Barrier(2)

    async def wait_for_the_other() -> None:
        await both_asked.wait()

    async with asyncio.timeout(30):  # asked one after another, neither would ever get its answer
        assert await work_on_inbox(service.pool, gateway=between(service, "fetch_setup_session", wait_for_the_other)) == 2
    assert await counters(service, trip) == ("open", 2, 0)


async def test_news_of_card_pages_is_worked_on_before_news_of_charges(service: Service) -> None:
    async with transaction(service.pool) as conn:
        now = await conn.fetchval("SELECT clock_timestamp()")
        for number, kind in enumerate(("payment_intent.succeeded", "payment_intent.succeeded", "checkout.session.completed")):
            event = StripeEvent(id=f"evt_{number}", type=kind, created_at=now, object_ref="x", object_type="x", reference=None)
            await store_stripe_event(conn, event)
        first = (await list_open_stripe_events(conn, limit=1))[0]
    assert first == ("evt_2", "checkout.session.completed", "x")


async def test_a_card_saved_after_booking_close_is_not_counted_and_forgotten(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=1)
    await service.pledged(trip)
    await service.jump(await until(service, ARRIVE - timedelta(days=10), past_s=-600))
    late = (await service.pledge(trip)).json()
    await service.jump(await until(service, ARRIVE - timedelta(days=10)))
    await service.save_card(late)
    assert await state(service, late) == "pending_card"
    await service.jump(await until(service, ARRIVE - timedelta(days=10), past_s=400))
    await service.sweep()
    assert await state(service, late) == "lapsed"
    assert await forgotten(service, late)


async def test_one_card_stands_for_at_most_sixteen_people_of_a_trip(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=30, cap=40)
    for _ in range(2):
        await service.pledged(trip, seats=8)
    third = (await service.pledge(trip)).json()
    await service.save_card(third)
    assert (await state(service, third), await counters(service, trip)) == ("refused", ("open", 16, 0))
    assert (await mails_to(service, third))[-1] == "card_refused"
    another = (await service.pledge(trip)).json()
    await complete(service, another, seed="another card")
    await look_at_card_page(service.pool, UUID(another["pledge"]["id"]), gateway=service.stripe.gateway)
    assert await state(service, another) == "active"


async def test_a_party_cannot_grow_past_what_its_card_may_carry(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=30, cap=40)
    first, second = await service.pledged(trip, seats=8), await service.pledged(trip, seats=6)
    path, headers = f"/api/pledges/{second['pledge']['id']}/change", {"Authorization": f"Bearer {second['manage_token']}"}
    third = await service.pledged(trip, seats=2)
    refused = await service.http.post(path, json={"seats": 7}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "card_limit")
    assert [await state(service, placed) for placed in (first, second, third)] == ["active"] * 3
    assert await counters(service, trip) == ("open", 16, 0)


async def pledge_as(service: Service, rider: dict[str, str], trip: dict[str, Any], **other: Any) -> httpx.Response:
    body = {"stop_id": trip["stops"][0]["id"], "name": "Ada", "email": f"{uuid4().hex}@example.org", "seats": 1, **other}
    return await service.http.post(f"/api/trips/{trip['id']}/pledges", json=body, headers={**rider, "Idempotency-Key": uuid4().hex})


async def test_a_saved_card_makes_a_pledge_count_in_the_post_itself_and_may_tip_the_trip(service: Service) -> None:
    event = await service.event()
    rider = await signed_in_rider(service, "ada@example.org")
    first = await pledge_as(service, rider, await service.trip(event))
    await service.save_card(first.json())
    other = await service.trip(event, origin="Frederick", minimum=3)
    second = await pledge_as(service, rider, other, seats=2, payment_method="saved")
    assert (second.status_code, second.json()["pledge"]["state"]) == (201, "active")
    third = await pledge_as(service, rider, other, payment_method="saved")
    assert (third.json()["pledge"]["state"], await counters(service, other)) == ("confirmed", ("confirmed", 3, 0))
    await service.work("charge_payment")
    assert await state(service, third.json()) == "paid"


async def test_a_saved_card_is_held_to_the_same_cap(service: Service) -> None:
    event = await service.event()
    rider = await signed_in_rider(service, "ada@example.org")
    await service.save_card((await pledge_as(service, rider, await service.trip(event))).json())
    trip = await service.trip(event, origin="Frederick", minimum=30, cap=40)
    for _ in range(2):
        assert (await pledge_as(service, rider, trip, seats=8, payment_method="saved")).status_code == 201
    refused = await pledge_as(service, rider, trip, payment_method="saved")
    assert (refused.status_code, refused.json()["code"]) == (409, "card_limit")
    assert await counters(service, trip) == ("open", 16, 0)


async def test_a_confirmed_trip_sells_on_and_charges_at_once(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=1)
    await service.pledged(trip)
    later = await service.pledged(trip, seats=2)
    assert (await state(service, later), await counters(service, trip)) == ("confirmed", ("confirmed", 3, 0))
    await service.work("charge_payment")
    assert await state(service, later) == "paid"
    async with service.pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM confirmations") == 1

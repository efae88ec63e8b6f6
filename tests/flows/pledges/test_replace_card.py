"""Another card for a pledge that counts: held to the cap, used at once, the old one forgotten at Stripe."""

from typing import Any
from uuid import UUID

from app.flows.card_saved import card_saved, look_at_card_page
from app.flows.charge_payment import charge_payment
from tests.support.ledgers import payment_ids
from tests.support.riders import DECLINED, GOOD, between, mails_to, paid, payments, signed_in_rider, tipped
from tests.support.service import Service


async def other_page(service: Service, placed: dict[str, Any]) -> str:
    """The rider opens the page for another card; the page's id."""
    headers = {"Authorization": f"Bearer {placed['manage_token']}"}
    answer = await service.http.post(f"/api/pledges/{placed['pledge']['id']}/card", headers=headers)
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["card_url"].rsplit("/", 1)[-1]
    return found


async def give_card(service: Service, placed: dict[str, Any], card: str = GOOD, *, seed: str) -> str:
    """The rider saves another card and comes back; the reference of that card."""
    session = await other_page(service, placed)
    await service.stripe.stage(f"sessions/{session}/complete", {"card": card, "fingerprint_seed": seed})
    await look_at_card_page(service.pool, UUID(placed["pledge"]["id"]), gateway=service.stripe.gateway)
    found = (await service.stripe.gateway.fetch_setup_session(session)).payment_method_ref
    assert found is not None
    return found


async def card_of(service: Service, placed: dict[str, Any]) -> str:
    async with service.pool.acquire() as conn:
        found: str = await conn.fetchval("SELECT payment_method_ref FROM pledges WHERE id = $1", UUID(placed["pledge"]["id"]))
    return found


async def is_attached(service: Service, card: str) -> bool:
    """Whether Stripe still keeps a card for us."""
    answer = await service.stripe.http.get(f"/v1/payment_methods/{card}", headers={"Authorization": "Bearer sk_test_fake"})
    return answer.json()["customer"] is not None


async def test_the_old_card_is_forgotten_at_stripe_and_the_new_one_kept(service: Service) -> None:
    trip = await service.trip(await service.event())
    placed = await service.pledged(trip)
    old = await card_of(service, placed)
    new = await give_card(service, placed, "5555555555554444", seed="new")
    await service.work()
    assert (await card_of(service, placed), (await service.show(placed))["card"]) == (new, "Mastercard 4444")
    assert [await is_attached(service, card) for card in (old, new)] == [False, True]
    assert (await mails_to(service, placed))[1:] == ["card_saved", "card_replaced"]


async def test_a_card_that_stands_for_too_many_is_refused_with_its_reason_and_the_old_one_stays(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=30, cap=40)
    for _ in range(2):
        await service.pledged(trip, seats=8)
    mine = (await service.pledge(trip)).json()
    session = mine["pledge"]["card_url"].rsplit("/", 1)[-1]
    await service.stripe.stage(f"sessions/{session}/complete", {"card": GOOD, "fingerprint_seed": "mine"})
    await look_at_card_page(service.pool, UUID(mine["pledge"]["id"]), gateway=service.stripe.gateway)
    own = await card_of(service, mine)

    refused = await give_card(service, mine, seed="")
    await service.work()

    assert await card_of(service, mine) == own
    assert [await is_attached(service, card) for card in (own, refused)] == [True, False]
    assert (await mails_to(service, mine))[-1] == "card_not_taken"
    page = (await service.http.get(f"/p/{mine['manage_token']}")).text
    assert "Visa 4242 was not taken" in page
    assert "is the most that one card may stand for" in page


async def test_the_same_card_saved_again_is_no_other_card_to_the_cap(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=30, cap=40)
    for _ in range(2):
        await service.pledged(trip, seats=8)
    placed = await service.pledged(await service.trip(await service.event(), minimum=30, cap=40), seats=8)
    again = await give_card(service, placed, seed="")
    assert await card_of(service, placed) == again


async def test_late_news_of_a_card_that_was_replaced_changes_nothing(service: Service) -> None:
    placed = await service.pledged(await service.trip(await service.event()))
    first = await other_page(service, placed)
    await service.stripe.stage(f"sessions/{first}/complete", {"card": GOOD, "fingerprint_seed": "first"})
    old_news = await service.stripe.gateway.fetch_setup_session(first)
    await look_at_card_page(service.pool, UUID(placed["pledge"]["id"]), gateway=service.stripe.gateway)
    newest = await give_card(service, placed, seed="second")
    await card_saved(service.pool, UUID(placed["pledge"]["id"]), old_news)
    assert await card_of(service, placed) == newest
    assert (await mails_to(service, placed)).count("card_replaced") == 2


async def test_a_card_given_while_the_old_one_is_asked_is_asked_next_and_at_once(service: Service) -> None:
    _, placed = await tipped(service, card=DECLINED)
    await service.work("send_mail")
    session = await other_page(service, placed)
    given = False

    async def give_meanwhile() -> None:
        nonlocal given
        if not given:
            given = True
            await service.stripe.stage(f"sessions/{session}/complete", {"card": GOOD, "fingerprint_seed": "meanwhile"})
            await look_at_card_page(service.pool, UUID(placed["pledge"]["id"]), gateway=service.stripe.gateway)
            await service.work("forget_card")  # too early: the old card is being charged

    old = await card_of(service, placed)
    await charge_payment(
        service.pool, (await payment_ids(service.pool, placed))[0], gateway=between(service, "create_payment_intent", give_meanwhile)
    )
    assert await is_attached(service, old)
    await service.work()
    (charge,) = await payments(service, placed)
    assert (charge.state, charge.payment_method_ref) == ("succeeded", await card_of(service, placed))
    assert "payment_failed" not in await mails_to(service, placed), "nobody is told of the old card's failure"


async def test_a_card_that_the_riders_account_or_another_pledge_stands_on_is_not_taken_from_them(service: Service) -> None:
    event = await service.event()
    rider = await signed_in_rider(service, "ada@example.org")
    body = {"name": "Ada", "email": "ada@example.org", "seats": 1}
    trips = [await service.trip(event, origin=origin) for origin in ("Baltimore", "Frederick")]
    placed = []
    for number, trip in enumerate(trips):
        wish = body | {"stop_id": trip["stops"][0]["id"]} | ({"payment_method": "saved"} if number else {})
        answer = await service.http.post(f"/api/trips/{trip['id']}/pledges", json=wish, headers={**rider, "Idempotency-Key": f"k{number}"})
        assert answer.status_code == 201, answer.text
        placed.append(answer.json())
        if not number:
            await service.save_card(placed[0])
    shared = await card_of(service, placed[1])
    await give_card(service, placed[0], seed="other")
    await service.work()
    assert await is_attached(service, shared)


async def test_a_receipt_names_the_card_that_paid(service: Service) -> None:
    await paid(service)
    await service.work("send_mail")
    texts = [message.get_body(("plain",)).get_content() for message in service.postbox.messages]
    assert any("charged to your card (Visa 4242)" in text for text in texts)

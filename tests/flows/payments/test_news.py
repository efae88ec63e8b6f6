"""Stripe's news: as few requests as it takes, and never falling behind."""

from uuid import UUID

from app.flows.look_up_payment import learn_of_intent
from app.flows.stripe_news import PAGE, poll_stripe
from tests.support.ledgers import payment_ids
from tests.support.riders import DECLINED, paid, payments, tipped
from tests.support.service import Service

FETCH = "GET /v1/payment_intents/{intent}"


async def fetches(service: Service, placed: dict[str, object]) -> int:
    (payment,) = await payments(service, placed)
    asked = (await service.stripe.http.get("/_stage/requests", params={"endpoint": FETCH})).json()
    return len([one for one in asked if one["path"].endswith(str(payment.intent_ref))])


async def learn(service: Service, placed: dict[str, object]) -> UUID:
    (payment,) = await payments(service, placed)
    assert payment.intent_ref is not None
    await learn_of_intent(service.pool, payment.intent_ref, gateway=service.stripe.gateway)
    return payment.id


async def test_news_of_a_charge_that_is_known_to_have_gone_through_asks_stripe_nothing(service: Service) -> None:
    _, placed = await paid(service)
    await learn(service, placed)
    assert await fetches(service, placed) == 0


async def test_news_of_a_charge_that_failed_is_asked_for(service: Service) -> None:
    _, placed = await tipped(service, card=DECLINED)
    await service.work("charge_payment")
    assert [await learn(service, placed)] == await payment_ids(service.pool, placed)
    assert await fetches(service, placed) == 1


async def test_one_poll_reads_all_that_has_come_since_the_last(service: Service) -> None:
    await poll_stripe(service.pool, gateway=service.stripe.gateway)
    while await poll_stripe(service.pool, gateway=service.stripe.gateway):
        pass
    for number in range(PAGE + 1):
        await service.stripe.gateway.create_connect_account(
            operator_id="operator", email="bus@example.org", country="DE", idempotency_key=f"{id(service)}-{number}"
        )
    assert await poll_stripe(service.pool, gateway=service.stripe.gateway) > PAGE
    assert await poll_stripe(service.pool, gateway=service.stripe.gateway) == 0

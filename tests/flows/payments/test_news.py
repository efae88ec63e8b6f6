"""Stripe's news: as few requests as it takes, and never falling behind."""

from uuid import UUID, uuid4

from app.domain.payments.inbox_store import read_news_mark
from app.flows.look_up_payment import learn_of_intent
from app.flows.stripe_news import PAGE, poll_stripe, store_event
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


async def some_news(service: Service, count: int) -> None:
    """So many events, made as fast as they can be: many of them in the same second."""
    for _ in range(count):
        await service.stripe.gateway.create_connect_account(
            operator_id="operator", email="bus@example.org", country="DE", idempotency_key=uuid4().hex
        )


async def test_one_poll_reads_all_that_has_come_since_the_last(service: Service) -> None:
    await poll_stripe(service.pool, gateway=service.stripe.gateway)
    while await poll_stripe(service.pool, gateway=service.stripe.gateway):
        pass
    await some_news(service, PAGE + 1)
    assert await poll_stripe(service.pool, gateway=service.stripe.gateway) > PAGE
    assert await poll_stripe(service.pool, gateway=service.stripe.gateway) == 0


async def test_the_poller_goes_on_in_stripes_order_when_a_clock_was_set_back(service: Service) -> None:
    await service.stripe.stage("clock", {"advance_s": 3600})
    await some_news(service, 1)
    await poll_stripe(service.pool, gateway=service.stripe.gateway)
    await service.stripe.stage("clock", {"advance_s": -3600})
    await some_news(service, PAGE + 1)
    assert await poll_stripe(service.pool, gateway=service.stripe.gateway) > PAGE


async def test_the_poller_goes_on_when_webhooks_brought_a_page_in_another_order(service: Service) -> None:
    while await poll_stripe(service.pool, gateway=service.stripe.gateway):
        pass
    async with service.pool.acquire() as conn:
        mark = await read_news_mark(conn)
    await some_news(service, PAGE)
    for event in reversed(await service.stripe.gateway.list_events(after_ref=mark, limit=PAGE)):
        await store_event(service.pool, event)
    await some_news(service, 1)
    assert await poll_stripe(service.pool, gateway=service.stripe.gateway) == 1

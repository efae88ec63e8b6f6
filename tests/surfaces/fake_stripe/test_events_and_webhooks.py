"""Events, their list, and webhooks out: signed, doubled, shuffled, dropped, retried, and surviving a death."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from litestar import Litestar, Request, Response, post

from app.domain.payments.gateway import NotFound, StripeEvent
from app.stage.ports import free_port
from tests.support.fake_stripe import WEBHOOK_SECRET, FakeStripe, fake_stripe
from tests.support.waiting import wait_until_async


class Endpoint:
    """A webhook endpoint that keeps what it was sent, and refuses the first `refusals`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.taken: list[tuple[bytes, str]] = []
        self.refusals = 0

    def types(self) -> list[str]:
        return [body.decode().rsplit('"type":"', 1)[1].split('"')[0] for body, _ in self.taken]


@asynccontextmanager
async def listening() -> AsyncIterator[Endpoint]:
    port = free_port()
    endpoint = Endpoint(f"http://127.0.0.1:{port}/hook")

    @post("/hook")
    async def hook(request: Request[Any, Any, Any]) -> Response[None]:
        if endpoint.refusals > 0:
            endpoint.refusals -= 1
            return Response(None, status_code=500)
        endpoint.taken.append((await request.body(), request.headers["stripe-signature"]))
        return Response(None, status_code=200)

    server = uvicorn.Server(uvicorn.Config(Litestar([hook], openapi_config=None), port=port, log_level="critical"))
    task = asyncio.create_task(server.serve())
    try:
        await wait_until_async(_started(server), "the endpoint")
        yield endpoint
    finally:
        server.should_exit = True
        await task


def _started(server: uvicorn.Server) -> Any:
    async def started() -> bool:
        return server.started

    return started


@pytest_asyncio.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with listening() as one:
        yield one


@pytest_asyncio.fixture
async def hooked(endpoint: Endpoint, tmp_path: Path) -> AsyncIterator[FakeStripe]:
    async with fake_stripe(tmp_path, "--webhook-url", endpoint.url, "--webhook-secret", WEBHOOK_SECRET, "--webhook-events", "*") as fake:
        yield fake


async def settled(fake: FakeStripe) -> bool:
    waiting: int = (await fake.stage("ready"))["webhooks"]["waiting"]
    return waiting == 0


async def test_every_webhook_is_signed_and_its_event_can_be_fetched(hooked: FakeStripe, endpoint: Endpoint) -> None:
    paid = await hooked.charge(await hooked.saved_card())
    await wait_until_async(lambda: settled(hooked), "the webhooks")
    events = [await hooked.gateway.verify_webhook(body, signature, WEBHOOK_SECRET, datetime.now(UTC)) for body, signature in endpoint.taken]
    assert {"checkout.session.completed", "setup_intent.succeeded", "payment_intent.succeeded"} <= {one.type for one in events}
    succeeded = next(one for one in events if one.type == "payment_intent.succeeded")
    assert (succeeded.object_ref, succeeded.object_type, succeeded.reference) == (paid.ref, "payment_intent", "pay-1")
    completed = next(one for one in events if one.type == "checkout.session.completed")
    assert completed.reference == "pledge-1"
    for event in events:
        assert await hooked.gateway.fetch_event(event.id) == event


async def test_only_events_the_endpoint_wants_are_sent(endpoint: Endpoint, tmp_path: Path) -> None:
    async with fake_stripe(tmp_path, "--webhook-url", endpoint.url, "--webhook-secret", WEBHOOK_SECRET) as fake:
        await fake.charge(await fake.saved_card())
        await wait_until_async(lambda: settled(fake), "the webhooks")
        assert sorted(endpoint.types()) == ["checkout.session.completed", "payment_intent.succeeded", "setup_intent.succeeded"]


async def test_webhooks_come_doubled_and_shuffled_when_told_so(hooked: FakeStripe, endpoint: Endpoint) -> None:
    await hooked.stage("faults", {"rates": {"webhook_duplicate_rate": 1.0, "webhook_shuffle_s": 0.5}})
    for number in range(5):
        await hooked.charge(await hooked.saved_card(), payment_id=f"pay-{number}")
    await wait_until_async(lambda: settled(hooked), "the webhooks")
    bodies = [body for body, _ in endpoint.taken]
    assert all(bodies.count(body) == 2 for body in bodies)
    listed = [one.id for one in await hooked.gateway.list_events(after_ref=None, limit=100)]
    arrived = [body.decode().split('"id":"', 1)[1].split('"')[0] for body in bodies]
    assert list(dict.fromkeys(arrived)) != listed


async def test_a_webhook_that_never_comes_is_still_in_the_list_of_events(hooked: FakeStripe, endpoint: Endpoint) -> None:
    await hooked.stage("faults", {"rates": {"webhook_drop_rate": 1.0}})
    await hooked.charge(await hooked.saved_card())
    await wait_until_async(lambda: settled(hooked), "the webhooks")
    assert endpoint.taken == []
    types = [one.type for one in await hooked.gateway.list_events(after_ref=None, limit=100)]
    assert types[-1] == "payment_intent.succeeded"


async def test_a_refused_webhook_is_sent_again(hooked: FakeStripe, endpoint: Endpoint) -> None:
    endpoint.refusals = 1
    await hooked.gateway.create_connect_account(operator_id="op-1", email="op@example.org", country="DE", idempotency_key="a")
    await wait_until_async(lambda: settled(hooked), "the webhooks")
    assert endpoint.types() == ["account.updated"]


async def test_webhooks_not_yet_taken_survive_a_death(hooked: FakeStripe, endpoint: Endpoint) -> None:
    await hooked.stage("faults", {"rates": {"webhook_delay_s": 60}})
    await hooked.charge(await hooked.saved_card())
    assert endpoint.taken == []
    await hooked.child.kill()
    await hooked.child.start()
    wait = await hooked.gateway.list_events(after_ref=None, limit=100)
    await wait_until_async(lambda: settled(hooked), "the webhooks")
    assert len(endpoint.taken) == len(wait)


async def test_events_are_read_on_from_the_last_one_seen(stripe: FakeStripe) -> None:
    await stripe.charge(await stripe.saved_card())
    newest = (await newest_events(stripe))[-1]
    await stripe.charge(await stripe.saved_card())
    first = await stripe.gateway.list_events(after_ref=newest.id, limit=3)
    rest = await stripe.gateway.list_events(after_ref=first[-1].id, limit=100)
    types = [one.type for one in first + rest]
    assert types[0] == "customer.created"
    assert types[-1] == "payment_intent.succeeded"
    assert len(first) == 3
    assert await stripe.gateway.list_events(after_ref=rest[-1].id, limit=100) == []


async def newest_events(stripe: FakeStripe) -> list[StripeEvent]:
    """All there are, read to the end."""
    events = await stripe.gateway.list_events(after_ref=None, limit=100)
    while more := await stripe.gateway.list_events(after_ref=events[-1].id, limit=100):
        events += more
    return events


async def test_an_event_nobody_knows_is_no_place_to_read_on_from(stripe: FakeStripe) -> None:
    with pytest.raises(NotFound):
        await stripe.gateway.list_events(after_ref="evt_gone", limit=10)


async def test_balance_movements_are_read_on_from_the_last_one_seen(stripe: FakeStripe) -> None:
    await stripe.charge(await stripe.saved_card())
    seen = await stripe.gateway.list_balance_transactions(after_ref=None, limit=100)
    while more := await stripe.gateway.list_balance_transactions(after_ref=seen[-1].ref, limit=100):
        seen += more
    paid = await stripe.charge(await stripe.saved_card(), amount_minor=5000)
    (movement,) = await stripe.gateway.list_balance_transactions(after_ref=seen[-1].ref, limit=100)
    assert (movement.type, movement.amount_minor, movement.fee_minor, movement.net_minor) == ("charge", 5000, 100, 4900)
    assert movement.source_ref == paid.charge_ref

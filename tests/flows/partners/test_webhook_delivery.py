"""News reaches a partner's server, really over HTTP; what goes wrong there is tried again on time."""

import hashlib
import hmac
import json
import time
from base64 import b64decode, b64encode
from datetime import timedelta
from uuid import UUID

import pytest

from app.core.clock import Mark, shift_clock
from app.core.database import Pool, transaction
from app.core.errors import Conflict, Invalid, NotFound
from app.core.ids import new_id
from app.core.timers import claim_due, mark_fired
from app.domain.partners import webhook_store
from app.domain.partners.jobs import deliver_webhook
from app.domain.partners.model import MAX_TRIES, WAITS_S, Delivery, DeliveryState, Endpoint
from app.domain.partners.sending import Answer, WebhookClient
from app.domain.partners.service import queue_counts, queue_news
from app.flows.keep_webhooks import add_endpoint, disable_endpoint, replay_delivery, send_test_webhook
from app.flows.retry_webhook import retry_webhook
from tests.support.receiver import Receiver

TRIP = UUID("0190a0b0-0000-7000-8000-000000000001")


async def endpoint_at(pool: Pool, partner_id: UUID, receiver: Receiver) -> Endpoint:
    return await add_endpoint(pool, partner_id=partner_id, url=receiver.url, actor="partner:test")


async def news(pool: Pool, partner_id: UUID, type: str = "trip.confirmed") -> None:
    async with transaction(pool) as conn:
        await queue_news(conn, partner_id, type, subject_id=TRIP, data={"trip": "ABC"})


async def work(pool: Pool) -> int:
    """Makes the tries that are queued, as a worker would; returns how many jobs there were."""
    async with pool.acquire() as conn:
        rows = await conn.fetch("DELETE FROM pgqueuer WHERE entrypoint = 'deliver_webhook' RETURNING payload")
    for row in rows:
        await deliver_webhook(pool, UUID(bytes=row["payload"]), client=WebhookClient())
    return len(rows)


async def sweep(pool: Pool) -> int:
    """Fires the timers that are due, as a worker would; returns how many."""
    async with transaction(pool) as conn:
        due = await claim_due(conn, limit=10)
    for timer in due:
        await retry_webhook(pool, timer.subject_id)
        async with transaction(pool) as conn:
            await mark_fired(conn, timer)
    return len(due)


async def jump(pool: Pool, shift: timedelta) -> None:
    async with transaction(pool) as conn:
        await shift_clock(conn, shift)


async def log_of(pool: Pool, endpoint: Endpoint) -> list[Delivery]:
    async with pool.acquire() as conn:
        return await webhook_store.list_deliveries(conn, endpoint.id, before=None, limit=100)


async def test_news_arrive_once_signed_as_the_standard_has_it(pool: Pool, partner_id: UUID, receiver: Receiver) -> None:
    endpoint = await endpoint_at(pool, partner_id, receiver)
    await news(pool, partner_id)
    await news(pool, partner_id)
    assert await work(pool) == 1

    (message,) = receiver.received
    assert message.line == "POST /hook HTTP/1.1"
    assert message.headers["content-type"] == "application/json"
    body = json.loads(message.body)
    assert (body["type"], body["data"]) == ("trip.confirmed", {"trip": "ABC"})
    assert abs(int(message.headers["webhook-timestamp"]) - time.time()) < 60
    signed = f"{message.headers['webhook-id']}.{message.headers['webhook-timestamp']}.{message.body}".encode()
    expected = b64encode(hmac.digest(b64decode(endpoint.secret.removeprefix("whsec_")), signed, hashlib.sha256)).decode()
    assert message.headers["webhook-signature"] == f"v1,{expected}"
    (delivery,) = await log_of(pool, endpoint)
    assert (delivery.state, delivery.tries, delivery.last_status, delivery.next_try_at) == (DeliveryState.DELIVERED, 1, 204, None)
    assert delivery.delivered_at is not None


async def test_a_second_run_of_the_same_job_sends_nothing(pool: Pool, partner_id: UUID, receiver: Receiver) -> None:
    endpoint = await endpoint_at(pool, partner_id, receiver)
    await news(pool, partner_id)
    await work(pool)
    (delivery,) = await log_of(pool, endpoint)
    await deliver_webhook(pool, delivery.id, client=WebhookClient())
    await deliver_webhook(pool, new_id(), client=WebhookClient())
    assert len(receiver.received) == 1


async def test_a_failing_endpoint_gets_ten_tries_over_75_hours_with_one_id(pool: Pool, partner_id: UUID, receiver: Receiver) -> None:
    endpoint = await endpoint_at(pool, partner_id, receiver)
    receiver.statuses = [500, None, 302, 429, 500]
    await news(pool, partner_id)
    assert await work(pool) == 1
    ahead = timedelta(0)
    for wait_s in WAITS_S:
        assert await sweep(pool) == 0, "not before its time"
        ahead += timedelta(seconds=wait_s + 1)
        await jump(pool, ahead)
        assert await sweep(pool) == 1
        assert await work(pool) == 1

    assert len(receiver.received) == MAX_TRIES
    assert len({message.headers["webhook-id"] for message in receiver.received}) == 1
    (delivery,) = await log_of(pool, endpoint)
    assert (delivery.state, delivery.tries, delivery.last_status) == (DeliveryState.FAILED, MAX_TRIES, 500)
    await jump(pool, ahead + timedelta(days=30))
    assert await sweep(pool) == 0


async def test_a_try_that_succeeds_ends_the_trying(pool: Pool, partner_id: UUID, receiver: Receiver) -> None:
    endpoint = await endpoint_at(pool, partner_id, receiver)
    receiver.statuses = [503, 200]
    await news(pool, partner_id)
    await work(pool)
    (delivery,) = await log_of(pool, endpoint)
    assert (delivery.state, delivery.last_status, delivery.last_error) == (DeliveryState.PENDING, 503, "The endpoint answered 503.")
    await jump(pool, timedelta(seconds=6))
    await sweep(pool)
    await work(pool)
    await jump(pool, timedelta(days=4))
    assert await sweep(pool) == 0
    (delivery,) = await log_of(pool, endpoint)
    assert (delivery.state, delivery.tries) == (DeliveryState.DELIVERED, 2)


class DyingClient:
    """A worker that is killed while the receiver has the message."""

    async def post(self, url: str, *, headers: dict[str, str], body: str, loopback_allowed: bool) -> Answer:
        raise KeyboardInterrupt(url, headers, body, loopback_allowed)


@pytest.mark.parametrize("tries_before", [0, MAX_TRIES - 1])
async def test_a_worker_that_dies_in_a_try_leaves_the_next_one_planned(
    pool: Pool, partner_id: UUID, receiver: Receiver, tries_before: int
) -> None:
    endpoint = await endpoint_at(pool, partner_id, receiver)
    await news(pool, partner_id)
    (delivery,) = await log_of(pool, endpoint)
    async with pool.acquire() as conn:
        await conn.execute("UPDATE webhook_deliveries SET tries = $1", tries_before)
        await conn.execute("DELETE FROM pgqueuer")
    with pytest.raises(KeyboardInterrupt):
        await deliver_webhook(pool, delivery.id, client=DyingClient())
    await jump(pool, timedelta(seconds=61))
    assert await sweep(pool) == 1
    await work(pool)
    (delivery,) = await log_of(pool, endpoint)
    if tries_before:
        assert (delivery.state, len(receiver.received)) == (DeliveryState.FAILED, 0)
    else:
        assert (delivery.state, delivery.tries, len(receiver.received)) == (DeliveryState.DELIVERED, 2, 1)


async def test_a_redirect_is_not_followed(pool: Pool, partner_id: UUID, receiver: Receiver) -> None:
    endpoint = await endpoint_at(pool, partner_id, receiver)
    receiver.statuses, receiver.extra_headers = [307], {"location": receiver.url + "/elsewhere"}
    await news(pool, partner_id)
    await work(pool)
    (delivery,) = await log_of(pool, endpoint)
    assert [message.line for message in receiver.received] == ["POST /hook HTTP/1.1"]
    assert (delivery.state, delivery.last_status) == (DeliveryState.PENDING, 307)
    assert "redirect" in delivery.last_error


async def test_410_disables_the_endpoint_and_gives_up_what_waits(pool: Pool, partner_id: UUID, receiver: Receiver) -> None:
    endpoint = await endpoint_at(pool, partner_id, receiver)
    receiver.statuses = [500, 410]
    await news(pool, partner_id, "trip.confirmed")
    await work(pool)
    await news(pool, partner_id, "trip.cancelled")
    await work(pool)
    assert {delivery.state for delivery in await log_of(pool, endpoint)} == {DeliveryState.FAILED}
    async with pool.acquire() as conn:
        (gone,) = await webhook_store.list_endpoints(conn, [partner_id])
    assert gone.disabled_at is not None
    assert "410" in gone.disabled_reason
    await news(pool, partner_id, "trip.expired")
    assert await work(pool) == 0
    await jump(pool, timedelta(days=1))
    assert await sweep(pool) == 0


async def test_a_settled_message_can_be_replayed_under_its_own_id(pool: Pool, partner_id: UUID, receiver: Receiver) -> None:
    endpoint = await endpoint_at(pool, partner_id, receiver)
    await news(pool, partner_id)
    (delivery,) = await log_of(pool, endpoint)
    with pytest.raises(Conflict) as refused:
        await replay_delivery(pool, delivery.id, partner_ids=[partner_id], actor="partner:test")
    assert refused.value.code == "delivery_pending"
    await work(pool)
    await replay_delivery(pool, delivery.id, partner_ids=[partner_id], actor="partner:test")
    await work(pool)
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


async def test_nobody_replays_or_disables_what_is_anothers(pool: Pool, partner_id: UUID, receiver: Receiver) -> None:
    endpoint = await endpoint_at(pool, partner_id, receiver)
    await news(pool, partner_id)
    await work(pool)
    (delivery,) = await log_of(pool, endpoint)
    for attempt in (
        replay_delivery(pool, delivery.id, partner_ids=[new_id()], actor="partner:other"),
        disable_endpoint(pool, endpoint.id, partner_ids=[new_id()], actor="partner:other"),
        send_test_webhook(pool, endpoint.id, partner_ids=[new_id()]),
    ):
        with pytest.raises(NotFound):
            await attempt
    async with pool.acquire() as conn:
        (still,) = await webhook_store.list_endpoints(conn, [partner_id])
    assert still.disabled_at is None


async def test_a_disabled_endpoint_gets_no_test_and_no_replay(pool: Pool, partner_id: UUID, receiver: Receiver) -> None:
    endpoint = await endpoint_at(pool, partner_id, receiver)
    await send_test_webhook(pool, endpoint.id, partner_ids=[partner_id])
    await disable_endpoint(pool, endpoint.id, partner_ids=[partner_id], actor="partner:test")
    assert await work(pool) == 1, "the job was queued before"
    assert receiver.received == []
    (delivery,) = await log_of(pool, endpoint)
    assert (delivery.type, delivery.state) == ("webhook.test", DeliveryState.FAILED)
    with pytest.raises(Conflict):
        await send_test_webhook(pool, endpoint.id, partner_ids=[partner_id])
    with pytest.raises(Conflict):
        await replay_delivery(pool, delivery.id, partner_ids=[partner_id], actor="partner:test")


async def test_counts_go_out_once_a_minute_and_the_newest_ones(pool: Pool, partner_id: UUID, receiver: Receiver) -> None:
    endpoint = await endpoint_at(pool, partner_id, receiver)
    async with pool.acquire() as conn:  # to the beginning of a minute, so that all fall into one
        await conn.execute(
            "UPDATE installation SET clock_shift = date_trunc('minute', clock_timestamp()) + interval '1 minute' - clock_timestamp()"
        )
    for secured in (1, 2, 3):
        async with transaction(pool) as conn:
            await queue_counts(conn, partner_id, subject_id=TRIP, data={"secured": secured})
    assert await work(pool) == 0
    assert await sweep(pool) == 0
    assert len(await log_of(pool, endpoint)) == 1
    await jump(pool, timedelta(minutes=3))
    assert await sweep(pool) == 1
    assert await work(pool) == 1
    assert [json.loads(message.body)["data"] for message in receiver.received] == [{"secured": 3}]
    async with transaction(pool) as conn:
        await queue_counts(conn, partner_id, subject_id=TRIP, data={"secured": 4})
    assert len(await log_of(pool, endpoint)) == 2, "the next minute is news of its own"


async def test_a_live_database_never_sends_to_this_machine(pool: Pool, partner_id: UUID, receiver: Receiver) -> None:
    endpoint = await endpoint_at(pool, partner_id, receiver)
    async with pool.acquire() as conn:
        await conn.execute("UPDATE webhook_endpoints SET url = $1", f"http://localhost:{receiver.port}/hook")
        await conn.execute("UPDATE installation SET mark = $1", Mark.LIVE.value)
    await news(pool, partner_id)
    await work(pool)
    assert receiver.received == []
    (delivery,) = await log_of(pool, endpoint)
    assert (delivery.state, delivery.last_status) == (DeliveryState.PENDING, None)
    assert "this machine" in delivery.last_error
    with pytest.raises(Invalid):
        await add_endpoint(pool, partner_id=partner_id, url=receiver.url, actor="partner:test")


async def test_a_partner_has_a_bounded_number_of_endpoints(pool: Pool, partner_id: UUID, receiver: Receiver) -> None:
    for _ in range(10):
        await endpoint_at(pool, partner_id, receiver)
    with pytest.raises(Conflict) as refused:
        await endpoint_at(pool, partner_id, receiver)
    assert refused.value.code == "too_many_endpoints"

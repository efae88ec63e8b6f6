"""Processes that die at the worst moment: nothing acknowledged is lost, nothing is done twice."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import httpx

from app.stage.ports import free_port
from app.stage.processes import Child, Role
from tests.support.fake_stripe import API_KEY, WEBHOOK_SECRET
from tests.support.ledgers import charges_at_stripe
from tests.support.riders import states, tipped
from tests.support.service import Service
from tests.support.waiting import wait_until_async

AFTER_A_MINUTE = timedelta(seconds=61)
CONFIRM = "POST /v1/payment_intents/{intent}/confirm"


def process(service: Service, folder: Path, name: str, *arguments: str, ready_url: str | None = None) -> Child:
    """A process of the service, on its database and its Stripe."""
    settings = {
        "DATABASE_URL": service.settings.database_url,
        "STRIPE_API_KEY": API_KEY,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "BUSLOAD_STRIPE_BASE": service.stripe.url,
        "BUSLOAD_SECRET": service.settings.secret,
        "BUSLOAD_BASE_URL": service.settings.base_url,
        "BUSLOAD_SMTP_URL": "smtp://localhost:1",
    }
    return Child(Role(name=name, module="app.cli", arguments=arguments, settings=settings, ready_url=ready_url), log_folder=folder)


async def test_a_worker_killed_after_the_charge_and_before_its_answer_leaves_one_charge(service: Service, tmp_path: Path) -> None:
    _, placed = await tipped(service)
    await service.stripe.stage("faults", {"rates": {"slow_reply_s": 600.0}})
    await service.stripe.fault(CONFIRM, "slow_reply")
    first = process(service, tmp_path, "first-worker", "worker")
    await first.start()
    await wait_until_async(lambda: charges_at_stripe(service, placed), "the worker to have charged")
    await first.kill()
    assert await states(service, placed) == ["submitting"]

    await service.jump(AFTER_A_MINUTE)
    second = process(service, tmp_path, "second-worker", "worker")
    await second.start()
    try:
        await wait_until_async(lambda: is_paid(service, placed), "another worker to have looked the charge up")
    finally:
        await second.stop()
    assert len(await charges_at_stripe(service, placed)) == 1


async def is_paid(service: Service, placed: dict[str, object]) -> bool:
    return bool((await service.show(placed))["state"] == "paid")


async def test_a_web_process_killed_during_a_burst_keeps_what_it_acknowledged_and_a_retry_places_no_second_pledge(
    service: Service, tmp_path: Path
) -> None:
    trip = await service.trip(await service.event(), minimum=40, cap=40)
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    web = process(service, tmp_path, "web", "serve", "--port", str(port), ready_url=f"{base}/readyz")
    await web.start()
    body = {"stop_id": trip["stops"][0]["id"], "name": "Ada", "seats": 1}

    async def pledge(http: httpx.AsyncClient, number: int) -> str | None:
        try:
            answer = await http.post(
                f"/api/trips/{trip['id']}/pledges",
                json={**body, "email": f"rider-{number}@example.org"},
                headers={"Idempotency-Key": f"rider-{number}"},
            )
        except httpx.TransportError:
            return None
        assert answer.status_code == 201, answer.text
        return str(answer.json()["pledge"]["id"])

    async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=30) as http:
        burst = [asyncio.create_task(pledge(http, number)) for number in range(24)]
        await asyncio.wait(burst, return_when=asyncio.FIRST_COMPLETED)
        await web.kill()
        acknowledged = await asyncio.gather(*burst)
    assert None in acknowledged, "the burst was over before the process died"

    again = [await pledge(service.http, number) for number in range(24)]

    assert all(before in {None, after} for before, after in zip(acknowledged, again, strict=True))
    assert len(set(again)) == 24
    now = await service.trip_now(trip)
    assert (now["held"], now["secured"]) == (24, 0)


async def test_the_service_works_on_after_the_database_has_cut_every_connection(service: Service) -> None:
    trip = await service.trip(await service.event())
    keeper = await asyncpg.connect(service.settings.database_url)
    async with asyncio.timeout(60), service.http.stream("GET", f"/api/trips/{trip['id']}/live") as stream:
        lines = stream.aiter_lines()
        await read_until(lines, '"held":0')
        await keeper.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await wait_until_async(lambda: pledges_again(service, trip), "a pledge to be taken again")
        await read_until(lines, '"held":1')
    await keeper.close()


async def pledges_again(service: Service, trip: dict[str, object]) -> bool:
    answer = await service.pledge(trip, key="the same", email="ada@example.org")
    assert answer.status_code in {201, 503}, answer.text
    return answer.status_code == 201


async def read_until(lines: AsyncIterator[str], text: str) -> None:
    """Reads a stream until a line holds the text."""
    async for line in lines:
        if text in line:
            return
    raise AssertionError(f"the stream ended before {text}")

"""The live counter, over a web process of its own: what another process commits reaches an open page; a stop ends open streams."""

import asyncio
import gzip
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio

from app.core.database import Pool
from app.flows.card_saved import card_saved
from app.stage.ports import free_port
from app.stage.processes import Child, Role
from tests.support.fake_stripe import API_KEY, WEBHOOK_SECRET, FakeStripe
from tests.support.server import ScratchDatabase
from tests.support.threshold import Sale, on_sale, place, saved_card

PATIENCE_S = 20.0  # generous: the machine may be busy; how fast it is on an idle one is the benchmark's subject


@pytest_asyncio.fixture
async def web(database: ScratchDatabase, stripe: FakeStripe, tmp_path: Path) -> AsyncIterator[tuple[Child, str]]:
    """`busload serve` as a process, and its address."""
    port = free_port()
    base = f"http://localhost:{port}"
    settings = {
        "DATABASE_URL": database.dsn,
        "STRIPE_API_KEY": API_KEY,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "BUSLOAD_STRIPE_BASE": stripe.url,
        "BUSLOAD_SECRET": "a secret of thirty-two characters and more",
        "BUSLOAD_BASE_URL": base,
        "BUSLOAD_SMTP_URL": "smtp://localhost:1",
    }
    child = Child(
        Role(name="web", module="app.cli", arguments=("serve", "--port", str(port)), settings=settings, ready_url=f"{base}/readyz"),
        log_folder=tmp_path,
    )
    await child.start()
    yield child, base
    await child.stop()


async def pledged(pool: Pool, sale: Sale) -> None:
    """A pledge that counts, committed by this process, which is not the one that serves."""
    pledge = (await place(pool, sale)).pledge
    await card_saved(pool, pledge.id, saved_card(pledge.id))


async def told(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, Any]]:
    async for line in lines:
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))


async def test_open_streams_hear_of_other_processes_commits_and_end_with_the_server(
    web: tuple[Child, str], database: ScratchDatabase
) -> None:
    child, base = web
    pool = await database.pool(size=3)
    sale = await on_sale(pool, minimum=2)
    async with (
        asyncio.timeout(PATIENCE_S * 2),
        httpx.AsyncClient(base_url=base, trust_env=False, timeout=PATIENCE_S) as http,
        http.stream("GET", f"/api/trips/{sale.trip_id}/live", headers={"Accept-Encoding": "gzip"}) as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in stream.headers
        news = told(stream.aiter_lines())
        assert (await anext(news))["secured"] == 0
        for reached in ((1, "open"), (2, "confirmed")):
            await pledged(pool, sale)
            while ((seen := await anext(news))["secured"], seen["state"]) != reached:
                pass
        stopping = asyncio.create_task(child.stop(grace_s=15))
        assert [rest async for rest in news if rest["secured"] != 2] == [], "the stream ends by itself"
        assert await stopping == -signal.SIGTERM, "uvicorn ends by the signal it was sent, once it has stopped in order"
    assert "Application shutdown complete" in child.log_tail()
    assert "timeout graceful shutdown exceeded" not in child.log_tail()


async def test_answers_are_compressed_for_those_who_take_it_and_only_when_large(web: tuple[Child, str], database: ScratchDatabase) -> None:
    _, base = web
    sale = await on_sale(await database.pool(size=2))
    async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=PATIENCE_S) as http:
        for path, large in ((f"/api/trips/{sale.trip_id}", True), ("/", True), ("/livez", False)):
            plain = await http.get(path, headers={"Accept-Encoding": "identity"})
            async with http.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
                raw = b"".join([chunk async for chunk in answer.aiter_raw()])
            assert (plain.status_code, answer.status_code) == (200, 200)
            assert "content-encoding" not in plain.headers
            assert answer.headers.get("content-encoding") == ("gzip" if large else None)
            if large:
                assert "accept-encoding" in answer.headers["vary"].lower()
                assert len(raw) < len(plain.content)
                assert len(gzip.decompress(raw)) > 1000


async def test_a_trip_that_is_not_public_has_no_stream(web: tuple[Child, str], database: ScratchDatabase) -> None:
    _, base = web
    draft = await on_sale(await database.pool(size=2), opened=False)
    async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=PATIENCE_S) as http:
        answer = await http.get(f"/api/trips/{draft.trip_id}/live")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_trip")

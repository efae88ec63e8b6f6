"""Whether the whole service works: a page is served, a sign-in is written, Stripe answers, the worker sends a mail."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import httpx

from app.core.database import DATABASE_LOST, set_up_connection
from app.domain.notifications.service import queue_mail
from app.stage.private_stack import PrivateStack

POLL_S = 0.05
ANSWER_S = 5.0
FAILURES_MEANWHILE = (*DATABASE_LOST, httpx.HTTPError)


async def works_again(stack: PrivateStack, deadline: float) -> str | None:
    """None once everything has done its work again. Else what does not by then (`time.monotonic`).

    All are asked at the same time and each until its first yes, so that none waits for another's recovery.
    """
    asked = {
        "web does not work": _web_works(f"http://127.0.0.1:{stack.addresses.web_port}", deadline),
        "the fake Stripe does not answer": _stripe_works(stack.stripe_url, deadline),
        "the worker does not work": _worker_works(stack.dsn, deadline),
    }
    answers = await asyncio.gather(*asked.values())
    failing = [what for what, works in zip(asked, answers, strict=True) if not works]
    return ", ".join(failing) or None


async def _web_works(url: str, deadline: float) -> bool:
    async with _client(url) as http:

        async def serves_and_writes() -> bool:
            if (await http.get("/api/events")).status_code != httpx.codes.OK:
                return False
            return (await http.post("/api/demo/sessions", json={"role": "organiser"})).is_success

        return await _until(serves_and_writes, deadline)


async def _stripe_works(url: str, deadline: float) -> bool:
    async with _client(url) as http:

        async def answers() -> bool:
            return (await http.get("/_stage/ready")).is_success

        return await _until(answers, deadline)


async def _worker_works(dsn: str, deadline: float) -> bool:
    key = f"chaos:{uuid4().hex}"

    async def queued() -> bool:
        async with _direct(dsn) as connection, connection.transaction():
            await queue_mail(
                connection, dedupe_key=key, recipient="chaos@rehearsal.example", template="pledge_lapsed", locale="en",
                data={"name": "Chaos", "code": "CHAOS", "origin": "Nowhere", "trip": "CHAOS"}, subject_id=None,
            )  # fmt: skip
        return True

    async def sent() -> bool:
        async with _direct(dsn) as connection:
            while time.monotonic() < deadline:
                if await connection.fetchval("SELECT sent_at IS NOT NULL FROM mails WHERE dedupe_key = $1", key):
                    return True
                await asyncio.sleep(POLL_S)
        return False

    return await _until(queued, deadline) and await _until(sent, deadline)


def _client(url: str) -> httpx.AsyncClient:
    """Plain HTTP to our own processes: no authorities to load, which takes longer than asking."""
    trusts_nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.AsyncClient(base_url=url, timeout=ANSWER_S, trust_env=False, verify=trusts_nobody)


@asynccontextmanager
async def _direct(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(dsn, timeout=ANSWER_S, command_timeout=ANSWER_S)
    try:
        await set_up_connection(connection)
        yield connection
    finally:
        await connection.close(timeout=ANSWER_S)


async def _until(works: Callable[[], Awaitable[bool]], deadline: float) -> bool:
    """Asks until the answer is yes or the deadline has passed; errors are a no."""
    while time.monotonic() < deadline:
        try:
            if await works():
                return True
        except FAILURES_MEANWHILE:
            pass
        await asyncio.sleep(POLL_S)
    return False

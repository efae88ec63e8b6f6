"""`kill -9` of PostgreSQL under a running service: web and worker come back by themselves once the server does."""

import os
from functools import partial
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.core.database import set_up_connection
from app.domain.notifications.service import queue_mail
from app.stage.private_stack import PrivateStack, private_stack
from tests.support.waiting import wait_until_async

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif("DATABASE_URL" in os.environ, reason="the server that is killed must be our own"),
]
RECOVERY_S = 60.0


async def queue_a_mail(stack: PrivateStack, recipient: str) -> None:
    connection = await asyncpg.connect(stack.dsn)
    await set_up_connection(connection)
    try:
        async with connection.transaction():
            await queue_mail(
                connection,
                dedupe_key=uuid4().hex,
                recipient=recipient,
                template="pledge_lapsed",
                locale="en",
                data={"name": "Ada", "code": "ABC", "origin": "Baltimore", "trip": "TRIP"},
                subject_id=None,
            )
    finally:
        await connection.close()


async def has_arrived(stack: PrivateStack, recipient: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        return bool((await client.get(f"{stack.inbox_url}/api/messages", params={"to": recipient})).json())


async def noticed(stack: PrivateStack, *, times: int) -> bool:
    return stack.worker.log_path.read_text().count("worker.queue_lost") >= times


async def answers(stack: PrivateStack) -> bool:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        return (await client.get(f"http://127.0.0.1:{stack.addresses.web_port}/api/events")).status_code == httpx.codes.OK


async def test_web_and_worker_work_on_within_a_minute_after_the_database_was_killed() -> None:
    async with private_stack() as stack:
        assert stack.server is not None
        await queue_a_mail(stack, "before@example.org")
        await wait_until_async(lambda: has_arrived(stack, "before@example.org"), "the worker to work at all", timeout_s=RECOVERY_S)
        processes = [stack.web.pid, stack.worker.pid]
        for round_number in range(2):
            stack.server.kill()
            await wait_until_async(partial(noticed, stack, times=round_number + 1), "the worker's queue to miss its database")
            stack.server.start()
            recipient = f"after{round_number}@example.org"
            await queue_a_mail(stack, recipient)
            await wait_until_async(partial(has_arrived, stack, recipient), "the worker to work on", timeout_s=RECOVERY_S)
            await wait_until_async(lambda: answers(stack), "the web process to answer", timeout_s=RECOVERY_S)
        assert [stack.web.pid, stack.worker.pid] == processes

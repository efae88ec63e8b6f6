"""What goes wrong: one coroutine per fault, each leaves the world as it found it. Recovery is the service's own business."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

import asyncpg

from app.stage.chaos.proxy import Cut
from app.stage.private_stack import PrivateStack

COMMITS_CUT = 4
CUT_WITHIN_S = 3.0
SLOW_BY_S, SLOW_FOR_S = 0.15, 2.0
EXHAUSTED_FOR_S = 5.0
FULL_FOR_S = 3.0
CLOCK_OFF = timedelta(minutes=10)
CLOCK_OFF_FOR_S = 2.0

Fault = Callable[[PrivateStack], Awaitable[None]]


async def kill_web(stack: PrivateStack) -> None:
    """`kill -9` of the web process; its supervisor starts it again."""
    await stack.web.kill()
    await stack.web.start(timeout_s=60.0)


async def kill_worker(stack: PrivateStack) -> None:
    """`kill -9` of the worker."""
    await stack.worker.kill()
    await stack.worker.start(timeout_s=60.0)


async def kill_stripe(stack: PrivateStack) -> None:
    """`kill -9` of the fake Stripe; its journal keeps what it answered."""
    await stack.stripe.kill()
    await stack.stripe.start(timeout_s=60.0)


async def kill_postgres(stack: PrivateStack) -> None:
    """`kill -9` of the database server."""
    assert stack.server is not None
    stack.server.kill()
    stack.server.start()


async def cut_commits_before(stack: PrivateStack) -> None:
    """Connections break as they send a COMMIT: the server never hears of it."""
    await _cut(stack, Cut.BEFORE)


async def cut_commits_after(stack: PrivateStack) -> None:
    """Connections break after the COMMIT is done and before its answer: the client cannot know."""
    await _cut(stack, Cut.AFTER)


async def _cut(stack: PrivateStack, where: Cut) -> None:
    assert stack.proxy is not None
    stack.proxy.cut_next_commits(where, COMMITS_CUT)
    with suppress(TimeoutError):
        await asyncio.wait_for(stack.proxy.all_cut.wait(), CUT_WITHIN_S)
    stack.proxy.forget_cuts()


async def slow_sockets(stack: PrivateStack) -> None:
    """Every packet to and from the database is late."""
    assert stack.proxy is not None
    stack.proxy.dawdle(SLOW_BY_S)
    await asyncio.sleep(SLOW_FOR_S)
    stack.proxy.dawdle(0.0)


async def half_open_sockets(stack: PrivateStack) -> None:
    """Every open connection to the database stays open and carries nothing ever more."""
    assert stack.proxy is not None
    stack.proxy.fall_silent()


async def reset_sockets(stack: PrivateStack) -> None:
    """Every connection to the database is reset."""
    assert stack.proxy is not None
    stack.proxy.reset_all()


async def exhaust_pool(stack: PrivateStack) -> None:
    """Whoever wants to pledge waits for a lock somebody else holds, until no connection is left for others."""
    connection = await asyncpg.connect(stack.dsn)
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '30s'")
            await connection.execute("LOCK TABLE trips IN ACCESS EXCLUSIVE MODE")
            await asyncio.sleep(EXHAUSTED_FOR_S)
    finally:
        await connection.close()


async def clock_ahead(stack: PrivateStack) -> None:
    """The database's clock runs ten minutes ahead for a moment."""
    await _clock_off(stack, CLOCK_OFF)


async def clock_behind(stack: PrivateStack) -> None:
    """The database's clock runs ten minutes behind for a moment."""
    await _clock_off(stack, -CLOCK_OFF)


async def _clock_off(stack: PrivateStack, by: timedelta) -> None:
    for shift in (by, -by):
        connection = await asyncpg.connect(stack.dsn)
        try:
            await connection.execute("UPDATE installation SET clock_shift = clock_shift + $1", shift)
        finally:
            await connection.close()
        if shift == by:
            await asyncio.sleep(CLOCK_OFF_FOR_S)


async def fill_disk(stack: PrivateStack) -> None:
    """The database's disk is full; once there is room again, a server that gave up is started again."""
    assert stack.disk is not None
    assert stack.server is not None
    stack.disk.fill()
    await asyncio.sleep(FULL_FOR_S)
    stack.disk.free()
    if stack.server.pid is None:
        stack.server.start()


FAULTS: dict[str, Fault] = {
    "web killed": kill_web,
    "worker killed": kill_worker,
    "fake Stripe killed": kill_stripe,
    "PostgreSQL killed": kill_postgres,
    "commit cut before": cut_commits_before,
    "commit cut after": cut_commits_after,
    "sockets slow": slow_sockets,
    "sockets half open": half_open_sockets,
    "sockets reset": reset_sockets,
    "pool exhausted": exhaust_pool,
    "clock ahead": clock_ahead,
    "clock behind": clock_behind,
    "disk full": fill_disk,
}


def faults_for(stack: PrivateStack) -> tuple[dict[str, Fault], list[str]]:
    """The faults this stack can have, and the names of those it cannot."""
    needs_server = {"PostgreSQL killed", "disk full"} if stack.server is None else set()
    needs_disk = {"disk full"} if stack.disk is None else set()
    missing = needs_server | needs_disk
    return {name: fault for name, fault in FAULTS.items() if name not in missing}, sorted(missing)

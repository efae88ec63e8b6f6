"""What goes wrong: one coroutine per fault, each leaves the world as it found it. Recovery is the service's own business.

Each returns when the service could begin to recover (`time.monotonic`): at a process's death, or when a lasting fault was over.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

import asyncpg

from app.stage.chaos.proxy import Cut
from app.stage.private_stack import PrivateStack
from app.stage.processes import Child

COMMITS_CUT = 4
CUT_WITHIN_S = 3.0
SLOW_BY_S, SLOW_FOR_S = 0.15, 2.0
EXHAUSTED_FOR_S = 4.0
FULL_FOR_S = 2.0
CLOCK_OFF = timedelta(minutes=10)
CLOCK_OFF_FOR_S = 2.0
CLOCK_BACK_FOR_S = 1.0
START_S = 60.0
LONGEST_S, POLL_S = 10.0, 0.1

Fault = Callable[[PrivateStack], Awaitable[float]]


async def kill_web(stack: PrivateStack) -> float:
    """`kill -9` of the web process; its supervisor starts it again."""
    return await _kill(stack.web)


async def kill_worker(stack: PrivateStack) -> float:
    """`kill -9` of the worker."""
    return await _kill(stack.worker)


async def kill_stripe(stack: PrivateStack) -> float:
    """`kill -9` of the fake Stripe; its journal keeps what it answered."""
    return await _kill(stack.stripe)


async def _kill(child: Child) -> float:
    await child.kill()
    died = time.monotonic()
    await child.start(timeout_s=START_S)
    return died


async def kill_postgres(stack: PrivateStack) -> float:
    """`kill -9` of the database server."""
    assert stack.server is not None
    stack.server.kill()
    died = time.monotonic()
    stack.server.start()
    return died


async def cut_commits_before(stack: PrivateStack) -> float:
    """Connections break as they send a COMMIT: the server never hears of it."""
    return await _cut(stack, Cut.BEFORE)


async def cut_commits_after(stack: PrivateStack) -> float:
    """Connections break after the COMMIT is done and before its answer: the client cannot know."""
    return await _cut(stack, Cut.AFTER)


async def _cut(stack: PrivateStack, where: Cut) -> float:
    assert stack.proxy is not None
    stack.proxy.cut_next_commits(where, COMMITS_CUT)
    with suppress(TimeoutError):
        await asyncio.wait_for(stack.proxy.all_cut.wait(), CUT_WITHIN_S)
    stack.proxy.forget_cuts()
    return time.monotonic()


async def slow_sockets(stack: PrivateStack) -> float:
    """Every packet to and from the database is late."""
    assert stack.proxy is not None
    stack.proxy.dawdle(SLOW_BY_S)
    await asyncio.sleep(SLOW_FOR_S)
    stack.proxy.dawdle(0.0)
    return time.monotonic()


async def half_open_sockets(stack: PrivateStack) -> float:
    """Every open connection to the database stays open and carries nothing ever more."""
    assert stack.proxy is not None
    stack.proxy.fall_silent()
    return time.monotonic()


async def reset_sockets(stack: PrivateStack) -> float:
    """Every connection to the database is reset."""
    assert stack.proxy is not None
    stack.proxy.reset_all()
    return time.monotonic()


async def exhaust_pool(stack: PrivateStack) -> float:
    """Whoever wants to pledge waits for a lock somebody else holds, until no connection is left for others."""
    connection = await asyncpg.connect(stack.dsn)
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '5s'")
            await connection.execute("LOCK TABLE trips IN ACCESS EXCLUSIVE MODE")
            await asyncio.sleep(EXHAUSTED_FOR_S)
    finally:
        await connection.close()
    return time.monotonic()


async def clock_ahead(stack: PrivateStack) -> float:
    """The database's clock runs ten minutes ahead for a moment, then it is right again, and ten minutes pass.

    They pass by the stage's shift: what was set by the wrong clock comes so much later, which is waiting and no failure.
    """
    began = await _clock_off(stack, CLOCK_OFF)
    await asyncio.sleep(CLOCK_BACK_FOR_S)
    connection = await asyncpg.connect(stack.dsn)
    try:
        await connection.execute("UPDATE installation SET clock_shift = clock_shift + $1", CLOCK_OFF)
    finally:
        await connection.close()
    return began


async def clock_behind(stack: PrivateStack) -> float:
    """The database's clock runs ten minutes behind for a moment."""
    return await _clock_off(stack, -CLOCK_OFF)


async def _clock_off(stack: PrivateStack, by: timedelta) -> float:
    """The server's own clock is wrong, not `clock_shift`, by which plays travel in time and which nobody takes for an error."""
    connection = await asyncpg.connect(stack.dsn)  # one for both ways: no clock stays wrong because nobody could connect a second time
    try:
        right = str(await connection.fetchval("SELECT pg_get_functiondef('busload_now'::regproc)"))
        wrong = right.replace("clock_timestamp()", f"clock_timestamp() + interval '{by.total_seconds():.0f} s'")
        await connection.execute(wrong)
        await asyncio.sleep(CLOCK_OFF_FOR_S)
        await connection.execute(right)
    finally:
        await connection.close()
    return time.monotonic()


async def fill_disk(stack: PrivateStack) -> float:
    """The database's disk is full; once there is room again, a server that gave up is started again."""
    assert stack.disk is not None
    assert stack.server is not None
    try:
        stack.disk.fill()
        await asyncio.sleep(FULL_FOR_S)
    finally:
        stack.disk.free()
    freed = time.monotonic()
    while time.monotonic() < freed + LONGEST_S and not await _accepts(stack.dsn):
        if stack.server.pid is None:
            stack.server.start()
        await asyncio.sleep(POLL_S)
    return freed


async def _accepts(dsn: str) -> bool:
    try:
        connection = await asyncpg.connect(dsn, timeout=LONGEST_S)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


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

CONNECTIONS, CLOCK, LOCKS, SPEED, STRIPE = "connections", "clock", "locks", "speed", "stripe"
EVERYTHING_IN_THE_DATABASE = frozenset({CONNECTIONS, CLOCK, LOCKS})
DISTURBS: dict[str, frozenset[str]] = {
    "web killed": frozenset({CONNECTIONS}),
    "worker killed": frozenset({CONNECTIONS}),
    "fake Stripe killed": frozenset({STRIPE}),
    "PostgreSQL killed": EVERYTHING_IN_THE_DATABASE,
    "commit cut before": frozenset({CONNECTIONS}),
    "commit cut after": frozenset({CONNECTIONS}),
    "sockets slow": frozenset({SPEED}),
    "sockets half open": frozenset({CONNECTIONS}),
    "sockets reset": frozenset({CONNECTIONS}),
    "pool exhausted": frozenset({LOCKS}),
    "clock ahead": frozenset({CLOCK}),
    "clock behind": frozenset({CLOCK}),
    "disk full": EVERYTHING_IN_THE_DATABASE,
}
"""What each fault has for itself while it lasts: two may strike at once when they share nothing, and neither hides the other's effect."""


def faults_for(stack: PrivateStack) -> tuple[dict[str, Fault], list[str]]:
    """The faults this stack can have, and the names of those it cannot."""
    needs_server = {"PostgreSQL killed", "disk full"} if stack.server is None else set()
    needs_disk = {"disk full"} if stack.disk is None else set()
    missing = needs_server | needs_disk
    return {name: fault for name, fault in FAULTS.items() if name not in missing}, sorted(missing)

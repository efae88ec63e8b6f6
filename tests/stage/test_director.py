"""The director must notice a service that does not come back, and let two faults strike at once only when neither hides the other."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from random import Random

import msgspec
import pytest
import pytest_asyncio

from app.stage.chaos.director import ChaosPlan, Director
from app.stage.chaos.faults import DISTURBS, FAULTS, Fault
from app.stage.chaos.recovery import works_again
from app.stage.private_stack import PrivateStack
from app.stage.processes import Child
from app.stage.roles import new_addresses, new_secrets, stripe_role
from tests.support.server import ScratchDatabase
from tests.support.service import Service

SOON_S = 1.0
BY_THEN_S = 30.0


@pytest_asyncio.fixture
async def stack(service: Service, database: ScratchDatabase, tmp_path: Path) -> AsyncIterator[PrivateStack]:
    """The running service as the director sees one: its web, a fake Stripe of its own that may die; no worker unless the test plays it."""
    shared = new_secrets()
    addresses = new_addresses(web_port=service.http.base_url.port)
    stripe = Child(stripe_role(addresses, shared, tmp_path / "stripe.journal"), log_folder=tmp_path)
    await stripe.start()
    yield PrivateStack(
        dsn=database.dsn, addresses=addresses, shared=shared, settings={}, folder=tmp_path, server=None, proxy=None, disk=None,
        stripe=stripe, inbox=stripe, web=stripe, worker=stripe,
    )  # fmt: skip
    await stripe.stop()


@pytest_asyncio.fixture
async def working(service: Service) -> AsyncIterator[None]:
    """Somebody plays the worker."""

    async def work() -> None:
        while True:
            await service.work("send_mail")
            await asyncio.sleep(0.05)

    worker = asyncio.create_task(work())
    yield
    worker.cancel()
    with suppress(asyncio.CancelledError):
        await worker


async def kill_stripe_for_good(stack: PrivateStack) -> float:
    """`kill -9`, and nobody starts it again."""
    await stack.stripe.kill()
    return time.monotonic()


async def nothing(_stack: PrivateStack) -> float:
    """No fault."""
    return time.monotonic()


async def play_once(stack: PrivateStack, fault: Fault, *, recovery_s: float) -> list[str]:
    plan = ChaosPlan(at_most=1, recovery_s=recovery_s)
    director = Director(stack, seed=1, plan=plan, faults={"fake Stripe killed": fault})
    await director.run()
    assert director.happened == {"fake Stripe killed": 1}
    return director.not_recovered


async def test_a_process_that_is_not_started_again_is_reported_as_not_recovered(stack: PrivateStack, working: None) -> None:
    assert await play_once(stack, nothing, recovery_s=BY_THEN_S) == []
    (found,) = await play_once(stack, kill_stripe_for_good, recovery_s=SOON_S)
    assert found.startswith("fake Stripe killed: the fake Stripe does not answer after")


async def test_a_worker_that_does_not_come_back_is_reported(stack: PrivateStack) -> None:
    assert await works_again(stack, time.monotonic() + SOON_S) == "the worker does not work"


async def test_a_web_process_that_does_not_come_back_is_reported(stack: PrivateStack, working: None) -> None:
    elsewhere = msgspec.structs.replace(stack, addresses=new_addresses())
    found = await works_again(elsewhere, time.monotonic() + SOON_S)
    assert found == "web does not work, the fake Stripe does not answer"


def test_every_fault_says_what_it_disturbs() -> None:
    assert set(DISTURBS) == set(FAULTS)
    assert all(DISTURBS.values())


@pytest.mark.parametrize("seed", [1, 2])
async def test_faults_that_strike_at_once_have_nothing_in_common_and_all_happen_equally_often(
    stack: PrivateStack, working: None, seed: int
) -> None:
    under_way: list[str] = []
    together: set[frozenset[str]] = set()
    dice = Random(seed)

    def acted(name: str) -> Fault:
        async def strike(_stack: PrivateStack) -> float:
            together.update(frozenset({name, other}) for other in under_way)
            under_way.append(name)
            for _ in range(dice.randrange(1, 5)):
                await asyncio.sleep(0)
            under_way.remove(name)
            return time.monotonic()

        return strike

    director = Director(stack, seed=seed, plan=ChaosPlan(at_most=1), faults={name: acted(name) for name in FAULTS})
    await director.run()
    assert director.happened == dict.fromkeys(FAULTS, 1)
    assert director.not_recovered == []
    assert all(not DISTURBS[one] & DISTURBS[other] for one, other in map(sorted, together))

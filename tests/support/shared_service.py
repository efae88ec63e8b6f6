"""One service and one database for many stories: each begins at real time with an empty postbox and leaves nothing undone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from app.core.clock import shift_clock
from app.core.database import transaction
from tests.support.fake_stripe import FakeStripe
from tests.support.ledgers import assert_sound
from tests.support.server import scratch_database
from tests.support.service import Service, running_service


@asynccontextmanager
async def shared_service(server: tuple[str, str], stripe: FakeStripe, purpose: str) -> AsyncIterator[Service]:
    """The service of a whole test module."""
    async with scratch_database(server[0], template=server[1], purpose=purpose) as dsn, running_service(dsn, stripe) as running:
        yield running


@asynccontextmanager
async def one_story(service: Service) -> AsyncIterator[Service]:
    """The service for one test: afterwards its work is done, every invariant holds and the clock is set right."""
    service.postbox.messages.clear()
    yield service
    await service.stripe.stage("faults", {"clear": True})
    await service.work()
    await assert_sound(service.pool)
    async with transaction(service.pool) as conn:
        await shift_clock(conn, timedelta(0))

from collections.abc import AsyncIterator
from uuid import UUID

import pytest_asyncio

from app.core.database import Pool
from app.core.ids import new_id, public_code
from app.domain.partners.model import Partner
from app.domain.partners.store import add_partner
from tests.support.receiver import Receiver, running_receiver
from tests.support.server import ScratchDatabase


@pytest_asyncio.fixture
async def pool(database: ScratchDatabase) -> Pool:
    return await database.pool()


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as running:
        yield running


@pytest_asyncio.fixture
async def partner_id(pool: Pool) -> UUID:
    partner = Partner(id=new_id(), public_code=public_code(), name="City FC", site_url="https://city.example", email="desk@city.example")
    async with pool.acquire() as conn:
        await add_partner(conn, partner)
    return partner.id

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest_asyncio

from app.core.ids import new_id, public_code
from app.domain.accounts.model import Role
from app.domain.partners.model import Partner
from app.domain.partners.store import add_partner
from tests.support.receiver import Receiver, running_receiver
from tests.support.service import Service, signed_in

SITE = "https://city.example"


class Team(msgspec.Struct, kw_only=True):
    """A partner with somebody signed in for it."""

    id: UUID
    code: str
    http: httpx.AsyncClient

    async def key(self, *origins: str) -> dict[str, Any]:
        answer = await self.http.post("/api/partner/keys", json={"origins": list(origins) or [SITE]})
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found


async def build_team(service: Service, name: str) -> Team:
    partner = Partner(id=new_id(), public_code=public_code(), name=name, site_url=SITE, email="desk@city.example")
    async with service.pool.acquire() as conn:
        await add_partner(conn, partner)
    token = await signed_in(service.pool, f"{partner.public_code.lower()}@city.example", Role.PARTNER, partner_id=partner.id)
    base_url = str(service.http.base_url)
    http = httpx.AsyncClient(base_url=base_url, trust_env=False, timeout=30, headers={"Authorization": f"Bearer {token}"})
    return Team(id=partner.id, code=partner.public_code, http=http)


@pytest_asyncio.fixture
async def team(service: Service) -> AsyncIterator[Team]:
    team = await build_team(service, "City FC")
    yield team
    await team.http.aclose()


@pytest_asyncio.fixture
async def rival(service: Service) -> AsyncIterator[Team]:
    team = await build_team(service, "United <b>FC</b>")
    yield team
    await team.http.aclose()


@pytest_asyncio.fixture
async def event(service: Service, team: Team) -> dict[str, Any]:
    return await service.event(partner_id=str(team.id), partner_share_bp=500, name="Derby & <Cup>")


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as running:
        yield running

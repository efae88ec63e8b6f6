"""The way into the demo world: seeded once, its doors made anew on every start."""

import contextlib
from collections.abc import Mapping
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from app.core.clock import Mark, read_mark
from app.core.database import Connection, Pool, open_pool, transaction
from app.core.ids import new_id
from app.domain.dispatch.travel import travel_times
from app.domain.partners import store as partners
from app.domain.partners.model import Partner
from app.domain.payments.stripe_gateway import StripeGateway
from app.flows.grant_organiser import grant_organiser
from app.flows.keep_keys import change_origins, create_key
from app.settings import read_settings
from app.stage.doors import Doors
from app.stage.errors import StageError
from app.stage.roles import PARTNER_PORT_OFFSET
from app.stage.world.entrances import find_doors
from app.stage.world.fleets import add_fleets
from app.stage.world.hands import Hands
from app.stage.world.records import PartnerRecord, read_events, read_names, read_operators, read_partner
from app.stage.world.season import Season

STAFF = "organiser@demo.example"


async def seed_world(env: Mapping[str, str]) -> Doors:
    """Seeds an empty database marked demo or test; one that has the world keeps it as it is. Returns the doors.

    `env` is the environment of `serve`, with a fake Stripe. No worker may run meanwhile: the world's clock is moved. StageError on a
    live database, or on one that holds something else.
    """
    settings = read_settings(env)
    if settings.stripe_base is None:
        raise StageError("the demo world needs the fake Stripe: set BUSLOAD_STRIPE_BASE")
    record = read_partner()
    async with await open_pool(settings.database_url, min_size=1, max_size=8) as pool:
        partner = await known_partner(pool, record)
        if partner is None:
            gateway = StripeGateway(api_key=settings.stripe_api_key, base_url=settings.stripe_base)
            async with (
                contextlib.aclosing(gateway),
                httpx.AsyncClient(base_url=settings.stripe_base, trust_env=False, timeout=30.0) as stripe,
                travel_times(None) as travel,
            ):
                hands = Hands(
                    pool=pool, gateway=gateway, stripe=stripe, secret=settings.secret, base_url=settings.base_url, travel=travel
                )  # fmt: skip
                partner = await build(hands, record)
        await keep_key(pool, partner.id, settings.base_url)
        async with transaction(pool) as conn:
            return await find_doors(conn, secret=settings.secret, base_url=settings.base_url)


async def known_partner(pool: Pool, record: PartnerRecord) -> Partner | None:
    """The world's partner when the database has the world; None on an empty one. StageError on any other."""
    async with transaction(pool) as conn:
        if await read_mark(conn) is Mark.LIVE:
            raise StageError("this database is live: the demo world goes into one marked demo or test")
        known = await partners.find_partner(conn, record.code)
        if known is not None and not await is_whole(conn):
            raise StageError("the demo world was only half made when it was stopped: start over with `make demo-reset`")
        return known


async def is_whole(conn: Connection) -> bool:
    """Whether seeding reached its end: the clock is back at real time."""
    return bool(await conn.fetchval("SELECT clock_shift = interval '0' AND EXISTS (SELECT FROM manifests) FROM installation"))


async def build(hands: Hands, record: PartnerRecord) -> Partner:
    """Everything from nothing."""
    real_now = await hands.now()
    names = read_names()
    partner = Partner(id=new_id(), public_code=record.code, name=record.name, site_url=record.site_url, email=record.email)
    async with transaction(hands.pool) as conn:
        await partners.add_partner(conn, partner)
        await add_fleets(conn, read_operators(), names)
    await grant_organiser(hands.pool, STAFF)
    await Season(hands, read_events(), names, partner_id=partner.id, real_now=real_now).play()
    return partner


async def keep_key(pool: Pool, partner_id: UUID, base_url: str) -> None:
    """The partner's key works from the demo's partner page and from nowhere else."""
    port = (urlsplit(base_url).port or 80) + PARTNER_PORT_OFFSET
    origins = [f"http://127.0.0.1:{port}"]
    async with transaction(pool) as conn:
        live = [key for key in await partners.list_keys(conn, [partner_id]) if key.revoked_at is None]
    if not live:
        await create_key(pool, partner_id=partner_id, origins=origins, actor="demo")
    elif live[0].origins != origins:
        await change_origins(pool, live[0].id, partner_ids=[partner_id], origins=origins, actor="demo")

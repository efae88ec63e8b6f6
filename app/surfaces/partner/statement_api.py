"""The partners' JSON API of their money: shares and the account they are sent to."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from app.core.database import Pool
from app.domain.payments.gateway import PaymentGateway
from app.flows.keep_keys import choose_partner
from app.flows.onboard_payee import Country, open_onboarding
from app.settings import Settings
from app.surfaces.partner.reading import read_partners
from app.surfaces.statements.reading import read_accounts, read_shares
from app.surfaces.statements.views import AccountView, OnboardingView, ShareView
from app.web.actors import CurrentActor

Month = Annotated[str | None, QueryParameter(name="month", required=False, description="Such as 2026-11, UTC; all without one.")]


class OpenAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the account is; `partner_id` only if you act for several."""

    country: Country
    partner_id: UUID | None = None


@get("/api/partner/statements", tags=["partner"])
async def list_shares(pool: NamedDependency[Pool], actor: CurrentActor, month: Month = None) -> list[ShareView]:
    """Your share of each event whose buses are home, the newest first, at most 500."""
    async with pool.acquire() as conn:
        return await read_shares(conn, await read_partners(conn, actor), month=month)


@get("/api/partner/payout-account", tags=["partner"])
async def show_accounts(pool: NamedDependency[Pool], actor: CurrentActor) -> list[AccountView]:
    """Where your share goes: one account each, as Stripe last described it."""
    async with pool.acquire() as conn:
        return await read_accounts(conn, await read_partners(conn, actor))


@post("/api/partner/payout-account", tags=["partner"], status_code=200)
async def open_account(
    data: JSONBody[OpenAccount],
    pool: NamedDependency[Pool],
    gateway: NamedDependency[PaymentGateway],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
) -> OnboardingView:
    """Opens the account, if there is none, and Stripe's page for it. Again is no error."""
    partner_id = choose_partner(actor.require_partners(), data.partner_id)
    async with pool.acquire() as conn:
        code = next(partner.public_code for partner in await read_partners(conn, actor) if partner.id == partner_id)
    home = f"{settings.base_url}/partner/{code}/statements"
    url = await open_onboarding(
        pool, partner_id, country=data.country, gateway=gateway, return_url=f"{home}?back=true", refresh_url=home, actor=actor.audit_name
    )
    return OnboardingView(url=url)


ROUTES = [list_shares, show_accounts, open_account]

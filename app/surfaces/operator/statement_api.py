"""The operators' JSON API of their money: statements and the account it is sent to."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.core.database import Pool
from app.domain.fleet.model import PayTerms
from app.domain.payments.gateway import PaymentGateway
from app.flows.keep_fleet import MAX_VAT_BP, set_vat
from app.flows.onboard_payee import open_onboarding
from app.settings import Settings
from app.surfaces.operator.reading import choose_operator, read_operators
from app.surfaces.operator.statement_pages import HOME
from app.surfaces.statements.reading import read_accounts, read_statement, read_statements
from app.surfaces.statements.views import AccountView, OnboardingView, StatementView
from app.web.actors import CurrentActor

Month = Annotated[str | None, QueryParameter(name="month", required=False, description="Such as 2026-11, UTC; all without one.")]


class SetVat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tax contained in your hire prices, basis points (1900 is 19 %); `operator_id` only if you act for several companies."""

    vat_bp: Annotated[int, msgspec.Meta(ge=0, le=MAX_VAT_BP)]
    operator_id: UUID | None = None


class OpenAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`operator_id` only if you act for several companies."""

    operator_id: UUID | None = None


@get("/api/operator/statements", tags=["operator"])
async def list_statements(pool: NamedDependency[Pool], actor: CurrentActor, month: Month = None) -> list[StatementView]:
    """What driven duties earned and what became of it, the newest first, at most 500."""
    async with pool.acquire() as conn:
        return await read_statements(conn, actor.require_operators(), month=month)


@get("/api/operator/statements/{duty_id:uuid}", tags=["operator"])
async def show_statement(duty_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> StatementView:
    """One duty's statement."""
    async with pool.acquire() as conn:
        return await read_statement(conn, duty_id, actor.require_operators())


@get("/api/operator/payout-account", tags=["operator"])
async def show_accounts(pool: NamedDependency[Pool], actor: CurrentActor) -> list[AccountView]:
    """Where your companies' money goes: one account each, as Stripe last described it."""
    async with pool.acquire() as conn:
        return await read_accounts(conn, await read_operators(conn, actor))


@post("/api/operator/payout-account", tags=["operator"], status_code=200)
async def open_account(
    data: JSONBody[OpenAccount],
    pool: NamedDependency[Pool],
    gateway: NamedDependency[PaymentGateway],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
) -> OnboardingView:
    """Opens the account, if there is none, and Stripe's page for it. Again is no error."""
    operator_id = choose_operator(actor, data.operator_id)
    home = f"{settings.base_url}{HOME}"
    url = await open_onboarding(
        pool, operator_id, country=None, gateway=gateway, return_url=f"{home}?back={operator_id}", refresh_url=home, actor=actor.audit_name
    )
    return OnboardingView(url=url)


@put("/api/operator/vat", tags=["operator"])
async def put_vat(data: JSONBody[SetVat], pool: NamedDependency[Pool], actor: CurrentActor) -> PayTerms:
    """Says which tax your hire prices contain; statements of duties that end from now on show it."""
    return await set_vat(pool, choose_operator(actor, data.operator_id), vat_bp=data.vat_bp, actor=actor.audit_name)


ROUTES = [list_statements, show_statement, show_accounts, open_account, put_vat]

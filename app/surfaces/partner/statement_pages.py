"""The event team's money: where the share is sent, and a statement for each event whose buses are home."""

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from app.core.database import Pool
from app.core.errors import Invalid, NotFound
from app.domain.payments.gateway import PaymentGateway
from app.flows.onboard_payee import open_onboarding
from app.settings import Settings
from app.surfaces.partner.pages import frame_of
from app.surfaces.partner.reading import find_event, read_partner
from app.surfaces.statements.accounts import read_back
from app.surfaces.statements.reading import read_accounts, read_share, read_shares
from app.surfaces.statements.sheets import print_share, shares_csv
from app.web.actors import Actor, CurrentActor
from app.web.forms import read_form
from app.web.pages import errors_by_field, page, see_other


class AccountForm(msgspec.Struct, frozen=True, kw_only=True):
    """In which country the account is."""

    country: str = ""


@get("/partner/{code:str}/statements", include_in_schema=False)
async def show_statements(
    request: Request[Any, Any, Any],
    code: FromPath[str],
    pool: NamedDependency[Pool],
    gateway: NamedDependency[PaymentGateway],
    actor: CurrentActor,
    back: FromQuery[str | None] = None,
) -> Response[Any]:
    """The account and the shares of one's events; `back` comes from Stripe, so the account is read anew."""
    async with pool.acquire() as conn:
        partner = await read_partner(conn, actor, code)
    if back:
        await read_back(pool, partner.id, gateway=gateway)
    return await statements_page(request, code, pool, actor)


async def statements_page(
    request: Request[Any, Any, Any], code: str, pool: Pool, actor: Actor, refused: Invalid | None = None
) -> Response[Any]:
    """The page, with what was wrong with the form."""
    async with pool.acquire() as conn:
        partner = await read_partner(conn, actor, code)
        [account] = await read_accounts(conn, [partner])
        shares = await read_shares(conn, [partner], month=None)
    return page(
        request, "partner/statements.html", status=refused.status if refused else 200, **frame_of(actor, partner, "/statements"),
        account=account, shares=shares, faults=errors_by_field(refused) if refused else {},
    )  # fmt: skip


@get("/partner/{code:str}/statements.csv", include_in_schema=False)
async def download_statements(code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[str]:
    """The shares as CSV."""
    async with pool.acquire() as conn:
        shares = await read_shares(conn, [await read_partner(conn, actor, code)], month=None)
    headers = {"content-type": "text/csv; charset=utf-8", "content-disposition": 'attachment; filename="busload-shares.csv"'}
    return Response(shares_csv(shares), headers=headers)


@get("/partner/{code:str}/statements/{event:str}/statement.pdf", include_in_schema=False)
async def show_paper(code: FromPath[str], event: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[bytes]:
    """An event's share on paper."""
    async with pool.acquire() as conn:
        partner = await read_partner(conn, actor, code)
        found = await find_event(conn, event)
        if found is None:
            raise NotFound("There is no statement for this event yet, or it is not yours.", code="unknown_statement")
        share = await read_share(conn, found.id, [partner])
    headers = {"content-disposition": f'inline; filename="busload-{share.event_code}.pdf"'}
    return Response(print_share(share), media_type="application/pdf", headers=headers)


@post("/partner/{code:str}/payout-account", include_in_schema=False, status_code=200)
async def open_account(
    request: Request[Any, Any, Any],
    code: FromPath[str],
    pool: NamedDependency[Pool],
    gateway: NamedDependency[PaymentGateway],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
) -> Response[Any]:
    """On to Stripe's page, where the team says where its share goes."""
    async with pool.acquire() as conn:
        partner = await read_partner(conn, actor, code)
    home = f"{settings.base_url}/partner/{code}/statements"
    try:
        form = await read_form(request, AccountForm)
        url = await open_onboarding(
            pool, partner.id, country=form.country, gateway=gateway, return_url=f"{home}?back=true", refresh_url=home,
            actor=actor.audit_name,
        )  # fmt: skip
    except Invalid as invalid:
        return await statements_page(request, code, pool, actor, invalid)
    return see_other(url)


ROUTES = [show_statements, download_statements, show_paper, open_account]

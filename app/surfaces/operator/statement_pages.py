"""The bus company's money: where it is sent, and a statement for each driven duty, by month, as CSV and on paper."""

from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from app.core.database import Pool
from app.core.errors import Invalid, NotFound
from app.domain.fleet import store as fleet
from app.domain.payments.gateway import PaymentGateway
from app.flows.keep_fleet import set_vat
from app.flows.onboard_payee import open_onboarding
from app.settings import Settings
from app.surfaces.operator.frame import frame_of
from app.surfaces.operator.reading import read_operators
from app.surfaces.statements.accounts import read_back
from app.surfaces.statements.reading import read_accounts, read_months, read_statement, read_statements
from app.surfaces.statements.sheets import KINDS, print_statement, statements_csv
from app.web.actors import Actor, CurrentActor
from app.web.forms import read_form
from app.web.pages import errors_by_field, page, see_other

HOME = "/operator/statements"


class VatForm(msgspec.Struct, frozen=True, kw_only=True):
    """Whose hire prices contain how much tax, percent as a person types it: `19` or `7,7`."""

    operator_id: UUID
    vat_percent: str = ""


class AccountForm(msgspec.Struct, frozen=True, kw_only=True):
    """Whose account."""

    operator_id: UUID


@get(HOME, include_in_schema=False)
async def show_statements(
    request: Request[Any, Any, Any],
    pool: NamedDependency[Pool],
    gateway: NamedDependency[PaymentGateway],
    actor: CurrentActor,
    month: FromQuery[str | None] = None,
    back: FromQuery[UUID | None] = None,
) -> Response[Any]:
    """Accounts and a month's statements (the newest month's without one); `back` comes from Stripe, so its account is read anew."""
    if back is not None and back in actor.require_operators():
        await read_back(pool, back, gateway=gateway)
    return await statements_page(request, pool, actor, month=month)


async def statements_page(
    request: Request[Any, Any, Any],
    pool: Pool,
    actor: Actor,
    *,
    month: str | None = None,
    refused: Invalid | None = None,
    about: UUID | None = None,
) -> Response[Any]:
    """The page; `about` is the company whose form was refused."""
    mine = actor.require_operators()
    async with pool.acquire() as conn:
        accounts = await read_accounts(conn, await read_operators(conn, actor))
        months = await read_months(conn, mine)
        chosen = month or (months[0] if months else None)
        statements = await read_statements(conn, mine, month=chosen) if chosen else []
        vat = {one: terms.vat_bp for one in mine if (terms := await fleet.get_pay_terms(conn, one)) is not None}
    return page(
        request, "operator/statements.html", status=refused.status if refused else 200, **frame_of(actor, HOME), accounts=accounts,
        statements=statements, months=months, month=chosen, vat=vat, faults=errors_by_field(refused) if refused else {}, about=about,
    )  # fmt: skip


@post("/operator/vat", include_in_schema=False, status_code=200)
async def keep_vat(request: Request[Any, Any, Any], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """The company says which tax its hire prices contain."""
    mine = actor.require_operators()
    form = await read_form(request, VatForm)
    if form.operator_id not in mine:
        raise NotFound("There is no such company, or you do not act for it.", code="unknown_operator")
    try:
        await set_vat(pool, form.operator_id, vat_bp=basis_points(form.vat_percent), actor=actor.audit_name)
    except Invalid as invalid:
        return await statements_page(request, pool, actor, refused=invalid, about=form.operator_id)
    return see_other(HOME, flash="saved")


def basis_points(percent: str) -> int:
    """A percentage as a person types it, in basis points. Raises Invalid."""
    try:
        rate = Decimal(percent.replace(",", ".").removesuffix("%").strip()).scaleb(2)
    except InvalidOperation:
        rate = Decimal("0.5")
    if not rate.is_finite() or rate != rate.to_integral_value():
        raise Invalid.field("vat_percent", "Enter a percentage with two decimals at most, such as 19 or 7.7.")
    return int(rate)


@get("/operator/statements.csv", include_in_schema=False)
async def download_statements(pool: NamedDependency[Pool], actor: CurrentActor, month: FromQuery[str | None] = None) -> Response[str]:
    """A month's statements as CSV (all without a month)."""
    async with pool.acquire() as conn:
        statements = await read_statements(conn, actor.require_operators(), month=month)
    name = f"busload-statements{f'-{month}' if month else ''}.csv"
    return Response(
        statements_csv(statements),
        headers={"content-type": "text/csv; charset=utf-8", "content-disposition": f'attachment; filename="{name}"'},
    )


@get("/operator/statements/{duty_id:uuid}", include_in_schema=False)
async def show_statement(
    request: Request[Any, Any, Any], duty_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor
) -> Response[Any]:
    """One duty's statement."""
    async with pool.acquire() as conn:
        statement = await read_statement(conn, duty_id, actor.require_operators())
    return page(request, "operator/statement.html", **frame_of(actor, HOME), statement=statement, kinds=KINDS)


@get("/operator/statements/{duty_id:uuid}/statement.pdf", include_in_schema=False)
async def show_paper(duty_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[bytes]:
    """The same on paper."""
    async with pool.acquire() as conn:
        statement = await read_statement(conn, duty_id, actor.require_operators())
    headers = {"content-disposition": f'inline; filename="busload-{statement.duty_code}.pdf"'}
    return Response(print_statement(statement), media_type="application/pdf", headers=headers)


@post("/operator/payout-account", include_in_schema=False)
async def open_account(
    request: Request[Any, Any, Any],
    pool: NamedDependency[Pool],
    gateway: NamedDependency[PaymentGateway],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
) -> Response[Any]:
    """On to Stripe's page, where the company says where its money goes."""
    mine = actor.require_operators()
    form = await read_form(request, AccountForm)
    if form.operator_id not in mine:
        raise NotFound("There is no such company, or you do not act for it.", code="unknown_operator")
    home = f"{settings.base_url}{HOME}"
    url = await open_onboarding(
        pool, form.operator_id, country=None, gateway=gateway, return_url=f"{home}?back={form.operator_id}", refresh_url=home,
        actor=actor.audit_name,
    )  # fmt: skip
    return see_other(url)


ROUTES = [show_statements, download_statements, show_statement, show_paper, open_account, keep_vat]

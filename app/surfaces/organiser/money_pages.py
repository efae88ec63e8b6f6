"""The organisers' money pages: the house, an event by trip and day, the ledger from a balance down to one movement and its trail."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Template

from app.core.database import Pool
from app.core.errors import NotFound
from app.flows.learn_of_refund import send_refund_again
from app.flows.reconcile import want_reconciliation
from app.flows.settle_elsewhere import settle_elsewhere
from app.surfaces.organiser import words
from app.surfaces.organiser.house_reading import read_house, read_ledger, read_reconciliation, read_transaction
from app.surfaces.organiser.money_csv import TABLES, ledger_csv, reconciliation_csv
from app.surfaces.organiser.money_reading import read_event_money
from app.surfaces.organiser.reading import event_by_code
from app.web.actors import CurrentActor
from app.web.forms import read_form
from app.web.pages import page, see_other

Account = Annotated[str | None, QueryParameter(required=False)]
Cursor = Annotated[str | None, QueryParameter(required=False)]
PAGE = 50


class SettleForm(msgspec.Struct, frozen=True, kw_only=True):
    """How the rider got the money; the rider reads it."""

    note: str


@get("/organiser/money", include_in_schema=False)
async def house_page(request: Request[Any, Any, Any], pool: NamedDependency[Pool], actor: CurrentActor) -> Template:
    """All events, what waits for a person, how the ledger compares with Stripe."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        house = await read_house(conn)
    return page(request, "organiser/money_house.html", actor=actor, house=house, words=words)


@post("/organiser/money/reconcile", include_in_schema=False)
async def compare_now(pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Another comparison, done by a worker."""
    actor.require_organiser()
    await want_reconciliation(pool)
    return see_other("/organiser/money", flash="comparing")


@get("/organiser/money/reconciliation.csv", include_in_schema=False)
async def findings_csv(pool: NamedDependency[Pool], actor: CurrentActor) -> Response[str]:
    """The last comparison's findings as CSV."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        return as_file(reconciliation_csv(await read_reconciliation(conn)), "reconciliation")


@post("/organiser/refunds/{refund_id:uuid}/send-again", include_in_schema=False)
async def send_again(refund_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """A failed refund goes out once more; asked twice it goes out once, because it is not failed any more."""
    actor.require_organiser()
    await send_refund_again(pool, refund_id, actor=actor.audit_name)
    return see_other("/organiser/money", flash="sent_again")


@post("/organiser/refunds/{refund_id:uuid}/settle-elsewhere", include_in_schema=False)
async def settle_another_way(
    request: Request[Any, Any, Any], refund_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor
) -> Response[Any]:
    """A failed refund was paid by another way; asked twice the second is refused, because nothing is owed any more."""
    actor.require_organiser()
    form = await read_form(request, SettleForm, asks={"note": "Say how the rider got the money."})
    await settle_elsewhere(pool, refund_id, note=form.note, actor=actor.audit_name)
    return see_other("/organiser/money", flash="saved")


@get("/organiser/events/{code:str}/money", include_in_schema=False)
async def money_page(request: Request[Any, Any, Any], code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor) -> Template:
    """The event's money."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
        money = await read_event_money(conn, event)
    return page(request, "organiser/money.html", actor=actor, event=event, money=money, words=words)


@get("/organiser/events/{code:str}/money.csv", include_in_schema=False)
async def money_csv(code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[str]:
    """The event's whole ledger as CSV (RFC 4180), amounts in minor units, debit positive."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
        text = await ledger_csv(conn, event)
    return as_file(text, event.public_code)


@get("/organiser/events/{code:str}/money/{table:str}", include_in_schema=False)
async def table_csv(code: FromPath[str], table: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[str]:
    """One table of the event's page as CSV: trips.csv, days.csv, failed-cards.csv, refunds.csv or disputes.csv."""
    actor.require_organiser()
    write = TABLES.get(table)
    if write is None:
        raise NotFound("There is no such table.", code="unknown_table")
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
        text = write(await read_event_money(conn, event))
    return as_file(text, f"{event.public_code}-{table.removesuffix('.csv')}")


def as_file(text: str, name: str) -> Response[str]:
    """A CSV to keep."""
    headers = {"content-type": "text/csv; charset=utf-8", "content-disposition": f'attachment; filename="busload-{name}.csv"'}
    return Response(text, headers=headers)


@get("/organiser/events/{code:str}/ledger", include_in_schema=False)
async def ledger_page(
    request: Request[Any, Any, Any],
    code: FromPath[str],
    pool: NamedDependency[Pool],
    actor: CurrentActor,
    account: Account = None,
    cursor: Cursor = None,
) -> Template:
    """The movements behind a balance, a page at a time."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
        shown = await read_ledger(conn, event, account=account, cursor=cursor, limit=PAGE)
    return page(
        request, "organiser/ledger.html", actor=actor, event=event, ledger=shown, account=account, is_first=cursor is None, words=words
    )


@get("/organiser/ledger/{transaction_id:uuid}", include_in_schema=False)
async def transaction_page(
    request: Request[Any, Any, Any], transaction_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor
) -> Template:
    """One movement: its entries, its cause, the object at Stripe, the trail."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        found = await read_transaction(conn, transaction_id)
    return page(request, "organiser/ledger_transaction.html", actor=actor, movement=found, words=words)


ROUTES = [
    house_page,
    compare_now,
    findings_csv,
    send_again,
    settle_another_way,
    money_page,
    money_csv,
    table_csv,
    ledger_page,
    transaction_page,
]

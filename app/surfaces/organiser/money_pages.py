"""The organisers' money page: taken, owed, refunded, failed cards, down to a single ledger entry; and the same as CSV."""

import csv
import io
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from app.core.database import Pool
from app.surfaces.organiser import words
from app.surfaces.organiser.reading import EventMoney, event_by_code, read_money
from app.web.actors import CurrentActor
from app.web.pages import page


@get("/organiser/events/{code:str}/money", include_in_schema=False)
async def money_page(request: Request[Any, Any, Any], code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor) -> Template:
    """The event's money."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
        money = await read_money(conn, event)
    return page(request, "organiser/money.html", actor=actor, event=event, money=money, words=words)


@get("/organiser/events/{code:str}/money.csv", include_in_schema=False)
async def money_csv(code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[str]:
    """The event's ledger entries as CSV (RFC 4180), amounts in minor units, debit positive."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
        money = await read_money(conn, event)
    headers = {"content-type": "text/csv; charset=utf-8", "content-disposition": f'attachment; filename="busload-{event.public_code}.csv"'}
    return Response(as_csv(money), headers=headers)


def as_csv(money: EventMoney) -> str:
    """The entries, the newest first."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(["posted_at", "kind", "transaction", "account", "amount_minor", "currency", "stripe"])
    for entry in money.movements:
        rows.writerow(
            [
                entry.posted_at.isoformat(),
                entry.kind,
                entry.transaction_id,
                entry.account,
                entry.amount_minor,
                entry.currency,
                entry.external_ref or "",
            ]
        )
    return out.getvalue()


ROUTES = [money_page, money_csv]

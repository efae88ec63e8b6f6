"""Receipts: what was charged, credited and refunded for a pledge, on a page and on paper, for whoever holds its link or owns it."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.errors import NotFound
from app.core.ids import token_hash
from app.domain.payments import receipt_store as receipts
from app.domain.payments.model import CHARGED, Payment, Refund, RefundReason, RefundState
from app.domain.pledges import card_store as cards
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge
from app.domain.pledges.transfer_store import Payer, find_payer, find_payer_by_token
from app.settings import Settings
from app.surfaces.rider.api import ManageToken
from app.surfaces.rider.money import MoneyRecord, card_label, read_money
from app.surfaces.rider.pledge_pages import PledgeSheet, find_pledge, read_sheet
from app.surfaces.rider.reading import open_pledge
from app.surfaces.rider.receipt_paper import print_receipt
from app.web.actors import CurrentActor, bearer_token
from app.web.formats import clock, day_year, money
from app.web.pages import page

TAX_NOTE = "All prices include tax."
WHY = {
    RefundReason.CREDIT_BACK: "Credit: the price fell for everyone",
    RefundReason.LADDER: "Refund: seats given up",
    RefundReason.CANCELLATION: "Refund: trip cancelled",
    RefundReason.UNSEATED: "Refund: no seat found",
    RefundReason.FREE_EXIT: "Refund: free exit",
}
ON_ITS_WAY = frozenset({RefundState.DUE, RefundState.SUBMITTING, RefundState.UNKNOWN})
LEGS = {("outbound", "return"): "There and back", ("outbound",): "There only", ("return",): "Back only"}
PRIVATE = {"cache-control": "no-store", "x-robots-tag": "noindex"}


class ReceiptLine(msgspec.Struct, frozen=True, kw_only=True):
    """One movement of money: texts as they stand on the receipt, the amount signed (what came back is negative)."""

    date: str
    what: str
    card: str
    amount: str
    is_back: bool


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt as texts, for the page and the paper alike; `number` is empty as long as nothing was charged."""

    number: str
    issued: str
    as_of: str
    name: str
    pledge_code: str
    event: str
    event_date: str
    venue: str
    trip: str
    legs: str
    people: str
    lines: list[ReceiptLine]
    charged: str
    back: str
    paid: str
    on_its_way: str
    tax_note: str
    company: str


async def read_payers_receipt(conn: Connection, payer: Payer, company: str) -> Receipt:
    """What the cards of somebody who passed their seats on have paid, as of now, with the labels they know; nothing of the new rider's."""
    pledge = await pledges.get_pledge(conn, payer.pledge_id)
    assert pledge is not None, "a transfer has a pledge"
    sheet = await read_sheet(conn, pledge)
    theirs = []
    for charge in sheet.charges:
        whose = await find_payer(conn, pledge.id, charge.payment_method_ref)
        if whose is not None and whose.transfer_id == payer.transfer_id:
            theirs.append(charge)
    ids = {charge.id for charge in theirs}
    record = await read_money(conn, pledge, theirs, [refund for refund in sheet.refunds if refund.payment_id in ids])
    known = msgspec.structs.replace(record, set_aside=await cards.list_set_aside(conn, pledge.id))
    as_theirs = msgspec.structs.replace(sheet, pledge=msgspec.structs.replace(pledge, card_label=payer.card_label))
    number = await receipts.find_receipt(conn, pledge.id) if any(charge.state in CHARGED for charge in theirs) else None
    name = f"{payer.name}, who passed the seats on to {pledge.name}"
    return write_receipt(as_theirs, known, number, name=name, company=company or "Busload", now=await busload_now(conn))


async def read_receipt(conn: Connection, pledge: Pledge, company: str) -> Receipt:
    """The receipt of a pledge as of now."""
    sheet = await read_sheet(conn, pledge)
    record = await read_money(conn, pledge, sheet.charges, sheet.refunds)
    number = await receipts.find_receipt(conn, pledge.id)
    payer = await find_payer(conn, pledge.id, sheet.charges[0].payment_method_ref) if sheet.charges else None
    name = f"{payer.name}, who passed the seats on to {pledge.name}" if payer else pledge.name
    return write_receipt(sheet, record, number, name=name, company=company or "Busload", now=await busload_now(conn))


def write_receipt(
    sheet: PledgeSheet, record: MoneyRecord, number: receipts.ReceiptNumber | None, *, name: str, company: str, now: datetime
) -> Receipt:
    """The texts of a receipt; days and clock times are those of the trip's zone. Its lines sum to `paid` exactly."""
    pledge, trip, event = sheet.pledge, sheet.trip, sheet.event
    charges = [charge for charge in record.charges if charge.state in CHARGED]
    made = [refund for refund in record.refunds if refund.given_back_at is not None]
    coming = [refund for refund in record.refunds if refund.state in ON_ITS_WAY and refund.held_by is None]
    charged_minor, back_minor = sum(charge.amount_minor for charge in charges), sum(refund.amount_minor for refund in made)
    dated = [
        *((charge.settled_at or charge.created_at, charge_line(pledge, record, charge, trip.zone)) for charge in charges),
        *((refund.given_back_at or refund.created_at, refund_line(pledge, record, refund, trip.zone)) for refund in made),
    ]
    return Receipt(
        number=number.code if number else "",
        issued=day_year(number.issued_at, trip.zone) if number else "",
        as_of=f"{day_year(now, trip.zone)}, {clock(now, trip.zone)}",
        name=name,
        pledge_code=pledge.public_code,
        event=event.name,
        event_date=day_year(event.starts_at, event.zone),
        venue=", ".join(part for part in (event.venue_name, event.address) if part),
        trip=f"{trip.origin} to {event.venue_name}, boarding at {sheet.stop.name}",
        legs=LEGS[tuple(pledge.legs)],
        people=people_text(pledge),
        lines=[line for _, line in sorted(dated, key=lambda one: one[0])],
        charged=money(charged_minor, pledge.currency),
        back=money(back_minor, pledge.currency),
        paid=money(charged_minor - back_minor, pledge.currency),
        on_its_way=money(sum(refund.amount_minor for refund in coming), pledge.currency) if coming else "",
        tax_note=TAX_NOTE,
        company=company,
    )


def people_text(pledge: Pledge) -> str:
    """`3 people, 1 of them in a wheelchair`."""
    text = f"{pledge.people} {'person' if pledge.people == 1 else 'people'}"
    return f"{text}, {pledge.wheelchairs} of them in a wheelchair" if pledge.wheelchairs else text


def charge_line(pledge: Pledge, record: MoneyRecord, charge: Payment, zone: str) -> ReceiptLine:
    """A charge."""
    return ReceiptLine(
        date=day_year(charge.settled_at or charge.created_at, zone),
        what="Fare" if charge.purpose == "fare" else "Change of the party",
        card=card_label(pledge, record, charge),
        amount=money(charge.amount_minor, charge.currency),
        is_back=False,
    )


def refund_line(pledge: Pledge, record: MoneyRecord, refund: Refund, zone: str) -> ReceiptLine:
    """What went back, to the card that had paid."""
    charge = next(charge for charge in record.charges if charge.id == refund.payment_id)
    return ReceiptLine(
        date=day_year(refund.given_back_at or refund.created_at, zone),
        what=WHY[RefundReason(refund.reason)] if refund.reason in set(RefundReason) else "Refund: smaller party",
        card=card_label(pledge, record, charge) if refund.elsewhere_at is None else "another way",
        amount=money(-refund.amount_minor, refund.currency),
        is_back=True,
    )


@get("/p/{token:str}/receipt", include_in_schema=False)
async def show_receipt(
    request: Request[Any, Any, Any],
    token: FromPath[str],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
) -> Template:
    """My receipt."""
    pledge = await find_pledge(pool, token)
    async with transaction(pool) as conn:
        receipt = await read_receipt(conn, pledge, settings.company)
    return page(request, "rider/receipt.html", actor=actor, home=f"/p/{token}", paper=f"/p/{token}/receipt.pdf", receipt=receipt)


async def find_payer_of(conn: Connection, token: str) -> Payer:
    """Whose own receipt link this is, or NotFound."""
    payer = await find_payer_by_token(conn, token_hash(token))
    if payer is None:
        raise NotFound("This link opens no receipt.", code="unknown_receipt")
    return payer


@get("/receipts/{token:str}", include_in_schema=False)
async def show_payers_receipt(
    request: Request[Any, Any, Any],
    token: FromPath[str],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
) -> Template:
    """The receipt of whoever paid for seats that somebody else has now: it opens nothing else of theirs."""
    async with transaction(pool) as conn:
        receipt = await read_payers_receipt(conn, await find_payer_of(conn, token), settings.company)
    return page(request, "rider/receipt.html", actor=actor, home=None, paper=f"/receipts/{token}/receipt.pdf", receipt=receipt)


@get("/receipts/{token:str}/receipt.pdf", include_in_schema=False)
async def show_payers_paper(token: FromPath[str], pool: NamedDependency[Pool], settings: NamedDependency[Settings]) -> Response[bytes]:
    """The same on paper."""
    async with transaction(pool) as conn:
        receipt = await read_payers_receipt(conn, await find_payer_of(conn, token), settings.company)
    return await on_paper(receipt)


@get("/p/{token:str}/receipt.pdf", include_in_schema=False)
async def show_paper(token: FromPath[str], pool: NamedDependency[Pool], settings: NamedDependency[Settings]) -> Response[bytes]:
    """My receipt on paper."""
    return await paper(pool, await find_pledge(pool, token), settings)


@get("/api/pledges/{pledge_id:uuid}/receipt.pdf", tags=["pledges"], media_type="application/pdf")
async def download_paper(
    request: Request[Any, Any, Any],
    pledge_id: FromPath[UUID],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
    token: ManageToken = None,
) -> Response[bytes]:
    """The receipt of one's own pledge as a PDF: charges, credits and refunds, once something was charged."""
    async with transaction(pool) as conn:
        pledge = await open_pledge(conn, pledge_id, actor=actor, token=token or bearer_token(request))
    return await paper(pool, pledge, settings)


async def paper(pool: Pool, pledge: Pledge, settings: Settings) -> Response[bytes]:
    """The receipt as a PDF, set outside the event loop. NotFound `no_receipt` as long as nothing was charged."""
    async with transaction(pool) as conn:
        receipt = await read_receipt(conn, pledge, settings.company)
    return await on_paper(receipt)


async def on_paper(receipt: Receipt) -> Response[bytes]:
    """The PDF of a receipt that has a number. NotFound `no_receipt`."""
    if not receipt.number:
        raise NotFound("Nothing has been charged for this pledge yet, so there is no receipt.", code="no_receipt")
    headers = {"content-disposition": f'inline; filename="{receipt.number}.pdf"', **PRIVATE}
    return Response(await asyncio.to_thread(print_receipt, receipt), media_type="application/pdf", headers=headers)


ROUTES = [show_receipt, show_paper, download_paper, show_payers_receipt, show_payers_paper]

"""Statements as CSV (RFC 4180, amounts in minor units) and on paper."""

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import typst

from app.domain.manifests.paper import FOLDER as FONTS
from app.surfaces.statements.views import ShareView, StatementView, TransferView
from app.web.formats import day_year, money, percent
from app.web.status_labels import status_label

FOLDER = Path(__file__).parent
KINDS = {"hire": "Hire less reserve", "reserve": "Reserve", "share": "Share"}
COLUMNS = ("duty", "event", "date", "operator", "plate", "currency", "gross_minor", "net_minor", "tax_minor", "vat_bp", "taken_back_minor",
           "reserve_minor", "fee_minor", "paid_minor", "transfer", "paid_on", "reserve_transfer", "reserve_paid_on")  # fmt: skip
SHARE_COLUMNS = (
    "event",
    "date",
    "partner",
    "currency",
    "fares_kept_minor",
    "share_bp",
    "share_minor",
    "book_closed_on",
    "transfer",
    "paid_on",
)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line with its amount, both as texts."""

    text: str
    amount: str


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on the paper as texts: the layout decides nothing but where they stand."""

    title: str
    number: str
    payee: str
    facts: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]
    total: Line
    transfers: tuple[tuple[str, str, str, str], ...]
    note: str


def statements_csv(statements: Sequence[StatementView]) -> str:
    """One line per duty."""
    return _csv(COLUMNS, [_row(statement) for statement in statements])


def _row(statement: StatementView) -> list[object]:
    hire, reserve = (next((one for one in statement.transfers if one.kind == kind), None) for kind in ("hire", "reserve"))
    return [
        statement.duty_code, statement.event, _date(statement.starts_at), statement.operator, statement.plate, statement.currency,
        statement.gross_minor, statement.net_minor, statement.tax_minor, statement.vat_bp, statement.corrected_minor,
        statement.reserve_minor, statement.fee_minor, statement.paid_minor, *_sent(hire), *_sent(reserve),
    ]  # fmt: skip


def shares_csv(shares: Sequence[ShareView]) -> str:
    """One line per event."""
    return _csv(SHARE_COLUMNS, [
        [share.event, _date(share.starts_at), share.partner, share.currency, share.kept_minor, share.share_bp, share.share_minor,
         _date(share.closed_at), *_sent(share.transfer)]
        for share in shares
    ])  # fmt: skip


def _csv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([[_inert(value) for value in row] for row in rows])
    return out.getvalue()


def _inert(value: object) -> object:
    """A name that begins like a formula would be run by a spreadsheet."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value


def _date(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else ""


def _sent(transfer: TransferView | None) -> tuple[str, str]:
    return (transfer.transfer_id or "", _date(transfer.paid_at)) if transfer else ("", "")


def print_statement(statement: StatementView) -> bytes:
    """A duty's statement as a PDF, A4."""
    return _print(sheet_of(statement))


def print_share(share: ShareView) -> bytes:
    """A partner's share of an event as a PDF, A4."""
    return _print(share_sheet_of(share))


def sheet_of(statement: StatementView) -> Sheet:
    """The texts of a duty's statement."""
    currency = statement.currency

    def line(text: str, amount_minor: int) -> Line:
        return Line(text=text, amount=money(amount_minor, currency))

    lines = [line("Hire, net", statement.net_minor), line(f"Tax, {percent(statement.vat_bp)} contained", statement.tax_minor)]
    lines += [line("Hire, gross", statement.gross_minor)]
    lines += [line(f"Taken back: {one.reason}", -one.amount_minor) for one in statement.corrections]
    if statement.fee_minor:
        lines += [line("Taken off for what was owed to us", -statement.fee_minor)]
    waiting_minor = statement.gross_minor - statement.corrected_minor - statement.fee_minor - statement.paid_minor
    if waiting_minor:
        lines += [
            line(
                "Not paid yet, the reserve included" if waiting_minor > 0 else "Paid beyond that: on its way back, or owed to us",
                -waiting_minor,
            )
        ]
    return Sheet(
        title="Statement of hire", number=statement.duty_code, payee=statement.operator,
        facts=(("Event", statement.event), ("Duty", statement.duty_code), ("Depot out", day_year(statement.starts_at, statement.zone)),
               ("Vehicle", f"{statement.plate}, {statement.vehicle}"), ("Written", day_year(statement.accrued_at, statement.zone))),
        lines=tuple(lines), total=line("Paid", statement.paid_minor),
        transfers=tuple(_transfer_line(one, currency, statement.zone) for one in statement.transfers),
        note=f"The reserve of {money(statement.reserve_minor, currency)} is part of the hire and is paid 14 days after the duty.",
    )  # fmt: skip


def share_sheet_of(share: ShareView) -> Sheet:
    """The texts of a partner's statement."""
    paid = share.transfer is not None and share.transfer.paid_at is not None
    return Sheet(
        title="Statement of share", number=share.event_code, payee=share.partner,
        facts=(("Event", share.event), ("Date", day_year(share.starts_at, share.zone)),
               ("Book", f"closed {day_year(share.closed_at, share.zone)}" if share.closed_at
                else f"closes {day_year(share.closes_at, share.zone)}")),
        lines=(Line(text="Fares kept: charges less refunds", amount=money(share.kept_minor, share.currency)),
               Line(text=f"Share, {percent(share.share_bp)}", amount=money(share.share_minor, share.currency))),
        total=Line(text="Paid", amount=money(share.transfer.amount_minor if paid and share.transfer else 0, share.currency)),
        transfers=(_transfer_line(share.transfer, share.currency, share.zone),) if share.transfer else (),
        note="The share is final and paid once the event's book is closed." if share.closed_at is None else "",
    )  # fmt: skip


def _transfer_line(transfer: TransferView, currency: str, zone: str) -> tuple[str, str, str, str]:
    when = day_year(transfer.paid_at, zone) if transfer.paid_at else f"{status_label(transfer.state, 'payout')}"
    return KINDS[transfer.kind], when, transfer.transfer_id or "", money(transfer.amount_minor, currency)


def _print(sheet: Sheet) -> bytes:
    template: Any = _template()  # the library's stubs leave its input a bare type variable
    made = typst.compile(
        template, format="pdf", font_paths=[str(FONTS)], ignore_system_fonts=True, sys_inputs={"data": msgspec.json.encode(sheet).decode()}
    )
    assert isinstance(made, bytes)
    return made


@cache
def _template() -> bytes:
    return (FOLDER / "statement.typ").read_bytes()

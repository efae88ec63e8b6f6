"""The money pages' tables as CSV (RFC 4180): amounts in minor units, times in UTC, ledger amounts debit positive."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence

from app.core.database import Connection
from app.domain.events.model import Event
from app.domain.payments import ledger_reading
from app.surfaces.organiser.money_views import EventMoney, ReconciliationView

AT_ONCE = 5_000
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as text; a text that a spreadsheet would run as a formula is quoted as text."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows([[cell(value) for value in row] for row in rows])
    return out.getvalue()


def cell(value: object) -> object:
    """None as nothing, and no text that begins a formula."""
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return "" if value is None else value


async def ledger_csv(conn: Connection, event: Event) -> str:
    """Every entry of an event, the newest first."""
    rows: list[Sequence[object]] = []
    before: int | None = None
    while page := await ledger_reading.list_entries(conn, book=event.book, before=before, limit=AT_ONCE):
        rows += [
            (
                one.posted_at.isoformat(),
                one.kind,
                one.transaction_id,
                one.account,
                one.amount_minor,
                one.currency,
                one.external_ref,
                one.cause,
            )
            for one in page
        ]
        before = page[-1].id
    return as_csv(["posted_at", "kind", "transaction", "account", "amount_minor", "currency", "stripe", "cause"], rows)


def trips_csv(money: EventMoney) -> str:
    """By trip."""
    return as_csv(
        [
            "trip",
            "origin",
            "state",
            "taken_minor",
            "owed_minor",
            "failing",
            "going_back_minor",
            "refunded_minor",
            "paid_out_minor",
            "currency",
        ],
        [
            (
                row.code,
                row.origin,
                row.state,
                row.taken_minor,
                row.owed_minor,
                row.failing,
                row.going_back_minor,
                row.refunded_minor,
                row.paid_out_minor,
                money.currency,
            )
            for row in money.trips
        ],
    )


def days_csv(money: EventMoney) -> str:
    """By day on the event's clock."""
    return as_csv(
        ["day", "taken_minor", "refunded_minor", "fees_minor", "disputed_minor", "paid_out_minor", "owed_minor", "currency"],
        [
            (
                row.day.isoformat(),
                row.taken_minor,
                row.refunded_minor,
                row.fees_minor,
                row.disputed_minor,
                row.paid_out_minor,
                row.owed_minor,
                money.currency,
            )
            for row in money.days
        ],
    )


def failed_cards_csv(money: EventMoney) -> str:
    """Failed cards in their windows."""
    return as_csv(
        ["pledge", "state", "why", "attempts", "since", "next_attempt_at", "collect_until", "amount_minor", "currency"],
        [
            (
                row.code,
                row.state,
                row.why,
                row.attempts,
                row.since.isoformat(),
                row.next_attempt_at.isoformat() if row.next_attempt_at else None,
                row.collect_until.isoformat(),
                row.amount_minor,
                row.currency,
            )
            for row in money.failed_cards
        ],
    )


def refunds_csv(money: EventMoney) -> str:
    """Refunds that wait for a person or a bank."""
    return as_csv(
        ["refund", "pledge", "reason", "state", "held", "came_back", "amount_minor", "currency", "why"],
        [
            (row.id, row.code, row.reason, row.state, row.held, row.came_back, row.amount_minor, row.currency, row.why)
            for row in money.refunds
        ],
    )


def disputes_csv(money: EventMoney) -> str:
    """Disputes with their deadlines."""
    return as_csv(
        ["dispute", "pledge", "state", "reason", "amount_minor", "currency", "opened_at", "evidence_due_at", "submitted_at"],
        [
            (
                row.dispute_ref,
                row.code,
                row.state,
                row.reason,
                row.amount_minor,
                row.currency,
                row.opened_at.isoformat(),
                row.evidence_due_at.isoformat() if row.evidence_due_at else None,
                row.submitted_at.isoformat() if row.submitted_at else None,
            )
            for row in money.disputes
        ],
    )


TABLES: dict[str, Callable[[EventMoney], str]] = {
    "trips.csv": trips_csv,
    "days.csv": days_csv,
    "failed-cards.csv": failed_cards_csv,
    "refunds.csv": refunds_csv,
    "disputes.csv": disputes_csv,
}


def reconciliation_csv(found: ReconciliationView) -> str:
    """The last comparison: findings, then what is in flight."""
    return as_csv(
        ["finding", "what", "do", "stripe_type", "movement", "source", "transaction", "pledge", "stripe_minor", "ledger_minor", "currency"],
        [
            (
                one.kind,
                one.what,
                one.do,
                one.stripe_type,
                one.movement_ref,
                one.source_ref,
                one.transaction_id,
                one.pledge_code,
                one.stripe_minor,
                one.ledger_minor,
                one.currency,
            )
            for one in (*found.findings, *found.in_flight)
        ],
    )

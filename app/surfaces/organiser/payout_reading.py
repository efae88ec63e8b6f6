"""What organisers see of an event's payouts: the book, every duty's statement, who has no account, what is missing."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection
from app.core.errors import NotFound
from app.domain.events import store as events
from app.domain.events.model import Event
from app.domain.fleet import store as fleet
from app.domain.partners import store as partners
from app.domain.payments.payouts import book_store
from app.surfaces.statements.reading import read_accounts, read_event_statements, read_share
from app.surfaces.statements.views import AccountView, ShareView, StatementView


class BookView(msgspec.Struct, frozen=True, kw_only=True):
    """An event's book, minor units: what is kept (charges less refunds) and added, what it owes and what is left or missing."""

    currency: str
    kept_minor: int
    subsidy_minor: int
    hire_minor: int
    fee_minor: int
    share_minor: int
    margin_minor: int | None
    missing_minor: int
    closes_at: datetime | None
    closed_at: datetime | None


class PayoutsView(msgspec.Struct, frozen=True, kw_only=True):
    """An event's payouts. `accounts` are those of its payees, the unready ones first."""

    event_id: UUID
    book: BookView
    accounts: list[AccountView]
    statements: list[StatementView]
    share: ShareView | None


async def read_payouts(conn: Connection, event: Event) -> PayoutsView:
    """Everything an event pays."""
    held = await book_store.read_held(conn, event.book, event.currency)
    book = await book_store.get_book(conn, event.id)
    statements = await read_event_statements(conn, event.book)
    operators = await fleet.list_operators(conn, sorted({one.operator_id for one in statements}))
    club = await partners.list_partners(conn, [event.partner_id]) if event.partner_id is not None else []
    accounts = await read_accounts(conn, [*operators, *club])
    return PayoutsView(
        event_id=event.id,
        book=BookView(
            currency=event.currency, kept_minor=held.kept_minor, subsidy_minor=held.subsidy_minor, hire_minor=held.hire_minor,
            fee_minor=book.fee_minor if book else 0, share_minor=book.share_minor if book else 0,
            margin_minor=book.margin_minor if book else None, missing_minor=max(0, -held.fares_minor),
            closes_at=book.closes_at if book else None, closed_at=book.closed_at if book else None,
        ),
        accounts=sorted(accounts, key=lambda account: (account.state == "ready", account.name)),
        statements=statements,
        share=await read_share(conn, event.id, club) if book is not None and club else None,
    )  # fmt: skip


async def read_payouts_of(conn: Connection, event_id: UUID) -> PayoutsView:
    """The same by the event's id. Raises NotFound."""
    event = await events.get_event(conn, event_id)
    if event is None:
        raise NotFound("There is no such event.", code="unknown_event")
    return await read_payouts(conn, event)

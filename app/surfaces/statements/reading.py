"""What statements are read from: hires, transfers, corrections, shares and accounts of the payees somebody acts for."""

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from uuid import UUID

from app.core.database import Connection
from app.core.errors import Invalid, NotFound
from app.domain.dispatch.store import plans
from app.domain.events import store as events
from app.domain.fleet import store as fleet
from app.domain.fleet.model import Operator
from app.domain.partners.model import Partner
from app.domain.payments.payouts import book_store, debt_store, store
from app.domain.payments.payouts.model import Book, Hire
from app.surfaces.statements.views import AccountView, ShareView, StatementView, view_account, view_share, view_statement, view_transfer

MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")
BEGINNING, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def month_span(month: str | None) -> tuple[datetime, datetime]:
    """A month such as `2026-11` from its first moment to the next one's, UTC; all time for None. Raises Invalid."""
    if not month:
        return BEGINNING, END
    found = MONTH.fullmatch(month)
    if found is None:
        raise Invalid.field("month", "Send a month such as 2026-11.")
    year, number = int(found[1]), int(found[2])
    return datetime(year, number, 1, tzinfo=UTC), datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)


async def read_statements(conn: Connection, operator_ids: Collection[UUID], *, month: str | None) -> list[StatementView]:
    """The statements of these operators' duties in a month (all without one), the newest first, at most 500."""
    since, until = month_span(month)
    return await view_hires(conn, await store.list_hires_of(conn, sorted(operator_ids), since=since, until=until))


async def read_months(conn: Connection, operator_ids: Collection[UUID]) -> list[str]:
    """The months in which these operators have statements, the newest first."""
    return await store.list_hire_months(conn, sorted(operator_ids))


async def read_statement(conn: Connection, duty_id: UUID, operator_ids: Collection[UUID] | None) -> StatementView:
    """One duty's statement; NotFound for another's. None is an organiser, who sees all."""
    hire = await store.get_hire(conn, duty_id)
    if hire is None or (operator_ids is not None and hire.payee_id not in operator_ids):
        raise NotFound("There is no statement for this duty, or it is not yours.", code="unknown_statement")
    return (await view_hires(conn, [hire]))[0]


async def read_event_statements(conn: Connection, book: str) -> list[StatementView]:
    """Every duty's statement of an event, for organisers."""
    return await view_hires(conn, await store.list_hires_in_book(conn, book))


async def view_hires(conn: Connection, hires: Sequence[Hire]) -> list[StatementView]:
    """Hires with what became of them, in the same order."""
    duty_ids = [hire.duty_id for hire in hires]
    duties = {duty.id: duty for duty in await plans.list_duties_by_id(conn, duty_ids)}
    vehicles = {one.id: one for one in await fleet.list_vehicles_by_id(conn, [duty.vehicle_id for duty in duties.values()])}
    operators = {one.id: one for one in await fleet.list_operators(conn, [hire.payee_id for hire in hires])}
    to = {event_id: await events.get_event(conn, event_id) for event_id in {duty.event_id for duty in duties.values()}}
    payouts = await store.list_payouts(conn, duty_ids)
    payout_ids = [payout.id for payout in payouts]
    settlements = await debt_store.list_settlements(conn, payout_ids)
    reversals = await debt_store.list_reversals(conn, payout_ids)
    corrections = await debt_store.list_corrections(conn, duty_ids)
    views = []
    for hire in hires:
        duty = duties[hire.duty_id]
        event = to[duty.event_id]
        assert event is not None, "a duty has an event"
        views.append(
            view_statement(
                hire, duty, event=event, operator=operators[hire.payee_id], vehicle=vehicles[duty.vehicle_id],
                transfers=[view_transfer(one, settlements, reversals) for one in payouts if one.reference == hire.duty_id],
                corrections=[one for one in corrections if one.duty_id == hire.duty_id],
            )
        )  # fmt: skip
    return views


async def read_shares(conn: Connection, partners: Sequence[Partner], *, month: str | None) -> list[ShareView]:
    """The shares of these partners in events whose buses came home in a month (ever without one), the newest first."""
    since, until = month_span(month)
    books = await book_store.list_books_of_partners(conn, [partner.id for partner in partners], since=since, until=until)
    return [await _share(conn, book, partners) for book in books]


async def read_share(conn: Connection, event_id: UUID, partners: Sequence[Partner]) -> ShareView:
    """One event's share; NotFound for another's, and before its last bus is home."""
    book = await book_store.get_book(conn, event_id)
    if book is None or book.partner_id not in {partner.id for partner in partners}:
        raise NotFound("There is no statement for this event yet, or it is not yours.", code="unknown_statement")
    return await _share(conn, book, partners)


async def _share(conn: Connection, book: Book, partners: Sequence[Partner]) -> ShareView:
    event = await events.get_event(conn, book.event_id)
    assert event is not None, "a book has an event"
    payouts = await store.list_payouts(conn, [book.event_id])
    name = next(partner.name for partner in partners if partner.id == book.partner_id)
    return view_share(book, event, name, view_transfer(payouts[0], [], []) if payouts else None)


async def read_accounts(conn: Connection, payees: Sequence[Operator | Partner]) -> list[AccountView]:
    """How far these operators' or partners' accounts are, and what they owe us."""
    ids = [payee.id for payee in payees]
    known = {payee.id: payee for payee in await store.list_payees(conn, ids)}
    debts = await debt_store.list_open_debts(conn, ids)
    return [view_account(payee.id, payee.name, known.get(payee.id), debts) for payee in payees]

"""What the money pages read beyond one event: the house, a dispute with its evidence, a movement with its trail, the comparison."""

from uuid import UUID

import msgspec

from app.core.audit import AuditEntry, read_trail
from app.core.database import Connection
from app.core.errors import NotFound
from app.domain.events import store as events
from app.domain.events.model import Event
from app.domain.payments import dispute_store, ledger, ledger_reading, reconcile_store, refund_store
from app.domain.payments.evidence import evidence_of
from app.domain.payments.ledger_reading import EntryRow, LedgerTransaction
from app.domain.payments.model import DisputeState
from app.domain.pledges import store as pledges
from app.domain.trips import store as trips
from app.flows.gather_evidence import gather_facts
from app.surfaces.organiser.money_reading import dispute_rows, read_owners, waiting_refunds
from app.surfaces.organiser.money_views import (
    AuditRow,
    BalanceRow,
    Companion,
    DisputeRow,
    DisputeView,
    EventLine,
    HouseMoney,
    LedgerEntry,
    LedgerPage,
    ReconciliationView,
    TransactionView,
)
from app.surfaces.organiser.words import account_word
from app.web.cursors import check_limit, read_cursor, write_cursor


class EntryCursor(msgspec.Struct, frozen=True, kw_only=True):
    """Where a listing of entries goes on."""

    before: int


async def read_house(conn: Connection) -> HouseMoney:
    """Every event at a glance, what waits for a person, and how the ledger compares."""
    balances = await ledger.list_balances(conn)
    sums = await ledger_reading.sum_books(conn)
    lines = []
    for event in await events.list_all_events(conn):
        mine = sums.get(event.book)
        if mine is not None:
            lines.append(
                EventLine(
                    code=event.public_code, name=event.name, currency=event.currency, starts_at=event.starts_at, zone=event.zone,
                    taken_minor=mine.taken_minor, refunded_minor=mine.refunded_minor, paid_out_minor=mine.paid_out_minor,
                    held_minor=mine.held_minor,
                )
            )  # fmt: skip
    totals: dict[tuple[str, str], int] = {}
    for one in balances:
        totals[one.account, one.currency] = totals.get((one.account, one.currency), 0) + one.amount_minor
    stuck = await refund_store.list_refunds_waiting(conn)
    found = await dispute_store.list_disputes(conn, book=None, limit=100)
    known = {one.id for one in found}
    of_refunds = [one for one in await dispute_store.list_disputes_of(conn, [refund.payment_id for refund in stuck]) if one.id not in known]
    owners = await read_owners(conn, sorted({*(one.payment_id for one in found), *(one.payment_id for one in stuck)}))
    return HouseMoney(
        events=lines,
        balances=[
            BalanceRow(account=account, title=account_word(account), currency=currency, amount_minor=amount)
            for (account, currency), amount in sorted(totals.items())
        ],
        disputes=dispute_rows(found, *owners),
        refunds=await waiting_refunds(conn, stuck, [*found, *of_refunds], *owners),
        reconciliation=await read_reconciliation(conn),
    )


async def list_dispute_rows(conn: Connection, *, only_open: bool) -> list[DisputeRow]:
    """Disputes of all events: what must be answered first."""
    found = await dispute_store.list_disputes(conn, book=None, only_open=only_open)
    return dispute_rows(found, *await read_owners(conn, [one.payment_id for one in found]))


async def read_dispute(conn: Connection, dispute_id: UUID) -> DisputeView:
    """A dispute with the evidence that was sent, or that would be sent now. Raises NotFound."""
    dispute = await dispute_store.get_dispute(conn, dispute_id)
    if dispute is None:
        raise NotFound("There is no such dispute.", code="unknown_dispute")
    owners = await read_owners(conn, [dispute.payment_id])
    payment = owners[0][dispute.payment_id]
    refunds = await refund_store.list_refunds_of(conn, [payment.id])
    (row,) = dispute_rows([dispute], *owners)
    return DisputeView(
        dispute=row,
        payment_id=payment.id,
        payment_state=payment.state.value,
        charge_ref=dispute.charge_ref,
        may_answer=dispute.state is DisputeState.OPEN,
        note=dispute.note,
        evidence=dispute.evidence or evidence_of(await gather_facts(conn, payment), ""),
        submitted_by=dispute.submitted_by.split(":", 1)[0],
        error_code=dispute.error_code,
        closed_at=dispute.closed_at,
        refunds=await waiting_refunds(conn, refunds, [dispute], *owners),
    )


def entry(row: EntryRow) -> LedgerEntry:
    """An entry without what its transaction knows better."""
    return LedgerEntry(
        id=row.id, transaction_id=row.transaction_id, posted_at=row.posted_at, kind=row.kind, account=row.account, book=row.book,
        amount_minor=row.amount_minor, currency=row.currency, external_ref=row.external_ref,
    )  # fmt: skip


async def read_ledger(conn: Connection, event: Event, *, account: str | None, cursor: str | None, limit: int) -> LedgerPage:
    """A page of an event's entries, of one account when it is named. Raises Invalid for a bad cursor or limit."""
    position = read_cursor(cursor, EntryCursor)
    size = check_limit(limit)
    rows = await ledger_reading.list_entries(
        conn, book=event.book, account=account, before=position.before if position else None, limit=size + 1
    )
    shown = rows[:size]
    return LedgerPage(
        items=[entry(row) for row in shown], next=write_cursor(EntryCursor(before=shown[-1].id)) if len(rows) > size else None
    )


async def read_transaction(conn: Connection, transaction_id: UUID) -> TransactionView:
    """A movement with its entries, its cause and the cause's trail. Raises NotFound."""
    found = await ledger_reading.get_transaction(conn, transaction_id)
    if found is None:
        raise NotFound("There is no such movement.", code="unknown_transaction")
    rows = await ledger_reading.list_entries_of(conn, transaction_id)
    event = await event_of_book(conn, rows[0].book) if rows else None
    owner = next(iter(await reconcile_store.list_owners(conn, refs=[], ids=[found.cause])), None)
    pledge = await pledges.get_pledge(conn, owner.reference) if owner else None
    trip = await trips.get_trip(conn, pledge.trip_id) if pledge else None
    dispute = await dispute_store.get_dispute(conn, found.cause)
    subjects = [found.cause, *([owner.payment_id, owner.reference] if owner else [])]
    return TransactionView(
        id=found.id,
        posted_at=found.posted_at,
        kind=found.kind,
        cause=found.cause,
        external_ref=found.external_ref,
        event_code=event.public_code if event else None,
        event=event.name if event else None,
        zone=event.zone if event else "UTC",
        payment_id=owner.payment_id if owner else None,
        pledge_code=pledge.public_code if pledge else None,
        trip_code=trip.public_code if trip else None,
        duty_id=await ledger_reading.find_duty_of(conn, found.cause),
        dispute_id=dispute.id if dispute else None,
        entries=[entry(row) for row in rows],
        companions=[companion(one) for one in await companions_of(conn, found)],
        trail=[audit_row(line) for line in await read_trail(conn, list(dict.fromkeys(subjects)), limit=100)],
    )


async def companions_of(conn: Connection, found: LedgerTransaction) -> list[LedgerTransaction]:
    """The other movements of its Stripe object."""
    return await ledger_reading.list_companions(conn, found.external_ref, without=found.id) if found.external_ref else []


def companion(one: LedgerTransaction) -> Companion:
    """As the page lists it."""
    return Companion(id=one.id, kind=one.kind, posted_at=one.posted_at)


def audit_row(line: AuditEntry) -> AuditRow:
    """A line of the trail without the ids of people."""
    return AuditRow(
        at=line.at, actor=line.actor.split(":", 1)[0], machine=line.machine, subject_id=line.subject_id, from_state=line.from_state,
        to_state=line.to_state, reason=line.reason,
    )  # fmt: skip


async def event_of_book(conn: Connection, book: str) -> Event | None:
    """The event whose book it is."""
    kind, _, event_id = book.partition(":")
    return await events.get_event(conn, UUID(event_id)) if kind == "event" else None


async def read_reconciliation(conn: Connection) -> ReconciliationView:
    """The last finished run, and whether one is under way."""
    last = await reconcile_store.last_run(conn)
    running = await reconcile_store.is_running(conn)
    if last is None:
        return ReconciliationView(
            id=None, started_at=None, finished_at=None, since=None, movements=0, matched=0, is_clean=False, is_running=running, findings=[],
            in_flight=[],
        )  # fmt: skip
    return ReconciliationView(
        id=last.id, started_at=last.started_at, finished_at=last.finished_at, since=last.since, movements=last.movements,
        matched=last.matched, is_clean=not last.findings, is_running=running, findings=last.findings, in_flight=last.in_flight,
    )  # fmt: skip

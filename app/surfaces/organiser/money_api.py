"""The organisers' JSON API of money: an event's sums, the ledger down to one entry, disputes, refunds that came back, the comparison."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter

from app.core.database import Pool
from app.core.errors import NotFound
from app.core.idempotency import KeyedRequest, check_key
from app.domain.events import store as events
from app.domain.events.model import Event
from app.flows.answer_dispute import answer_dispute
from app.flows.learn_of_refund import send_refund_again
from app.flows.reconcile import want_reconciliation
from app.flows.settle_elsewhere import MAX_NOTE, settle_elsewhere
from app.surfaces.organiser.house_reading import (
    list_dispute_rows,
    read_dispute,
    read_house,
    read_ledger,
    read_reconciliation,
    read_transaction,
)
from app.surfaces.organiser.money_reading import read_event_money
from app.surfaces.organiser.money_views import (
    DisputeRow,
    DisputeView,
    EventMoney,
    HouseMoney,
    LedgerPage,
    ReconciliationView,
    TransactionView,
)
from app.web.actors import CurrentActor

IdempotencyKey = Annotated[
    str | None, HeaderParameter(name="Idempotency-Key", required=False, description="Your own id of this request; the same on a retry.")
]
Cursor = Annotated[str | None, QueryParameter(required=False, description="Where the page before ended; as it was given.")]
Limit = Annotated[int, QueryParameter(required=False, description="Entries on a page, 1 to 100.")]
Account = Annotated[str | None, QueryParameter(required=False, description="One account, such as stripe:clearing; all without it.")]


class AnswerDispute(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the organiser adds to the evidence; it is read by the rider's bank."""

    note: Annotated[str, msgspec.Meta(max_length=10_000)] = ""


class SentAgain(msgspec.Struct, frozen=True, kw_only=True):
    """A refund that is being sent once more."""

    id: UUID
    accepted: bool


class SettleElsewhere(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the rider got the money by another way; the rider reads it."""

    note: Annotated[str, msgspec.Meta(min_length=3, max_length=MAX_NOTE)]


class SettledElsewhere(msgspec.Struct, frozen=True, kw_only=True):
    """A refund that is not owed any more."""

    id: UUID
    settled: bool


async def event_by_id(pool: Pool, event_id: UUID) -> Event:
    """An event, or NotFound."""
    async with pool.acquire() as conn:
        event = await events.get_event(conn, event_id)
    if event is None:
        raise NotFound("There is no such event.", code="unknown_event")
    return event


@get("/api/organiser/money", tags=["organiser"])
async def show_house(pool: NamedDependency[Pool], actor: CurrentActor) -> HouseMoney:
    """The money of the whole house: events, balances, disputes, refunds that wait, the last comparison with Stripe."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        return await read_house(conn)


@get("/api/organiser/events/{event_id:uuid}/money", tags=["organiser"])
async def show_money(event_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> EventMoney:
    """What an event has taken, is owed, has given back and paid out, by trip and by day."""
    actor.require_organiser()
    event = await event_by_id(pool, event_id)
    async with pool.acquire() as conn:
        return await read_event_money(conn, event)


@get("/api/organiser/events/{event_id:uuid}/ledger", tags=["organiser"])
async def list_ledger(
    event_id: FromPath[UUID],
    pool: NamedDependency[Pool],
    actor: CurrentActor,
    account: Account = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> LedgerPage:
    """An event's ledger entries, the newest first."""
    actor.require_organiser()
    event = await event_by_id(pool, event_id)
    async with pool.acquire() as conn:
        return await read_ledger(conn, event, account=account, cursor=cursor, limit=limit)


@get("/api/organiser/ledger/{transaction_id:uuid}", tags=["organiser"])
async def show_transaction(transaction_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> TransactionView:
    """One movement with all its entries, its cause, the object at Stripe and the trail."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        return await read_transaction(conn, transaction_id)


@get("/api/organiser/disputes", tags=["organiser"])
async def list_disputes(pool: NamedDependency[Pool], actor: CurrentActor) -> list[DisputeRow]:
    """Disputes that are not decided: those to be answered first, by their deadline."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        return await list_dispute_rows(conn, only_open=True)


@get("/api/organiser/disputes/{dispute_id:uuid}", tags=["organiser"])
async def show_dispute(dispute_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> DisputeView:
    """A dispute with its evidence."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        return await read_dispute(conn, dispute_id)


@post("/api/organiser/disputes/{dispute_id:uuid}/answer", tags=["organiser"], status_code=200)
async def post_answer(
    dispute_id: FromPath[UUID],
    data: JSONBody[AnswerDispute],
    pool: NamedDependency[Pool],
    actor: CurrentActor,
    idempotency_key: IdempotencyKey = None,
) -> DisputeView:
    """Sends the evidence to the rider's bank, once. Needs an Idempotency-Key."""
    actor.require_organiser()
    request = KeyedRequest(key=check_key(idempotency_key), body=msgspec.json.encode(data))
    await answer_dispute(pool, dispute_id, note=data.note, actor=actor.audit_name, request=request)
    async with pool.acquire() as conn:
        return await read_dispute(conn, dispute_id)


@post("/api/organiser/refunds/{refund_id:uuid}/send-again", tags=["organiser"], status_code=202)
async def post_send_again(
    refund_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor, idempotency_key: IdempotencyKey = None
) -> SentAgain:
    """Sends a refund that failed once more. Needs an Idempotency-Key, because money moves."""
    actor.require_organiser()
    request = KeyedRequest(key=check_key(idempotency_key), body=b"")
    refund = await send_refund_again(pool, refund_id, actor=actor.audit_name, request=request)
    return SentAgain(id=refund.id, accepted=True)


@post("/api/organiser/refunds/{refund_id:uuid}/settle-elsewhere", tags=["organiser"], status_code=200)
async def post_settle_elsewhere(
    refund_id: FromPath[UUID],
    data: JSONBody[SettleElsewhere],
    pool: NamedDependency[Pool],
    actor: CurrentActor,
    idempotency_key: IdempotencyKey = None,
) -> SettledElsewhere:
    """Notes down that the rider has a failed refund's money by another way: nothing is sent any more. Needs an Idempotency-Key."""
    actor.require_organiser()
    request = KeyedRequest(key=check_key(idempotency_key), body=msgspec.json.encode(data))
    refund = await settle_elsewhere(pool, refund_id, note=data.note, actor=actor.audit_name, request=request)
    return SettledElsewhere(id=refund.id, settled=True)


@get("/api/organiser/reconciliation", tags=["organiser"])
async def show_reconciliation(pool: NamedDependency[Pool], actor: CurrentActor) -> ReconciliationView:
    """The last comparison of the ledger with Stripe's balance transactions."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        return await read_reconciliation(conn)


@post("/api/organiser/reconciliation", tags=["organiser"], status_code=202)
async def post_reconciliation(pool: NamedDependency[Pool], actor: CurrentActor) -> ReconciliationView:
    """Asks for another comparison; a worker does it."""
    actor.require_organiser()
    await want_reconciliation(pool)
    async with pool.acquire() as conn:
        return await read_reconciliation(conn)


ROUTES = [
    show_house,
    show_money,
    list_ledger,
    show_transaction,
    list_disputes,
    show_dispute,
    post_answer,
    post_send_again,
    post_settle_elsewhere,
    show_reconciliation,
    post_reconciliation,
]

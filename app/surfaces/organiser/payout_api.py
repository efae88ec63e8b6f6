"""The organisers' JSON API of payouts: watch them, take a hire back, cover what an event lacks, set how an operator is paid."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody

from app.core.database import Pool
from app.core.idempotency import KeyedRequest, check_key
from app.domain.fleet.model import PayTerms
from app.flows.close_book import cover_payouts
from app.flows.correct_hire import correct_hire
from app.flows.keep_fleet import set_pay_terms
from app.surfaces.organiser.payout_reading import PayoutsView, read_payouts_of
from app.surfaces.statements.reading import read_statement
from app.surfaces.statements.views import StatementView
from app.web.actors import CurrentActor

IdempotencyKey = Annotated[
    str | None, HeaderParameter(name="Idempotency-Key", required=False, description="Your own id of this request; the same on a retry.")
]
RateBp = Annotated[int, msgspec.Meta(ge=0, le=5_000)]


class CorrectHire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of a hire was not earned, minor units, and why: the operator reads it."""

    amount_minor: int
    reason: str


class CoverPayouts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is missing, as it was shown, minor units: another figure is not covered by accident."""

    missing_minor: int


class SetPayTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For duties that end from now on, basis points: the tax contained in hire prices, and the reserve held back of a hire."""

    vat_bp: RateBp
    reserve_bp: RateBp


@get("/api/events/{event_id:uuid}/payouts", tags=["organiser"])
async def show_payouts(event_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> PayoutsView:
    """An event's book, statements and accounts."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        return await read_payouts_of(conn, event_id)


@post("/api/duties/{duty_id:uuid}/corrections", tags=["organiser"], status_code=200)
async def post_correction(
    duty_id: FromPath[UUID],
    data: JSONBody[CorrectHire],
    pool: NamedDependency[Pool],
    actor: CurrentActor,
    idempotency_key: IdempotencyKey = None,
) -> StatementView:
    """Takes a hire back, or part of it: unpaid is not paid, paid is taken back, the rest is owed to us. Needs an Idempotency-Key."""
    actor.require_organiser()
    request = KeyedRequest(key=check_key(idempotency_key), body=msgspec.json.encode(data))
    await correct_hire(pool, duty_id, amount_minor=data.amount_minor, reason=data.reason, actor=actor.audit_name, request=request)
    async with pool.acquire() as conn:
        return await read_statement(conn, duty_id, None)


@post("/api/events/{event_id:uuid}/payouts/cover", tags=["organiser"], status_code=200)
async def post_cover(
    event_id: FromPath[UUID],
    data: JSONBody[CoverPayouts],
    pool: NamedDependency[Pool],
    actor: CurrentActor,
    idempotency_key: IdempotencyKey = None,
) -> PayoutsView:
    """Lets the house pay what an event's money lacks for what it owes. Needs an Idempotency-Key, because money moves."""
    actor.require_organiser()
    request = KeyedRequest(key=check_key(idempotency_key), body=msgspec.json.encode(data))
    await cover_payouts(pool, event_id, missing_minor=data.missing_minor, actor=actor.audit_name, request=request)
    async with pool.acquire() as conn:
        return await read_payouts_of(conn, event_id)


@put("/api/operators/{operator_id:uuid}/pay-terms", tags=["organiser"])
async def put_pay_terms(
    operator_id: FromPath[UUID], data: JSONBody[SetPayTerms], pool: NamedDependency[Pool], actor: CurrentActor
) -> PayTerms:
    """Sets an operator's tax rate and reserve."""
    actor.require_organiser()
    terms = PayTerms(vat_bp=data.vat_bp, reserve_bp=data.reserve_bp)
    await set_pay_terms(pool, operator_id, terms, actor=actor.audit_name)
    return terms


ROUTES = [show_payouts, post_correction, post_cover, put_pay_terms]

"""Payouts of all events that are not paid yet, for organisers: to whom, how much, and what each waits for."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.response import Template

from app.core.clock import busload_now
from app.core.database import Connection, Pool
from app.domain.dispatch.store import plans
from app.domain.events import store as events
from app.domain.events.model import Event
from app.domain.fleet import store as fleet
from app.domain.partners import store as partners
from app.domain.payments.payouts import store
from app.domain.payments.payouts.model import Payout, PayoutState, WaitsFor
from app.surfaces.statements.sheets import KINDS
from app.web.actors import CurrentActor
from app.web.pages import page


class WaitingPayout(msgspec.Struct, frozen=True, kw_only=True):
    """One transfer that has not been made, minor units; `why` says what it waits for and what to do, `is_stuck` that somebody has to."""

    id: UUID
    kind: str
    state: str
    payee: str
    event_code: str
    event: str
    zone: str
    duty_code: str | None
    amount_minor: int
    currency: str
    not_before_at: datetime
    why: str
    is_stuck: bool


async def read_waiting(conn: Connection) -> list[WaitingPayout]:
    """At most 500: what somebody has to act on first, then by the day it is due."""
    found = await store.list_unsettled_payouts(conn)
    ids = sorted({one.payee_id for one in found})
    names = {operator.id: operator.name for operator in await fleet.list_operators(conn, ids)}
    names |= {partner.id: partner.name for partner in await partners.list_partners(conn, ids)}
    duties = {one.id: one.public_code for one in await plans.list_duties_by_id(conn, [one.reference for one in found])}
    by_book = {event.book: event for event in await events.list_all_events(conn)}
    now = await busload_now(conn)
    return [view(one, by_book[one.book], names.get(one.payee_id, ""), duties.get(one.reference), now) for one in found]


def view(one: Payout, event: Event, payee: str, duty_code: str | None, now: datetime) -> WaitingPayout:
    """As the list shows it."""
    why, is_stuck = why_waiting(one, now)
    return WaitingPayout(
        id=one.id, kind=one.kind.value, state=one.state.value, payee=payee, event_code=event.public_code, event=event.name,
        zone=event.zone, duty_code=duty_code, amount_minor=one.unpaid_minor, currency=one.currency, not_before_at=one.not_before_at,
        why=why, is_stuck=is_stuck,
    )  # fmt: skip


def why_waiting(one: Payout, now: datetime) -> tuple[str, bool]:
    """What it waits for, and whether somebody has to do something."""
    reasons = {
        WaitsFor.ACCOUNT: "The payee has no account at Stripe that takes transfers. They are reminded every three days.",
        WaitsFor.COVER: "The event's money does not carry it. Cover it from the house on the event's payouts page.",
        WaitsFor.FUNDS: "Not enough has settled at Stripe. Tried every day; a top-up from our bank helps.",
    }
    if one.state in {PayoutState.SUBMITTING, PayoutState.UNKNOWN}:
        return "On its way: Stripe is being asked.", False
    if one.waits_for in reasons:
        return reasons[one.waits_for], True
    if one.state is PayoutState.FAILED:
        return f"Stripe refused it ({one.error_code.replace('_', ' ') or 'no reason given'}). Tried every day.", True
    return ("Goes out by itself on its day." if one.not_before_at > now else "Goes out within minutes."), False


@get("/api/organiser/payouts", tags=["organiser"])
async def list_waiting(pool: NamedDependency[Pool], actor: CurrentActor) -> list[WaitingPayout]:
    """Payouts of all events that are not paid yet: what somebody has to act on first, then by the day each is due."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        return await read_waiting(conn)


@get("/organiser/payouts", include_in_schema=False)
async def waiting_page(request: Request[Any, Any, Any], pool: NamedDependency[Pool], actor: CurrentActor) -> Template:
    """The same as a page."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        waiting = await read_waiting(conn)
    return page(request, "organiser/payouts_waiting.html", actor=actor, waiting=waiting, kinds=KINDS)


ROUTES = [list_waiting, waiting_page]

"""One's own pledge behind its link: state, money, changing, leaving, the card."""

from contextlib import suppress
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from app.core.clock import busload_now
from app.core.database import Connection, Pool
from app.core.errors import Invalid, NotFound, Refusal, SignInNeeded
from app.core.ids import derived_token, link_subject, token_hash
from app.domain.events import store as events
from app.domain.events.model import Event, Stop, StopState
from app.domain.payments import refund_store
from app.domain.payments import store as payments
from app.domain.payments.gateway import GatewayError, PaymentGateway
from app.domain.payments.model import Payment, PaymentState, Refund
from app.domain.pledges import store as pledges
from app.domain.pledges.model import LIVE, SECURED, Pledge, PledgeState
from app.domain.pledges.transfer_store import find_open_transfer, read_holders
from app.domain.trips import store as trips
from app.domain.trips.model import SELLING, Trip, TripState
from app.flows.approve_charge import approve_charge, look_at_charge
from app.flows.card_saved import look_at_card_page
from app.flows.change_pledge import PledgeChange, change_pledge
from app.flows.open_card_page import open_card_page
from app.flows.withdraw_pledge import withdraw_pledge
from app.settings import Settings
from app.surfaces.rider.ladder import read_pledge_ladder
from app.surfaces.rider.money import read_money, tell_money
from app.surfaces.rider.reading import NO_PLEDGE
from app.surfaces.rider.story import headline, price_note, story
from app.surfaces.rider.views import TripView, legs_chosen, view_event, view_trip
from app.surfaces.rider.way_back import find_way_back
from app.web.actors import CurrentActor
from app.web.forms import read_form
from app.web.pages import errors_by_field, page, see_other

BEFORE_DEPARTURE = frozenset({TripState.OPEN, TripState.CONFIRMED, TripState.ALLOCATED})


class PledgeSheet(msgspec.Struct, frozen=True, kw_only=True):
    """A pledge with everything its page tells of."""

    pledge: Pledge
    trip: Trip
    event: Event
    stop: Stop
    stops: list[Stop]
    charges: list[Payment]
    refunds: list[Refund]
    free_exit: bool


class ChangeForm(msgspec.Struct, frozen=True, kw_only=True):
    """The form that changes a pledge."""

    stop_id: UUID
    seats: int
    wheelchairs: int
    legs: str
    needs: str = ""


class WithdrawForm(msgspec.Struct, frozen=True, kw_only=True):
    """The form that withdraws: what the rider was shown to get back."""

    at_least_minor: int | None = None


class MyPledge(msgspec.Struct, frozen=True, kw_only=True):
    """A pledge in the list of a signed-in rider's."""

    pledge: Pledge
    trip: TripView
    event_name: str
    path: str


async def find_pledge(pool: Pool, token: str) -> Pledge:
    """The pledge a link opens, or NotFound."""
    async with pool.acquire() as conn:
        pledge = await pledges.find_by_token(conn, token_hash(token))
    if pledge is None:
        raise NotFound(NO_PLEDGE, code="unknown_pledge")
    return pledge


async def read_sheet(conn: Connection, pledge: Pledge) -> PledgeSheet:
    """Everything about a pledge."""
    trip = await trips.get_trip(conn, pledge.trip_id)
    event = await events.get_event(conn, pledge.event_id)
    stop = await events.get_stop(conn, pledge.stop_id)
    assert trip is not None
    assert event is not None
    assert stop is not None
    charges = await payments.list_payments_of(conn, [pledge.id])
    refunds = await refund_store.list_refunds_of(conn, [charge.id for charge in charges])
    stops = [s for s in await events.list_stops_of_trip(conn, trip.id) if s.state is StopState.APPROVED]
    free_exit = pledge.free_exit_until is not None and await busload_now(conn) <= pledge.free_exit_until
    return PledgeSheet(pledge=pledge, trip=trip, event=event, stop=stop, stops=stops, charges=charges, refunds=refunds, free_exit=free_exit)


@get("/p/{token:str}", include_in_schema=False)
async def pledge_page(
    request: Request[Any, Any, Any],
    token: FromPath[str],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
) -> Template:
    """My pledge."""
    return await show_pledge(request, pool, settings, actor, token, errors={})


async def show_pledge(
    request: Request[Any, Any, Any],
    pool: Pool,
    settings: Settings,
    actor: CurrentActor,
    token: str,
    *,
    errors: dict[str, str],
    status: int = 200,
) -> Template:
    """The page with its forms; faults beside their fields."""
    pledge = await find_pledge(pool, token)
    async with pool.acquire() as conn:
        sheet = await read_sheet(conn, pledge)
        record = await read_money(conn, pledge, sheet.charges, sheet.refunds)
        way_back = await find_way_back(conn, request, pledge, sheet.trip.public_code)
        transfer = await find_open_transfer(conn, pledge.id)
        ladder = await read_pledge_ladder(conn, sheet.event, pledge, sheet.charges, sheet.refunds)
    return page(
        request,
        "rider/pledge.html",
        actor=actor,
        status=status,
        errors=errors,
        token=token,
        sheet=sheet,
        pledge=pledge,
        event=view_event(sheet.event, settings.base_url),
        trip=view_trip(sheet.trip, pledge.currency, settings.base_url),
        headline=headline(pledge, sheet.trip, sheet.charges),
        story=story(pledge, sheet.trip, sheet.event),
        money=tell_money(pledge, sheet.trip, sheet.event, record),
        settling=settling(sheet),
        price_note=price_note(pledge, sheet.refunds),
        way_back=way_back,
        ladder=ladder,
        transfer=transfer,
        **possible(sheet),
    )


def settling(sheet: PledgeSheet) -> bool:
    """Whether the page will look different in a moment by itself."""
    charging = any(c.state in {PaymentState.DUE, PaymentState.SUBMITTING, PaymentState.UNKNOWN} for c in sheet.charges)
    return charging or (sheet.pledge.state is PledgeState.CONFIRMED and not sheet.charges)


def possible(sheet: PledgeSheet) -> dict[str, bool]:
    """What the rider can do now; flows check it again."""
    state, selling = sheet.pledge.state, sheet.trip.state in SELLING and sheet.event.booking_closed_at is None
    unpaid = any(c.state in {PaymentState.NEEDS_ACTION, PaymentState.RETRYABLE} for c in sheet.charges)
    return {
        "can_save_card": state is PledgeState.PENDING_CARD and sheet.pledge.payment_method_ref is None,
        "can_change": state in LIVE and selling,
        "can_transfer": state in SECURED and sheet.trip.state in BEFORE_DEPARTURE,
        "can_withdraw": state in LIVE and sheet.trip.state in BEFORE_DEPARTURE,
        "can_approve": unpaid,
        "can_change_card": state in {PledgeState.ACTIVE, PledgeState.CONFIRMED},
        "has_pass": sheet.trip.state in {TripState.ALLOCATED, TripState.DEPARTED} and state is PledgeState.PAID,
    }


@get("/p/{token:str}/card-saved", include_in_schema=False)
async def back_from_card_page(token: FromPath[str], pool: NamedDependency[Pool], gateway: NamedDependency[PaymentGateway]) -> Response[Any]:
    """The rider returns from the card page: the pledge counts now, should the webhook be slower."""
    pledge = await find_pledge(pool, token)
    with suppress(GatewayError, asyncpg.LockNotAvailableError):  # the webhook or the poller will tell
        await look_at_card_page(pool, pledge.id, gateway=gateway)
    return see_other(f"/p/{token}")


@post("/p/{token:str}/card", include_in_schema=False, status_code=200)
async def save_card(
    token: FromPath[str], pool: NamedDependency[Pool], settings: NamedDependency[Settings], gateway: NamedDependency[PaymentGateway]
) -> Response[Any]:
    """On to the card page."""
    pledge = await find_pledge(pool, token)
    return see_other(await open_card_page(pool, pledge.id, gateway=gateway, base_url=settings.base_url, manage_token=token))


@post("/p/{token:str}/approve", include_in_schema=False, status_code=200)
async def approve(
    token: FromPath[str], pool: NamedDependency[Pool], settings: NamedDependency[Settings], gateway: NamedDependency[PaymentGateway]
) -> Response[Any]:
    """On to the bank, for the charge that waits for the rider."""
    pledge = await find_pledge(pool, token)
    return see_other(await approve_charge(pool, pledge.id, gateway=gateway, return_url=f"{settings.base_url}/p/{token}/approved"))


@get("/p/{token:str}/approved", include_in_schema=False)
async def back_from_bank(token: FromPath[str], pool: NamedDependency[Pool], gateway: NamedDependency[PaymentGateway]) -> Response[Any]:
    """The rider returns from the bank."""
    pledge = await find_pledge(pool, token)
    with suppress(GatewayError, asyncpg.LockNotAvailableError):  # the webhook or the poller will tell
        await look_at_charge(pool, pledge.id, gateway=gateway)
    return see_other(f"/p/{token}")


@post("/p/{token:str}/withdraw", include_in_schema=False, status_code=200)
async def withdraw(
    request: Request[Any, Any, Any],
    token: FromPath[str],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
) -> Response[Any]:
    """Leaves, for no less than the page had promised to give back."""
    pledge = await find_pledge(pool, token)
    form = await read_form(request, WithdrawForm)
    try:
        left = await withdraw_pledge(pool, pledge.id, actor="rider", at_least_minor=form.at_least_minor)
    except Refusal as refused:
        return await show_pledge(request, pool, settings, actor, token, errors={"": refused.detail}, status=refused.status)
    return see_other(f"/p/{token}", flash="withdrawn" if left.state is PledgeState.WITHDRAWN else "withdrawn_paid")


@post("/p/{token:str}/change", include_in_schema=False, status_code=200)
async def change(
    request: Request[Any, Any, Any],
    token: FromPath[str],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
) -> Response[Any]:
    """Changes stop, seats or legs."""
    pledge = await find_pledge(pool, token)
    try:
        form = await read_form(request, ChangeForm)
        legs = legs_chosen(form.legs)
        wish = PledgeChange(stop_id=form.stop_id, seats=form.seats, wheelchairs=form.wheelchairs, legs=legs, needs=form.needs)
        await change_pledge(pool, pledge.id, wish, actor="rider")
    except Invalid as invalid:
        return await show_pledge(request, pool, settings, actor, token, errors=errors_by_field(invalid), status=422)
    except Refusal as refused:
        return await show_pledge(request, pool, settings, actor, token, errors={"": refused.detail}, status=refused.status)
    return see_other(f"/p/{token}", flash="saved")


@get("/pledges", include_in_schema=False)
async def my_pledges(
    request: Request[Any, Any, Any], pool: NamedDependency[Pool], settings: NamedDependency[Settings], actor: CurrentActor
) -> Template:
    """A signed-in rider's pledges."""
    if actor.account_id is None:
        raise SignInNeeded("Sign in to see your pledges, or use the link in the mail of each.")
    async with pool.acquire() as conn:
        mine = await pledges.list_pledges_of_account(conn, actor.account_id, actor.email)
        rows = [await my_row(conn, pledge, settings) for pledge in mine]
    return page(request, "rider/my_pledges.html", actor=actor, rows=rows)


async def my_row(conn: Connection, pledge: Pledge, settings: Settings) -> MyPledge:
    """A pledge with its trip and the link that opens it."""
    trip = await trips.get_trip(conn, pledge.trip_id)
    event = await events.get_event(conn, pledge.event_id)
    assert trip is not None
    assert event is not None
    holders = await read_holders(conn, [pledge.id])
    token = derived_token(settings.secret, "manage", link_subject(pledge.id, holders[pledge.id]))
    return MyPledge(pledge=pledge, trip=view_trip(trip, pledge.currency, settings.base_url), event_name=event.name, path=f"/p/{token}")


ROUTES = [pledge_page, back_from_card_page, save_card, approve, back_from_bank, withdraw, change, my_pledges]

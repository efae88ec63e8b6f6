"""The bus company's pages: offers by sign-in or by the mailed link, answers, duties with their drivers."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from app.core.clock import busload_now
from app.core.database import Pool
from app.core.errors import Invalid, NotFound
from app.domain.dispatch.model import DeclineReason, OfferState
from app.domain.dispatch.store import offers
from app.domain.fleet import store as fleet
from app.flows.answer_offer import accept_offer, decline_offer
from app.flows.assign_driver import assign_driver
from app.flows.pull_out import pull_out
from app.settings import Settings
from app.surfaces.operator.api import OfferPosition
from app.surfaces.operator.frame import frame_of
from app.surfaces.operator.reading import ANSWERED, read_offer_by_token, read_own_duty_offer, read_own_offer, view_offers
from app.surfaces.operator.views import OfferView, duty_geojson, quote_rows, timetable_rows
from app.web.actors import Actor, CurrentActor
from app.web.cursors import read_cursor, write_cursor
from app.web.forms import read_form
from app.web.pages import errors_by_field, page, see_other

AnyRequest = Request[Any, Any, Any]
PAGE = 20
LINK_ACTOR = "operator:link"
REASONS = (
    ("busy", "The vehicle is busy then (its calendar is blocked)"),
    ("price", "The price does not work"),
    ("driver", "No driver"),
    ("vehicle", "The vehicle is not fit"),
    ("other", "Another reason"),
)
GEOJSON = "application/geo+json"


class DeclineForm(msgspec.Struct, frozen=True, kw_only=True):
    """Why not."""

    reason: DeclineReason
    note: Annotated[str, msgspec.Meta(max_length=500)] = ""


class NoteForm(msgspec.Struct, frozen=True, kw_only=True):
    """A word to go with it."""

    note: Annotated[str, msgspec.Meta(max_length=500)] = ""


class CrewForm(msgspec.Struct, frozen=True, kw_only=True):
    """Who drives."""

    driver_id: UUID
    seat: int


@get("/operator", include_in_schema=False)
async def show_offers(
    request: AnyRequest, pool: NamedDependency[Pool], actor: CurrentActor, cursor: FromQuery[str | None] = None
) -> Response[Any]:
    """Offers that wait for an answer, net pay first; below, those answered, in pages."""
    mine, after = sorted(actor.require_operators()), read_cursor(cursor, OfferPosition)
    async with pool.acquire() as conn:
        waiting = await offers.list_offers_of_operators(conn, mine, states=[OfferState.SENT], after=None, limit=200)
        past = await offers.list_offers_of_operators(conn, mine, states=ANSWERED, after=after.id if after else None, limit=PAGE + 1)
        open_views, past_views = await view_offers(conn, waiting), await view_offers(conn, past[:PAGE])
        now = await busload_now(conn)
    return page(
        request,
        "operator/offers.html",
        **frame_of(actor, "/operator"),
        waiting=sorted(open_views, key=lambda view: (view.expires_at or now, view.id)),
        past=past_views,
        now=now,
        is_first=cursor is None,
        next_cursor=write_cursor(OfferPosition(id=past_views[-1].id)) if len(past) > PAGE else None,
    )


def offer_page(
    request: AnyRequest, actor: Actor, offer: OfferView, *, home: str, now: datetime, refused: Invalid | None = None
) -> Response[Any]:
    """One offer; `home` is its address, for its forms and its map."""
    return page(
        request,
        "operator/offer.html",
        status=refused.status if refused else 200,
        **frame_of(actor, "/operator"),
        offer=offer,
        home=home,
        rows=timetable_rows(offer.duty.calls),
        quote=quote_rows(offer.quote),
        reasons=REASONS,
        now=now,
        faults=errors_by_field(refused) if refused else {},
    )


@get("/operator/offers/{offer_id:uuid}", include_in_schema=False)
async def show_offer(request: AnyRequest, offer_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """An offer: pay, timetable with dead mileage, map on tap, answer."""
    async with pool.acquire() as conn:
        offer = await read_own_offer(conn, offer_id, actor.require_operators())
        return offer_page(request, actor, offer, home=f"/operator/offers/{offer_id}", now=await busload_now(conn))


@get("/operator/offers/{offer_id:uuid}/map.json", include_in_schema=False)
async def show_offer_map(offer_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[dict[str, object]]:
    """The duty for the map."""
    async with pool.acquire() as conn:
        offer = await read_own_offer(conn, offer_id, actor.require_operators())
    return Response(duty_geojson(offer.duty.calls), media_type=GEOJSON)


@post("/operator/offers/{offer_id:uuid}/accept", include_in_schema=False)
async def accept(offer_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Yes."""
    async with pool.acquire() as conn:
        await read_own_offer(conn, offer_id, actor.require_operators())
    await accept_offer(pool, offer_id, actor=actor.audit_name)
    return see_other(f"/operator/offers/{offer_id}", flash="accepted")


@post("/operator/offers/{offer_id:uuid}/decline", include_in_schema=False, status_code=200)
async def decline(request: AnyRequest, offer_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """No, with the reason."""
    async with pool.acquire() as conn:
        offer = await read_own_offer(conn, offer_id, actor.require_operators())
        now = await busload_now(conn)
    try:
        form = await read_form(request, DeclineForm)
    except Invalid as invalid:
        return offer_page(request, actor, offer, home=f"/operator/offers/{offer_id}", now=now, refused=invalid)
    await decline_offer(pool, offer_id, reason=form.reason, note=form.note, actor=actor.audit_name)
    return see_other("/operator", flash="declined")


@post("/operator/offers/{offer_id:uuid}/pull-out", include_in_schema=False)
async def leave_duty(request: AnyRequest, offer_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Pulls out of an accepted duty, at the price the ladder says."""
    async with pool.acquire() as conn:
        await read_own_offer(conn, offer_id, actor.require_operators())
    form = await read_form(request, NoteForm)
    await pull_out(pool, offer_id, note=form.note, actor=actor.audit_name)
    return see_other(f"/operator/offers/{offer_id}", flash="pulled_out")


@get("/operator/offer/{token:str}", include_in_schema=False)
async def show_linked_offer(request: AnyRequest, token: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """The offer behind the mail's link; answering takes one more tap, because mail scanners follow links."""
    async with pool.acquire() as conn:
        offer = await read_offer_by_token(conn, token)
        shown = offer_page(request, actor, offer, home=f"/operator/offer/{token}", now=await busload_now(conn))
    shown.headers.update({"referrer-policy": "no-referrer", "x-robots-tag": "noindex"})
    return shown


@get("/operator/offer/{token:str}/map.json", include_in_schema=False)
async def show_linked_map(token: FromPath[str], pool: NamedDependency[Pool]) -> Response[dict[str, object]]:
    """The duty for the map."""
    async with pool.acquire() as conn:
        offer = await read_offer_by_token(conn, token)
    return Response(duty_geojson(offer.duty.calls), media_type=GEOJSON)


@post("/operator/offer/{token:str}/{answer:str}", include_in_schema=False, status_code=200)
async def answer_by_link(
    request: AnyRequest, token: FromPath[str], answer: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor
) -> Response[Any]:
    """Accepts or declines with the link alone. Pulling out needs a sign-in."""
    home = f"/operator/offer/{token}"
    async with pool.acquire() as conn:
        offer = await read_offer_by_token(conn, token)
        now = await busload_now(conn)
    if answer == "accept":
        await accept_offer(pool, offer.id, actor=LINK_ACTOR)
        return see_other(home, flash="accepted")
    if answer != "decline":
        raise NotFound("This link accepts or declines; anything else needs a sign-in.", code="unknown_answer")
    try:
        form = await read_form(request, DeclineForm)
    except Invalid as invalid:
        return offer_page(request, actor, offer, home=home, now=now, refused=invalid)
    await decline_offer(pool, offer.id, reason=form.reason, note=form.note, actor=LINK_ACTOR)
    return see_other(home, flash="declined")


@get("/operator/duties", include_in_schema=False)
async def show_duties(request: AnyRequest, pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Accepted duties, those without a full crew first."""
    mine = sorted(actor.require_operators())
    async with pool.acquire() as conn:
        found = await offers.list_offers_of_operators(conn, mine, states=[OfferState.ACCEPTED], after=None, limit=500)
        views = await view_offers(conn, found)
        drivers = [driver for driver in await fleet.list_drivers(conn, mine) if driver.active]
        now = await busload_now(conn)
    coming = sorted((view for view in views if view.duty.ends_at > now), key=lambda view: view.duty.starts_at)
    return page(
        request,
        "operator/duties.html",
        **frame_of(actor, "/operator/duties"),
        coming=coming,
        over=[view for view in views if view.duty.ends_at <= now],
        drivers={operator_id: [one for one in drivers if one.operator_id == operator_id] for operator_id in mine},
        now=now,
    )


@post("/operator/duties/{duty_id:uuid}/drivers", include_in_schema=False)
async def set_driver(
    request: AnyRequest,
    duty_id: FromPath[UUID],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
) -> Response[Any]:
    """Puts a driver on a duty; the link is mailed at once."""
    async with pool.acquire() as conn:
        await read_own_duty_offer(conn, duty_id, actor.require_operators())
    form = await read_form(request, CrewForm)
    await assign_driver(pool, duty_id, driver_id=form.driver_id, seat=form.seat, secret=settings.secret, actor=actor.audit_name)
    return see_other("/operator/duties", flash="saved")


ROUTES = [
    show_offers,
    show_offer,
    show_offer_map,
    accept,
    decline,
    leave_duty,
    show_linked_offer,
    show_linked_map,
    answer_by_link,
    show_duties,
    set_driver,
]

"""Pages of a trip's waiting line: joining it, one's place in it, leaving it."""

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from app.core.database import Pool
from app.core.errors import Invalid, NotFound, Refusal
from app.core.ids import token_hash
from app.domain.events.model import StopState
from app.domain.pledges import waitlist_store as waitlist
from app.domain.pledges.model import MAX_PEOPLE
from app.domain.pledges.waitlist_store import Waiting
from app.flows.pledge_wish import PledgeWish
from app.flows.wait_for_seats import NO_ENTRY, join_waitlist, leave_waitlist
from app.settings import Settings
from app.surfaces.rider.browse_pages import ASKS, detail_by_code, detail_views
from app.surfaces.rider.reading import read_trip_detail
from app.surfaces.rider.views import TripDetail, legs_chosen
from app.surfaces.rider.waitlist_reading import view_waiting
from app.web.actors import Actor, CurrentActor
from app.web.forms import read_form
from app.web.pages import errors_by_field, page, see_other


class WaitForm(msgspec.Struct, frozen=True, kw_only=True):
    """The form that joins a line."""

    stop_id: UUID
    name: str
    email: str
    legs: str = "both"
    seats: int = 0
    wheelchairs: int = 0


@get("/trips/{code:str}/waitlist", include_in_schema=False)
async def join_page(request: Request[Any, Any, Any], code: FromPath[str], actor: CurrentActor) -> Template:
    """The form that joins a trip's waiting line."""
    return show_join(request, actor, await detail_by_code(request, code), values={}, errors={})


def show_join(
    request: Request[Any, Any, Any], actor: Actor, detail: TripDetail, *, values: dict[str, Any], errors: dict[str, str], status: int = 200
) -> Template:
    """The form, keeping what was typed."""
    defaults = {"stop_id": "", "name": actor.name, "email": actor.email, "legs": "both", "seats": 1, "wheelchairs": 0}
    return page(
        request,
        "rider/waitlist_join.html",
        actor=actor,
        status=status,
        values={**defaults, **values},
        errors=errors,
        max_people=MAX_PEOPLE,
        approved=[stop for stop in detail.stops if stop.state is StopState.APPROVED],
        **detail_views(detail),
    )


@post("/trips/{code:str}/waitlist", include_in_schema=False, status_code=200)
async def join_form(
    request: Request[Any, Any, Any],
    code: FromPath[str],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
) -> Response[Any]:
    """Joins the line and shows the place in it; faults come back with everything that was typed."""
    detail = await detail_by_code(request, code)
    typed = {name: str(value) for name, value in (await request.form()).items()}
    try:
        form = await read_form(request, WaitForm, asks=ASKS)
        joined = await join_waitlist(pool, detail.trip.id, wish_of(form), secret=settings.secret)
    except Invalid as invalid:
        return show_join(request, actor, detail, values=typed, errors=errors_by_field(invalid), status=422)
    except Refusal as refused:
        return show_join(request, actor, detail, values=typed, errors={"": refused.detail}, status=refused.status)
    return see_other(f"/waitlist/{joined.token}", flash="waiting")


def wish_of(form: WaitForm) -> PledgeWish:
    """The form in the flow's words."""
    return PledgeWish(
        stop_id=form.stop_id, name=form.name, email=form.email, phone="", needs="", locale="en", seats=form.seats,
        wheelchairs=form.wheelchairs, legs=legs_chosen(form.legs), payment_method=None,
    )  # fmt: skip


async def find_entry(pool: Pool, token: str) -> Waiting:
    """The place in a line that a link opens, or NotFound."""
    async with pool.acquire() as conn:
        entry = await waitlist.find_by_token(conn, token_hash(token))
    if entry is None:
        raise NotFound(NO_ENTRY, code="unknown_waiting")
    return entry


@get("/waitlist/{token:str}", include_in_schema=False)
async def place_page(
    request: Request[Any, Any, Any],
    token: FromPath[str],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
) -> Template:
    """My place in line, or the seats that are held for me."""
    entry = await find_entry(pool, token)
    detail = await read_trip_detail(pool, entry.trip_id, settings.base_url)
    async with pool.acquire() as conn:
        waiting = await view_waiting(conn, entry, secret=settings.secret, base_url=settings.base_url)
    stop = next((stop.name for stop in detail.stops if stop.id == entry.stop_id), "")
    return page(
        request, "rider/waitlist.html", actor=actor, token=token, entry=entry, waiting=waiting, stop=stop, trip=detail.trip,
        event=detail.event,
    )  # fmt: skip


@post("/waitlist/{token:str}/leave", include_in_schema=False, status_code=200)
async def leave(token: FromPath[str], pool: NamedDependency[Pool]) -> Response[Any]:
    """Leaves the line."""
    entry = await find_entry(pool, token)
    await leave_waitlist(pool, entry.id)
    return see_other(f"/waitlist/{token}")


ROUTES = [join_page, join_form, place_page, leave]

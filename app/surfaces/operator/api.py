"""The operators' JSON API: offers and answers, duties and drivers."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from app.core.database import Pool
from app.domain.dispatch.model import DeclineReason, OfferState
from app.domain.dispatch.store import offers
from app.flows.answer_offer import accept_offer, decline_offer
from app.flows.assign_driver import assign_driver
from app.flows.pull_out import pull_out
from app.settings import Settings
from app.surfaces.operator.reading import EVERY_STATE, read_own_duty_offer, read_own_offer, view_offers
from app.surfaces.operator.views import OfferPage, OfferView
from app.web.actors import CurrentActor
from app.web.cursors import check_limit, read_cursor, write_cursor

NOTE_LENGTH = 500
Note = Annotated[str, msgspec.Meta(max_length=NOTE_LENGTH)]
WantedState = Annotated[OfferState | None, QueryParameter(name="state", required=False, description="Only offers in this state.")]


class OfferPosition(msgspec.Struct, frozen=True, kw_only=True):
    """Where a listing of offers goes on."""

    id: UUID


class Decline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why not. `busy` blocks the vehicle's calendar for the duty; any other reason leaves the company out of this event."""

    reason: DeclineReason
    note: Note = ""


class PullOut(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why an accepted duty cannot be driven."""

    note: Note = ""


class AssignDriver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who drives; `seat` 2 is the second driver of a duty that needs two."""

    driver_id: UUID
    seat: int = 1


@get("/api/operator/offers", tags=["operator"])
async def list_offers(
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
    in_state: WantedState = None,
    limit: FromQuery[int] = 50,
    cursor: FromQuery[str | None] = None,
) -> Response[OfferPage]:
    """Offers sent to one's companies, the newest first; `state=sent` are those that wait for an answer."""
    mine, after = actor.require_operators(), read_cursor(cursor, OfferPosition)
    async with pool.acquire() as conn:
        found = await offers.list_offers_of_operators(
            conn,
            sorted(mine),
            states=EVERY_STATE if in_state is None else [in_state],
            after=after.id if after else None,
            limit=check_limit(limit) + 1,
        )
        items = await view_offers(conn, found[:limit])
    next_cursor = write_cursor(OfferPosition(id=items[-1].id)) if len(found) > limit else None
    wanted = f"&state={in_state.value}" if in_state else ""
    address = f"{settings.base_url}/api/operator/offers?limit={limit}{wanted}&cursor={next_cursor}"
    headers = {"Link": f'<{address}>; rel="next"'} if next_cursor else {}
    return Response(OfferPage(items=items, next_cursor=next_cursor), headers=headers)


@get("/api/operator/offers/{offer_id:uuid}", tags=["operator"])
async def show_offer(offer_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> OfferView:
    """One offer with its timetable and price lines."""
    async with pool.acquire() as conn:
        return await read_own_offer(conn, offer_id, actor.require_operators())


@post("/api/operator/offers/{offer_id:uuid}/accept", tags=["operator"], status_code=200)
async def post_accept(offer_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> OfferView:
    """Accepts an offer: the duty is the company's."""
    mine = actor.require_operators()
    async with pool.acquire() as conn:
        await read_own_offer(conn, offer_id, mine)
    await accept_offer(pool, offer_id, actor=actor.audit_name)
    async with pool.acquire() as conn:
        return await read_own_offer(conn, offer_id, mine)


@post("/api/operator/offers/{offer_id:uuid}/decline", tags=["operator"], status_code=200)
async def post_decline(offer_id: FromPath[UUID], data: JSONBody[Decline], pool: NamedDependency[Pool], actor: CurrentActor) -> OfferView:
    """Declines an offer with a reason."""
    mine = actor.require_operators()
    async with pool.acquire() as conn:
        await read_own_offer(conn, offer_id, mine)
    await decline_offer(pool, offer_id, reason=data.reason, note=data.note, actor=actor.audit_name)
    async with pool.acquire() as conn:
        return await read_own_offer(conn, offer_id, mine)


@post("/api/operator/offers/{offer_id:uuid}/pull-out", tags=["operator"], status_code=200)
async def post_pull_out(offer_id: FromPath[UUID], data: JSONBody[PullOut], pool: NamedDependency[Pool], actor: CurrentActor) -> OfferView:
    """Pulls out of an accepted duty; what it costs stands in `pull_out_fee_minor` of the offer before."""
    mine = actor.require_operators()
    async with pool.acquire() as conn:
        await read_own_offer(conn, offer_id, mine)
    await pull_out(pool, offer_id, note=data.note, actor=actor.audit_name)
    async with pool.acquire() as conn:
        return await read_own_offer(conn, offer_id, mine)


@get("/api/operator/duties", tags=["operator"])
async def list_duties(pool: NamedDependency[Pool], actor: CurrentActor) -> list[OfferView]:
    """The duties one's companies have accepted (at most 500), by depot-out time."""
    async with pool.acquire() as conn:
        found = await offers.list_offers_of_operators(
            conn, sorted(actor.require_operators()), states=[OfferState.ACCEPTED], after=None, limit=500
        )
        return sorted(await view_offers(conn, found), key=lambda view: (view.duty.starts_at, view.id))


@post("/api/operator/duties/{duty_id:uuid}/drivers", tags=["operator"], status_code=200)
async def post_driver(
    duty_id: FromPath[UUID],
    data: JSONBody[AssignDriver],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
) -> OfferView:
    """Puts a driver on a duty until 24 hours before; the driver's link is mailed at once."""
    mine = actor.require_operators()
    async with pool.acquire() as conn:
        await read_own_duty_offer(conn, duty_id, mine)
    await assign_driver(pool, duty_id, driver_id=data.driver_id, seat=data.seat, secret=settings.secret, actor=actor.audit_name)
    async with pool.acquire() as conn:
        return await read_own_duty_offer(conn, duty_id, mine)


ROUTES = [list_offers, show_offer, post_accept, post_decline, post_pull_out, list_duties, post_driver]

"""Pledges held for review: an organiser looks, and lets them count or refuses them."""

from typing import Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from app.core.database import Pool
from app.domain.events import store as events
from app.domain.pledges import review_store as reviews
from app.domain.pledges import store as pledges
from app.flows.hold_for_review import expect_crowd, refuse_pledge, release_pledge
from app.surfaces.organiser.reading import event_by_code
from app.web.actors import CurrentActor
from app.web.pages import page, see_other


@get("/organiser/events/{code:str}/review", include_in_schema=False)
async def show_held(
    request: Request[Any, Any, Any], code: FromPath[str], actor: CurrentActor, pool: NamedDependency[Pool]
) -> Response[Any]:
    """What waits for a look."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
        held = await reviews.list_held(conn, event.id)
    return page(request, "organiser/review.html", actor=actor, event=event, held=held)


async def back_to_list(pool: Pool, pledge_id: UUID) -> Response[Any]:
    """On to the list of the pledge's event."""
    async with pool.acquire() as conn:
        pledge = await pledges.get_pledge(conn, pledge_id)
        event = await events.get_event(conn, pledge.event_id) if pledge else None
    return see_other(f"/organiser/events/{event.public_code}/review" if event else "/organiser", flash="saved")


@post("/organiser/pledges/{pledge_id:uuid}/release", include_in_schema=False)
async def release(pledge_id: FromPath[UUID], actor: CurrentActor, pool: NamedDependency[Pool]) -> Response[Any]:
    """The pledge counts."""
    actor.require_organiser()
    await release_pledge(pool, pledge_id, actor=actor.audit_name)
    return await back_to_list(pool, pledge_id)


@post("/organiser/pledges/{pledge_id:uuid}/refuse", include_in_schema=False)
async def refuse(pledge_id: FromPath[UUID], actor: CurrentActor, pool: NamedDependency[Pool]) -> Response[Any]:
    """The pledge is refused and its card forgotten."""
    actor.require_organiser()
    await refuse_pledge(pool, pledge_id, actor=actor.audit_name)
    return await back_to_list(pool, pledge_id)


@post("/organiser/events/{code:str}/review/expected", include_in_schema=False)
async def expected(code: FromPath[str], actor: CurrentActor, pool: NamedDependency[Pool]) -> Response[Any]:
    """The crowd is known: everything held counts, and nothing of this event is held any more."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
    await expect_crowd(pool, event.id, actor=actor.audit_name)
    return see_other(f"/organiser/events/{event.public_code}/review", flash="saved")


ROUTES = [show_held, release, refuse, expected]

"""A dispute's page: what the bank will read, the deadline, a text of one's own, one button."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from app.core.clock import busload_now
from app.core.database import Pool
from app.core.errors import Invalid, Refusal
from app.flows.answer_dispute import answer_dispute
from app.surfaces.organiser import words
from app.surfaces.organiser.house_reading import read_dispute
from app.web.actors import Actor, CurrentActor
from app.web.forms import read_form, typed_text
from app.web.pages import errors_by_field, page, see_other


class AnswerForm(msgspec.Struct, frozen=True, kw_only=True):
    """The organiser's own text."""

    note: Annotated[str, msgspec.Meta(max_length=10_000)] = ""


@get("/organiser/disputes/{dispute_id:uuid}", include_in_schema=False)
async def dispute_page(
    request: Request[Any, Any, Any], dispute_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor
) -> Template:
    """The dispute, its evidence and its deadline."""
    actor.require_organiser()
    return await show(request, pool, actor, dispute_id, note="", errors={})


async def show(
    request: Request[Any, Any, Any], pool: Pool, actor: Actor, dispute_id: UUID, *, note: str, errors: dict[str, str], status: int = 200
) -> Template:
    """The page, keeping what was typed."""
    async with pool.acquire() as conn:
        view = await read_dispute(conn, dispute_id)
        now = await busload_now(conn)
    return page(request, "organiser/dispute.html", actor=actor, status=status, view=view, now=now, note=note, errors=errors, words=words)


@post("/organiser/disputes/{dispute_id:uuid}/answer", include_in_schema=False, status_code=200)
async def answer(
    request: Request[Any, Any, Any], dispute_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor
) -> Response[Any]:
    """Sends the evidence."""
    actor.require_organiser()
    try:
        form = await read_form(request, AnswerForm)
        await answer_dispute(pool, dispute_id, note=form.note, actor=actor.audit_name)
    except Invalid as invalid:
        typed = await typed_text(request, "note")
        return await show(request, pool, actor, dispute_id, note=typed, errors=errors_by_field(invalid), status=422)
    except Refusal as refused:
        typed = await typed_text(request, "note")
        return await show(request, pool, actor, dispute_id, note=typed, errors={"": refused.detail}, status=refused.status)
    return see_other(f"/organiser/disputes/{dispute_id}", flash="evidence_sent")


ROUTES = [dispute_page, answer]

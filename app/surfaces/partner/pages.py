"""The event team's pages: events with share, the widget's snippet and preview, keys."""

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from app.core.database import Pool
from app.core.errors import Invalid
from app.domain.partners import store
from app.domain.partners.model import ApiKey, Partner
from app.flows.keep_keys import change_origins, create_key, revoke_key
from app.settings import Settings
from app.surfaces.partner.reading import read_events, read_own_event, read_partner, read_partners
from app.surfaces.partner.snippets import write_snippets
from app.surfaces.partner.views import view_choice, view_key
from app.web.actors import Actor, CurrentActor
from app.web.forms import read_form
from app.web.pages import errors_by_field, page, see_other

SECTIONS = (("", "Events"), ("/statements", "Statements"), ("/keys", "Keys"), ("/webhooks", "Webhooks"))


class OriginsForm(msgspec.Struct, frozen=True, kw_only=True):
    """Origins, one a line."""

    origins: str


def frame_of(actor: Actor, partner: Partner, section: str) -> dict[str, Any]:
    """What every partner page needs for its header."""
    home = f"/partner/{partner.public_code}"
    nav = [{"href": home + path, "text": text, "current": path == section} for path, text in SECTIONS]
    return {"actor": actor, "partner": view_choice(partner), "home": home, "nav": nav}


@get("/partner", include_in_schema=False)
async def show_first(pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """On to one's first partner."""
    async with pool.acquire() as conn:
        first = (await read_partners(conn, actor))[0]
    return see_other(f"/partner/{first.public_code}")


@get("/partner/{code:str}", include_in_schema=False)
async def show_home(
    request: Request[Any, Any, Any],
    code: FromPath[str],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
) -> Response[Any]:
    """A partner's events, their trips and the share."""
    async with pool.acquire() as conn:
        partner = await read_partner(conn, actor, code)
        others = [view_choice(other) for other in await read_partners(conn, actor)]
        events = await read_events(conn, [partner.id], settings.base_url)
    return page(request, "partner/home.html", **frame_of(actor, partner, ""), events=events, partners=others)


@get("/partner/{code:str}/events/{event:str}", include_in_schema=False)
async def show_event(
    request: Request[Any, Any, Any],
    code: FromPath[str],
    event: FromPath[str],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
    key: FromQuery[str] = "",
) -> Response[Any]:
    """An event's snippet and preview, with one of the partner's live keys."""
    async with pool.acquire() as conn:
        partner = await read_partner(conn, actor, code)
        view = await read_own_event(conn, partner, event, settings.base_url)
        keys = [found for found in await store.list_keys(conn, [partner.id]) if found.revoked_at is None]
    chosen = next((found for found in keys if found.public_key == key), keys[0] if keys else None)
    return page(
        request,
        "partner/event.html",
        **frame_of(actor, partner, ""),
        event=view,
        key=view_key(chosen) if chosen else None,
        keys=[view_key(found) for found in keys],
        snippets=write_snippets(event_code=view.code, event_name=view.name, key=chosen.public_key, base_url=settings.base_url)
        if chosen
        else None,
    )


@get("/partner/{code:str}/keys", include_in_schema=False)
async def show_keys(
    request: Request[Any, Any, Any], code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor
) -> Response[Any]:
    """A partner's keys."""
    return await keys_page(request, code, pool, actor)


async def keys_page(
    request: Request[Any, Any, Any],
    code: str,
    pool: Pool,
    actor: Actor,
    *,
    refused: Invalid | None = None,
    given: str = "",
    about: UUID | None = None,
) -> Response[Any]:
    """The keys, and the form that was refused with what was typed; `about` is the key it was for, None for a new one."""
    async with pool.acquire() as conn:
        partner = await read_partner(conn, actor, code)
        keys: list[ApiKey] = await store.list_keys(conn, [partner.id])
    return page(
        request,
        "partner/keys.html",
        status=refused.status if refused else 200,
        **frame_of(actor, partner, "/keys"),
        keys=[view_key(key) for key in keys],
        faults=errors_by_field(refused) if refused else {},
        given=given,
        about=about,
    )


@post("/partner/{code:str}/keys", include_in_schema=False, status_code=200)
async def make_key(request: Request[Any, Any, Any], code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Makes a key."""
    async with pool.acquire() as conn:
        partner = await read_partner(conn, actor, code)
    typed = str((await request.form()).get("origins") or "")
    try:
        form = await read_form(request, OriginsForm)
        await create_key(pool, partner_id=partner.id, origins=form.origins.split(), actor=actor.audit_name)
    except Invalid as invalid:
        return await keys_page(request, code, pool, actor, refused=invalid, given=typed)
    return see_other(f"/partner/{code}/keys", flash="saved")


@post("/partner/{code:str}/keys/{key_id:uuid}", include_in_schema=False, status_code=200)
async def move_key(
    request: Request[Any, Any, Any], code: FromPath[str], key_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor
) -> Response[Any]:
    """Gives a key other origins."""
    async with pool.acquire() as conn:
        partner = await read_partner(conn, actor, code)
    typed = str((await request.form()).get("origins") or "")
    try:
        form = await read_form(request, OriginsForm)
        await change_origins(pool, key_id, partner_ids=[partner.id], origins=form.origins.split(), actor=actor.audit_name)
    except Invalid as invalid:
        return await keys_page(request, code, pool, actor, refused=invalid, given=typed, about=key_id)
    return see_other(f"/partner/{code}/keys", flash="saved")


@post("/partner/{code:str}/keys/{key_id:uuid}/revoke", include_in_schema=False)
async def end_key(code: FromPath[str], key_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Ends a key."""
    async with pool.acquire() as conn:
        partner = await read_partner(conn, actor, code)
    await revoke_key(pool, key_id, partner_ids=[partner.id], actor=actor.audit_name)
    return see_other(f"/partner/{code}/keys", flash="saved")


ROUTES = [show_first, show_home, show_event, show_keys, make_key, move_key, end_key]

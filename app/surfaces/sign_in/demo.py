"""The demo's doors: one address signs a browser or a program in. On a live database they do not exist."""

from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Redirect

from app.core.database import Pool
from app.core.errors import NotFound
from app.flows.open_demo_door import HOME, DemoRole, open_demo_door
from app.settings import Settings
from app.surfaces.sign_in.cookies import session_cookie


class DemoSession(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to be: a role, and for operators and partners the public code (the first one without)."""

    role: DemoRole
    code: str | None = None


class DemoToken(msgspec.Struct, frozen=True, kw_only=True):
    """A session's token, for `Authorization: Bearer`."""

    token: str


@post("/api/demo/sessions", tags=["demo"], status_code=201)
async def open_session(data: JSONBody[DemoSession], pool: NamedDependency[Pool]) -> DemoToken:
    """A session without a mail; 404 unless the database is marked demo or test."""
    session = await open_demo_door(pool, role=data.role, code=data.code)
    return DemoToken(token=session.token)


@get(["/demo/{role:str}", "/demo/{role:str}/{code:str}"], include_in_schema=False)
async def enter(
    role: FromPath[str], pool: NamedDependency[Pool], settings: NamedDependency[Settings], code: FromPath[str | None] = None
) -> Response[Any]:
    """Signs this browser in and goes to the role's first page."""
    if role not in HOME:
        raise NotFound("There is no such door.")
    session = await open_demo_door(pool, role=msgspec.convert(role, DemoRole), code=code)
    return Redirect(session.next_path, status_code=303, cookies=[session_cookie(session.token, settings)])


ROUTES = [open_session, enter]

"""The waiting line in the public JSON API; a place is opened by the token that joining it gave."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.core.database import Pool
from app.core.errors import NotFound, SignInNeeded
from app.core.ids import token_hash
from app.domain.pledges import waitlist_store as waitlist
from app.domain.pledges.waitlist_store import Waiting
from app.flows.pledge_wish import PledgeWish
from app.flows.wait_for_seats import NO_ENTRY, join_waitlist, leave_waitlist
from app.settings import Settings
from app.surfaces.rider.waitlist_reading import WaitingView, view_waiting
from app.web.actors import bearer_token

WaitToken = Annotated[
    str | None, QueryParameter(name="token", required=False, description="The token of a place in line, unless sent as bearer.")
]


class JoinWaitlist(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A party that waits for seats of a trip without room. People are seats + wheelchairs, 1 to 8."""

    stop_id: UUID
    name: str
    email: str
    seats: int
    wheelchairs: int = 0
    legs: list[str] = msgspec.field(default_factory=lambda: ["outbound", "return"])
    locale: str = "en"


class JoinedView(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to joining: `waitlist_url` shows the place in line, `waitlist_token` is its bearer token."""

    waiting: WaitingView
    waitlist_url: str
    waitlist_token: str


@post("/api/trips/{trip_id:uuid}/waitlist", tags=["trips"])
async def join(
    trip_id: FromPath[UUID], data: JSONBody[JoinWaitlist], pool: NamedDependency[Pool], settings: NamedDependency[Settings]
) -> JoinedView:
    """Joins the waiting line of a trip that has no room for the party. Seats that come free are offered in turn, by mail."""
    wish = PledgeWish(
        stop_id=data.stop_id, name=data.name, email=data.email, phone="", needs="", locale=data.locale, seats=data.seats,
        wheelchairs=data.wheelchairs, legs=tuple(data.legs), payment_method=None,
    )  # fmt: skip
    joined = await join_waitlist(pool, trip_id, wish, secret=settings.secret)
    async with pool.acquire() as conn:
        view = await view_waiting(conn, joined.entry, secret=settings.secret, base_url=settings.base_url)
    return JoinedView(waiting=view, waitlist_url=f"{settings.base_url}/waitlist/{joined.token}", waitlist_token=joined.token)


async def open_entry(pool: Pool, token: str | None) -> Waiting:
    """The place that a token opens; SignInNeeded without one, NotFound for one that opens none."""
    if not token:
        raise SignInNeeded("Send the token that joining the waiting line gave, as bearer or as ?token=.")
    async with pool.acquire() as conn:
        entry = await waitlist.find_by_token(conn, token_hash(token))
    if entry is None:
        raise NotFound(NO_ENTRY, code="unknown_waiting")
    return entry


@get("/api/waitlist", tags=["waitlist"])
async def show_place(
    request: Request[Any, Any, Any], pool: NamedDependency[Pool], settings: NamedDependency[Settings], token: WaitToken = None
) -> WaitingView:
    """One's own place in line, or the seats that are held for it."""
    entry = await open_entry(pool, token or bearer_token(request))
    async with pool.acquire() as conn:
        return await view_waiting(conn, entry, secret=settings.secret, base_url=settings.base_url)


@post("/api/waitlist/leave", tags=["waitlist"], status_code=200)
async def leave(
    request: Request[Any, Any, Any], pool: NamedDependency[Pool], settings: NamedDependency[Settings], token: WaitToken = None
) -> WaitingView:
    """Leaves the line. Again is no error."""
    given = token or bearer_token(request)
    await leave_waitlist(pool, (await open_entry(pool, given)).id)
    entry = await open_entry(pool, given)
    async with pool.acquire() as conn:
        return await view_waiting(conn, entry, secret=settings.secret, base_url=settings.base_url)


ROUTES = [join, show_place, leave]

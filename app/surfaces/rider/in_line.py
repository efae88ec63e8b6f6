"""The page of somebody who is in line before a hot trip: it comes back by itself, and a reload keeps the place."""

import time
from typing import Any

from litestar import Request, Response
from litestar.datastructures import Cookie
from litestar.response import Template

from app.core.errors import WaitingRoom
from app.flows.waiting_places import read_ticket
from app.settings import Settings
from app.surfaces.rider.views import TripDetail
from app.web.actors import Actor
from app.web.pages import page, see_other

PLACE_COOKIE = "busload_place"
NOT_KEPT = frozenset({"_csrf_token"})
SOONEST_S, LATEST_S, LOOKS = 2, 15, 4
MINUTE_S = 60


def place_token(request: Request[Any, Any, Any]) -> str | None:
    """The token of the place this browser has before a trip."""
    return request.cookies.get(PLACE_COOKIE)


def kept_key(request: Request[Any, Any, Any]) -> str | None:
    """The key of the request that holds this browser's place: a form filled in again goes on in it."""
    ticket = read_ticket(request.app.state.settings.secret, place_token(request), now_s=time.time())
    return ticket.key if ticket else None


def forget_place(request: Request[Any, Any, Any], trip_code: str) -> list[Cookie]:
    """The place was used; the next pledge is another request."""
    if place_token(request) is None:
        return []
    return [Cookie(key=PLACE_COOKIE, value="", path=f"/trips/{trip_code}", max_age=0, httponly=True, samesite="lax")]


def show_line(
    request: Request[Any, Any, Any], actor: Actor, detail: TripDetail, waiting: WaitingRoom, *, typed: dict[str, str], settings: Settings
) -> Template:
    """Where the rider stands, with everything that was typed; the place goes into a cookie of this trip's pages."""
    place = waiting.place
    answer = page(
        request,
        "rider/waiting_room.html",
        actor=actor,
        status=waiting.status,
        place=place,
        wait=told(place.wait_s),
        look_again_s=max(SOONEST_S, min(LATEST_S, round(place.wait_s / LOOKS))),
        values={name: value for name, value in typed.items() if name not in NOT_KEPT},
        trip=detail.trip,
        event=detail.event,
    )
    answer.headers["Retry-After"] = str(waiting.retry_after_s)
    answer.cookies.append(
        Cookie(
            key=PLACE_COOKIE, value=place.token, path=f"/trips/{detail.trip.code}", max_age=max(1, place.expires_s - int(time.time())),
            httponly=True, samesite="lax", secure=settings.base_url.startswith("https://"),
        )
    )  # fmt: skip
    return answer


def told(wait_s: float) -> str:
    """A wait in words people use."""
    if wait_s < MINUTE_S:
        return f"{max(1, round(wait_s))} s"
    return f"{round(wait_s / MINUTE_S)} min"


def go_on(request: Request[Any, Any, Any], url: str) -> Response[Any]:
    """On to the next page, for a form and for the waiting page's own request (which could not follow to another site)."""
    if request.headers.get("hx-request") == "true":
        return Response(content=None, status_code=200, headers={"HX-Redirect": url})
    return see_other(url)

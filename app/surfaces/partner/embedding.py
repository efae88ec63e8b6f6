"""What other sites load from us: the widget's scripts, its data for registered origins, and a page to frame."""

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from app.core.database import Connection, Pool
from app.core.errors import NotAllowed, NotFound, Refusal
from app.domain.partners import store as partners
from app.domain.partners.model import ApiKey
from app.settings import Settings
from app.surfaces.partner.reading import read_widget
from app.surfaces.partner.widget import CARD_MODULES, FOLDER, LOADER, VERSION
from app.surfaces.partner.widget.shape import WidgetPage
from app.web.actors import same_origin
from app.web.pages import page

SCRIPT = "text/javascript; charset=utf-8"
FOR_ALL_SITES = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
IMMUTABLE = {**FOR_ALL_SITES, "cache-control": "public, max-age=31536000, immutable"}
FLOATING = {**FOR_ALL_SITES, "cache-control": "public, max-age=300"}


class KeyUnknown(Refusal):
    """No key, a wrong one, or a revoked one."""

    code = "key_unknown"
    status = 401
    title = "This key does not work"


class OriginNotRegistered(NotAllowed):
    """The key stands in a page it was not made for."""

    code = "origin_not_registered"
    title = "This site is not registered for the key"


@get("/w/{file:str}", include_in_schema=False, sync_to_thread=True)
def send_loader(file: FromPath[str]) -> Response[bytes]:
    """`/w/v1.js`, the newest 1.x, or `/w/1.x.y.js`, which never changes."""
    headers = {"v1.js": FLOATING, f"{VERSION}.js": IMMUTABLE}.get(file)
    if headers is None:
        raise NotFound("There is no such version of the widget. Use /w/v1.js for the newest one.")
    return Response(LOADER.read_bytes(), media_type=SCRIPT, headers=headers)


@get("/w/{version:str}/{file:str}", include_in_schema=False, sync_to_thread=True)
def send_part(version: FromPath[str], file: FromPath[str]) -> Response[bytes]:
    """A module that the loader of this version fetches."""
    if version != VERSION or file not in CARD_MODULES:
        raise NotFound("There is no such file of the widget.")
    return Response((FOLDER / file).read_bytes(), media_type=SCRIPT, headers=IMMUTABLE)


@get("/w/events/{file:str}", include_in_schema=False)
async def send_data(
    request: Request[Any, Any, Any],
    file: FromPath[str],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    key: FromQuery[str] = "",
) -> Response[WidgetPage]:
    """`/w/events/CODE.json?key=...`: an event's public trips, for pages of the key's registered origins only."""
    code, dot, ending = file.partition(".")
    if not dot or ending != "json":
        raise NotFound("The widget's data is at /w/events/CODE.json.")
    async with pool.acquire() as conn:
        found = await find_key(conn, key)
        cors = check_origin(request, found, settings.base_url)
        data = await read_widget(conn, code=code, partner_id=found.partner_id, base_url=settings.base_url)
    return Response(data, headers={**cors, "vary": "Origin, Sec-Fetch-Site", "cache-control": "private, max-age=5"})


@get("/w/frame/{code:str}", include_in_schema=False)
async def show_frame(
    request: Request[Any, Any, Any],
    code: FromPath[str],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    key: FromQuery[str] = "",
) -> Response[Any]:
    """The widget as a page that the key's registered origins may frame, for sites that allow no foreign script."""
    async with pool.acquire() as conn:
        found = await find_key(conn, key)
        data = await read_widget(conn, code=code, partner_id=found.partner_id, base_url=settings.base_url)
    answer = page(request, "partner/frame.html", data=data, key=found.public_key)
    answer.headers["content-security-policy"] = frame_csp(found.origins)
    answer.headers["cross-origin-opener-policy"] = "unsafe-none"
    answer.headers["cache-control"] = "private, max-age=60"
    return answer


def frame_csp(origins: list[str]) -> str:
    """Our own scripts and styles; framed by these origins and ourselves, nobody else."""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; font-src 'self'; "
        f"base-uri 'none'; form-action 'none'; frame-ancestors 'self' {' '.join(origins)}"
    )


async def find_key(conn: Connection, public_key: str) -> ApiKey:
    """The live key with this text, or KeyUnknown."""
    found = await partners.find_key(conn, public_key) if public_key else None
    if found is None:
        raise KeyUnknown("Put the key of your partner page into the widget's `key` attribute; this one is missing, wrong or revoked.")
    return found


def check_origin(request: Request[Any, Any, Any], key: ApiKey, base_url: str) -> dict[str, str]:
    """The CORS headers for a page of one of the key's origins; OriginNotRegistered, without any, for every other caller.

    Our own pages (the preview, the framed page) send no Origin header; the browser says that they are ours.
    """
    origin = request.headers.get("origin")
    if origin is not None and origin in key.origins:
        return {"access-control-allow-origin": origin}
    if origin == base_url or (origin is None and request.headers.get("sec-fetch-site") is not None and same_origin(request, base_url)):
        return {}
    raise OriginNotRegistered("Register the origin of the page that shows the widget (such as https://www.example.org) with this key.")


ROUTES = [send_loader, send_part, send_data, show_frame]

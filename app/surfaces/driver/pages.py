"""The driver's page behind the link, its paper, and the files that keep it working without signal."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from app.core.database import Pool
from app.core.errors import NotFound
from app.domain.manifests import service
from app.domain.manifests.model import ManifestDocument
from app.domain.manifests.paper import print_manifest
from app.domain.manifests.passes import signing_key
from app.settings import Settings
from app.surfaces.driver.reading import read_sheet
from app.web.formats import clock
from app.web.pages import page
from app.web.static_files import send_file, static_url

STATIC = Path(__file__).parent / "static"
FONTS = (
    "familjen-grotesk/5.3.0/familjen-grotesk-latin-wght-normal",
    "familjen-grotesk/5.3.0/familjen-grotesk-latin-ext-wght-normal",
    "barlow-condensed/5.3.0/barlow-condensed-latin-600-normal",
    "barlow-condensed/5.3.0/barlow-condensed-latin-ext-600-normal",
)
VENDORED = ("qr-scanner/1.4.2/qr-scanner.min.js", "qr-scanner/1.4.2/qr-scanner-worker.min.js", "noble-ed25519/3.2.0/index.js")
FOR_EVER = {"cache-control": "public, max-age=31536000, immutable"}
PRIVATE = {"referrer-policy": "no-referrer", "x-robots-tag": "noindex"}
AnyRequest = Request[Any, Any, Any]


@cache
def static_version() -> str:
    """The hash of all files of this surface: part of their addresses, so that modules that import each other change together."""
    digest = hashlib.sha256()
    for file in sorted(STATIC.iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def file_url(name: str) -> str:
    """The address of a file of this surface."""
    return f"/d/static/{static_version()}/{name}"


def kept_urls() -> list[str]:
    """What a phone keeps so that the page works without signal: our modules, the scanner, the fonts."""
    ours = [file_url(file.name) for file in sorted(STATIC.iterdir())]
    return [*ours, *(f"/static/vendor/{name}" for name in VENDORED), *(f"/static/vendor/{name}.woff2" for name in FONTS)]


@get("/d/{token:str}", include_in_schema=False)
async def show_duty(
    request: AnyRequest, token: FromPath[str], pool: NamedDependency[Pool], settings: NamedDependency[Settings]
) -> Template:
    """The page: complete without JavaScript, and a phone's app with it."""
    async with pool.acquire() as conn:
        link = await service.open_driver_link(conn, token)
    sheet = await read_sheet(pool, link, key=signing_key(settings.secret))
    shown = page(
        request,
        "driver/duty.html",
        sheet=sheet,
        rows=timetable_rows(sheet.manifest),
        token=token,
        file_url=file_url,
        kept=msgspec.json.encode(kept_urls()).decode(),
    )
    shown.headers.update(PRIVATE)
    return shown


def timetable_rows(document: ManifestDocument) -> list[Mapping[str, object]]:
    """The timetable as its macro takes it."""
    out, back = document.people("outbound"), document.people("return")
    depot, venue = document.depot, document.venue
    return [
        {"kind": "depot", "place": depot.name, "note": depot.address, "depart": clock(document.depot_out_at, depot.zone)},
        *(
            {
                "kind": "stop",
                "place": call.place.name,
                "note": f"{call.people} on",
                "arrive": clock(call.arrive_at, call.place.zone),
                "depart": clock(call.depart_at, call.place.zone),
            }
            for call in document.outbound
        ),
        {
            "kind": "venue",
            "place": venue.name,
            "note": f"{out} off, {back} on",
            "arrive": clock(document.venue_arrive_at, venue.zone),
            "depart": clock(document.venue_depart_at, venue.zone),
        },
        *(
            {
                "kind": "stop",
                "place": call.place.name,
                "note": f"{call.people} off",
                "arrive": clock(call.arrive_at, call.place.zone),
                "depart": clock(call.depart_at, call.place.zone),
            }
            for call in document.return_calls
        ),
        {"kind": "depot", "place": depot.name, "note": depot.address, "arrive": clock(document.depot_in_at, depot.zone)},
    ]


@get("/d/{token:str}/sheet.pdf", include_in_schema=False)
async def show_paper(token: FromPath[str], pool: NamedDependency[Pool]) -> Response[bytes]:
    """The manifest on paper."""
    async with pool.acquire() as conn:
        link = await service.open_driver_link(conn, token)
        manifest = await service.require_manifest(conn, link.duty_id)
    name = f"duty-{manifest.document.duty_code}-v{manifest.version}.pdf"
    headers = {"content-disposition": f'inline; filename="{name}"', **PRIVATE}
    return Response(print_manifest(manifest), media_type="application/pdf", headers=headers)


@get("/d/{token:str}/app.webmanifest", include_in_schema=False)
async def show_app_manifest(token: FromPath[str]) -> Response[bytes]:
    """What a phone needs to put the duty on its home screen. Holds nothing that the link does not."""
    about = {
        "name": "Busload duty",
        "short_name": "Duty",
        "start_url": f"/d/{token}",
        "id": f"/d/{token}",
        "scope": "/d/",
        "display": "standalone",
        "orientation": "portrait",
        "background_color": "#ffffff",
        "theme_color": "#12162a",
        "icons": [{"src": static_url("icons/favicon.svg"), "sizes": "any", "type": "image/svg+xml", "purpose": "any"}],
    }
    return Response(msgspec.json.encode(about), media_type="application/manifest+json", headers=PRIVATE)


@get("/d/sw.js", include_in_schema=False)
async def show_service_worker() -> Response[bytes]:
    """The service worker; at this address because its reach is the folder it comes from."""
    return Response((STATIC / "sw.js").read_bytes(), media_type="text/javascript", headers={"cache-control": "no-cache"})


@get("/d/static/{version:str}/{name:str}", include_in_schema=False)
async def show_file(request: AnyRequest, version: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """A file of this surface. Only the current version is here; a phone has kept its own."""
    if version != static_version():
        raise NotFound("There is no such file here. Load the page again.")
    answer = send_file(request, STATIC, name)
    answer.headers.update(FOR_EVER)
    return answer


ROUTES = [show_duty, show_paper, show_app_manifest, show_service_worker, show_file]

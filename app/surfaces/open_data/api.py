"""JSON-LD of events, site map, robots and oEmbed."""

from html import escape
from typing import Annotated, Any
from urllib.parse import SplitResult, parse_qs, quote, urlsplit
from xml.sax.saxutils import escape as xml_escape

from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from app.core.database import Connection, Pool
from app.core.errors import Invalid, NotFound, Refusal
from app.domain.events import store as events
from app.domain.events.model import Event
from app.domain.partners import store as partners
from app.domain.trips import store as trips
from app.settings import Settings
from app.surfaces.open_data.structured import event_data

HOUR_S = 3_600
MAX_SITEMAP_EVENTS = 5_000
FRAME_WIDTH, FRAME_HEIGHT = 600, 500
Size = Annotated[int, QueryParameter(required=False, ge=1, description="Pixels; at most what our frame needs is used.")]
CLOSED_TO_ROBOTS = ("/api/", "/p/", "/receipts/", "/t/", "/d/", "/sign-in", "/demo/", "/partner", "/operator", "/organiser", "/driver")


class FormatNotOffered(Refusal):
    """oEmbed in another format than JSON."""

    code = "format_not_offered"
    status = 501
    title = "Only JSON is offered"


@get("/open/events/{code:str}/jsonld", media_type="application/ld+json", tags=["open data"])
async def show_event_data(
    code: FromPath[str], pool: NamedDependency[Pool], settings: NamedDependency[Settings]
) -> Response[dict[str, Any]]:
    """An event and its trips as schema.org JSON-LD."""
    async with pool.acquire() as conn:
        event = await find_public_event(conn, code)
        found = await trips.list_trips(conn, [event.id])
    return Response(
        event_data(event, found, settings.base_url), media_type="application/ld+json", headers={"access-control-allow-origin": "*"}
    )


async def find_public_event(conn: Connection, code: str) -> Event:
    """An event by its code, or NotFound."""
    event_id = await events.find_event_id(conn, code)
    event = await events.get_event(conn, event_id) if event_id else None
    if event is None:
        raise NotFound("There is no such event, or it is not public.", code="unknown_event")
    return event


@get("/sitemap.xml", include_in_schema=False)
async def send_sitemap(pool: NamedDependency[Pool], settings: NamedDependency[Settings]) -> Response[str]:
    """The pages worth finding: the first one, events that are still to come and their trips."""
    async with pool.acquire() as conn:
        coming = await events.list_events(conn, search=None, near=None, radius_m=0, after=None, limit=MAX_SITEMAP_EVENTS)
        public = [trip for trip in await trips.list_trips(conn, [event.id for event in coming]) if trip.state.value != "draft"]
    addresses = [f"{settings.base_url}/", *(f"{settings.base_url}/e/{event.public_code}" for event in coming)]
    addresses += [f"{settings.base_url}/trips/{trip.public_code}" for trip in public]
    rows = "".join(f"<url><loc>{xml_escape(address)}</loc></url>" for address in addresses)
    text = f'<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{rows}</urlset>'
    return Response(text, media_type="application/xml", headers={"cache-control": f"public, max-age={HOUR_S}"})


@get("/robots.txt", include_in_schema=False, sync_to_thread=False)
def send_robots(settings: NamedDependency[Settings]) -> Response[str]:
    """What crawlers shall leave alone, and where the site map is."""
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in CLOSED_TO_ROBOTS), f"Sitemap: {settings.base_url}/sitemap.xml"]
    return Response("\n".join(lines) + "\n", media_type=MediaType.TEXT, headers={"cache-control": f"public, max-age={HOUR_S}"})


@get("/oembed", tags=["open data"])
async def embed(
    url: FromQuery[str],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    format: FromQuery[str] = "json",
    maxwidth: Size = FRAME_WIDTH,
    maxheight: Size = FRAME_HEIGHT,
) -> Response[dict[str, Any]]:
    """oEmbed 1.0 for an event's page. With `?via=KEY` in the page's address it is the framed widget, else a link."""
    if format != "json":
        raise FormatNotOffered("Ask for format=json.")
    parts = parts_of(url)
    code = parts.path.removeprefix("/e/")
    if f"{parts.scheme}://{parts.netloc}" != settings.base_url or not parts.path.startswith("/e/") or "/" in code:
        raise NotFound(f"Only event pages can be embedded: {settings.base_url}/e/CODE.", code="unknown_event")
    public_key = (parse_qs(parts.query).get("via") or [""])[0]
    async with pool.acquire() as conn:
        event = await find_public_event(conn, code)
        key = await partners.find_key(conn, public_key) if public_key else None
    is_framed = key is not None and key.partner_id == event.partner_id
    return Response(
        embed_answer(event, public_key if is_framed else None, settings.base_url, min(maxwidth, FRAME_WIDTH), min(maxheight, FRAME_HEIGHT))
    )


def parts_of(url: str) -> SplitResult:
    """An address taken apart; Invalid for what is none, such as `http://[`."""
    try:
        return urlsplit(url)
    except ValueError:
        raise Invalid.field("url", "This is no address. Send the address of an event's page, percent-encoded.") from None


def embed_answer(event: Event, key: str | None, base_url: str, width: int, height: int) -> dict[str, Any]:
    """A rich answer with a frame when a key opens it for the asking site, else a link."""
    common: dict[str, Any] = {
        "version": "1.0",
        "title": f"Buses to {event.name}",
        "provider_name": "Busload",
        "provider_url": base_url,
        "cache_age": HOUR_S,
    }
    if key is None:
        return {**common, "type": "link"}
    source = f"{base_url}/w/frame/{quote(event.public_code)}?key={quote(key)}"
    title = escape(f"Buses to {event.name}")
    html = f'<iframe src="{escape(source)}" width="{width}" height="{height}" title="{title}" loading="lazy"></iframe>'
    return {**common, "type": "rich", "html": html, "width": width, "height": height}


ROUTES = [show_event_data, send_sitemap, send_robots, embed]

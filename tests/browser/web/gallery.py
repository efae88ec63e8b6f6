"""The style guide with sample data, served with the policy our pages have: what the design's browser tests look at.

`python -m tests.browser.web.gallery FOLDER` writes screenshots at phone and desktop width, light and dark.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from app.web.security_headers import page_csp
from app.web.status_labels import LABELS
from app.web.templating import build_environment
from tests.support.chromium import find_chromium

APP = Path(__file__).resolve().parents[3] / "app"
SIZES = {"phone": (390, 844), "desktop": (1280, 900)}
THEMES = ("light", "dark")
ROUTE = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"route": 1},
            "geometry": {"type": "LineString", "coordinates": [[-77.43, 37.53], [-77.47, 38.3], [-77.02, 38.89]]},
        },
        {
            "type": "Feature",
            "properties": {"route": 1, "dead": True},
            "geometry": {"type": "LineString", "coordinates": [[-77.6, 37.2], [-77.43, 37.53]]},
        },
        {
            "type": "Feature",
            "properties": {"route": 2},
            "geometry": {"type": "LineString", "coordinates": [[-76.28, 36.85], [-76.73, 37.27], [-77.02, 38.89]]},
        },
        {
            "type": "Feature",
            "properties": {"name": "Richmond", "kind": "stop", "route": 1},
            "geometry": {"type": "Point", "coordinates": [-77.43, 37.53]},
        },
        {
            "type": "Feature",
            "properties": {"name": "Norfolk", "kind": "stop", "route": 2},
            "geometry": {"type": "Point", "coordinates": [-76.28, 36.85]},
        },
        {
            "type": "Feature",
            "properties": {"name": "National Mall", "kind": "venue"},
            "geometry": {"type": "Point", "coordinates": [-77.02, 38.89]},
        },
    ],
}
TRIPS = [
    ("Richmond VA", "Leaves about 05:40, back about 20:30", "open", 24, 25, 54, 4800),
    ("Philadelphia PA", "Leaves about 05:10, back about 21:00", "confirmed", 61, 40, 108, 4200),
    ("Pittsburgh PA", "Leaves about 02:45, back about 23:30", "open", 7, 30, 54, 6500),
    ("Norfolk VA", "Leaves about 04:30, back about 21:45", "expired", 11, 25, 54, 5200),
    ("New York NY", "Leaves 03:55, back 22:15", "departed", 212, 40, 212, 5900),
]
DUTY = [
    {"kind": "depot", "place": "Depot, Petersburg VA", "depart": "04:35"},
    {"kind": "dead", "place": "Empty to the first stop", "note": "38 km, 35 min"},
    {
        "kind": "stop",
        "place": "Richmond, Main Street Station",
        "note": "31 people, 1 wheelchair place",
        "arrive": "05:25",
        "depart": "05:40",
        "was": "05:55",
    },
    {"kind": "stop", "place": "Fredericksburg, park and ride 208", "note": "17 people", "arrive": "06:45", "depart": "06:52", "next": True},
    {"kind": "venue", "place": "National Mall, 3rd Street SW", "note": "48 people get off", "arrive": "08:10"},
]
STORY = [
    {"title": "You pledged two seats", "meta": "Mon 2 Jan, 19:04 EST", "state": "done"},
    {"title": "Card saved, nothing charged", "meta": "Mon 2 Jan, 19:05 EST", "state": "done"},
    {"title": "Trip confirmed: 25 of 25", "meta": "Wed 11 Jan, 08:12 EST", "state": "done", "tone": "good"},
    {
        "title": "First charge failed, second worked",
        "meta": "Wed 11 Jan, 09:40 EST",
        "state": "done",
        "tone": "bad",
        "text": "$96.00 from Visa 4242",
    },
    {"title": "Bus and time", "meta": "by Tue 17 Jan", "state": "ahead"},
    {"title": "Departure", "meta": "Sat 21 Jan", "state": "ahead"},
]
SAMPLE: dict[str, Any] = {
    "trips": [
        dict(
            zip(("origin", "detail", "state", "secured", "minimum", "cap", "price_minor"), trip, strict=True), currency="USD", live_url=None
        )
        for trip in TRIPS
    ],
    "deadline": datetime(2017, 1, 14, 23, 0, tzinfo=UTC),
    "errors": {"seats": "A party has at most 8 people.", "email": "This e-mail address is not complete."},
    "stops": [
        {"value": "main", "text": "Main Street Station", "note": "0.4 mi from you", "end": "05:40"},
        {"value": "vcu", "text": "VCU Monroe Park", "note": "1.1 mi from you", "end": "05:50"},
    ],
    "states": {kind: list(states) for kind, states in LABELS.items()},
    "duty": DUTY,
    "map_url": "/route.json",
    "statement": [
        {"duty": "P-14 March on Washington", "state": "accepted", "gross_minor": 230500, "fee_minor": 16150, "currency": "USD"},
        {"duty": "P-09 Ravens away", "state": "failed", "gross_minor": 181000, "fee_minor": 12670, "currency": "USD"},
    ],
    "story": STORY,
    "toast": False,
}


def render(template: str = "styleguide.html", **context: Any) -> str:
    environment = build_environment(APP / "surfaces")
    return environment.get_template(template).render({"sample": SAMPLE, "csrf_token": "sample", **context})


class _Files(SimpleHTTPRequestHandler):
    """Our static files below /static, given pages elsewhere, all under the pages' content security policy."""

    def __init__(self, *args: Any, pages: dict[str, tuple[str, bytes]], **kwargs: Any) -> None:
        self.pages = pages
        super().__init__(*args, directory=str(APP / "web"), **kwargs)

    def do_GET(self) -> None:
        page = self.pages.get(self.path.split("?")[0])
        if page is None:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("content-type", page[0])
        self.send_header("content-length", str(len(page[1])))
        self.end_headers()
        self.wfile.write(page[1])

    def end_headers(self) -> None:
        self.send_header("content-security-policy", page_csp([]))
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Tests print nothing."""


@contextmanager
def serve(pages: dict[str, tuple[str, bytes]]) -> Iterator[str]:
    """Serves the pages ({path: (content type, body)}) and our static files; yields the origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, pages=pages))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def gallery_pages(**context: Any) -> dict[str, tuple[str, bytes]]:
    return {
        "/": ("text/html; charset=utf-8", render(**context).encode()),
        "/route.json": ("application/geo+json", json.dumps(ROUTE).encode()),
    }


@asynccontextmanager
async def browser(executable: Path) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        yield await playwright.chromium.launch(executable_path=str(executable), args=["--no-sandbox", "--enable-unsafe-swiftshader"])


async def open_page(chrome: Browser, url: str, size: str, theme: str) -> tuple[Page, list[str]]:
    """A page at a size and theme, and the list its console errors are added to."""
    width, height = SIZES[size]
    page = await chrome.new_page(viewport={"width": width, "height": height}, color_scheme="dark" if theme == "dark" else "light")
    faults: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and "GL Driver Message" not in message.text:  # a machine without a GPU says it is slow
            faults.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: faults.append(str(error)))
    await page.goto(url, wait_until="networkidle")
    return page, faults


async def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    executable = find_chromium()
    if executable is None:
        sys.exit("no Chromium found")
    with serve(gallery_pages()) as origin:
        async with browser(executable) as chrome:
            for size in SIZES:
                for theme in THEMES:
                    page, faults = await open_page(chrome, origin, size, theme)
                    await page.screenshot(path=folder / f"{size}-{theme}.png", full_page=True)
                    sys.stdout.write(f"{size} {theme}: {faults or 'no faults'}\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

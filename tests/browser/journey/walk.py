"""Walking the pages as a visitor does, by links from a few doors, and looking at each with a checker's eyes."""

import re
from collections import deque
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any
from urllib.parse import urlsplit

import msgspec
from litestar.handlers import HTTPRouteHandler
from playwright.async_api import BrowserContext, CDPSession, ConsoleMessage, Page

from app.surfaces.routes import ROUTES
from app.web.vendoring import FOR_TESTS

AXE = next(FOR_TESTS.glob("axe-core/*/axe.min.js")).read_text()
SIZES = ((390, 844), (1280, 900))
NARROW = 320
PAGE_BYTES = 100 * 1024
LAYOUT_SHIFT = 0.05
PROBE = """
window.shift = 0;
new PerformanceObserver((list) => list.getEntries().forEach((entry) => { if (!entry.hadRecentInput) window.shift += entry.value; }))
  .observe({type: "layout-shift", buffered: true});
"""
TWO_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
PARAMETER = re.compile(r"\{[a-z_]+:(str|uuid)\}")
KINDS = {"str": "[^/]+", "uuid": "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"}


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the route table: its pattern, and what an address of it looks like."""

    pattern: str
    shape: str

    def fits(self, path: str) -> bool:
        """Whether a path is of this route."""
        return re.fullmatch(self.shape, path) is not None


def read_routes() -> list[Route]:
    """Every GET route that is no API's and no file's, the most literal first."""
    patterns = [
        path
        for handler in ROUTES
        if isinstance(handler, HTTPRouteHandler) and "GET" in handler.http_methods
        for path in handler.paths
        if not path.startswith("/api/") and "." not in path.rsplit("/", 1)[-1]
    ]
    found = [Route(pattern=path, shape=PARAMETER.sub(lambda match: KINDS[match[1]], path)) for path in patterns]
    return sorted(found, key=lambda route: (len(PARAMETER.findall(route.pattern)), route.pattern))


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """A page that was looked at, and what is wrong with it."""

    path: str
    faults: list[str]


class Walker:
    """One visitor with a browser of their own, who looks at one page of each wanted route. `seen`: the routes looked at so far."""

    def __init__(self, base: str, page: Page, wire: CDPSession, *, wanted: AbstractSet[str]) -> None:
        self.base, self.page, self.wire, self.wanted = base, page, wire, wanted
        self.routes = read_routes()
        self.seen: set[str] = set()
        self.visits: list[Visit] = []
        self._complaints: list[str] = []
        self._bytes = 0
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self._complaints.append(str(error)))
        wire.on("Network.loadingFinished", self._weigh)

    @classmethod
    async def start(cls, base: str, context: BrowserContext, *, wanted: AbstractSet[str]) -> "Walker":
        """A walker whose browser keeps nothing, so that each page is weighed whole."""
        page = await context.new_page()
        await page.add_init_script(PROBE)
        wire = await context.new_cdp_session(page)
        await wire.send("Network.enable")
        await wire.send("Network.setCacheDisabled", {"cacheDisabled": True})
        return cls(base, page, wire, wanted=wanted)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and "GL Driver Message" not in message.text:
            self._complaints.append(message.text)

    def _weigh(self, finished: dict[str, Any]) -> None:
        self._bytes += int(finished["encodedDataLength"])

    def route_of(self, url: str) -> str | None:
        """The pattern an address belongs to; None for what is not ours or no page."""
        if not url.startswith(self.base):
            return None
        path = urlsplit(url).path
        return next((route.pattern for route in self.routes if route.fits(path)), None)

    def wants(self, url: str) -> bool:
        """Whether there is anything new to see there."""
        route = self.route_of(url)
        return route in self.wanted and route not in self.seen

    async def walk(self, doors: Iterable[str]) -> None:
        """Opens the doors and follows every link to a wanted route that was not seen yet."""
        waiting, known = deque(doors), set(doors)
        while waiting:
            url = waiting.popleft()
            if not self.wants(url):
                continue
            for link in await self.look_at(url):
                if link not in known:
                    known.add(link)
                    waiting.append(link)

    async def look_at(self, url: str) -> list[str]:
        """Looks at one page in every size and light; returns its links."""
        self._complaints.clear()
        self._bytes = 0
        await self.page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})
        await self.page.emulate_media(color_scheme="light")
        await self.page.goto(url, wait_until="load")
        await self.page.evaluate("document.fonts.ready.then(() => new Promise(requestAnimationFrame))")
        faults = [f"console: {complaint}" for complaint in self._complaints]
        if self._bytes > PAGE_BYTES:
            faults.append(f"weighs {self._bytes} bytes")
        if (shift := await self.page.evaluate("window.shift")) > LAYOUT_SHIFT:
            faults.append(f"moves while it loads: {shift:.3f}")
        faults += await self.examine()
        landed = self.page.url
        route = self.route_of(landed)
        if route is not None:
            self.seen.add(route)
        self.visits.append(Visit(path=urlsplit(landed).path, faults=faults))
        links: list[str] = await self.page.evaluate("[...document.links].map((link) => link.href.split('#')[0])")
        return links

    async def examine(self) -> list[str]:
        """Everything axe finds by day, contrast by night, and whether the page scrolls sideways."""
        faults = []
        for width, height in ((NARROW, 640), *SIZES):
            await self.page.set_viewport_size({"width": width, "height": height})
            if not await self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
                faults.append(f"scrolls sideways at {width} px")
            if width == NARROW:
                continue
            await self.page.emulate_media(color_scheme="light")
            faults += await self.axe("{resultTypes: ['violations']}", f"{width} px")
            await self.page.emulate_media(color_scheme="dark")
            faults += await self.axe("{resultTypes: ['violations'], runOnly: ['color-contrast']}", f"{width} px dark")
        return faults

    async def axe(self, options: str, where: str) -> list[str]:
        """What axe finds; run through the debugger, because our policy lets no foreign script in."""
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(AXE)
        await self.page.evaluate(TWO_FRAMES)  # colours on their way from the other scheme are nobody's fault
        found: dict[str, Any] = await self.page.evaluate(f"axe.run(document, {options})")
        return [
            f"axe, {where}: {item['id']} {node['html'][:160]} {node['failureSummary']}"
            for item in found["violations"]
            for node in item["nodes"][:2]
        ]

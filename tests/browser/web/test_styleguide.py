"""The design in a real browser: accessible, steady, light, and at home under our own content security policy."""

import gzip
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Request

from app.web.vendoring import FOR_TESTS
from tests.browser.web.gallery import SIZES, THEMES, browser, gallery_pages, open_page, serve

pytestmark = pytest.mark.browser

AXE = next(FOR_TESTS.glob("axe-core/*/axe.min.js"))
PAGE_WEIGHT_BYTES = 100 * 1024
LAYOUT_SHIFT = 0.05
SHIFT_PROBE = """
window.shift = 0;
new PerformanceObserver((list) => list.getEntries().forEach((entry) => { if (!entry.hadRecentInput) window.shift += entry.value; }))
  .observe({type: "layout-shift", buffered: true});
"""


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with serve(gallery_pages()) as address:
        yield address


@pytest_asyncio.fixture(scope="module")
async def chrome(chromium: Path) -> AsyncIterator[Browser]:
    async with browser(chromium) as launched:
        yield launched


async def violations(page: Page) -> list[Any]:
    """What axe finds; run through the debugger, because our policy lets no foreign script in."""
    await page.evaluate(AXE.read_text())
    found: dict[str, Any] = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [(item["id"], [node["html"][:160] for node in item["nodes"]]) for item in found["violations"]]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES)
async def test_axe_finds_nothing_and_the_console_is_silent(origin: str, chrome: Browser, size: str, theme: str) -> None:
    page, faults = await open_page(chrome, origin, size, theme)
    assert await violations(page) == []
    assert faults == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    await page.close()


async def test_nothing_moves_while_the_page_loads(origin: str, chrome: Browser) -> None:
    page = await chrome.new_page(viewport={"width": 390, "height": 844})
    await page.add_init_script(SHIFT_PROBE)
    await page.goto(origin, wait_until="networkidle")
    await page.evaluate("document.fonts.ready.then(() => new Promise(requestAnimationFrame))")
    assert await page.evaluate("window.shift") <= LAYOUT_SHIFT
    await page.close()


async def weight_bytes(request: Request) -> int:
    """What an answer weighs on the wire: fonts as they are, text compressed."""
    response = await request.response()
    assert response is not None
    body = await response.body()
    return len(body if request.url.split("?", maxsplit=1)[0].endswith(".woff2") else gzip.compress(body))


async def test_a_page_weighs_at_most_its_budget_compressed(origin: str, chrome: Browser) -> None:
    page = await chrome.new_page()
    requests: list[Request] = []

    def finished(request: Request) -> None:
        requests.append(request)

    page.on("requestfinished", finished)
    await page.goto(origin, wait_until="networkidle")
    bodies = {request.url: await weight_bytes(request) for request in requests}
    assert sum(bodies.values()) <= PAGE_WEIGHT_BYTES, bodies
    assert any("woff2" in url for url in bodies), "the fonts were not loaded"
    await page.close()


async def test_the_map_is_drawn_on_tap_from_our_own_origin_only(origin: str, chrome: Browser) -> None:
    page, faults = await open_page(chrome, origin, "desktop", "light")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.get_by_role("button", name="Show map").click()
    await page.wait_for_selector("[data-map][data-drawn]", timeout=60_000, state="attached")
    canvas = await page.locator("[data-map] canvas").bounding_box()
    holder = await page.locator("[data-map]").bounding_box()
    assert canvas is not None
    assert holder is not None
    assert canvas["height"] > holder["height"] - 8
    assert [url for url in asked if not url.startswith((origin, "blob:", "data:"))] == []
    assert faults == []
    assert await violations(page) == []
    await page.close()


async def test_dialogs_open_and_close_and_give_the_focus_back(origin: str, chrome: Browser) -> None:
    page, _ = await open_page(chrome, origin, "phone", "light")
    opener = page.locator("[data-opens=sample-dialog]")
    await opener.click()
    dialog = page.get_by_role("dialog", name="Withdraw your pledge?")
    await dialog.wait_for()
    assert await violations(page) == []
    await dialog.get_by_role("button", name="Keep my seats").click()
    await dialog.wait_for(state="hidden")
    assert await opener.evaluate("element => element === document.activeElement")
    await page.close()


async def test_the_theme_toggle_is_remembered_for_the_server(origin: str, chrome: Browser) -> None:
    page, _ = await open_page(chrome, origin, "phone", "light")
    toggle = page.locator("[data-theme-toggle]")
    await toggle.click()
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert await toggle.get_attribute("aria-pressed") == "true"
    assert "theme=dark" in await page.evaluate("document.cookie")
    await page.close()

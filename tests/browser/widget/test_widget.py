"""The widget on another site's page, in a real browser, under that site's own strict policy."""

import gzip
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from app.surfaces.partner.widget import CARD_MODULES, FOLDER, LOADER, integrity
from app.web.vendoring import FOR_TESTS
from tests.browser.web.gallery import browser
from tests.browser.widget.origins import Busload, two_sites
from tests.support.waiting import wait_until_async

pytestmark = pytest.mark.browser

AXE = next(FOR_TESTS.glob("axe-core/*/axe.min.js"))
LOADER_BYTES, CARD_BYTES = 5 * 1024, 15 * 1024
RECORD = """
window.heard = []; window.shift = 0;
for (const name of ["ready", "view", "pledge-start", "pledge-complete", "error"])
  document.addEventListener(`busload:${name}`, (event) => {
    if (name === "pledge-start") event.preventDefault();
    heard.push([name, event.detail]);
  });
new PerformanceObserver((list) => list.getEntries().forEach((entry) => { shift += entry.value; }))
  .observe({type: "layout-shift", buffered: true});
"""


@pytest.fixture(scope="module")
def sites() -> Iterator[tuple[Busload, str]]:
    with two_sites() as both:
        yield both


@pytest_asyncio.fixture(scope="module")
async def chrome(chromium: Path) -> AsyncIterator[Browser]:
    async with browser(chromium) as launched:
        yield launched


@pytest_asyncio.fixture
async def visit(sites: tuple[Busload, str], chrome: Browser) -> AsyncIterator[Callable[..., Any]]:
    """Opens a path of the partner's site in a context of its own and says what the console said."""
    contexts = []

    async def opened(path: str = "/", width: int = 390, **options: Any) -> tuple[Page, list[str]]:
        context = await chrome.new_context(viewport={"width": width, "height": 844}, **options)
        contexts.append(context)
        page = await context.new_page()
        faults: list[str] = []
        page.on("console", lambda message: faults.append(message.text) if message.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.add_init_script(RECORD)
        await page.goto(f"{sites[1]}{path}", wait_until="load")
        return page, faults

    yield opened
    for context in contexts:
        await context.close()


async def until(condition: Callable[[], bool], what: str) -> None:
    async def holds() -> bool:
        return condition()

    await wait_until_async(holds, what)


async def heard(page: Page, name: str) -> Any:
    """The detail of the first event of a name, waited for."""
    return await page.wait_for_function("name => heard.find((entry) => entry[0] === name)?.[1]", arg=name)


def row(page: Page, origin: str) -> Any:
    return page.locator("busload-trips li", has_text=origin)


async def test_the_trips_stand_on_the_partners_page(visit: Callable[..., Any]) -> None:
    page, faults = await visit()
    await row(page, "Richmond VA").wait_for()
    assert await page.locator("busload-trips li").count() == 5
    assert "24 of 25, 1 to go" in await row(page, "Richmond VA").inner_text()
    assert "$65.50" in await row(page, "Pittsburgh PA").inner_text()
    assert "Did not run" in await row(page, "Norfolk VA").inner_text()
    assert await (await heard(page, "ready")).json_value() == {"event": "WMW17", "trips": 5}
    assert await (await heard(page, "view")).json_value() == {"event": "WMW17"}
    assert faults == []


async def test_a_pledge_elsewhere_is_seen_at_once(visit: Callable[..., Any], sites: tuple[Busload, str]) -> None:
    page, _ = await visit()
    await row(page, "Richmond VA").wait_for()
    await until(lambda: "RICH1" in sites[0].listening(), "a stream")
    sites[0].tell("RICH1", state="confirmed", secured=25, price_both_minor=4500)
    await row(page, "25 of 54, 29 places left").wait_for()
    assert "$45" in await row(page, "Richmond VA").inner_text()
    assert await page.locator("busload-trips [role=status]").text_content() == "Richmond VA: Confirmed"


async def test_only_the_two_open_trips_closest_to_their_minimum_listen(visit: Callable[..., Any], sites: tuple[Busload, str]) -> None:
    page, _ = await visit()
    await until(lambda: sites[0].listening() == {"RICH1", "NEWY1"}, "exactly two streams")
    await page.evaluate("document.querySelector('busload-trips').remove()")
    await until(lambda: not sites[0].listening(), "the streams to end")


async def test_nothing_moves_when_the_widget_arrives(visit: Callable[..., Any]) -> None:
    page, _ = await visit()
    before = await page.locator("p", has_text="Below the widget").bounding_box()
    await row(page, "Richmond VA").wait_for()
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert await page.locator("p", has_text="Below the widget").bounding_box() == before
    assert await page.evaluate("shift") == 0


async def test_without_javascript_the_link_is_there(visit: Callable[..., Any]) -> None:
    page, _ = await visit(java_script_enabled=False)
    assert await page.get_by_role("link", name="Buses to the march").is_visible()


async def test_when_the_event_is_gone_the_link_stays_and_the_page_is_told(visit: Callable[..., Any]) -> None:
    page, _ = await visit("/gone")
    detail = await (await heard(page, "error")).json_value()
    assert (detail["event"], detail["status"]) == ("NOPE", 404)
    assert await page.get_by_role("link", name="Buses to the march").is_visible()


async def test_a_plain_div_becomes_the_widget_too(visit: Callable[..., Any]) -> None:
    page, faults = await visit("/div")
    await row(page, "Richmond VA").wait_for()
    assert "24 sur 25, encore 1" in await row(page, "Richmond VA").inner_text()
    assert faults == []


@pytest.mark.parametrize(
    ("path", "text", "button"), [("/de", "24 von 25, noch 1 fehlt", "Platz zusagen"), ("/es", "24 de 25, falta 1", "Reservar")]
)
async def test_it_speaks_the_pages_language(visit: Callable[..., Any], path: str, text: str, button: str) -> None:
    page, _ = await visit(path)
    await row(page, "Richmond VA").wait_for()
    assert text in await row(page, "Richmond VA").inner_text()
    assert await row(page, "Richmond VA").get_by_role("link", name=button).is_visible()


async def test_pledging_leads_to_our_page_and_the_host_may_hold_it(visit: Callable[..., Any], sites: tuple[Busload, str]) -> None:
    page, _ = await visit()
    await row(page, "Richmond VA").get_by_role("link").click()
    detail = await (await heard(page, "pledge-start")).json_value()
    assert detail["trip"] == "RICH1"
    assert detail["url"].startswith(f"{sites[0].address}/e/WMW17/RICH1?via=pk_1&return=http")
    assert page.url == f"{sites[1]}/", "the page prevented the way on, so it stays"


async def test_coming_back_from_a_pledge_is_told_and_thanked(visit: Callable[..., Any]) -> None:
    page, _ = await visit("/#busload-pledged=RICH1")
    assert await (await heard(page, "pledge-complete")).json_value() == {"event": "WMW17", "trip": "RICH1"}
    await page.get_by_text("Thank you: your seat from Richmond VA is pledged.").wait_for()
    assert "#" not in page.url


async def test_it_leaves_no_trace_in_the_browser(visit: Callable[..., Any], sites: tuple[Busload, str]) -> None:
    page, _ = await visit()
    await row(page, "Richmond VA").wait_for()
    assert await page.context.cookies() == []
    assert await page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    assert sites[0].cookies_seen == []


@pytest.mark.parametrize("width", [320, 1280])
async def test_axe_finds_nothing_in_it(visit: Callable[..., Any], width: int) -> None:
    page, _ = await visit(width=width)
    await row(page, "Richmond VA").wait_for()
    await page.evaluate(AXE.read_text())
    found = await page.evaluate("axe.run('busload-trips')")
    assert [(item["id"], [node["html"] for node in item["nodes"]]) for item in found["violations"]] == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_it_weighs_what_it_promises() -> None:
    assert len(gzip.compress(LOADER.read_bytes())) <= LOADER_BYTES
    assert sum(len(gzip.compress((FOLDER / name).read_bytes())) for name in CARD_MODULES) <= CARD_BYTES
    assert integrity().startswith("sha384-")

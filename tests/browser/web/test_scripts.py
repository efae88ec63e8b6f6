"""The small scripts, each on a page of its own: live progress, copying, clocks, position, forms, htmx."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route

from app.web.templating import build_environment
from tests.browser.web.gallery import APP, browser, serve

pytestmark = pytest.mark.browser

HTML = "text/html; charset=utf-8"


def page_of(body: str) -> str:
    source = (
        '{% extends "base.html" %}{% from "macros/progress.html" import progress %}{% from "macros/display.html" import when %}'
        '{% from "macros/controls.html" import snippet, csrf %}{% block content %}' + body + "{% endblock %}"
    )
    return build_environment(APP / "surfaces").from_string(source).render(csrf_token="token-1")


@pytest_asyncio.fixture(scope="module")
async def chrome(chromium: Path) -> AsyncIterator[Browser]:
    async with browser(chromium) as launched:
        yield launched


@pytest_asyncio.fixture
async def visit(chrome: Browser) -> AsyncIterator[Callable[..., Any]]:
    """Opens a page whose content is the given template source; further pages by path."""
    async with AsyncExitStack() as stack:

        async def opened(body: str, others: dict[str, tuple[str, bytes]] | None = None, **options: Any) -> Page:
            origin = stack.enter_context(serve({"/": (HTML, page_of(body).encode()), **(others or {})}))
            context = await chrome.new_context(base_url=origin, **options)
            stack.push_async_callback(context.close)
            page = await context.new_page()
            await page.goto("/", wait_until="load")
            return page

        yield opened


async def test_progress_follows_the_stream_and_tells_the_page_when_the_trip_tips(visit: Callable[..., Any]) -> None:
    news = {"id": "1", "state": "confirmed", "secured": 25, "minimum": 25, "cap": 54}
    page = await visit(
        "{{ progress('open', 24, 25, 54, live_url='/live', announce=true) }}"
        "<p id=told hx-get='/told' hx-trigger='busload:state from:body'>not yet</p>",
        {
            "/live": ("text/event-stream", f"event: trip\ndata: {json.dumps(news)}\n\n".encode()),
            "/told": (HTML, b"confirmed, from the server"),
        },
    )
    await page.get_by_text("Confirmed, 29 places left", exact=True).wait_for()
    assert await page.locator("progress").evaluate("meter => [meter.value, meter.max]") == [25, 54]
    assert await page.locator(".progress [role=status]").text_content() == "25 of 54. Confirmed, 29 places left."
    await page.get_by_text("confirmed, from the server").wait_for()


async def test_a_stream_off_screen_is_not_opened(visit: Callable[..., Any]) -> None:
    page = await visit("<div class='skeleton-tall'></div>" + "<p>line</p>" * 80 + "{{ progress('open', 1, 25, 54, live_url='/live') }}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert not [url for url in asked if url.endswith("/live")]
    async with page.expect_request("**/live"):
        await page.locator("progress").scroll_into_view_if_needed()


async def test_code_can_be_copied(visit: Callable[..., Any]) -> None:
    page = await visit("{{ snippet('<b>seat</b>', id='code') }}", permissions=["clipboard-read", "clipboard-write"])
    await page.get_by_role("button", name="Copy").click()
    await page.get_by_role("button", name="Copied").wait_for()
    assert await page.evaluate("navigator.clipboard.readText()") == "<b>seat</b>"


async def test_a_reader_elsewhere_is_told_their_own_clock(visit: Callable[..., Any]) -> None:
    source = '<time datetime="2017-01-21T10:40:00Z" data-zone="America/New_York" data-local>Sat 21 Jan, 05:40 EST</time>'
    page = await visit(source, timezone_id="Europe/Berlin")
    await page.get_by_text("11:40 on your clock").wait_for()
    same = await visit(source, timezone_id="America/New_York")
    await same.wait_for_load_state("networkidle")
    assert await same.locator("time").text_content() == "Sat 21 Jan, 05:40 EST"


async def test_near_me_sends_a_rounded_position(visit: Callable[..., Any]) -> None:
    page = await visit(
        '<form action="/"><input name="lat" type="hidden"><input name="lon" type="hidden">'
        '<button type="button" data-locate="#note" hidden>Near me</button><p id="note"></p></form>',
        permissions=["geolocation"],
        geolocation={"latitude": 37.53412, "longitude": -77.43891},
    )
    await page.get_by_role("button", name="Near me").click()
    await page.wait_for_url("**/?lat=37.53&lon=-77.44")


async def test_htmx_carries_the_token_and_shows_a_refusal(visit: Callable[..., Any]) -> None:
    page = await visit('<button hx-post="/pledge" hx-target="#answer">Go</button><p id="answer"></p>')
    tokens: list[str | None] = []

    async def refuse(route: Route) -> None:
        tokens.append(route.request.headers.get("x-csrf-token"))
        await route.fulfill(status=409, content_type="text/html", body="This trip is full.")

    await page.route("**/pledge", refuse)
    await page.get_by_role("button", name="Go").click()
    await page.get_by_text("This trip is full.").wait_for()
    assert tokens == ["token-1"]


async def test_a_double_tap_is_one_submission(visit: Callable[..., Any]) -> None:
    page = await visit('<form method="post" action="/pledge">{{ csrf(csrf_token) }}<button>Pledge</button></form>')
    posts: list[str | None] = []

    async def hold(route: Route) -> None:
        posts.append(route.request.post_data)
        await route.fulfill(status=204)

    await page.route("**/pledge", hold)
    async with page.expect_response("**/pledge"):
        await page.get_by_role("button", name="Pledge").dblclick()
    await page.evaluate("fetch('/')")  # whatever the second tap sent has been sent before this
    assert posts == ["_csrf_token=token-1"]


async def test_a_declined_confirmation_sends_nothing(visit: Callable[..., Any]) -> None:
    page = await visit('<form action="/gone" data-confirm="Sure?"><button>Withdraw</button></form>')
    asked: list[str] = []

    async def decline(dialog: Any) -> None:
        asked.append(dialog.message)
        await dialog.dismiss()

    page.on("dialog", decline)
    await page.get_by_role("button", name="Withdraw").click()
    assert asked == ["Sure?"]
    assert not page.url.endswith("/gone?")

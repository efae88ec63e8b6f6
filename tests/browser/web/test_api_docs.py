"""The API's description is readable under our policy: no inline code, nothing from elsewhere."""

import json
from pathlib import Path

import pytest

from tests.browser.web.gallery import APP, browser, open_page, render, serve

pytestmark = pytest.mark.browser

DESCRIPTION = {
    "openapi": "3.1.0",
    "info": {"title": "Busload", "version": "1"},
    "paths": {
        "/api/events": {
            "get": {"summary": "Events to travel to", "operationId": "events", "responses": {"200": {"description": "A page of events"}}}
        }
    },
}


async def test_the_description_is_shown_without_breaking_the_policy(chromium: Path) -> None:
    pages = {
        "/api": ("text/html; charset=utf-8", render("open_data/reference.html", schema_url="/api/schema/openapi.json").encode()),
        "/api/reference.js": ("text/javascript", (APP / "surfaces" / "open_data" / "reference.js").read_bytes()),
        "/api/schema/openapi.json": ("application/json", json.dumps(DESCRIPTION).encode()),
    }
    with serve(pages) as origin:
        async with browser(chromium) as chrome:
            page, faults = await open_page(chrome, f"{origin}/api", "desktop", "light")
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            await page.locator(".opblock-tag").click()
            await page.get_by_text("Events to travel to").click()
            await page.get_by_text("A page of events").wait_for()
            assert faults == []
            assert [url for url in asked if not url.startswith((origin, "data:"))] == []

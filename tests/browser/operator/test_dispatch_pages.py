"""Operators' pages and the organisers' dispatch page in a real browser: accessible, no sideways scroll, maps drawn on a tap."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from app.domain.dispatch.model import OfferState
from app.domain.dispatch.solving import Solving
from app.domain.dispatch.solving_map import SolvingMap
from app.flows.answer_offer import accept_offer
from app.flows.close_booking import dispatch_event
from app.flows.tell_solving import show_solving, tell_line
from app.web.cookies import SESSION_COOKIE
from app.web.vendoring import FOR_TESTS
from solver.sketch import Sketch, SketchDuty, SketchStop
from tests.browser.web.gallery import SIZES, browser, open_page
from tests.support.dispatch_stage import Stage, dispatch_stage
from tests.support.dispatch_world import offers_in
from tests.support.service import Service

pytestmark = pytest.mark.browser
AXE = next(FOR_TESTS.glob("axe-core/*/axe.min.js"))


@pytest_asyncio.fixture
async def chrome(chromium: Path) -> AsyncIterator[Browser]:
    async with browser(chromium) as launched:
        yield launched


@pytest_asyncio.fixture
async def stage(service: Service) -> AsyncIterator[Stage]:
    async with dispatch_stage(service) as made:
        yield made


async def violations(page: Page) -> list[Any]:
    await page.evaluate(AXE.read_text())
    found: dict[str, Any] = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [(item["id"], [node["html"][:160] for node in item["nodes"]]) for item in found["violations"]]


async def sign_in(page: Page, stage: Stage, authorization: str) -> None:
    token = authorization.removeprefix("Bearer ")
    await page.context.clear_cookies()
    await page.context.add_cookies([{"name": SESSION_COOKIE, "value": token, "url": stage.service.settings.base_url}])


async def look(page: Page, stage: Stage, path: str, shot: Path) -> None:
    """Opens every closed part of a page, photographs it and lets axe at it."""
    await page.goto(stage.service.settings.base_url + path, wait_until="networkidle")
    await page.screenshot(path=shot, full_page=True)
    await page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert await violations(page) == [], path
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"


@pytest.mark.parametrize("size", SIZES)
async def test_every_page_is_accessible_and_silent(stage: Stage, chrome: Browser, size: str, tmp_path: Path) -> None:
    await stage.plan()
    first, *_ = sent = await offers_in(stage.pool, stage.world, OfferState.SENT)
    page, faults = await open_page(chrome, stage.service.settings.base_url, size, "light")
    await sign_in(page, stage, stage.operators[first.operator_id].headers["authorization"])
    await look(page, stage, "/operator", tmp_path / f"{size}-offers.png")
    await look(page, stage, f"/operator/offers/{first.id}", tmp_path / f"{size}-offer.png")
    for offer in sent[:-1]:
        await accept_offer(stage.pool, offer.id, actor="operator")
    for name in ("duties", "fleet", "drivers", f"vehicles/{first.vehicle_id}", f"offers/{first.id}"):
        await look(page, stage, f"/operator/{name}", tmp_path / f"{size}-{name.split('/', maxsplit=1)[0]}-later.png")
    async with stage.pool.acquire() as conn:
        code = await conn.fetchval("SELECT public_code FROM events WHERE id = $1", stage.world.event_id)
    await sign_in(page, stage, stage.service.organiser.headers["authorization"])
    await look(page, stage, f"/organiser/events/{code}/dispatch", tmp_path / f"{size}-dispatch.png")
    assert faults == []
    await page.close()


async def test_the_maps_are_drawn_on_a_tap(stage: Stage, chrome: Browser, tmp_path: Path) -> None:
    await stage.plan()
    first, *_ = await offers_in(stage.pool, stage.world, OfferState.SENT)
    async with stage.pool.acquire() as conn:
        code = await conn.fetchval("SELECT public_code FROM events WHERE id = $1", stage.world.event_id)
    page, faults = await open_page(chrome, stage.service.settings.base_url, "desktop", "light")
    for who, path in (
        (stage.operators[first.operator_id].headers["authorization"], f"/operator/offers/{first.id}"),
        (stage.service.organiser.headers["authorization"], f"/organiser/events/{code}/dispatch"),
    ):
        await sign_in(page, stage, who)
        await page.goto(stage.service.settings.base_url + path)
        if path.startswith("/organiser"):
            await page.locator("#plan-picture-0").click()
            await expect(page.locator("#plan-picture-0")).to_have_attribute("aria-current", "true")
        await page.get_by_role("button", name="Show map").click()
        await page.wait_for_selector("[data-map][data-drawn]", timeout=60_000, state="attached")
        await page.screenshot(path=tmp_path / f"map-{path.split('/')[1]}.png", full_page=True)
    assert faults == []
    await page.close()


async def test_the_dispatch_page_shows_the_plan_by_itself_once_it_is_made(stage: Stage, chrome: Browser) -> None:
    async with stage.pool.acquire() as conn:
        code = await conn.fetchval("SELECT public_code FROM events WHERE id = $1", stage.world.event_id)
    page, faults = await open_page(chrome, stage.service.settings.base_url, "phone", "light")
    await sign_in(page, stage, stage.service.organiser.headers["authorization"])
    await page.goto(f"{stage.service.settings.base_url}/organiser/events/{code}/dispatch")
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Close booking and plan now").click()
    await expect(page.get_by_text("The solver is at work")).to_be_visible()
    await stage.work()
    await expect(page.get_by_text("Operators are answering")).to_be_visible(timeout=20_000)
    await expect(page.get_by_role("button", name="Show map")).to_be_visible()
    assert faults == []
    await page.close()


@pytest.mark.parametrize("size", SIZES)
async def test_the_dispatch_page_tells_how_the_search_is_getting_on(stage: Stage, chrome: Browser, size: str, tmp_path: Path) -> None:
    await dispatch_event(stage.pool, stage.world.event_id, actor="organiser")
    async with stage.pool.acquire() as conn:
        code = await conn.fetchval("SELECT public_code FROM events WHERE id = $1", stage.world.event_id)
    page, faults = await open_page(chrome, stage.service.settings.base_url, size, "light")
    await sign_in(page, stage, stage.service.organiser.headers["authorization"])
    path = f"/organiser/events/{code}/dispatch"
    await page.goto(stage.service.settings.base_url + path)
    told = Solving(seconds=0.4, limit_s=10, cost_minor=512_300, bound_minor=None, people=60, people_left=2)
    await tell_line(stage.pool, stage.world.event_id, told)
    await expect(page.locator("#solving")).to_contain_text("58 of 60 people", timeout=20_000)
    await tell_line(stage.pool, stage.world.event_id, msgspec.structs.replace(told, seconds=3.1, cost_minor=480_000, bound_minor=460_000))
    await expect(page.locator("#solving")).to_contain_text("at most 4.3 % to gain", timeout=20_000)
    await growing_map(stage, page, tmp_path / f"{size}-solving.png")
    assert await violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert faults == []
    await page.close()


async def told_until_drawn(stage: Stage, drawing: Locator, picture: SolvingMap) -> None:
    """Tells a picture again and again, as a search does, until the page shows it."""
    async with asyncio.timeout(30):
        while await drawing.locator("polyline").count() != len(picture.sketch.duties):
            await show_solving(stage.pool, stage.world.event_id, picture)
            await asyncio.sleep(0.2)


async def one_operator(stage: Stage, page: Page, found: list[SolvingMap]) -> None:
    """An operator chosen from the legend stays chosen when the next picture comes."""
    drawing = page.locator("#solving-map svg[role=img]")
    async with asyncio.timeout(30):
        while await drawing.locator('.plan-way[stroke-opacity="0.12"]').count() == 0:
            await show_solving(stage.pool, stage.world.event_id, found[0])
            await page.locator("#solving-map-0").click()
            await asyncio.sleep(0.2)
    await told_until_drawn(stage, drawing, found[-1])
    await expect(page.locator("#solving-map-0")).to_have_attribute("aria-current", "true")
    await expect(drawing.locator('.plan-way[stroke-opacity="0.12"]')).to_have_count(3)
    await expect(drawing.locator('.plan-way.op-0[stroke-opacity="0.9"]')).to_have_count(2)


async def growing_map(stage: Stage, page: Page, shot: Path) -> None:
    """The map grows, and is there again after a reload."""
    drawing = page.locator("#solving-map svg[role=img]")
    ways = [SketchDuty(number % 3, (number, number + 1), (number + 1, number), 80 + number) for number in range(5)]
    spots = tuple(SketchStop((60 + 170 * n, 90 + 130 * (n % 5)), 12 + 9 * n, int(n == 5)) for n in range(6))
    found = [
        SolvingMap(
            version=buses,
            seconds=buses,
            people=60,
            people_left=2,
            sketch=Sketch(f"{buses} buses", (500, 380), spots, tuple(ways[:buses]), ("Kelly & Sons", "Blue Bus", "Nightline")),
        )
        for buses in (3, 5)
    ]
    for picture in found:
        await told_until_drawn(stage, drawing, picture)
    await page.reload()
    await told_until_drawn(stage, drawing, found[-1])
    await expect(page.get_by_role("img", name="5 buses")).to_be_visible()
    await expect(page.locator("#solving-map")).to_contain_text("Kelly & Sons: 2")
    await told_until_drawn(stage, drawing, found[0])
    await one_operator(stage, page, found)
    await page.screenshot(path=shot, full_page=True)

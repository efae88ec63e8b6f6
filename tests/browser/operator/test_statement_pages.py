"""Statements, onboarding and the organisers' payouts in a real browser: to Stripe's page and back, accessible, no sideways scroll."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from app.domain.accounts.model import Role
from app.flows.close_book import close_book
from app.web.cookies import SESSION_COOKIE
from app.web.vendoring import FOR_TESTS
from tests.browser.web.gallery import browser, open_page
from tests.support.fake_stripe import FakeStripe, fake_stripe
from tests.support.payouts import Yard, build_yard
from tests.support.server import ScratchDatabase
from tests.support.service import Service, running_service, signed_in

pytestmark = pytest.mark.browser
AXE = next(FOR_TESTS.glob("axe-core/*/axe.min.js"))


@pytest_asyncio.fixture
async def chrome(chromium: Path) -> AsyncIterator[Browser]:
    async with browser(chromium) as launched:
        yield launched


@pytest_asyncio.fixture
async def bank(tmp_path: Path) -> AsyncIterator[FakeStripe]:
    """A fake whose accounts must be onboarded."""
    async with fake_stripe(tmp_path, "--connect-onboarding") as running:
        yield running


@pytest_asyncio.fixture
async def service(database: ScratchDatabase, bank: FakeStripe) -> AsyncIterator[Service]:
    async with running_service(database.dsn, bank) as running:
        yield running


async def sign_in(page: Page, service: Service, token: str) -> None:
    await page.context.clear_cookies()
    await page.context.add_cookies([{"name": SESSION_COOKIE, "value": token, "url": service.settings.base_url}])


async def look(page: Page, service: Service, path: str, shot: Path) -> None:
    """Opens every closed part, photographs the page and lets axe at it."""
    await page.goto(service.settings.base_url + path, wait_until="networkidle")
    await page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    await page.screenshot(path=shot, full_page=True)
    await page.evaluate(AXE.read_text())
    found: dict[str, Any] = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [(item["id"], [node["html"][:160] for node in item["nodes"]]) for item in found["violations"]] == [], path
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"


async def to_stripe_and_back(page: Page, button: str) -> None:
    """Sets payments up on Stripe's page; it sends the visitor back by itself."""
    await page.get_by_role("button", name=button).click()
    await expect(page.get_by_text("Ready", exact=True)).to_be_visible(timeout=15_000)


async def test_money_is_set_up_and_followed_on_phone_and_desktop(service: Service, chrome: Browser, tmp_path: Path) -> None:
    yard: Yard = await build_yard(service.pool, service.stripe)
    await service.pool.execute("UPDATE operators SET vat_bp = 700")
    operator = await signed_in(service.pool, "desk@coaches.example", Role.OPERATOR, operator_id=yard.world.operator_id)
    partner = await signed_in(service.pool, "desk@club.example", Role.PARTNER, partner_id=yard.partner)
    club = await service.pool.fetchval("SELECT public_code FROM partners WHERE id = $1", yard.partner)
    event = await service.pool.fetchval("SELECT public_code FROM events WHERE id = $1", yard.world.event_id)
    await yard.sweep()
    page, faults = await open_page(chrome, service.settings.base_url, "phone", "light")
    await sign_in(page, service, operator)
    await look(page, service, "/operator/statements", tmp_path / "phone-waiting.png")
    await to_stripe_and_back(page, "Set up payments")
    await yard.sweep()
    await look(page, service, "/operator/statements", tmp_path / "phone-statements.png")
    await look(page, service, f"/operator/statements/{yard.duty}", tmp_path / "phone-statement.png")
    await sign_in(page, service, partner)
    await look(page, service, f"/partner/{club}/statements", tmp_path / "phone-partner.png")
    await page.get_by_label("Country of your organisation").fill("US")
    await to_stripe_and_back(page, "Set up payments")
    assert faults == []
    await page.close()

    await close_book(yard.pool, yard.world.event_id)
    await yard.sweep()
    page, faults = await open_page(chrome, service.settings.base_url, "desktop", "light")
    await sign_in(page, service, service.organiser.headers["authorization"].removeprefix("Bearer "))
    await look(page, service, f"/organiser/events/{event}/payouts", tmp_path / "desktop-payouts.png")
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_label("Amount, at most").fill("12,34,5")
    await page.get_by_label("Why: the operator reads it").fill("Arrived late.")
    await page.get_by_role("button", name="Take it back").click()
    await expect(page.get_by_role("alert").first).to_contain_text("Enter an amount in USD")
    await page.get_by_label("Amount, at most").fill("250")
    await page.get_by_label("Why: the operator reads it").fill("Arrived late.")
    await page.get_by_role("button", name="Take it back").click()
    await expect(page.get_by_text("Taken back: $250.00, Arrived late.")).to_be_visible()
    await yard.sweep()
    await look(page, service, f"/organiser/events/{event}/payouts", tmp_path / "desktop-taken-back.png")
    await sign_in(page, service, operator)
    for name, path in (("statements", "/operator/statements"), ("statement", f"/operator/statements/{yard.duty}")):
        await look(page, service, path, tmp_path / f"desktop-{name}.png")
    await sign_in(page, service, partner)
    await look(page, service, f"/partner/{club}/statements", tmp_path / "desktop-partner.png")
    assert [fault for fault in faults if "422" not in fault] == []
    await page.close()

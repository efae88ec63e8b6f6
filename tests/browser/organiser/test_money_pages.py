"""The organisers' money pages in a real browser, with every trouble on them: accessible, no sideways scroll, answered with one tap."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from app.domain.accounts.model import Role
from app.flows.reconcile import reconcile
from app.flows.stripe_news import poll_stripe, work_on_inbox
from app.web.cookies import SESSION_COOKIE
from app.web.vendoring import FOR_TESTS
from tests.browser.web.gallery import SIZES, browser, open_page
from tests.support.fake_stripe import fake_stripe
from tests.support.ledgers import charges_at_stripe
from tests.support.riders import ASKS, DECLINED
from tests.support.server import ScratchDatabase
from tests.support.service import Service, running_service, signed_in

pytestmark = pytest.mark.browser
AXE = next(FOR_TESTS.glob("axe-core/*/axe.min.js"))
BOUNCES = "4000000000005126"


@pytest_asyncio.fixture
async def chrome(chromium: Path) -> AsyncIterator[Browser]:
    async with browser(chromium) as launched:
        yield launched


@pytest_asyncio.fixture
async def service(database: ScratchDatabase, tmp_path: Path) -> AsyncIterator[Service]:
    async with fake_stripe(tmp_path) as own, running_service(database.dsn, own) as running:
        yield running


async def troubled(service: Service) -> dict[str, Any]:
    """An event with everything that can go wrong with money; its event as the API shows it."""
    event = await service.event()
    trip = await service.trip(event, minimum=2)
    placed = [await service.pledged(trip, card=card) for card in ("4242424242424242", "5555555555554444", DECLINED, ASKS)]
    other = await service.trip(event, minimum=1, origin="Philadelphia")
    await service.pledged(other, card=BOUNCES, seats=2)
    await service.work()
    await service.organiser.post(f"/api/trips/{other['id']}/cancel", json={"reason": "no bus"}, headers={"Idempotency-Key": "c"})
    await service.work()
    await service.stripe.stage("clock", {"advance_s": 10})
    (charge,) = await charges_at_stripe(service, placed[0])
    await service.stripe.stage("disputes", {"charge": charge["id"], "reason": "product_not_received"})
    while await poll_stripe(service.pool, gateway=service.stripe.gateway):
        while await work_on_inbox(service.pool, gateway=service.stripe.gateway):
            pass
    await service.stripe.stage("movements", {"kind": "stray", "amount": 77, "currency": "usd"})
    await service.stripe.stage("movements", {"kind": "drift", "ref": (await first_movement(service))["id"], "amount": 1})
    await reconcile(service.pool, gateway=service.stripe.gateway)
    return event


async def first_movement(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = (await service.stripe.books())["balance_transactions"][0]
    return found


async def look(page: Page, shot: Path) -> None:
    """A picture, axe's opinion, and no sideways scroll."""
    await page.screenshot(path=shot, full_page=True)
    await page.evaluate(AXE.read_text())
    found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [(item["id"], [node["html"][:160] for node in item["nodes"]]) for item in found["violations"]] == [], page.url
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{page.url} scrolls sideways"


async def test_an_organiser_reads_the_money_down_to_a_movement_and_answers_a_dispute(
    service: Service, chrome: Browser, tmp_path: Path
) -> None:
    event = await troubled(service)
    base = service.settings.base_url
    token = await signed_in(service.pool, "staff@example.org", Role.ORGANISER)
    paths = ["/organiser/money", f"/organiser/events/{event['code']}/money", f"/organiser/events/{event['code']}/ledger"]
    for size in SIZES:
        page, faults = await open_page(chrome, base + "/sign-in", size, "light")
        await page.context.add_cookies([{"name": SESSION_COOKIE, "value": token, "url": base}])
        for number, path in enumerate(paths):
            await page.goto(base + path, wait_until="networkidle")
            await look(page, tmp_path / f"{size}-{number}.png")
        await page.locator("tbody a", has_text="Disputed: withdrawn").first.click()
        await expect(page.get_by_role("heading", name="Why it moved")).to_be_visible()
        await look(page, tmp_path / f"{size}-movement.png")
        await page.get_by_role("link", name="What the rider's bank says").click()
        await expect(page.get_by_role("button", name="Send the evidence")).to_be_visible()
        await look(page, tmp_path / f"{size}-dispute.png")
        assert faults == []
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_label("What else should the bank know?").fill("She waved at the driver.")
    await page.get_by_role("button", name="Send the evidence").click()
    await expect(page.get_by_text("The evidence is on its way to the bank.")).to_be_visible()
    await service.work("send_evidence")
    (there,) = (await service.stripe.books())["disputes"]
    assert there["evidence"]["uncategorized_text"].startswith("She waved at the driver.")
    await page.goto(base + "/organiser/money")
    await page.get_by_role("button", name="Send again").click()
    await expect(page.get_by_text("The refund is being sent once more.")).to_be_visible()
    await service.work("send_refund")
    assert [one["status"] for one in (await service.stripe.books())["refunds"]] == ["failed", "succeeded"]

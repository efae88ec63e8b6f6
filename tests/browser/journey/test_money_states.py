"""The pledge's page and the receipt in every state of money, on a phone: accessible, no wider than the screen, one tap to settle.

With BUSLOAD_PICTURES=FOLDER it leaves a picture of each.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from playwright.async_api import Browser, Page, ViewportSize

from app.core.database import transaction
from app.flows.credit_back import credit_back_within
from tests.browser.journey.walk import AXE
from tests.support.riders import ASKS, DECLINED, GOOD, later
from tests.support.service import Service

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHONE = ViewportSize(width=390, height=844)
TIERS = [[3, 2500]]


async def settle(page: Page) -> None:
    await page.wait_for_selector("h1")
    await page.evaluate("document.fonts.ready.then(() => new Promise(requestAnimationFrame))")


async def look(page: Page, service: Service, placed: dict[str, Any], name: str, path: str = "") -> list[str]:
    """Opens a page of the pledge; returns what is wrong with it."""
    await page.goto(f"{service.settings.base_url}/p/{placed['manage_token']}{path}")
    await settle(page)
    if folder := os.environ.get("BUSLOAD_PICTURES"):
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
    faults = [] if await page.evaluate("document.documentElement.scrollWidth <= innerWidth") else [f"{name}: scrolls sideways"]
    await page.evaluate(AXE)
    found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return faults + [f"{name}: {item['id']} {node['html'][:120]}" for item in found["violations"] for node in item["nodes"][:2]]


async def test_every_state_of_money_is_fit_to_be_seen_on_a_phone_and_an_approval_is_one_tap(service: Service, chrome: Browser) -> None:
    trip = await service.trip(await service.event(), minimum=5, tiers=TIERS, cap=20)
    page = await chrome.new_page(viewport=PHONE, reduced_motion="reduce")
    saved = await service.pledged(trip, name="Ada")
    faults = await look(page, service, saved, "1-saved")
    asks = await service.pledged(trip, name="Grace", card=ASKS)
    declined = await service.pledged(trip, name="Mary", card=DECLINED)
    paid = await service.pledged(trip, name="Katherine", card=GOOD, seats=2)
    faults += await look(page, service, paid, "2-charging")
    await service.work("charge_payment")
    faults += await look(page, service, asks, "3-bank") + await look(page, service, declined, "4-failed")
    faults += await look(page, service, paid, "5-charged")
    async with transaction(service.pool) as conn:
        await credit_back_within(conn, UUID(trip["event_id"]))
    faults += await look(page, service, saved, "6-on-its-way-back")
    await service.work("send_refund")
    faults += await look(page, service, saved, "7-refunded") + await look(page, service, saved, "8-receipt", "/receipt")

    await page.goto(f"{service.settings.base_url}/p/{asks['manage_token']}")
    await page.get_by_role("button", name="Approve $32.00 at my bank").click()
    await page.get_by_role("button", name="Approve").click()
    await page.get_by_text("$32.00 charged to Visa").wait_for()

    for hours in (49, 97, 145, 169):
        await later(service, timedelta(hours=hours))
    faults += await look(page, service, declined, "9-dropped")
    assert faults == []
    await page.close()

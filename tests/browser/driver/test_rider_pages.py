"""What riders show and watch on the day, in a real browser."""

from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, expect

from app.core.clock import busload_now
from app.core.ids import derived_token
from app.domain.manifests.model import Position
from app.domain.manifests.passes import claims_of, sign_pass, signing_key
from app.domain.manifests.store import read_pledge_passes
from app.flows.record_position import record_positions
from app.web.vendoring import FOR_TESTS
from tests.support.day_service import Day
from tests.support.travel_world import SECRET, manage_token

pytestmark = pytest.mark.browser
AXE = next(FOR_TESTS.glob("axe-core/*/axe.min.js"))
READ_CODE = """
async (picture) => {
  const { default: QrScanner } = await import("/static/vendor/qr-scanner/1.4.2/qr-scanner.min.js");
  return (await QrScanner.scanImage(picture, { returnDetailedScanResult: true })).data;
}
"""


async def opened(phone: BrowserContext, address: str, scheme: Any = "light") -> tuple[Page, list[str]]:
    page = await phone.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    await page.emulate_media(color_scheme=scheme)
    await page.goto(address)
    return page, faults


async def track_address(day: Day) -> str:
    code = await day.db.fetchval("SELECT public_code FROM pledges WHERE id = $1", day.ada)
    return f"{day.base}/t/{code}-{derived_token(SECRET, 'pass', day.ada)}"


async def test_the_code_on_the_page_is_the_pass(phone: BrowserContext, day: Day) -> None:
    page, faults = await opened(phone, f"{day.base}/p/{manage_token(day.ada)}/pass", "dark")
    passes = await read_pledge_passes(day.db, day.ada)
    codes = page.locator(".qr")
    await expect(codes).to_have_count(len(passes))
    picture = await codes.nth(1).screenshot()
    await page.goto(f"{day.base}/d/{day.token}")  # any page of ours may load the reader
    found = await page.evaluate(READ_CODE, f"data:image/png;base64,{b64encode(picture).decode()}")
    assert found == sign_pass(signing_key(SECRET), claims_of(passes[1]))
    assert faults == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_passes_and_tracking_meet_wcag(phone: BrowserContext, day: Day, scheme: Any) -> None:
    now = await busload_now(day.db)
    seen = Position(at=now - timedelta(minutes=5), lat=41.89, lon=-87.67, accuracy_m=9)
    await record_positions(day.pool, duty_id=day.duty, positions=[seen])
    for address in (f"{day.base}/p/{manage_token(day.ada)}/pass", await track_address(day)):
        page, faults = await opened(phone, address, scheme)
        await page.evaluate(AXE.read_text())
        found = await page.evaluate("axe.run().then(result => result.violations.map(one => [one.id, one.nodes.map(node => node.html)]))")
        assert found == [], address
        assert faults == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_the_tracking_page_follows_the_bus_without_a_reload(phone: BrowserContext, day: Day) -> None:
    page, _ = await opened(phone, await track_address(day))
    await expect(page.locator("#now")).to_contain_text("Planned to leave")
    now = await busload_now(day.db)
    await record_positions(day.pool, duty_id=day.duty, positions=[Position(at=now, lat=41.89, lon=-87.67, accuracy_m=9)])
    await expect(page.locator("#now")).to_contain_text("Expected between these times", timeout=40_000)

"""A rider meets a line before a hot trip: the page waits by itself, keeps what was typed and the place, and goes on when it is time."""

import os
import time
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from playwright.async_api import expect

from app.flows.waiting_places import Ticket, sign_ticket
from tests.browser.journey.scene import PHONE, Scene
from tests.browser.journey.test_one_trip import fill_form
from tests.browser.journey.walk import AXE

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(180)]
AHEAD = 4_000


async def test_the_line_moves_by_itself_and_ends_at_the_card_page(scene: Scene) -> None:
    await scene.pool.execute("INSERT INTO waiting_rooms (trip_id, given) VALUES ($1, $2)", scene.trip["id"], AHEAD)
    rider = await scene.somebody(viewport=PHONE, has_touch=True, is_mobile=True)
    place = Ticket(trip_id=UUID(scene.trip["id"]), key=uuid4().hex, number=AHEAD, expires_s=int(time.time()) + 600)
    token = sign_ticket(scene.stack.shared.secret, place)
    await rider.add_cookies([{"name": "busload_place", "value": token, "url": f"{scene.base}/trips/{scene.trip['code']}"}])
    page = await rider.new_page()
    await page.goto(f"{scene.base}/trips/{scene.trip['code']}")
    await fill_form(page, name="Lina Line", email="lina@example.org", stop="Camden Yards", seats=2)
    await expect(page.get_by_role("heading", name="You are in line")).to_be_visible()
    await expect(page.locator("main")).to_contain_text(str(AHEAD))
    if folder := os.environ.get("BUSLOAD_PICTURES"):
        await page.screenshot(path=Path(folder) / "waiting-room.png", full_page=True)
    await page.evaluate(AXE)
    found = await page.evaluate("axe.run()")
    assert [one["id"] for one in found["violations"]] == []
    await scene.pool.execute("UPDATE waiting_rooms SET let_in = given")
    await page.get_by_role("heading", name="Save your card").wait_for()
    await expect(page.locator("body")).to_contain_text("lina@example.org")
    assert [fault for fault in scene.faults if "status of 429" not in fault] == []

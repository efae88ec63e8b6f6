"""The driver's page in a real browser: with signal, without, and with signal again."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import BrowserContext, Page, expect

from app.core.clock import busload_now, shift_clock
from app.domain.manifests.day_store import read_duty_check_ins
from app.domain.manifests.passes import signing_key
from app.flows.check_in import NamedPerson, check_in
from app.flows.complete_duty import end_duty
from app.web.vendoring import FOR_TESTS
from tests.browser.driver.conftest import open_duty
from tests.support.day_service import Day
from tests.support.travel_world import SECRET
from tests.support.waiting import wait_until_async

pytestmark = pytest.mark.browser
AXE = next(FOR_TESTS.glob("axe-core/*/axe.min.js"))


def status(page: Page) -> Any:
    return page.locator("#duty-status")


async def aboard(day: Day) -> set[tuple[str, int, str]]:
    names = {day.ada: "Ada", day.bob: "Bob", day.eve: "Eve"}
    return {(names[one.pledge_id], one.person, one.leg) for one in await read_duty_check_ins(day.db, day.duty)}


async def test_the_next_stop_stands_first_with_its_own_clock(phone: BrowserContext, day: Day) -> None:
    page = await open_duty(phone, day)
    stop = page.get_by_role("region", name="Next stop")
    await expect(stop.get_by_role("heading", level=1)).to_have_text("Union Station")
    await expect(stop.locator(".duty-clock")).to_have_text(re.compile(r"\d\d:\d\d(CST|CDT)"))
    await expect(page.locator(".duty-party").first).to_contain_text("Folding wheelchair, needs the lift")
    await expect(status(page)).to_contain_text("All sent")


async def test_a_tap_checks_a_person_in(phone: BrowserContext, day: Day) -> None:
    page = await open_duty(phone, day)
    await page.get_by_role("button", name="Ada Lovelace: +1 aboard").click()
    await expect(page.locator(".duty-party", has_text="Ada Lovelace")).to_contain_text("1 of 3 aboard")
    await page.get_by_role("button", name="Bob Brown: aboard").click()
    await expect(page.locator(".duty-party", has_text="Bob Brown")).to_contain_text("Aboard")
    await expect(status(page)).to_contain_text("2 waiting to be sent")
    await expect(status(page)).to_contain_text("All sent", timeout=20_000)
    assert await aboard(day) == {("Ada", 1, "outbound"), ("Bob", 1, "outbound")}


async def test_a_wrong_tap_can_be_taken_back(phone: BrowserContext, day: Day) -> None:
    page = await open_duty(phone, day)
    await page.get_by_role("button", name="Bob Brown: aboard").click()
    await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_role("button", name="Bob Brown: aboard")).to_be_visible()
    await expect(status(page)).to_contain_text("All sent", timeout=20_000)
    assert await aboard(day) == set()


async def test_a_day_without_signal_is_kept_and_sent_later(phone: BrowserContext, day: Day) -> None:
    page = await open_duty(phone, day)
    await phone.set_offline(True)
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Union Station")
    await expect(status(page)).to_contain_text("Connection lost")
    await page.get_by_role("button", name="Ada Lovelace: all 3 aboard").click()
    await page.get_by_role("button", name="Bob Brown: aboard").click()
    await expect(status(page)).to_contain_text("Connection lost · 4 waiting to be sent", timeout=20_000)
    await page.reload()  # the phone died and came back
    await expect(page.locator(".duty-party", has_text="Bob Brown")).to_contain_text("waiting to be sent")
    assert await aboard(day) == set()
    await phone.set_offline(False)
    await expect(status(page)).to_contain_text("All sent", timeout=30_000)
    assert await aboard(day) == {("Ada", n, "outbound") for n in (1, 2, 3)} | {("Bob", 1, "outbound")}


async def test_leaving_with_people_missing_needs_a_second_tap_and_the_last_stop_departs_the_trip(phone: BrowserContext, day: Day) -> None:
    page = await open_duty(phone, day)
    await page.get_by_role("button", name="Leave Union Station").click()
    await page.get_by_role("button", name="4 not aboard. Tap again to leave").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Liberty Avenue")
    await page.get_by_role("button", name="Eve Evans: aboard").click()
    await page.get_by_role("button", name="Leave Liberty Avenue").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("National Mall")

    async def departed() -> bool:
        return bool(await day.db.fetchval("SELECT state = 'departed' FROM trips WHERE id = $1", day.world.trip_id))

    await wait_until_async(departed, "the trip to depart")
    await page.get_by_role("button", name="Everybody is off").click()
    await expect(page.locator(".duty-step")).to_contain_text("Boarding for the way back")
    await page.get_by_role("button", name="Ada Lovelace: all 3 aboard").click()
    for name in ("Leave National Mall", "Leave Liberty Avenue", "Leave Union Station", "End the duty"):
        await page.get_by_role("button", name=name).click()
    await expect(page.locator(".duty-news:not(.duty-ask)")).to_contain_text("The duty is over", timeout=20_000)
    await expect(status(page)).to_contain_text("All sent")
    assert await aboard(day) == {("Eve", 1, "outbound")} | {("Ada", n, "return") for n in (1, 2, 3)}


async def test_an_incident_is_told_with_one_tap_after_its_button(phone: BrowserContext, day: Day) -> None:
    page = await open_duty(phone, day)
    await page.get_by_role("button", name="Incident").click()
    await page.get_by_role("button", name="30 min late").click()
    await expect(page.locator(".duty-news:not(.duty-ask)")).to_contain_text("runs about 30 minutes late", timeout=20_000)
    assert await day.db.fetchval("SELECT count(*) FROM mails WHERE template = 'incident_rider'") >= 3


async def test_somebody_found_by_name_is_checked_in(phone: BrowserContext, day: Day) -> None:
    page = await open_duty(phone, day)
    await page.get_by_role("button", name="Find name").click()
    dialog = page.get_by_role("dialog", name="Find a name")
    await dialog.get_by_role("searchbox").fill("bröwn")
    await expect(dialog.locator(".duty-party")).to_have_count(1)
    await dialog.get_by_role("button", name="Bob Brown: aboard").click()
    await expect(dialog.locator(".duty-party")).to_contain_text("Aboard")


async def test_what_another_phone_did_shows_and_a_second_scan_is_shown(phone: BrowserContext, day: Day) -> None:
    now = await day.db.fetchval("SELECT busload_now()")
    for _ in range(2):
        person = NamedPerson(id=uuid4(), pledge_id=day.bob, person=1, leg="outbound", checked_at=now)
        await check_in(day.pool, duty_id=day.duty, arrivals=[person], key=signing_key(SECRET))
    page = await open_duty(phone, day)
    await expect(page.locator(".duty-party", has_text="Bob Brown")).to_contain_text("Checked in twice")


async def test_the_way_to_a_stop_is_handed_to_four_maps(phone: BrowserContext, day: Day) -> None:
    page = await open_duty(phone, day)
    await page.get_by_role("button", name="Navigate there").click()
    links = await page.locator(".duty-routes a").evaluate_all("links => links.map(link => link.href)")
    assert [link.split("41.8787")[0] for link in links] == [
        "geo:",
        "https://www.google.com/maps/dir/?api=1&travelmode=driving&destination=",
        "https://maps.apple.com/?dirflg=d&daddr=",
        "https://waze.com/ul?navigate=yes&ll=",
    ]


async def test_the_position_is_shared_while_wanted(phone: BrowserContext, day: Day) -> None:
    await phone.grant_permissions(["geolocation", "camera"])
    await phone.set_geolocation({"latitude": 41.88, "longitude": -87.64, "accuracy": 12})
    page = await open_duty(phone, day)
    await page.get_by_role("button", name="Share position").click()

    async def seen() -> bool:
        return bool(await day.db.fetchval("SELECT count(*) FROM positions WHERE duty_id = $1", day.duty))

    await wait_until_async(seen, "a position")
    await expect(status(page)).to_contain_text("position shared")
    await page.reload()
    await expect(status(page)).to_contain_text("position shared")
    await page.get_by_role("button", name="Position is shared: stop").click()
    await expect(status(page)).not_to_contain_text("position shared")


async def test_a_closed_link_leaves_nothing_on_the_phone(phone: BrowserContext, day: Day) -> None:
    page = await open_duty(phone, day)
    await end_duty(day.pool, duty_id=day.duty, actor="driver:test")
    await shift_clock(day.db, timedelta(days=2))
    await page.evaluate("window.dispatchEvent(new Event('online'))")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("expired", timeout=20_000)
    await expect(page.locator("body")).not_to_contain_text("Ada Lovelace")
    kept = await page.evaluate(
        """async () => {
          const request = indexedDB.open("busload-driver");
          const database = await new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
          const get = database.transaction("kept").objectStore("kept").getAllKeys();
          const keys = await new Promise((resolve) => (get.onsuccess = () => resolve(get.result)));
          const cache = await caches.open("busload-driver-1");
          return [keys, (await cache.keys()).map((one) => new URL(one.url).pathname).filter((path) => /^\\/d\\/[^/]+$/.test(path))];
        }"""
    )
    assert kept == [[], []]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_meets_wcag_and_its_own_policy(phone: BrowserContext, day: Day, scheme: Any) -> None:
    page = await phone.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    await page.emulate_media(color_scheme=scheme)
    await page.goto(f"{day.base}/d/{day.token}")
    await page.wait_for_selector("#duty-app[data-offline=ready]")
    await page.get_by_role("button", name="Bob Brown: aboard").click()
    for opener in (None, "Incident", "Find name", "Navigate there"):
        if opener:
            await page.get_by_role("button", name=opener).click()
        await page.evaluate(AXE.read_text())
        found = await page.evaluate("axe.run().then(result => result.violations.map(one => [one.id, one.nodes.map(node => node.html)]))")
        assert found == [], opener
        await page.keyboard.press("Escape")
    assert faults == []


async def test_a_phone_whose_clock_is_wrong_uses_the_service_clock(phone: BrowserContext, day: Day) -> None:
    page = await phone.new_page()
    await page.clock.install(time="2020-01-01T00:00:00Z")
    await page.goto(f"{day.base}/d/{day.token}")
    await expect(status(page)).to_contain_text("All sent")
    await page.get_by_role("button", name="Bob Brown: aboard").click()
    await page.clock.run_for(6_000)

    async def recorded() -> bool:
        return bool(await read_duty_check_ins(day.db, day.duty))

    await wait_until_async(recorded, "the check-in to be recorded")
    (kept,) = await read_duty_check_ins(day.db, day.duty)
    assert abs(await busload_now(day.db) - kept.checked_at) < timedelta(minutes=2)


async def test_a_duty_that_was_taken_back_is_said_at_once(phone: BrowserContext, day: Day) -> None:
    page = await open_duty(phone, day)
    await day.db.execute("UPDATE offers SET state = 'failed' WHERE duty_id = $1", day.duty)
    await day.issue()
    await page.evaluate("window.dispatchEvent(new Event('online'))")
    await expect(page.get_by_role("alert")).to_contain_text("taken back", timeout=20_000)

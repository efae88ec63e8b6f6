"""After the confirmation, on a phone: what withdrawing costs, seats passed on to somebody, and a full trip's waiting line."""

import re
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.journey.scene import PHONE, Scene
from tests.browser.journey.test_one_trip import shown
from tests.browser.journey.walk import Walker
from tests.support.service import trip_wish

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
ADA, THEO, WANDA = "ada@example.org", "theo@example.org", "wanda@example.org"
DONE_MS = 30_000


async def test_ladder_transfer_and_waiting_line(scene: Scene) -> None:
    trip = await put_small_trip_on_sale(scene)
    ada, theo, wanda = [await scene.somebody(viewport=PHONE, has_touch=True, is_mobile=True) for _ in range(3)]
    pledge = await pledge_two_seats(scene, ada, trip)
    await see_the_ladder(pledge)
    place = await wait_in_line(scene, wanda, trip)
    offer = await offer_seats(scene, pledge)
    seats = await take_seats(theo, offer)
    assert (await pledge.reload()).status == 404, "the old link is dead"  # type: ignore[union-attr]
    await expect(pledge.locator("main")).to_contain_text("this link does not open it")
    await withdraw(seats)
    link = await take_the_turn(scene, wanda, place)
    await look_closely(scene, [f"{scene.base}/trips/{trip['code']}/waitlist", place.url, offer, link])
    assert (await scene.http.get("/api/doctor")).json()["violations"] == {}
    wanted = ("404", "422")  # a dead link and a form without names
    assert [fault for fault in scene.faults if not any(f"status of {status}" in fault for status in wanted)] == []


async def put_small_trip_on_sale(scene: Scene) -> dict[str, Any]:
    """A trip of two seats that runs with its first rider."""
    wish = trip_wish(origin="Annapolis", minimum=1, cap=2, deadline_at=scene.trip["deadline_at"])
    trip: dict[str, Any] = (await scene.http.post(f"/api/events/{scene.event['id']}/trips", json=wish)).raise_for_status().json()
    (await scene.http.post(f"/api/trips/{trip['id']}/open")).raise_for_status()
    return trip


async def pledge_two_seats(scene: Scene, rider: BrowserContext, trip: dict[str, Any]) -> Page:
    """Beside the button stands what withdrawing will cost, with dates and amounts; then both seats are Ada's."""
    page = await rider.new_page()
    await page.goto(f"{scene.base}/trips/{trip['code']}")
    short = page.locator("#ladder-short")
    await expect(short).to_contain_text("Until the trip is confirmed you may withdraw free of charge")
    await expect(short).to_contain_text(re.compile(r"\$32\.00 back until \w+ \d+ \w+.*\$16\.00 back until .* then nothing", re.DOTALL))
    await page.get_by_label("Camden Yards").check()
    await page.get_by_label("Seats", exact=True).fill("2")
    await page.get_by_label("Your name").fill("Ada Lovelace")
    await page.get_by_label("E-mail").fill(ADA)
    await page.get_by_label("I agree that").check()
    await page.get_by_role("button", name="Pledge and save a card").tap()
    await tap_a_card(page)
    await shown(page, "If you withdraw now")
    return page


async def tap_a_card(page: Page) -> None:
    """The hosted card page's shortcut."""
    await page.get_by_role("heading", name="Save your card").wait_for()
    await page.get_by_role("button", name=re.compile("4242 4242 4242 4242")).tap()
    await page.wait_for_url(re.compile(r"/p/[^/]+(/card-saved.*)?$"))


async def see_the_ladder(pledge: Page) -> None:
    """What comes back now, and from when it is less."""
    ladder = pledge.locator("#ladder")
    await expect(ladder).to_contain_text("If you withdraw now you get $64.00 back")
    await expect(ladder).to_contain_text(re.compile(r"until .*: \$32\.00 \(50.%\)"))
    await expect(ladder).to_contain_text("then nothing")


async def wait_in_line(scene: Scene, rider: BrowserContext, trip: dict[str, Any]) -> Page:
    """The trip is full, so Wanda waits."""
    page = await rider.new_page()
    await page.goto(f"{scene.base}/trips/{trip['code']}")
    await expect(page.locator("#waitlist")).to_contain_text("All seats are taken right now")
    await page.get_by_role("link", name="Join the waiting list").tap()
    await page.get_by_role("button", name="Join the waiting list").tap()
    await expect(page.locator(".field-error").first).to_be_visible()
    await page.get_by_label("Camden Yards").check()
    await page.get_by_label("Your name").fill("Wanda Waits")
    await page.get_by_label("E-mail").fill(WANDA)
    await page.get_by_role("button", name="Join the waiting list").tap()
    await expect(page.locator("main")).to_contain_text("You are number 1 in line")
    return page


async def offer_seats(scene: Scene, pledge: Page) -> str:
    """Ada offers her seats; returns the link that Theo is mailed."""
    await pledge.get_by_text("Pass your seats on to somebody else", exact=True).tap()
    await expect(pledge.locator("#transfer")).to_contain_text("The money stays with you")
    await pledge.get_by_label("Their name").fill("Theo Taker")
    await pledge.get_by_label("Their e-mail").fill(THEO)
    await pledge.get_by_role("button", name="Offer my seats").tap()
    await expect(pledge.locator("#transfer")).to_contain_text("Your seats are offered to Theo Taker")
    return await scene.mailed_link(THEO, "/transfer/")


async def take_seats(rider: BrowserContext, offer: str) -> Page:
    """Theo reads that the money stays with Ada, and accepts; returns his pledge's page."""
    page = await rider.new_page()
    await page.goto(offer)
    await expect(page.locator("main")).to_contain_text("The money stays with Ada Lovelace")
    await page.get_by_label("I take the seats").check()
    await page.get_by_role("button", name="Accept the seats").tap()
    await page.wait_for_url(re.compile(r"/p/[^/]+$"))
    await expect(page.locator("main")).to_contain_text("It runs, and you are on it")
    return page


async def withdraw(seats: Page) -> None:
    """Theo cannot come after all."""
    await seats.get_by_role("button", name="Withdraw", exact=True).tap()
    dialog = seats.get_by_role("dialog", name="Withdraw your pledge?")
    await expect(dialog).to_contain_text("You get $64.00 back to the card that paid")
    await dialog.get_by_role("button", name="Withdraw", exact=True).tap()
    await expect(seats.locator("main")).to_contain_text("You are off this trip")


async def take_the_turn(scene: Scene, rider: BrowserContext, place: Page) -> str:
    """Seats came free: Wanda is mailed, sees until when they are held, and saves a card. Returns her pledge's link."""
    link = await scene.mailed_link(WANDA, "/p/")
    await place.reload()
    await expect(place.locator("main")).to_contain_text("It is your turn")
    page = await rider.new_page()
    await page.goto(link)
    await expect(page.locator("main")).to_contain_text("Your seats are held until")
    await page.get_by_role("button", name="Save a card").tap()
    await tap_a_card(page)
    await shown(page, "It runs")
    await place.reload()
    await expect(place.locator("main")).to_contain_text("You took the seats")
    return link


async def look_closely(scene: Scene, addresses: list[str]) -> None:
    """The new pages are accessible, still, light, quiet and no wider than a small phone."""
    context = await scene.chrome.new_context(reduced_motion="reduce")
    walker = await Walker.start(scene.base, context, wanted=set())
    for address in addresses:
        await walker.look_at(address)
    assert [f"{visit.path}: {fault}" for visit in walker.visits for fault in visit.faults] == []

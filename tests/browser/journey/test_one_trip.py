"""One trip from the first look at an event to the bus on the road, in the pages of everybody who has a part in it."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.journey.scene import OPERATOR, PHONE, Scene, found

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
ADA, BOB = "ada@example.org", "bob@example.org"
ON_THE_ROAD = {"latitude": 39.2, "longitude": -76.7, "accuracy": 12}
DONE_MS = 30_000


async def test_one_trip_from_the_first_look_to_the_road(scene: Scene) -> None:
    elsewhere = await open_partner_site(scene)
    ada = await scene.somebody(viewport={"width": 1280, "height": 900})
    watching = await find_the_trip(scene, ada)
    pledge = await pledge_by_typing_a_card(scene, ada)
    await expect(elsewhere.locator("busload-trips")).to_contain_text("2 of 3", timeout=DONE_MS)
    await expect(watching.locator("#trip-board")).to_contain_text("2 of 3")
    bob = await scene.somebody(viewport=PHONE, has_touch=True, is_mobile=True)
    bobs = await pledge_by_tapping_a_card(scene, bob)
    await see_it_tip(watching, elsewhere, pledge, bobs)
    await read_the_mail(scene, ada)
    await plan(scene)
    operator = await scene.somebody()
    await accept_from_the_mail(scene, operator)
    driver_link = await assign_a_driver(scene, operator)
    await scene.jump_to(await depot_out(scene))
    driver = await scene.somebody(viewport=PHONE, has_touch=True, is_mobile=True, permissions=["geolocation"], geolocation=ON_THE_ROAD)
    await check_in_with_and_without_signal(driver, driver_link)
    await ride(pledge)
    assert (await scene.http.get("/api/doctor")).json()["violations"] == {}
    assert scene.faults == []


async def open_partner_site(scene: Scene) -> Page:
    """Somebody reads the event's own page, on another site."""
    page = await (await scene.somebody()).new_page()
    await page.goto(scene.partner_url)
    await expect(page.locator("busload-trips")).to_contain_text("0 of 3", timeout=DONE_MS)
    return page


async def find_the_trip(scene: Scene, rider: BrowserContext) -> Page:
    """Ada searches for the event and leaves its trip open in a tab."""
    page = await rider.new_page()
    await page.goto(scene.base)
    await page.get_by_role("searchbox").fill("march")
    await page.get_by_role("button", name="Search").click()
    await page.get_by_role("link", name=scene.event["name"]).click()
    await page.get_by_role("link", name="Baltimore").click()
    await expect(page.locator("#trip-board")).to_contain_text("0 of 3")
    return page


async def fill_in(page: Page, *, name: str, email: str, stop: str, seats: int) -> None:
    await fill_form(page, name=name, email=email, stop=stop, seats=seats)
    await page.get_by_role("heading", name="Save your card").wait_for()


async def fill_form(page: Page, *, name: str, email: str, stop: str, seats: int) -> None:
    """The trip page's form, sent."""
    await page.get_by_label(stop).check()
    await page.get_by_label("Seats", exact=True).fill(str(seats))
    await page.get_by_label("Your name").fill(name)
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("I agree that").check()
    await page.get_by_role("button", name="Pledge and save a card").click()


async def pledge_by_typing_a_card(scene: Scene, rider: BrowserContext) -> Page:
    """Ada's two seats, her card typed in on the hosted page; returns her pledge's page."""
    page = await rider.new_page()
    await page.goto(f"{scene.base}/trips/{scene.trip['code']}")
    await fill_in(page, name="Ada Lovelace", email=ADA, stop="Camden Yards", seats=2)
    await page.get_by_label("Card number").fill("4242 4242 4242 4242")
    await page.get_by_label("Expiry").fill("12 / 34")
    await page.get_by_label("CVC").fill("123")
    await page.get_by_label("Name on card").fill("Ada Lovelace")
    await page.get_by_role("button", name="Save card").click()
    await page.wait_for_url(re.compile(r"/p/[^/]+(/card-saved.*)?$"))
    await expect(page.locator("main")).to_contain_text("Visa 4242 saved", timeout=DONE_MS)
    return page


async def pledge_by_tapping_a_card(scene: Scene, rider: BrowserContext) -> Page:
    """Bob's seat is the one that was missing."""
    page = await rider.new_page()
    await page.goto(f"{scene.base}/trips/{scene.trip['code']}")
    await fill_in(page, name="Bob Brown", email=BOB, stop="Penn Station", seats=1)
    await page.get_by_role("button", name=re.compile("4242 4242 4242 4242")).tap()
    await page.wait_for_url(re.compile(r"/p/[^/]+(/card-saved.*)?$"))
    return page


async def see_it_tip(watching: Page, elsewhere: Page, *pledges: Page) -> None:
    """Nobody reloads: the trip's page and the event's own site change by themselves. Then the cards are charged."""
    await expect(watching.locator("#trip-board")).to_contain_text("It runs!", timeout=DONE_MS)
    await expect(watching.locator("#trip-board .progress-count")).to_have_text("3 of 10")
    await expect(elsewhere.locator("busload-trips")).to_contain_text("Confirmed", timeout=DONE_MS)
    for page in pledges:
        await shown(page, "charged")


async def shown(page: Page, text: str) -> None:
    """Loads the page again until it says so."""

    async def said() -> bool:
        await page.reload()
        return text in await page.locator("main").inner_text()

    await found(said, f"{page.url} to say {text}")


async def read_the_mail(scene: Scene, rider: BrowserContext) -> None:
    """Ada's inbox has the news and her receipt."""
    await scene.mailed_link(ADA, "/p/")
    page = await rider.new_page()
    await page.goto(f"{scene.stack.inbox_url}/?to={ADA}")
    await shown(page, "Receipt")
    await page.get_by_role("link", name=re.compile("It runs!")).click()
    mail = page.frame_locator("iframe")
    await expect(mail.locator("body")).to_contain_text("Hello Ada Lovelace")
    await page.close()


async def plan(scene: Scene) -> None:
    """The organiser closes booking early and lets the house carry what three fares do not."""
    page = await (await scene.somebody()).new_page()
    page.on("dialog", lambda dialog: dialog.accept())
    await page.goto(f"{scene.base}/demo/organiser")
    await page.get_by_role("link", name=scene.event["name"]).click()
    await page.get_by_role("link", name="Dispatch").click()
    await page.get_by_role("button", name="Close booking and plan now").click()
    await page.get_by_role("button", name=re.compile("Approve .* from the house")).click(timeout=60_000)
    await expect(page.locator("#dispatch")).to_contain_text("Patapsco", timeout=DONE_MS)


async def accept_from_the_mail(scene: Scene, operator: BrowserContext) -> None:
    """The company opens the link it was mailed and says yes."""
    page = await operator.new_page()
    await page.goto(await scene.mailed_link("dispatch@patapsco.example", "/operator/offer/"))
    await expect(page.locator("main")).to_contain_text("Camden Yards")
    await page.get_by_role("button", name=re.compile("^Accept for")).click()
    await expect(page.locator("main")).to_contain_text("The duty is yours")
    await page.close()


async def assign_a_driver(scene: Scene, operator: BrowserContext) -> str:
    """The dispatcher says who drives; returns the link that driver is mailed."""
    page = await operator.new_page()
    await page.goto(f"{scene.base}/demo/operator/{OPERATOR}")
    await page.goto(f"{scene.base}/operator/duties")
    await page.get_by_label("Driver").select_option(index=0)
    await page.get_by_role("button", name="Assign").click()
    await expect(page.get_by_role("button", name="Change")).to_be_visible()
    drivers = await (await page.request.get(f"{scene.base}/api/operator/drivers")).json()
    emails = {driver["name"]: driver["email"] for driver in drivers}
    chosen = await page.get_by_label("Driver").locator("option[selected]").inner_text()
    return await scene.mailed_link(emails[chosen], "/d/")


async def depot_out(scene: Scene) -> datetime:
    """A minute after the bus leaves its yard."""

    async def settled() -> Any:
        dispatch = (await scene.http.get(f"/api/events/{scene.event['id']}/dispatch")).json()
        return dispatch["duties"] if dispatch["stage"] == "settled" else None

    duties = await found(settled, "dispatch to be settled")
    return datetime.fromisoformat(duties[0]["starts_at"]) + timedelta(minutes=1)


async def check_in_with_and_without_signal(driver: BrowserContext, link: str) -> None:
    """The driver shares the position, checks Ada in, loses the signal, checks Bob in, and gets it back."""
    page = await driver.new_page()
    await page.goto(link)
    await page.wait_for_selector("#duty-app[data-offline=ready]")
    status = page.locator("#duty-status")
    await page.get_by_role("button", name="Share the bus's position").tap()
    await expect(status).to_contain_text("position shared")
    await page.get_by_role("button", name="Find name").tap()
    dialog = page.get_by_role("dialog", name="Find a name")
    await dialog.get_by_role("searchbox").fill("love")
    await dialog.get_by_role("button", name="Ada Lovelace: all 2 aboard").tap()
    await expect(status).to_contain_text("2 waiting to be sent")
    await expect(status).to_contain_text("All sent", timeout=DONE_MS)
    await driver.set_offline(True)
    await dialog.get_by_role("searchbox").fill("brown")
    await dialog.get_by_role("button", name="Bob Brown: aboard").tap()
    await expect(status).to_contain_text("Connection lost · 1 waiting to be sent", timeout=DONE_MS)
    await driver.set_offline(False)
    await expect(status).to_contain_text("All sent", timeout=DONE_MS)
    await expect(dialog.locator(".duty-party")).to_contain_text("Aboard")


async def ride(pledge: Page) -> None:
    """Ada's passes, and where her bus is."""
    await shown(pledge, "Boarding pass")
    await pledge.get_by_role("link", name="Boarding pass").click()
    await expect(pledge.locator(".qr svg")).to_have_count(4)
    await expect(pledge.locator("main")).to_contain_text("Aboard")
    await pledge.get_by_role("link", name="Where is my bus?").click()
    await expect(pledge.locator("#now")).to_contain_text("Last seen", timeout=DONE_MS)

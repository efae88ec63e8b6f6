"""Making a passkey and signing in with it, in a real browser with a virtual authenticator (CDP WebAuthn)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, CDPSession, Page, expect

from app.web.cookies import SESSION_COOKIE
from app.web.vendoring import FOR_TESTS
from tests.browser.web.gallery import SIZES, browser
from tests.support.service import Service

pytestmark = pytest.mark.browser
AXE = next(FOR_TESTS.glob("axe-core/*/axe.min.js"))
ASK_AGAIN = """async () => {
  const publicKey = {challenge: new Uint8Array(32), userVerification: "required"};
  try { await navigator.credentials.get({publicKey}); return "signed"; } catch (error) { return error.name; }
}"""
PHONE = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True}


@pytest_asyncio.fixture
async def chrome(chromium: Path) -> AsyncIterator[Browser]:
    async with browser(chromium) as launched:
        yield launched


async def with_authenticator(page: Page, *, answers_by_itself: bool) -> tuple[CDPSession, str]:
    """A phone's authenticator in this browser; without `answers_by_itself` its owner does not touch it."""
    wire = await page.context.new_cdp_session(page)
    await wire.send("WebAuthn.enable")
    options = PHONE | {"automaticPresenceSimulation": answers_by_itself}
    made: dict[str, Any] = await wire.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return wire, made["authenticatorId"]


async def sign_in_by_mail(service: Service, page: Page, email: str) -> None:
    await page.goto(f"{service.settings.base_url}/sign-in?next=/account")
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_role("button", name="Mail me a link").click()
    await page.get_by_role("heading", name="Look into your mail").wait_for()
    await service.work("send_mail")
    text = service.postbox.messages[-1].get_body(("plain",)).get_content()
    await page.goto(service.settings.base_url + "/sign-in/" + text.split("/sign-in/", 1)[1].split()[0])
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("heading", name="My account").wait_for()


async def assert_fit(page: Page) -> None:
    """axe finds nothing and nothing scrolls sideways, on a phone and a desk."""
    for width, height in (*SIZES.values(), (320, 640)):
        await page.set_viewport_size({"width": width, "height": height})
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
    await page.evaluate(AXE.read_text())
    found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [(item["id"], [node["html"][:160] for node in item["nodes"]]) for item in found["violations"]] == []


async def test_a_passkey_is_made_used_renamed_and_removed(service: Service, chrome: Browser) -> None:
    page = await (await chrome.new_context()).new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    wire, authenticator = await with_authenticator(page, answers_by_itself=True)
    await sign_in_by_mail(service, page, "ada@example.org")
    await page.get_by_label("Name of a new passkey").fill("My phone")
    await page.get_by_role("button", name="Add a passkey").click()
    await expect(page.get_by_label("Name of My phone")).to_be_visible()
    await assert_fit(page)
    (kept,) = (await wire.send("WebAuthn.getCredentials", {"authenticatorId": authenticator}))["credentials"]
    assert (kept["isResidentCredential"], kept["rpId"]) == (True, "localhost")

    # The same device again: it knows that it has one here.
    await page.get_by_label("Name of a new passkey").fill("Again")
    await page.get_by_role("button", name="Add a passkey").click()
    await expect(page.get_by_text("This device has a passkey here already.")).to_be_visible()

    await page.get_by_role("button", name="Sign out", exact=True).click()
    await page.wait_for_url(f"{service.settings.base_url}/")
    await wire.send("WebAuthn.setAutomaticPresenceSimulation", {"authenticatorId": authenticator, "enabled": False})
    await page.goto(f"{service.settings.base_url}/sign-in?next=/account")
    await assert_fit(page)
    await wire.send("WebAuthn.setAutomaticPresenceSimulation", {"authenticatorId": authenticator, "enabled": True})
    if "/sign-in" in page.url:  # where the browser offers it in the address field, it may have signed in already
        button = page.get_by_role("button", name="Use a passkey")
        await button.click()
    await page.get_by_role("heading", name="My account").wait_for()
    await expect(page.get_by_role("cell", name="Passkey")).to_be_visible()

    await page.get_by_label("Name of My phone").fill("Old phone")
    await page.get_by_role("button", name="Rename").click()
    await expect(page.get_by_label("Name of Old phone")).to_be_visible()
    await page.get_by_role("button", name="Remove").click()
    await expect(page.get_by_label("Name of Old phone")).to_have_count(0)
    assert complaints == []


async def test_the_address_field_offers_it_without_a_tap(service: Service, chrome: Browser) -> None:
    page = await (await chrome.new_context()).new_page()
    await with_authenticator(page, answers_by_itself=True)
    await sign_in_by_mail(service, page, "bob@example.org")
    await page.get_by_label("Name of a new passkey").fill("Laptop")
    await page.get_by_role("button", name="Add a passkey").click()
    await expect(page.get_by_label("Name of Laptop")).to_be_visible()
    await page.context.clear_cookies()
    await page.goto(f"{service.settings.base_url}/sign-in?next=/account")
    await page.get_by_role("heading", name="My account").wait_for()
    assert [cookie for cookie in await page.context.cookies() if cookie.get("name") == SESSION_COOKIE]


async def test_whoever_is_not_verified_does_not_get_in(service: Service, chrome: Browser) -> None:
    page = await (await chrome.new_context()).new_page()
    wire, authenticator = await with_authenticator(page, answers_by_itself=True)
    await sign_in_by_mail(service, page, "eve@example.org")
    await page.get_by_label("Name of a new passkey").fill("Phone")
    await page.get_by_role("button", name="Add a passkey").click()
    await expect(page.get_by_label("Name of Phone")).to_be_visible()
    await wire.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": False})
    await page.context.clear_cookies()
    await page.goto(f"{service.settings.base_url}/sign-in?next=/account")
    async with page.expect_response("**/sign-in/passkey/options"):
        await page.get_by_role("button", name="Use a passkey").click()
    assert await page.evaluate(ASK_AGAIN) == "NotAllowedError", "the browser has said no by now"
    assert "/sign-in" in page.url
    assert [cookie for cookie in await page.context.cookies() if cookie.get("name") == SESSION_COOKIE] == []


async def test_being_forgotten_is_asked_shown_and_done(service: Service, chrome: Browser) -> None:
    page = await (await chrome.new_context()).new_page()
    page.on("dialog", lambda dialog: dialog.accept())
    await sign_in_by_mail(service, page, "gone@example.org")
    await page.get_by_role("button", name="Ask to be forgotten").click()
    await page.get_by_role("heading", name="Look into your mail").wait_for()
    await service.work("send_mail")
    text = service.postbox.messages[-1].get_body(("plain",)).get_content()
    await page.goto(f"{service.settings.base_url}/erase/" + text.split("/erase/", 1)[1].split()[0])
    await assert_fit(page)
    await page.get_by_role("button", name="Erase everything about me").click()
    await page.get_by_role("heading", name="You are forgotten").wait_for()
    await assert_fit(page)
    await page.goto(f"{service.settings.base_url}/account")
    await page.get_by_role("heading", name="Sign in").wait_for()

"""The card page and the bank's page as a person uses them, in a real browser, at phone width."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright

from tests.support.fake_stripe import FakeStripe

pytestmark = pytest.mark.browser


@pytest_asyncio.fixture
async def page(chromium: Path) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = await browser.new_context(viewport={"width": 390, "height": 844})
        yield await context.new_page()
        await browser.close()


async def open_card_page(stripe: FakeStripe, page: Page) -> str:
    """Open it; our own ready page stands in for the service's success page."""
    session = await stripe.gateway.create_setup_session(
        reference="pledge-9",
        email="ada@example.org",
        success_url=f"{stripe.url}/_stage/ready?session={{CHECKOUT_SESSION_ID}}",
        cancel_url=f"{stripe.url}/_stage/clock",
        expires_at=datetime.now(UTC) + timedelta(minutes=15),
        idempotency_key=uuid4().hex,
    )
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    await page.goto(session.url)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    assert await page.evaluate("getComputedStyle(document.querySelector('.primary')).borderRadius") != "0px"  # the stylesheet came
    assert faults == []
    return session.id


async def test_typing_a_card_saves_it_and_comes_back(stripe: FakeStripe, page: Page) -> None:
    session_id = await open_card_page(stripe, page)
    await page.get_by_label("Card number").fill("4242 4242 4242 4242")
    await page.get_by_label("Expiry").fill("12 / 40")
    await page.get_by_label("CVC").fill("123")
    await page.get_by_label("Name on card").fill("Ada Rider")
    await page.get_by_role("button", name="Save card").click()
    await page.wait_for_url(f"**/_stage/ready?session={session_id}")
    assert (await stripe.gateway.fetch_setup_session(session_id)).status == "complete"


async def test_a_declined_test_card_can_be_followed_by_a_good_one(stripe: FakeStripe, page: Page) -> None:
    session_id = await open_card_page(stripe, page)
    await page.get_by_role("button", name="4000 0000 0000 0002").click()
    await page.get_by_role("alert").filter(has_text="declined").wait_for()
    await page.get_by_role("button", name="4242 4242 4242 4242").click()
    await page.wait_for_url(f"**/_stage/ready?session={session_id}")


async def test_going_back_leaves_the_card_unsaved(stripe: FakeStripe, page: Page) -> None:
    session_id = await open_card_page(stripe, page)
    await page.get_by_role("link", name="Back to Busload").click()
    await page.wait_for_url("**/_stage/clock")
    assert (await stripe.gateway.fetch_setup_session(session_id)).status == "open"


async def test_approving_at_the_bank_pays(stripe: FakeStripe, page: Page) -> None:
    card = await stripe.saved_card("4000002760003184")
    intent = await stripe.intent(card)
    assert card.payment_method_ref is not None
    waiting = await stripe.gateway.confirm_payment_intent(
        intent.ref,
        payment_method_ref=card.payment_method_ref,
        off_session=False,
        return_url=f"{stripe.url}/_stage/ready",
        idempotency_key=uuid4().hex,
    )
    assert waiting.action_url is not None
    await page.goto(waiting.action_url)
    await page.get_by_role("button", name="Approve").click()
    await page.wait_for_url("**/_stage/ready?**redirect_status=succeeded")
    assert (await stripe.gateway.fetch_payment_intent(intent.ref)).status == "succeeded"

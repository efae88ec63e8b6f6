import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.support.day_service import Day, Web, begun_day, serving

CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")


@pytest_asyncio.fixture(scope="session")
async def web(server: tuple[str, str]) -> AsyncIterator[Web]:
    """One web process for these tests: each has a world of its own in it."""
    async with serving(server) as running:
        yield running


@pytest_asyncio.fixture
async def day(web: Web) -> AsyncIterator[Day]:
    """A day of travel served over HTTP."""
    async with begun_day(web) as begun:
        yield begun


@pytest_asyncio.fixture(scope="session")
async def chrome(chromium: Path) -> AsyncIterator[Browser]:
    """A browser with a camera that shows nothing of interest."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=str(chromium), args=["--no-sandbox", *CAMERA])
        yield launched
        await launched.close()


@pytest_asyncio.fixture
async def phone(chrome: Browser) -> AsyncIterator[BrowserContext]:
    """The driver's phone."""
    context = await chrome.new_context(viewport={"width": 390, "height": 844}, permissions=["camera"])
    yield context
    await context.close()


async def open_duty(phone: BrowserContext, day: Day) -> Page:
    """The driver's page once it may lose its signal; a fault on the console fails the test that looks at `faults`."""
    page = await phone.new_page()
    await page.goto(f"{day.base}/d/{day.token}")
    async with asyncio.timeout(30):
        await page.wait_for_selector("#duty-app[data-offline=ready]")
    return page

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.browser.journey.scene import Scene, set_scene

QUIET = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")


@pytest_asyncio.fixture
async def chrome(chromium: Path) -> AsyncIterator[Browser]:
    """A real browser that asks nobody but our own processes for anything."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=str(chromium), args=[*QUIET, "--enable-unsafe-swiftshader"])
        yield launched
        await launched.close()


@pytest_asyncio.fixture
async def scene(server: tuple[str, str], chrome: Browser) -> AsyncIterator[Scene]:
    """A private stack with one trip on sale."""
    async with set_scene(server, chrome) as ready:
        yield ready

"""The pictures of README and docs, taken from the demo world: `python -m tests.browser.journey.tour [FOLDER]` (`make screenshots`)."""

import asyncio
import sys
from base64 import b64encode
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from app.stage.private_stack import private_stack
from app.stage.world.seed import seed_world
from tests.support.chromium import HOW_TO_INSTALL, find_chromium

IMAGES = Path(__file__).resolve().parents[3] / "docs" / "images"
PHONE, DESKTOP = (390, 780), (1280, 860)
FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--hide-scrollbars",
)
TOUR = """<!DOCTYPE html><meta charset="utf-8"><style>
  body {{ margin: 0; inline-size: 1400px; block-size: 820px; position: relative; overflow: hidden; background: #f5ce2c; }}
  img {{ position: absolute; display: block; border: 3px solid #12162a; box-shadow: 10px 10px 0 #12162a; }}
  .desktop {{ inset: 44px auto auto 44px; inline-size: 1050px; block-size: 705px; border-radius: 12px; }}
  .phone {{ inset: 96px 48px auto auto; inline-size: 332px; block-size: 664px; border-radius: 28px; }}
</style><img class="desktop" alt="" src="{desktop}"><img class="phone" alt="" src="{phone}">"""


async def take_pictures(folder: Path, executable: Path) -> None:
    """Writes every picture of the tour into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    async with private_stack() as stack, async_playwright() as playwright:
        await stack.worker.stop()
        doors = {door.role: door.url for door in (await seed_world(stack.settings)).doors}
        await stack.worker.start()
        chrome = await playwright.chromium.launch(executable_path=str(executable), args=list(FLAGS))
        phone = await shoot_phone(chrome, doors["Rider"])
        desktop = await shoot_dispatch(chrome, stack.base_url, doors["Organiser"])
        await lay_out(chrome, folder / "tour.png", phone=phone, desktop=desktop)
        (folder / "dispatch.png").write_bytes(desktop)
        (folder / "driver.png").write_bytes(await shoot_phone(chrome, doors["Driver"], wait_for="#duty-app[data-offline=ready]"))
        (folder / "pass.png").write_bytes(await shoot_phone(chrome, f"{doors['Rider with a seat']}/pass", wait_for=".qr svg", tall=True))
        await chrome.close()


async def shoot_phone(chrome: Browser, url: str, *, wait_for: str = "main", tall: bool = False) -> bytes:
    """A page as a phone shows it."""
    page = await open_page(chrome, PHONE, scale=2 if not tall else 1)
    await page.goto(url, wait_until="load")
    await page.wait_for_selector(wait_for)
    return await settled_picture(page)


async def shoot_dispatch(chrome: Browser, base: str, door: str) -> bytes:
    """The plan of the event with the most duties, on its map."""
    page = await open_page(chrome, DESKTOP, scale=1)
    await page.goto(door)
    events = await page.evaluate("[...new Set([...document.links].map((link) => link.pathname))]")
    rooms = [f"{base}{path}/dispatch" for path in events if path.startswith("/organiser/events/") and not path.endswith("/new")]
    duties = {}
    for room in rooms:
        await page.goto(room)
        duties[room] = await page.locator("#dispatch details").count()
    await page.goto(max(duties, key=lambda room: duties[room]))
    await page.get_by_role("button", name="Show map").click()
    await page.wait_for_selector("[data-map][data-drawn]", state="attached", timeout=60_000)
    await page.locator("#h-map").evaluate("heading => scrollTo({top: heading.offsetTop - 16, behavior: 'instant'})")
    return await settled_picture(page)


async def open_page(chrome: Browser, size: tuple[int, int], *, scale: float) -> Page:
    """A page of a size, in daylight, without movement."""
    context = await chrome.new_context(
        viewport={"width": size[0], "height": size[1]}, device_scale_factor=scale, reduced_motion="reduce", color_scheme="light"
    )
    return await context.new_page()


async def settled_picture(page: Page) -> bytes:
    """What is on the screen once its letters are there."""
    await page.evaluate("document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))")
    return await page.screenshot()


async def lay_out(chrome: Browser, file: Path, *, phone: bytes, desktop: bytes) -> None:
    """Both pictures on one ticket-yellow sheet."""
    page = await chrome.new_page(viewport={"width": 1400, "height": 820})
    sources = {name: f"data:image/png;base64,{b64encode(data).decode()}" for name, data in (("phone", phone), ("desktop", desktop))}
    await page.set_content(TOUR.format(**sources))
    await page.wait_for_function("[...document.images].every((image) => image.complete)")
    await page.screenshot(path=file)


def main() -> None:
    """Find a browser and take the pictures."""
    executable = find_chromium()
    if executable is None:
        sys.exit(HOW_TO_INSTALL)
    asyncio.run(take_pictures(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES, executable))


if __name__ == "__main__":
    main()

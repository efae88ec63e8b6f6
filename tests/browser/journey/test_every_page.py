"""Every page of every role, as its people reach it: accessible, still, light, quiet, and no wider than a small phone."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from app.stage.doors import Doors
from app.stage.private_stack import PrivateStack, private_stack
from app.stage.world.seed import seed_world
from tests.browser.journey.scene import found
from tests.browser.journey.walk import Walker, read_routes

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]

# What is no page to look at, and why.
NO_PAGE = {
    "/w/{file:str}": "the widget's loader",
    "/w/{version:str}/{file:str}": "the widget's parts",
    "/w/events/{file:str}": "the widget's data",
    "/open/events/{code:str}/jsonld": "data for machines",
    "/oembed": "data for machines",
    "/d/static/{version:str}/{name:str}": "the driver's files",
    "/trips/{code:str}/board": "a part of the trip's page",
    "/t/{token:str}/now": "a part of the tracking page",
    "/organiser/events/{code:str}/dispatch/solving": "a part of the dispatch page, while a plan is being made",
    "/organiser/events/{code:str}/dispatch/solving/map": "a part of the dispatch page, while a plan is being made",
    "/organiser/events/{code:str}/dispatch/plan": "a part of the dispatch page: the plan drawn again for one operator",
    "/p/{token:str}/card-saved": "sends the rider on to the pledge",
    "/p/{token:str}/approved": "sends the rider on to the pledge",
    "/demo/{role:str}": "signs in and sends on",
    "/demo/{role:str}/{code:str}": "signs in and sends on",
    "/trips/{code:str}/waitlist": "tests/browser/journey/test_after_confirmation.py, which fills a trip",
    "/receipts/{token:str}": "the receipt's page for who passed seats on: tests/flows/pledges/test_transfers.py",
    "/transfer/{token:str}": "tests/browser/journey/test_after_confirmation.py",
    "/waitlist/{token:str}": "tests/browser/journey/test_after_confirmation.py",
    "/organiser/events/{code:str}/money/{table:str}": "the money page's tables as CSV",
    "/organiser/disputes/{dispute_id:uuid}": "tests/browser/organiser, where somebody disputes",
    "/operator/statements/{duty_id:uuid}": "tests/browser/operator/test_statement_pages.py, where a duty has been paid",
    "/api": "Swagger's reader, with a main landmark of its own: tests/browser/web/test_api_docs.py",
    "/erase/{token:str}": "asked for by mail: tests/browser/account",
    "/partner": "sends the partner on to their own page",
    "/w/frame/{code:str}": "the widget alone: tests/browser/partner",
}
PAGES: dict[str, set[str]] = {
    "passer-by": {
        "/", "/e/{code:str}", "/trips/{code:str}", "/trips/{code:str}/propose-stop", "/sign-in", "/sign-in/{token:str}",
    },
    "rider": {"/pledges", "/account", "/p/{token:str}", "/p/{token:str}/pass", "/p/{token:str}/receipt", "/t/{token:str}"},
    "operator": {
        "/operator", "/operator/offers/{offer_id:uuid}", "/operator/offer/{token:str}", "/operator/duties", "/operator/fleet",
        "/operator/vehicles/{vehicle_id:uuid}", "/operator/drivers", "/operator/statements",
    },
    "driver": {"/d/{token:str}"},
    "organiser": {
        "/organiser", "/organiser/events/new", "/organiser/events/{code:str}", "/organiser/events/{code:str}/dispatch",
        "/organiser/events/{code:str}/review", "/organiser/events/{code:str}/money", "/organiser/events/{code:str}/ledger",
        "/organiser/events/{code:str}/payouts", "/organiser/money", "/organiser/payouts", "/organiser/ledger/{transaction_id:uuid}",
        "/organiser/trips/{code:str}",
    },
    "partner": {
        "/partner/{code:str}", "/partner/{code:str}/events/{event:str}", "/partner/{code:str}/keys", "/partner/{code:str}/webhooks",
        "/partner/{code:str}/webhooks/{endpoint_id:uuid}", "/partner/{code:str}/statements",
    },
}  # fmt: skip
World = tuple[PrivateStack, Doors]


@pytest_asyncio.fixture(scope="module")
async def world(server: tuple[str, str]) -> AsyncIterator[World]:
    """The demo world on a private stack."""
    async with private_stack(server_dsn=server[0], template=server[1]) as stack:
        await stack.worker.stop()
        doors = await seed_world(stack.settings)
        await stack.worker.start()
        yield stack, doors


async def mailed(stack: PrivateStack, part: str) -> str:
    """Some mailed link that has `part` in it."""
    async with httpx.AsyncClient(base_url=stack.inbox_url, trust_env=False, timeout=30) as inbox:

        async def links() -> list[str]:
            mails: list[dict[str, Any]] = (await inbox.get("/api/messages")).json()
            return [link for mail in mails for link in mail["links"] if part in link]

        return (await found(links, f"a mail with a link to {part}"))[-1]


async def doors_of(role: str, stack: PrivateStack, doors: Doors, page: Page) -> list[str]:
    """Where somebody of this role begins."""
    base, printed = stack.base_url, {door.role: door.url for door in doors.doors}
    match role:
        case "passer-by":
            await ask_for_a_link(stack, page)
            return [base, printed["Rider"], f"{base}/sign-in", await mailed(stack, "/sign-in/")]
        case "rider":
            return [f"{base}/demo/rider", f"{base}/pledges", printed["Rider with a seat"], await mailed(stack, "/t/")]
        case "operator":
            return [printed["Operator"], f"{base}/operator", await mailed(stack, "/operator/offer/")]
        case "driver":
            return [printed["Driver"]]
        case "organiser":
            return [printed["Organiser"], f"{base}/organiser"]
        case _:
            await add_endpoint(stack)
            return [printed["Partner"], f"{base}/partner/MALL2017"]


async def ask_for_a_link(stack: PrivateStack, page: Page) -> None:
    """Somebody wants to sign in."""
    await page.goto(f"{stack.base_url}/sign-in")
    await page.get_by_label("E-mail address").fill("passer@example.org")
    await page.get_by_role("button", name="Mail me a link").click()
    await page.get_by_role("heading", name="Look into your mail").wait_for()


async def add_endpoint(stack: PrivateStack) -> None:
    """The partner has a webhook endpoint."""
    async with httpx.AsyncClient(base_url=stack.base_url, trust_env=False, timeout=30) as http:
        token = (await http.post("/api/demo/sessions", json={"role": "partner"})).json()["token"]
        body = {"url": "https://hooks.example.org/busload"}
        (await http.post("/api/partner/webhooks", json=body, headers={"Authorization": f"Bearer {token}"})).raise_for_status()


def test_every_page_of_the_route_table_has_its_visitor() -> None:
    routes = {route.pattern for route in read_routes()}
    assert routes - set(NO_PAGE) == set().union(*PAGES.values())


@pytest.mark.parametrize("role", PAGES)
async def test_every_page_of_a_role_is_fit_to_be_seen(world: World, chrome: Browser, role: str) -> None:
    stack, doors = world
    walker = await Walker.start(stack.base_url, await chrome.new_context(reduced_motion="reduce"), wanted=PAGES[role])
    starts = await doors_of(role, stack, doors, walker.page)
    if "/demo/" in starts[0]:
        await walker.page.goto(starts.pop(0))
    await walker.walk(starts)
    assert [f"{visit.path}: {fault}" for visit in walker.visits for fault in visit.faults] == []
    assert PAGES[role] - walker.seen == set(), "no link leads there"

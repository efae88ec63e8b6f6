"""The partner's pages, the sign-in pages and a partner's own site with the widget, in a real browser against the real service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from app.core.ids import new_id, public_code
from app.domain.partners.model import Partner
from app.domain.partners.store import add_partner
from app.flows.keep_keys import create_key
from app.flows.keep_webhooks import add_endpoint
from app.surfaces.partner.snippets import write_snippets
from app.web.vendoring import FOR_TESTS
from tests.browser.web.gallery import SIZES, browser, open_page
from tests.support.receiver import running_receiver
from tests.support.service import Service

pytestmark = pytest.mark.browser
AXE = next(FOR_TESTS.glob("axe-core/*/axe.min.js"))


@pytest_asyncio.fixture
async def chrome(chromium: Path) -> AsyncIterator[Browser]:
    async with browser(chromium) as launched:
        yield launched


@pytest_asyncio.fixture
async def partner(service: Service) -> Partner:
    partner = Partner(id=new_id(), public_code=public_code(), name="City FC", site_url="https://city.example", email="desk@city.example")
    async with service.pool.acquire() as conn:
        await add_partner(conn, partner)
    return partner


async def violations(page: Page) -> list[Any]:
    await page.evaluate(AXE.read_text())
    found: dict[str, Any] = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [(item["id"], [node["html"][:160] for node in item["nodes"]]) for item in found["violations"]]


async def furnish(service: Service, partner: Partner) -> tuple[dict[str, Any], str]:
    """An event with a trip, a key, and an endpoint with one delivery of each outcome; the event and the endpoint's page."""
    event = await service.event(partner_id=str(partner.id), partner_share_bp=500)
    await service.pledged(await service.trip(event), seats=2)
    await service.trip(event, origin="Philadelphia", minimum=40, cap=54)
    await create_key(pool=service.pool, partner_id=partner.id, origins=["https://www.city.example"], actor="partner:test")
    async with running_receiver() as receiver:
        endpoint = await add_endpoint(service.pool, partner_id=partner.id, url=receiver.url, actor="partner:test")
        receiver.statuses = [204, 500]
        for _ in range(2):
            page = await service.http.post("/api/demo/sessions", json={"role": "partner", "code": partner.public_code})
            bearer = {"Authorization": f"Bearer {page.json()['token']}"}
            await service.http.post(f"/api/partner/webhooks/{endpoint.id}/test", headers=bearer)
        await service.work("deliver_webhook")
    return event, f"/webhooks/{endpoint.id}"


@pytest.mark.parametrize("size", SIZES)
async def test_every_page_is_accessible_and_silent(service: Service, chrome: Browser, partner: Partner, size: str, tmp_path: Path) -> None:
    event, endpoint = await furnish(service, partner)
    home, base = f"/partner/{partner.public_code}", service.settings.base_url
    page, faults = await open_page(chrome, f"{base}/sign-in", size, "light")
    assert await violations(page) == []
    await page.goto(f"{base}/demo/partner/{partner.public_code}", wait_until="networkidle")
    for path in (home, f"{home}/events/{event['code']}", f"{home}/keys", f"{home}/webhooks", home + endpoint):
        await page.goto(base + path, wait_until="networkidle")
        await page.screenshot(path=tmp_path / f"{size}-{path.strip('/').replace('/', '-')}.png", full_page=True)
        assert await violations(page) == [], path
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
    assert faults == []


async def test_the_preview_shows_the_trips_on_our_own_page(service: Service, chrome: Browser, partner: Partner) -> None:
    event, _ = await furnish(service, partner)
    page, faults = await open_page(chrome, f"{service.settings.base_url}/demo/partner/{partner.public_code}", "desktop", "light")
    await page.goto(f"{service.settings.base_url}/partner/{partner.public_code}/events/{event['code']}")
    await page.locator("busload-trips").scroll_into_view_if_needed()
    await expect(page.locator("busload-trips")).to_contain_text("Baltimore")
    assert faults == []


@asynccontextmanager
async def partner_site(service_url: str) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """Somebody else's site (127.0.0.1, while the service is localhost) with a strict policy; its origin, and its bodies by path."""
    pages: dict[str, str] = {}
    policy = f"default-src 'none'; script-src {service_url}; connect-src {service_url}"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        body = f'<!DOCTYPE html><html lang="en"><title>City FC</title><body>{pages.get(path, "")}</body></html>'.encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-security-policy: {policy}\r\ncontent-length: {len(body)}\r\n"
        writer.write(f"{head}connection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", pages


async def test_a_partners_site_shows_a_pledge_the_moment_it_counts(service: Service, chrome: Browser, partner: Partner) -> None:
    event = await service.event(partner_id=str(partner.id))
    trip = await service.trip(event, minimum=3)
    async with partner_site(service.settings.base_url) as (site, pages):
        key = await create_key(pool=service.pool, partner_id=partner.id, origins=[site], actor="partner:test")
        snippets = write_snippets(
            event_code=event["code"], event_name=event["name"], key=key.public_key, base_url=service.settings.base_url
        )
        pages.update({"/pinned": snippets.pinned, "/plain": snippets.plain, "/stolen": snippets.floating})
        page = await chrome.new_page()
        for path in ("/plain", "/pinned"):
            await page.goto(site + path)
            await expect(page.locator("busload-trips")).to_contain_text("0 of 3")
        await service.pledged(trip, seats=2)
        await expect(page.locator("busload-trips")).to_contain_text("2 of 3")
        await service.pledged(trip)
        await expect(page.locator("busload-trips")).to_contain_text("Confirmed")
        assert await page.context.cookies() == []
        await page.goto(f"{site.replace('127.0.0.1', 'localhost')}/stolen")
        await expect(page.get_by_role("link", name="Buses to")).to_be_visible()
        assert await page.locator("busload-trips").evaluate("element => !element.shadowRoot.querySelector('section')")


async def test_the_mailed_link_signs_in_by_a_tap(service: Service, chrome: Browser) -> None:
    base = service.settings.base_url
    page, faults = await open_page(chrome, f"{base}/sign-in?next=/e/x", "phone", "dark")
    await page.get_by_label("E-mail address").fill("ada@example.org")
    await page.get_by_role("button", name="Mail me a link").click()
    await expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    await service.work("send_mail")
    text = service.postbox.messages[-1].get_body(("plain",)).get_content()
    link = next(word for word in text.split() if word.startswith(f"{base}/sign-in/"))
    await page.goto(link)
    assert await violations(page) == []
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"{base}/e/x")
    assert [cookie for cookie in await page.context.cookies() if cookie.get("name") == "busload_session"]
    assert [fault for fault in faults if "404" not in fault] == []


async def test_the_api_reference_draws_the_real_description_under_our_policy(service: Service, chrome: Browser) -> None:
    page, faults = await open_page(chrome, f"{service.settings.base_url}/api", "desktop", "light")
    group = page.locator(".opblock-tag", has_text="partner").first
    await group.click()
    operation = page.locator(".opblock", has_text="/api/partner/keys").first
    await operation.click()
    await expect(operation).to_contain_text("Responses")
    assert faults == []


async def test_a_rider_who_came_from_a_partners_page_finds_back_and_the_widget_thanks(
    service: Service, chrome: Browser, partner: Partner
) -> None:
    event = await service.event(partner_id=str(partner.id))
    trip = await service.trip(event, minimum=3)
    async with partner_site(service.settings.base_url) as (site, pages):
        key = await create_key(pool=service.pool, partner_id=partner.id, origins=[site], actor="partner:test")
        pages["/derby?a=1"] = write_snippets(
            event_code=event["code"], event_name=event["name"], key=key.public_key, base_url=service.settings.base_url
        ).floating
        page = await chrome.new_page()
        await page.goto(f"{site}/derby?a=1")
        await page.locator("busload-trips a[part=button]").first.click()
        await page.get_by_label("Camden Yards").check()
        await page.get_by_label("Name").fill("Ada")
        await page.get_by_label("E-mail").fill("ada@example.org")
        await page.locator("input[name=terms]").check()
        await page.locator("section#pledge button[type=submit]").click()
        await page.wait_for_url(f"{service.stripe.url}/**")
        async with service.pool.acquire() as conn:
            pledge = await conn.fetchrow("SELECT setup_session_ref, partner_key_id FROM pledges")
        assert pledge is not None
        assert pledge["partner_key_id"] == key.id
        await service.stripe.stage(f"sessions/{pledge['setup_session_ref']}/complete", {"card": "4242424242424242"})
        await page.goto(await back_address(service, pledge["setup_session_ref"]))
        await page.get_by_role("link", name="Back to 127.0.0.1").click()
        await expect(page.locator("busload-trips")).to_contain_text("your seat from Baltimore is pledged")
        assert page.url == f"{site}/derby?a=1"
        assert trip["code"] not in page.url


async def back_address(service: Service, session_ref: str) -> str:
    """Where the card page sends the rider when the card is saved."""
    await service.work("send_mail")
    text = service.postbox.messages[0].get_body(("plain",)).get_content()
    manage_url = next(word for word in text.split() if "/p/" in word)
    return f"{manage_url}/card-saved?session={session_ref}"

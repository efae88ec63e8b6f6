"""The operators' pages, as a browser without JavaScript uses them."""

import re
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest_asyncio

from app.core.ids import derived_token
from app.domain.dispatch.model import Offer, OfferState
from app.web.cookies import SESSION_COOKIE
from tests.support.dispatch_stage import Stage
from tests.support.dispatch_world import SECRET, offers_in


class Browser:
    """Keeps cookies, follows redirects, sends forms with the page's token."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def open(self, path: str) -> str:
        answer = await self.client.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer.text

    async def send(self, page: str, path: str, **fields: str) -> httpx.Response:
        token = re.search(r'name="_csrf_token" value="([^"]+)"', await self.open(page))
        assert token, f"{page} has no form"
        return await self.client.post(path, data={"_csrf_token": token[1], **fields})


async def browser_of(stage: Stage, operator_id: UUID | None) -> Browser:
    cookies = {}
    if operator_id is not None:
        cookies[SESSION_COOKIE] = stage.operators[operator_id].headers["authorization"].removeprefix("Bearer ")
    client = httpx.AsyncClient(
        base_url=stage.service.settings.base_url, trust_env=False, timeout=30, follow_redirects=True, cookies=cookies,
        headers={"accept": "text/html", "sec-fetch-site": "same-origin"},
    )  # fmt: skip
    return Browser(client)


@pytest_asyncio.fixture
async def offer(stage: Stage) -> Offer:
    await stage.plan()
    return (await offers_in(stage.pool, stage.world, OfferState.SENT))[0]


@pytest_asyncio.fixture
async def browser(stage: Stage, offer: Offer) -> AsyncIterator[Browser]:
    made = await browser_of(stage, offer.operator_id)
    yield made
    await made.client.aclose()


async def test_the_list_shows_net_pay_first_and_links_to_the_offer(browser: Browser, offer: Offer) -> None:
    text = await browser.open("/operator")
    assert f"{offer.price_minor / 100:,.2f}" in text
    assert f"/operator/offers/{offer.id}" in text


async def test_an_offer_is_accepted_with_one_tap_and_pulled_out_of_with_another(browser: Browser, stage: Stage, offer: Offer) -> None:
    home = f"/operator/offers/{offer.id}"
    text = await browser.open(home)
    assert "Without riders" in text
    assert "If you pull out after accepting" in text
    accepted = await browser.send(home, f"{home}/accept")
    assert "Accepted. The duty is yours." in accepted.text
    assert "Nobody yet" in await browser.open("/operator/duties")
    left = await browser.send(home, f"{home}/pull-out", note="engine")
    assert "Pulled out" in left.text
    assert [one.id for one in await offers_in(stage.pool, stage.world, OfferState.FAILED)] == [offer.id]


async def test_a_decline_needs_a_reason_and_keeps_what_was_said(browser: Browser, stage: Stage, offer: Offer) -> None:
    home = f"/operator/offers/{offer.id}"
    refused = await browser.send(home, f"{home}/decline", note="sorry")
    assert (refused.status_code, "Please fill this in" in refused.text) == (422, True)
    assert await offers_in(stage.pool, stage.world, OfferState.DECLINED) == []
    declined = await browser.send(home, f"{home}/decline", reason="price", note="too far")
    assert declined.status_code == 200
    [answered] = await offers_in(stage.pool, stage.world, OfferState.DECLINED)
    assert (answered.decline_reason, answered.decline_note) == ("price", "too far")


async def test_the_mailed_link_answers_without_a_sign_in_and_a_mere_look_answers_nothing(stage: Stage, offer: Offer) -> None:
    nobody = await browser_of(stage, None)
    home = f"/operator/offer/{derived_token(SECRET, 'offer', offer.id)}"
    for _ in range(2):
        await nobody.open(home)
    assert offer.id in {one.id for one in await offers_in(stage.pool, stage.world, OfferState.SENT)}
    points = (await nobody.client.get(f"{home}/map.json")).json()["features"]
    assert {feature["geometry"]["type"] for feature in points} == {"LineString", "Point"}
    answered = await nobody.send(home, f"{home}/accept")
    assert answered.status_code == 200
    assert offer.id in {one.id for one in await offers_in(stage.pool, stage.world, OfferState.ACCEPTED)}
    assert (await nobody.client.get("/operator/offer/made-up")).status_code == 404
    await nobody.client.aclose()


async def test_a_form_from_another_site_is_refused(browser: Browser, stage: Stage, offer: Offer) -> None:
    home = f"/operator/offers/{offer.id}"
    forged = await browser.client.post(f"{home}/accept", data={}, headers={"sec-fetch-site": "cross-site"})
    assert forged.status_code == 403
    assert await offers_in(stage.pool, stage.world, OfferState.ACCEPTED) == []


async def test_a_fleet_grows_from_an_empty_page(browser: Browser, stage: Stage, offer: Offer) -> None:
    operator = str(offer.operator_id)
    bad = await browser.send("/operator/fleet", "/operator/depots", operator_id=operator, depot_name="Yard", lat="north", lon="1")
    assert bad.status_code == 422
    await browser.send("/operator/fleet", "/operator/depots", operator_id=operator, depot_name="Yard", lat="39.1", lon="-76.9")
    async with stage.pool.acquire() as conn:
        depot = await conn.fetchval("SELECT id FROM depots WHERE name = 'Yard'")
    wish = {"depot_id": str(depot), "name": "MAN", "plate": "NEW 7", "seats": "51", "wheelchair_places": "1", "rules": "us-fmcsa-395.5"}
    made = await browser.send("/operator/fleet", "/operator/vehicles", **wish)
    home = made.url.path
    twice = await browser.send("/operator/fleet", "/operator/vehicles", **wish)
    assert (twice.status_code, "already" in twice.text) == (409, True)
    card = {"valid_from": "2026-01-01", "currency": "usd", "call_out": "250", "per_km": "1.85", "per_h": "45", "standby_per_h": "20"}
    odd = await browser.send(home, f"{home}/rate-cards", **{**card, "per_km": "1.855"})
    assert (odd.status_code, "more decimals" in odd.text) == (422, True)
    priced = await browser.send(home, f"{home}/rate-cards", **card)
    assert "$1.85" in priced.text
    span = {"kind": "blocked", "starts": "2027-01-05T08:00", "ends": "2027-01-06T08:00", "zone": "America/New_York", "note": "workshop"}
    entered = await browser.send(home, f"{home}/availability", **span)
    assert (entered.status_code, "workshop" in entered.text, "/remove" in entered.text) == (200, True, True)
    assert (await browser.send(home, f"{home}/availability", **{**span, "starts": "soon"})).status_code == 422
    assert (await browser.send(home, f"{home}/availability", **{**span, "zone": "Moon/Sea"})).status_code == 422
    assert "Out of service" in (await browser.send(home, f"{home}/service", in_service="false")).text


async def test_drivers_are_added_assigned_and_relieved(browser: Browser, stage: Stage, offer: Offer) -> None:
    home = f"/operator/offers/{offer.id}"
    await browser.send(home, f"{home}/accept")
    operator = str(offer.operator_id)
    bad = await browser.send("/operator/drivers", "/operator/drivers", operator_id=operator, name="Jo", email="jo", phone="1")
    assert (bad.status_code, "no e-mail address" in bad.text) == (422, True)
    await browser.send("/operator/drivers", "/operator/drivers", operator_id=operator, name="Jo", email="jo@coaches.example", phone="1")
    async with stage.pool.acquire() as conn:
        driver = await conn.fetchval("SELECT id FROM drivers WHERE name = 'Jo'")
    assigned = await browser.send("/operator/duties", f"/operator/duties/{offer.duty_id}/drivers", driver_id=str(driver), seat="1")
    assert (assigned.status_code, "Change" in assigned.text) == (200, True)
    gone = await browser.send("/operator/drivers", f"/operator/drivers/{driver}/active", active="false")
    assert "Has left" in gone.text


async def test_strangers_see_a_sign_in_or_nothing(stage: Stage, offer: Offer) -> None:
    nobody = await browser_of(stage, None)
    answer = await nobody.client.get("/operator")
    assert "/sign-in" in str(answer.url)
    other = await browser_of(stage, next(one for one in stage.world.operators if one != offer.operator_id))
    assert (await other.client.get(f"/operator/offers/{offer.id}")).status_code == 404
    assert (await other.client.get(f"/operator/offers/{offer.id}/map.json")).status_code == 404
    for browser in (nobody, other):
        await browser.client.aclose()

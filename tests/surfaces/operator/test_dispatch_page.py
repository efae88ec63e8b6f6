"""The organisers' dispatch page."""

from collections.abc import AsyncIterator

import pytest_asyncio

from app.core.database import Pool
from app.domain.dispatch.model import OfferState
from app.flows.answer_offer import accept_offer
from tests.support.dispatch_stage import Stage
from tests.support.dispatch_world import offers_in
from tests.surfaces.operator.test_pages import Browser, browser_of


@pytest_asyncio.fixture
async def desk(stage: Stage) -> AsyncIterator[Browser]:
    """An organiser's browser."""
    browser = await browser_of(stage, None)
    browser.client.headers["authorization"] = stage.service.organiser.headers["authorization"]
    yield browser
    await browser.client.aclose()


async def home_of(pool: Pool, stage: Stage) -> str:
    async with pool.acquire() as conn:
        code = await conn.fetchval("SELECT public_code FROM events WHERE id = $1", stage.world.event_id)
    return f"/organiser/events/{code}/dispatch"


async def test_the_page_follows_an_event_from_selling_to_settled(stage: Stage, desk: Browser) -> None:
    home = await home_of(stage.pool, stage)
    assert "Close booking and plan now" in await desk.open(home)
    started = await desk.send(home, home)
    assert "Planning" in started.text
    assert 'hx-trigger="every 3s"' in started.text, "the page looks again by itself while the plan is made"
    await stage.work()
    text = await desk.open(home)
    assert "Offers out" in text
    assert "Awaiting answer" in text
    points = (await desk.client.get(f"{home}/map.json")).json()["features"]
    names = [feature["properties"]["name"] for feature in points if feature["geometry"]["type"] == "Point"]
    assert names.count("National Mall") == 1
    for offer in await offers_in(stage.pool, stage.world, OfferState.SENT):
        await accept_offer(stage.pool, offer.id, actor="operator")
    assert "Settled" in await desk.open(home)


async def test_a_shortfall_is_approved_with_the_figure_on_the_button(stage: Stage, desk: Browser) -> None:
    async with stage.pool.acquire() as conn:
        await conn.execute("UPDATE rate_cards SET call_out_minor = 5000000")
    await stage.plan()
    home = await home_of(stage.pool, stage)
    text = await desk.open(home)
    assert "Your approval" in text
    shown = text.split('name="shortfall_minor"')[1].split('value="')[1].split('"')[0]
    done = await desk.send(home, f"{home}/approve", shortfall_minor=shown)
    assert "Approved. The offers are on their way." in done.text


async def test_operators_do_not_see_it(stage: Stage) -> None:
    browser = await browser_of(stage, stage.world.operators[0])
    home = await home_of(stage.pool, stage)
    assert (await browser.client.get(home)).status_code == 403
    assert (await browser.client.get(f"{home}/map.json")).status_code == 403
    await browser.client.aclose()

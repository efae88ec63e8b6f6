"""One driver wanted on two duties at once; and the same with its guard switched off, which must go wrong."""

from typing import Any

from app.core.database import Pool
from app.core.ids import new_id
from app.domain.dispatch.model import Offer, OfferState
from app.flows.answer_offer import accept_offer
from app.flows.assign_driver import assign_driver
from app.flows.close_booking import dispatch_event
from tests.support.dispatch_world import SECRET, add_party, build_world, offers_in, plan_once
from tests.support.paid_pledges import violated
from tests.support.races import Race, refusal
from tests.support.server import ScratchDatabase

SEATED = "INSERT INTO duty_drivers"


async def two_events(pool: Pool) -> list[Offer]:
    """Accepted duties of two events of one day, both of the only operator: no lock of an event orders what is done to them."""
    async with pool.acquire() as conn:
        worlds = [await build_world(conn, operators=number, price_minor=100_000) for number in (1, 0)]
        for world in worlds:
            await add_party(conn, world, "baltimore", seats=2, price_minor=100_000)
    accepted = []
    for world in worlds:
        await dispatch_event(pool, world.event_id, actor="organiser")
        await plan_once(pool, world)
        [offer] = await offers_in(pool, world, OfferState.SENT)
        await accept_offer(pool, offer.id, actor="operator")
        accepted.append(offer)
    return accepted


async def on_both(pool: Pool) -> tuple[Any, Any]:
    one, other = await two_events(pool)
    driver = new_id()
    await pool.execute(
        "INSERT INTO drivers (id, operator_id, name, email, phone) VALUES ($1, $2, 'Maria', 'maria@driver.example', '+1 312 555 0122')",
        driver,
        one.operator_id,
    )
    return await Race(pool, at=SEATED).run(
        lambda desk: assign_driver(desk, one.duty_id, driver_id=driver, seat=1, secret=SECRET, actor="operator"),
        lambda desk: assign_driver(desk, other.duty_id, driver_id=driver, seat=1, secret=SECRET, actor="operator"),
    )


async def seats_taken(pool: Pool) -> int:
    taken: int = await pool.fetchval("SELECT count(*) FROM duty_drivers WHERE ended_at IS NULL")
    return taken


async def test_a_driver_put_on_two_duties_at_once_is_on_one(pool: Pool) -> None:
    first, second = await on_both(pool)
    assert (first, refusal(second), await seats_taken(pool)) == (None, "driver_busy", 1)


async def test_control_without_the_exclusion_constraint_a_driver_is_in_two_buses_and_the_invariant_says_so(
    database: ScratchDatabase,
) -> None:
    pool = await database.pool()
    await pool.execute("ALTER TABLE duty_drivers DROP CONSTRAINT drivers_free")
    assert await on_both(pool) == (None, None)
    assert await seats_taken(pool) == 2
    assert "I09" in await violated(pool)

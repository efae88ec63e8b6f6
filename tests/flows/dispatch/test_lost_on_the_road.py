"""A bus is lost after another one of its trip has left: whoever it should have carried is planned for again, or gets everything back."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest

from app.core.clock import busload_now, shift_clock
from app.core.database import Pool
from app.domain.dispatch.model import Offer, OfferState, Scope
from app.domain.dispatch.store import plans
from app.domain.events import store as events
from app.flows.answer_offer import accept_offer
from app.flows.capacity_deadline import end_capacity
from app.flows.change_event import cancel_event
from app.flows.close_booking import dispatch_event
from app.flows.close_manifest import close_manifest
from app.flows.complete_duty import complete_duty, end_duty
from app.flows.freeze_demand import read_demands
from app.flows.invariants import find_violations
from app.flows.pull_out import pull_out
from app.flows.withdraw_pledge import withdraw_pledge
from tests.support.dispatch_world import World, add_party, build_world, offers_in, plan_once

STAY = timedelta(days=2)
PRICE_MINOR = 60_000  # what few people pay carries their buses
OUTBOUND_DAY, BEFORE_RETURN = timedelta(days=30, hours=1), timedelta(days=30, hours=12)


async def jump(pool: Pool, shift: timedelta) -> None:
    """The clock, so long after the world was built."""
    async with pool.acquire() as conn:
        await shift_clock(conn, shift)


async def states(pool: Pool, table: str) -> dict[UUID, str]:
    """Trips or pledges."""
    return {row["id"]: row["state"] for row in await pool.fetch(f"SELECT id, state FROM {table}")}


async def by_scope(pool: Pool, accepted: Sequence[Offer]) -> tuple[Offer, Offer]:
    """The one offer there and the one back."""
    async with pool.acquire() as conn:
        scopes = {duty.id: duty.scope for duty in await plans.list_duties_by_id(conn, [offer.duty_id for offer in accepted])}
    [there] = [offer for offer in accepted if scopes[offer.duty_id] is Scope.OUTBOUND]
    [back] = [offer for offer in accepted if scopes[offer.duty_id] is Scope.RETURN]
    return there, back


async def all_accepted(pool: Pool, world: World) -> list[Offer]:
    """An event is planned, and every operator says yes."""
    await dispatch_event(pool, world.event_id, actor="organiser")
    await plan_once(pool, world)
    for offer in await offers_in(pool, world, OfferState.SENT):
        await accept_offer(pool, offer.id, actor="operator")
    return await offers_in(pool, world, OfferState.ACCEPTED)


async def broken(pool: Pool) -> set[str]:
    """The invariants that do not hold; of a world whose payments nobody made, two of the money's."""
    async with pool.acquire() as conn:
        return set(await find_violations(conn))


class Festival:
    """One trip whose buses there and back are two duties; some ride both legs, one party only the first."""

    def __init__(self, world: World, both: list[UUID], one_way: UUID, there: Offer, back: Offer) -> None:
        self.world, self.both, self.one_way, self.there, self.back = world, both, one_way, there, back
        self.trip_id = world.trips["baltimore"]


async def allocated_festival(pool: Pool, *, operators: int) -> Festival:
    """Everything accepted, the day before the bus there leaves."""
    async with pool.acquire() as conn:
        world = await build_world(conn, operators=operators, buses_each=2, stay=STAY, price_minor=PRICE_MINOR)
        both = [await add_party(conn, world, "baltimore", price_minor=PRICE_MINOR) for _ in range(3)]
        one_way = await add_party(conn, world, "baltimore", legs=("outbound",), price_minor=PRICE_MINOR)
    there, back = await by_scope(pool, await all_accepted(pool, world))
    await jump(pool, timedelta(days=27))
    await end_capacity(pool, world.event_id)
    return Festival(world, both, one_way, there, back)


async def test_a_bus_back_that_is_lost_after_the_bus_there_has_left_is_replaced(pool: Pool) -> None:
    fest = await allocated_festival(pool, operators=3)
    await jump(pool, OUTBOUND_DAY)
    await close_manifest(pool, duty_id=fest.there.duty_id, actor="driver")
    await pull_out(pool, fest.back.id, note="engine", actor="operator")
    await complete_duty(pool, duty_id=fest.there.duty_id)
    assert (await states(pool, "trips"))[fest.trip_id] == "departed", "nobody has travelled while the way back is open"

    await jump(pool, BEFORE_RETURN)
    await plan_once(pool, fest.world)
    [replacement] = await offers_in(pool, fest.world, OfferState.SENT)
    await accept_offer(pool, replacement.id, actor="operator")
    aboard = await pool.fetch(
        "SELECT a.pledge_id FROM current_manifests c JOIN manifest_people a ON a.manifest_id = c.manifest_id WHERE c.duty_id = $1",
        replacement.duty_id,
    )
    assert {row["pledge_id"] for row in aboard} == set(fest.both)
    assert (await states(pool, "trips"))[fest.trip_id] == "departed"
    await complete_duty(pool, duty_id=replacement.duty_id)
    assert (await states(pool, "trips"))[fest.trip_id] == "completed"
    assert "paid" not in (await states(pool, "pledges")).values()


@pytest.mark.parametrize("lost", ["while the bus there is on the road", "before the bus there leaves", "after the bus there is home"])
async def test_who_has_no_bus_back_at_the_last_chance_gets_everything_back(pool: Pool, lost: str) -> None:
    fest = await allocated_festival(pool, operators=1)
    if lost == "before the bus there leaves":
        await pull_out(pool, fest.back.id, note="engine", actor="operator")
    await jump(pool, OUTBOUND_DAY)
    await close_manifest(pool, duty_id=fest.there.duty_id, actor="driver")
    if lost == "while the bus there is on the road":
        await pull_out(pool, fest.back.id, note="engine", actor="operator")
    await complete_duty(pool, duty_id=fest.there.duty_id)
    await jump(pool, BEFORE_RETURN)
    if lost == "after the bus there is home":
        await pull_out(pool, fest.back.id, note="engine", actor="operator")
    await plan_once(pool, fest.world)
    versions = await pool.fetchval("SELECT count(*) FROM manifests")
    await jump(pool, STAY + timedelta(days=30))
    await end_capacity(pool, fest.world.event_id)

    pledges = await states(pool, "pledges")
    assert {pledges[party] for party in fest.both} == {"refunded"}
    assert pledges[fest.one_way] == "no_show", "it had its ride: nobody checked it in"
    refunds = await pool.fetch("SELECT m.reference, r.amount_minor, r.reason FROM refunds r JOIN payments m ON m.id = r.payment_id")
    assert {row["reference"]: (row["amount_minor"], row["reason"]) for row in refunds} == dict.fromkeys(
        fest.both, (2 * PRICE_MINOR, "unseated")
    )
    assert (await states(pool, "trips"))[fest.trip_id] == "completed", "a trip of which a bus has left is not called off"
    assert await pool.fetchval("SELECT count(*) FROM manifests") == versions, "the manifest of a bus that is home stays as it was"


async def test_a_trip_whose_bus_is_home_waits_for_late_phones_when_the_last_chance_passes(pool: Pool) -> None:
    fest = await allocated_festival(pool, operators=1)
    await jump(pool, OUTBOUND_DAY)
    await end_duty(pool, duty_id=fest.there.duty_id, actor="driver")
    await pull_out(pool, fest.back.id, note="engine", actor="operator")
    await jump(pool, STAY + timedelta(days=30))
    await end_capacity(pool, fest.world.event_id)
    assert (await states(pool, "trips"))[fest.trip_id] == "departed"
    await complete_duty(pool, duty_id=fest.there.duty_id)
    assert (await states(pool, "trips"))[fest.trip_id] == "completed"


async def test_who_was_listed_without_a_seat_when_the_first_bus_left_is_refunded(pool: Pool) -> None:
    async with pool.acquire() as conn:
        world = await build_world(conn, operators=2, buses_each=1, seats=10, price_minor=PRICE_MINOR)
        for _ in range(4):
            await add_party(conn, world, "baltimore", seats=5, price_minor=PRICE_MINOR)
    leaving, failing = await all_accepted(pool, world)
    async with pool.acquire() as conn:
        riding = {rider.pledge_id for rider in await plans.list_riders(conn, [leaving.duty_id])}
    await jump(pool, timedelta(days=27))
    await end_capacity(pool, world.event_id)
    await pull_out(pool, failing.id, note="engine", actor="operator")
    await plan_once(pool, world)  # nobody is left who could be asked: both stay listed, the other bus goes
    await jump(pool, timedelta(days=29, hours=22))
    await close_manifest(pool, duty_id=leaving.duty_id, actor="driver")
    await end_capacity(pool, world.event_id)

    pledges = await states(pool, "pledges")
    assert {pledge for pledge, state in pledges.items() if state == "paid"} == riding
    assert {state for pledge, state in pledges.items() if pledge not in riding} == {"refunded"}
    assert (await states(pool, "trips"))[world.trips["baltimore"]] == "departed"


async def test_a_trip_all_of_whose_people_leave_after_the_capacity_deadline_is_cancelled_and_keeps_nothing(pool: Pool) -> None:
    fest = await allocated_festival(pool, operators=1)
    for party in [*fest.both, fest.one_way]:
        await withdraw_pledge(pool, party, actor="rider")
    assert await offers_in(pool, fest.world, OfferState.ACCEPTED) == []
    assert await pool.fetchval(
        "SELECT due_at <= busload_now() AND fired_at IS NULL FROM timers WHERE kind = 'capacity_deadline' AND subject_id = $1",
        fest.world.event_id,
    )
    await end_capacity(pool, fest.world.event_id)
    assert (await states(pool, "trips"))[fest.trip_id] == "cancelled"
    assert await pool.fetchval("SELECT sum(amount_minor) FROM refunds") == 8 * PRICE_MINOR


async def test_a_trip_all_of_whose_people_leave_while_its_bus_is_out_ends_with_it(pool: Pool) -> None:
    fest = await allocated_festival(pool, operators=1)
    async with pool.acquire() as conn:
        now = await busload_now(conn)
    await jump(pool, timedelta(days=27) + (fest.there.starts_at - now) + timedelta(minutes=1))
    for party in [*fest.both, fest.one_way]:
        await withdraw_pledge(pool, party, actor="rider")
    assert fest.there.id in {offer.id for offer in await offers_in(pool, fest.world, OfferState.ACCEPTED)}
    await end_capacity(pool, fest.world.event_id)
    assert (await states(pool, "trips"))[fest.trip_id] == "allocated", "its bus is out and will be paid for"
    await complete_duty(pool, duty_id=fest.there.duty_id)
    assert (await states(pool, "trips"))[fest.trip_id] == "completed"


@pytest.mark.parametrize("has_bus_back", [True, False], ids=["with a bus back", "whose bus back is lost"])
async def test_an_event_cancelled_while_people_are_out_brings_them_home_or_pays_them_back(pool: Pool, *, has_bus_back: bool) -> None:
    fest = await allocated_festival(pool, operators=1)
    await jump(pool, OUTBOUND_DAY)
    await close_manifest(pool, duty_id=fest.there.duty_id, actor="driver")
    await complete_duty(pool, duty_id=fest.there.duty_id)
    if not has_bus_back:
        await pull_out(pool, fest.back.id, note="engine", actor="operator")
    await cancel_event(pool, fest.world.event_id, actor="organiser", reason="storm")
    accepted = {offer.id for offer in await offers_in(pool, fest.world, OfferState.ACCEPTED)}
    assert accepted == ({fest.there.id, fest.back.id} if has_bus_back else {fest.there.id})
    await jump(pool, STAY + timedelta(days=30))
    await end_capacity(pool, fest.world.event_id)
    if has_bus_back:
        await complete_duty(pool, duty_id=fest.back.duty_id)
    pledges = await states(pool, "pledges")
    assert {pledges[party] for party in fest.both} == {"no_show" if has_bus_back else "refunded"}
    assert (await states(pool, "trips"))[fest.trip_id] == "completed"


@pytest.mark.parametrize("lost", ["before it was cancelled", "another being asked already", "afterwards"])
async def test_who_loses_the_bus_back_from_a_cancelled_event_gets_another(pool: Pool, lost: str) -> None:
    fest = await allocated_festival(pool, operators=3)
    unpaid_world = await broken(pool)
    await jump(pool, OUTBOUND_DAY)
    await close_manifest(pool, duty_id=fest.there.duty_id, actor="driver")
    await complete_duty(pool, duty_id=fest.there.duty_id)
    if lost != "afterwards":
        await pull_out(pool, fest.back.id, note="engine", actor="operator")
    if lost == "another being asked already":
        await plan_once(pool, fest.world)
    asked = [offer.id for offer in await offers_in(pool, fest.world, OfferState.SENT)]
    await cancel_event(pool, fest.world.event_id, actor="organiser", reason="storm")
    assert [offer.id for offer in await offers_in(pool, fest.world, OfferState.SENT)] == asked
    if lost == "afterwards":
        await plan_once(pool, fest.world)
        assert await offers_in(pool, fest.world, OfferState.SENT) == [], "everybody out has a bus home"
        await pull_out(pool, fest.back.id, note="engine", actor="operator")

    await jump(pool, BEFORE_RETURN)
    await plan_once(pool, fest.world)
    [replacement] = await offers_in(pool, fest.world, OfferState.SENT)
    assert asked in ([], [replacement.id])
    await accept_offer(pool, replacement.id, actor="operator")
    aboard = await pool.fetch(
        "SELECT a.pledge_id FROM current_manifests c JOIN manifest_people a ON a.manifest_id = c.manifest_id WHERE c.duty_id = $1",
        replacement.duty_id,
    )
    assert {row["pledge_id"] for row in aboard} == set(fest.both)
    await complete_duty(pool, duty_id=replacement.duty_id)
    assert (await states(pool, "trips"))[fest.trip_id] == "completed"
    assert await pool.fetchval("SELECT count(*) FROM refunds") == 0
    assert await broken(pool) == unpaid_world


async def test_who_had_not_set_out_when_the_event_was_cancelled_is_refunded_and_not_fetched(pool: Pool) -> None:
    async with pool.acquire() as conn:
        world = await build_world(conn, operators=4, buses_each=1, seats=10, stay=STAY, price_minor=PRICE_MINOR)
        for _ in range(4):
            await add_party(conn, world, "baltimore", seats=5, price_minor=PRICE_MINOR)
    accepted = await all_accepted(pool, world)
    async with pool.acquire() as conn:
        riders = {offer.id: {one.pledge_id for one in await plans.list_riders(conn, [offer.duty_id])} for offer in accepted}
        scopes = {duty.id: duty.scope for duty in await plans.list_duties_by_id(conn, [offer.duty_id for offer in accepted])}
    there = [offer for offer in accepted if scopes[offer.duty_id] is Scope.OUTBOUND]
    back = [offer for offer in accepted if scopes[offer.duty_id] is Scope.RETURN]
    await jump(pool, timedelta(days=29))
    await pull_out(pool, there[1].id, note="engine", actor="operator")
    await jump(pool, OUTBOUND_DAY)
    await close_manifest(pool, duty_id=there[0].duty_id, actor="driver")
    await cancel_event(pool, world.event_id, actor="organiser", reason="storm")
    for offer in back:
        await pull_out(pool, offer.id, note="storm", actor="operator")

    async with pool.acquire() as conn:
        event = await events.get_event(conn, world.event_id)
        assert event is not None
        [way_home] = await read_demands(conn, event)
    assert way_home.scope is Scope.RETURN
    assert {party.pledge_id for party in way_home.parties} == riders[there[0].id]

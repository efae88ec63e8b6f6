"""From booking close to offers in the operators' mail."""

from datetime import timedelta

from app.core.database import Pool
from app.domain.dispatch.model import OfferState, Scope
from app.domain.dispatch.snapshot import hash_of
from app.domain.dispatch.store import plans, snapshots
from app.flows.close_booking import dispatch_event
from solver import check_plan, decode_plan, parse_problem
from tests.support.dispatch_world import World, add_party, build_world, offers_in, plan_once


async def test_paid_demand_becomes_a_checked_plan_and_an_offer_for_every_duty(pool: Pool, world: World) -> None:
    await dispatch_event(pool, world.event_id, actor="organiser")
    await plan_once(pool, world)

    sent = await offers_in(pool, world, OfferState.SENT)
    async with pool.acquire() as conn:
        duties = await plans.list_current_duties(conn, world.event_id)
        riders = await plans.list_riders(conn, [duty.id for duty in duties])
        mails = await conn.fetchval("SELECT count(*) FROM mails WHERE template = 'offer_sent'")
        document = await conn.fetchval("SELECT document::text FROM plans WHERE event_id = $1", world.event_id)
        snapshot = await snapshots.newest_snapshot(conn, world.event_id, Scope.BOTH)
    assert snapshot is not None
    assert check_plan(parse_problem(snapshot.problem), decode_plan(document.encode())) == []
    assert sum(rider.people for rider in riders) == 60
    assert {offer.duty_id for offer in sent} == {duty.id for duty in duties}
    assert all(offer.price_minor == duty.hire_minor for offer in sent for duty in duties if duty.id == offer.duty_id)
    assert mails == len(sent) > 0


async def test_the_hash_is_that_of_the_document_read_back(pool: Pool, world: World) -> None:
    await dispatch_event(pool, world.event_id, actor="organiser")
    await plan_once(pool, world)
    async with pool.acquire() as conn:
        snapshot = await snapshots.newest_snapshot(conn, world.event_id, Scope.BOTH)
    assert snapshot is not None
    assert snapshot.hash == hash_of(snapshot.problem)


async def test_only_paid_pledges_are_planned(pool: Pool, world: World) -> None:
    async with pool.acquire() as conn:
        unpaid = await add_party(conn, world, "baltimore", seats=4)
        await conn.execute("UPDATE pledges SET state = 'refunded' WHERE id = $1", unpaid)
    await dispatch_event(pool, world.event_id, actor="organiser")
    await plan_once(pool, world)
    async with pool.acquire() as conn:
        snapshot = await snapshots.newest_snapshot(conn, world.event_id, Scope.BOTH)
    assert snapshot is not None
    assert str(unpaid) not in {party.id for party in parse_problem(snapshot.problem).parties}


async def test_the_timetable_follows_the_duty_and_its_quote_sums_to_the_hire(pool: Pool, world: World) -> None:
    await dispatch_event(pool, world.event_id, actor="organiser")
    await plan_once(pool, world)
    async with pool.acquire() as conn:
        duties = await plans.list_current_duties(conn, world.event_id)
    for duty in duties:
        calls = duty.timetable.calls
        assert [calls[0].kind, calls[-1].kind] == ["depot", "depot"]
        assert (calls[0].departs_at, calls[-1].arrives_at) == (duty.starts_at, duty.ends_at)
        assert [call.arrives_at for call in calls if call.kind == "venue"] == [world.arrive_by_at]
        assert [call.departs_at for call in calls if call.kind == "venue"] == [world.return_departs_at]
        assert sum(call.drive_m for call in calls) == duty.distance_m
        assert sum(line.amount_minor for line in duty.timetable.quote) == duty.hire_minor
        assert [call.is_dead for call in calls if call.kind == "depot"] == [True, True]


async def test_expired_papers_blocked_calendars_and_other_currencies_are_not_asked(pool: Pool) -> None:
    async with pool.acquire() as conn:
        world = await build_world(conn, operators=4, buses_each=1)
        for _ in range(10):
            await add_party(conn, world, "baltimore", seats=2)
        expired, blocked, foreign, fine = world.vehicles
        await conn.execute("UPDATE operators SET insurance_expires_on = current_date WHERE id = $1", world.operators[0])
        await conn.execute(
            "INSERT INTO availability (vehicle_id, kind, during) VALUES ($1, 'blocked', tstzrange($2, $3))",
            blocked,
            world.arrive_by_at,
            world.return_departs_at,
        )
        await conn.execute("UPDATE rate_cards SET currency = 'GBP' WHERE vehicle_id = $1", foreign)
    await dispatch_event(pool, world.event_id, actor="organiser")
    await plan_once(pool, world)
    assert [offer.vehicle_id for offer in await offers_in(pool, world, OfferState.SENT)] == [fine]
    assert await problem_vehicles(pool, world) == {str(fine)}
    assert expired != fine


async def test_legs_days_apart_are_planned_as_two_problems(pool: Pool) -> None:
    async with pool.acquire() as conn:
        world = await build_world(conn, stay=timedelta(days=3))
        for _ in range(10):
            await add_party(conn, world, "baltimore", seats=2)
        await add_party(conn, world, "baltimore", seats=1, legs=("return",))
    await dispatch_event(pool, world.event_id, actor="organiser")
    await plan_once(pool, world)
    async with pool.acquire() as conn:
        current = {plan.scope for plan in await plans.list_current_plans(conn, world.event_id)}
        out = await plans.list_current_duties(conn, world.event_id, Scope.OUTBOUND)
        back = await plans.list_current_duties(conn, world.event_id, Scope.RETURN)
        riders = await plans.list_riders(conn, [duty.id for duty in back])
    assert current == {Scope.OUTBOUND, Scope.RETURN}
    assert len(out) == len(back) == 1
    assert sum(rider.people for rider in riders) == 21
    assert out[0].ends_at < back[0].starts_at


async def test_asking_twice_makes_no_second_round(pool: Pool, world: World) -> None:
    for _ in range(2):
        await dispatch_event(pool, world.event_id, actor="organiser")
        await plan_once(pool, world)
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM snapshots") == 1


async def problem_vehicles(pool: Pool, world: World) -> set[str]:
    """The vehicles of the newest problem."""
    async with pool.acquire() as conn:
        snapshot = await snapshots.newest_snapshot(conn, world.event_id, Scope.BOTH)
    assert snapshot is not None
    return {vehicle.id for vehicle in parse_problem(snapshot.problem).vehicles}

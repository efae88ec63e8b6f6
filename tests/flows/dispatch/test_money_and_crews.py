"""Fares that do not carry a plan, credits at booking close, and who drives."""

from datetime import timedelta
from uuid import UUID

import pytest

from app.core.clock import shift_clock
from app.core.database import Pool
from app.core.errors import Conflict, Invalid, NotFound
from app.core.ids import derived_token, new_id, token_hash
from app.domain.dispatch.model import DeclineReason, OfferState
from app.domain.dispatch.store import crews, plans
from app.domain.events import store as events
from app.flows.answer_offer import accept_offer, decline_offer
from app.flows.approve_shortfall import approve_shortfall
from app.flows.assign_driver import assign_driver
from app.flows.close_booking import close_booking, dispatch_event
from app.flows.send_offers import read_shortfall, send_offers
from app.flows.withdraw_pledge import withdraw_pledge
from tests.support.dispatch_world import SECRET, World, add_party, build_world, offers_in, plan_once


async def poor_world(pool: Pool) -> World:
    """Two people who pay far less than a bus costs."""
    async with pool.acquire() as conn:
        world = await build_world(conn)
        await add_party(conn, world, "baltimore", seats=2)
    await dispatch_event(pool, world.event_id, actor="organiser")
    await plan_once(pool, world)
    return world


async def test_offers_wait_until_the_shortfall_is_approved_and_posted(pool: Pool) -> None:
    world = await poor_world(pool)
    assert await offers_in(pool, world, OfferState.SENT) == []
    async with pool.acquire() as conn:
        [plan] = await plans.list_current_plans(conn, world.event_id)
        [duty] = await plans.list_current_duties(conn, world.event_id)
    assert plan.needs_approval
    assert plan.shortfall_minor == duty.hire_minor - 2 * 8900 * 90 // 100

    with pytest.raises(Conflict) as other:
        await approve_shortfall(pool, world.event_id, shortfall_minor=plan.shortfall_minor - 1, account_id=None, actor="organiser")
    assert other.value.code == "shortfall_changed"
    await approve_shortfall(pool, world.event_id, shortfall_minor=plan.shortfall_minor, account_id=None, actor="organiser")
    await send_offers(pool, world.event_id, secret=SECRET)

    assert len(await offers_in(pool, world, OfferState.SENT)) == 1
    async with pool.acquire() as conn:
        entries = await conn.fetch("SELECT account, amount_minor FROM ledger_entries ORDER BY amount_minor")
    assert [(row["account"], row["amount_minor"]) for row in entries] == [
        ("riders:fares", -plan.shortfall_minor),
        ("house:subsidy", plan.shortfall_minor),
    ]
    with pytest.raises(Conflict) as twice:
        await approve_shortfall(pool, world.event_id, shortfall_minor=plan.shortfall_minor, account_id=None, actor="organiser")
    assert twice.value.code == "nothing_to_approve"


async def test_a_shortfall_is_approved_again_when_one_leg_is_planned_anew(pool: Pool) -> None:
    async with pool.acquire() as conn:
        world = await build_world(conn, stay=timedelta(days=2))
        await add_party(conn, world, "baltimore", seats=2)
        leaving = await add_party(conn, world, "baltimore", seats=2)
    await dispatch_event(pool, world.event_id, actor="organiser")
    await plan_once(pool, world)
    first = await approve_all(pool, world)
    await send_offers(pool, world.event_id, secret=SECRET)
    there, _ = await offers_in(pool, world, OfferState.SENT)
    await decline_offer(pool, there.id, reason=DeclineReason.PRICE, note="", actor="operator")
    await withdraw_pledge(pool, leaving, actor="rider")
    await plan_once(pool, world)

    again = await approve_all(pool, world)
    posted = await pool.fetch("SELECT amount_minor FROM ledger_entries WHERE account = 'house:subsidy' ORDER BY id")
    assert [row["amount_minor"] for row in posted] == [first, again]
    await send_offers(pool, world.event_id, secret=SECRET)
    assert len(await offers_in(pool, world, OfferState.SENT)) == 2


async def approve_all(pool: Pool, world: World) -> int:
    """The house pays what is missing now; returns how much."""
    async with pool.acquire() as conn:
        event = await events.get_event(conn, world.event_id)
        assert event is not None
        missing_minor = await read_shortfall(conn, event)
    posted_minor = await approve_shortfall(pool, event.id, shortfall_minor=missing_minor, account_id=None, actor="organiser")
    assert posted_minor > 0
    return posted_minor


async def test_everyone_is_credited_down_to_the_tier_that_paid_people_reached(pool: Pool) -> None:
    async with pool.acquire() as conn:
        world = await build_world(conn)
        await conn.execute("SET session_replication_role = replica")
        await conn.execute("UPDATE trips SET tiers = '[[4, 8000], [6, 7000]]' WHERE id = $1", world.trips["baltimore"])
        await conn.execute("SET session_replication_role = DEFAULT")
        early = await add_party(conn, world, "baltimore", seats=3, price_minor=8900)
        late = await add_party(conn, world, "baltimore", seats=2, price_minor=8000)
    await dispatch_event(pool, world.event_id, actor="organiser")
    async with pool.acquire() as conn:
        rows = await conn.fetch("SELECT m.reference, r.amount_minor, r.reason FROM refunds r JOIN payments m ON m.id = r.payment_id")
    assert {row["reference"]: (row["amount_minor"], row["reason"]) for row in rows} == {early: (2700, "credit_back")}
    assert late not in {row["reference"] for row in rows}


async def test_closing_waits_for_a_charge_under_way_and_sells_no_more_meanwhile(pool: Pool, world: World) -> None:
    async with pool.acquire() as conn:
        await conn.execute("SET session_replication_role = replica")
        pledge_id = await conn.fetchval(
            "UPDATE pledges SET state = 'confirmed' WHERE id = (SELECT min(id::text)::uuid FROM pledges) RETURNING id"
        )
        await conn.execute("UPDATE payments SET state = 'unknown' WHERE reference = $1", pledge_id)
        await conn.execute("SET session_replication_role = DEFAULT")
        await shift_clock(conn, timedelta(days=21))
    await close_booking(pool, world.event_id)
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT booking_closed_at IS NOT NULL FROM events")
        assert await conn.fetchval("SELECT count(*) FROM replans") == 0
        assert await conn.fetchval("SELECT due_at > busload_now() FROM timers WHERE kind = 'booking_close'")
        await conn.execute("UPDATE payments SET state = 'retryable' WHERE reference = $1", pledge_id)
    await close_booking(pool, world.event_id)
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT state FROM pledges WHERE id = $1", pledge_id) == "dropped"
        assert await conn.fetchval("SELECT cause FROM replans") == "booking_close"


async def test_dispatch_waits_for_trips_that_still_collect_pledges(pool: Pool, world: World) -> None:
    async with pool.acquire() as conn:
        await conn.execute("SET session_replication_role = replica")
        await conn.execute("UPDATE trips SET state = 'open' WHERE id = $1", world.trips["richmond"])
        await conn.execute("SET session_replication_role = DEFAULT")
    with pytest.raises(Conflict) as refusal:
        await dispatch_event(pool, world.event_id, actor="organiser")
    assert refusal.value.code == "trips_still_open"


async def accepted_duty(pool: Pool, world: World) -> tuple[UUID, UUID]:
    """An accepted duty and a driver of its operator."""
    await dispatch_event(pool, world.event_id, actor="organiser")
    await plan_once(pool, world)
    for offer in await offers_in(pool, world, OfferState.SENT):
        await accept_offer(pool, offer.id, actor="operator")
    [first, *_] = await offers_in(pool, world, OfferState.ACCEPTED)
    return first.duty_id, await add_driver(pool, first.operator_id, "Maria Gomez")


async def add_driver(pool: Pool, operator_id: UUID, name: str) -> UUID:
    driver_id = new_id()
    async with pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO drivers (id, operator_id, name, email, phone) VALUES ($1, $2, $3, $4, '+1 312 555 0122')",
            driver_id,
            operator_id,
            name,
            f"{driver_id.hex}@driver.example",
        )
    return driver_id


async def operator_of(pool: Pool, duty_id: UUID) -> UUID:
    async with pool.acquire() as conn:
        found: UUID = await conn.fetchval("SELECT operator_id FROM duties WHERE id = $1", duty_id)
        return found


async def test_the_drivers_link_is_mailed_on_assignment_and_the_manifest_names_them(pool: Pool, world: World) -> None:
    duty_id, driver_id = await accepted_duty(pool, world)
    await assign_driver(pool, duty_id, driver_id=driver_id, seat=1, secret=SECRET, actor="operator")
    async with pool.acquire() as conn:
        [crew] = await crews.list_crews(conn, [duty_id])
        mail = await conn.fetchval("SELECT data FROM mails WHERE template = 'driver_assigned'")
        hashed = await conn.fetchval("SELECT token_hash FROM duty_drivers WHERE ended_at IS NULL")
        document = await conn.fetchval(
            "SELECT m.document FROM current_manifests c JOIN manifests m ON m.id = c.manifest_id WHERE c.duty_id = $1", duty_id
        )
    assert (crew.driver_id, crew.seat) == (driver_id, 1)
    assert hashed == token_hash(derived_token(SECRET, "driver", mail["link_subject"]))
    assert [driver["name"] for driver in document["drivers"]] == ["Maria Gomez"]


async def test_another_driver_on_the_seat_ends_the_first_ones_link(pool: Pool, world: World) -> None:
    duty_id, first = await accepted_duty(pool, world)
    second = await add_driver(pool, await operator_of(pool, duty_id), "Jo Smith")
    for driver_id in (first, second, first):
        await assign_driver(pool, duty_id, driver_id=driver_id, seat=1, secret=SECRET, actor="operator")
    async with pool.acquire() as conn:
        assert [crew.driver_id for crew in await crews.list_crews(conn, [duty_id])] == [first]
        assert await conn.fetchval("SELECT count(*) FROM mails WHERE template = 'driver_relieved'") == 2


async def test_a_driver_is_on_one_duty_at_a_time(pool: Pool) -> None:
    async with pool.acquire() as conn:
        world = await build_world(conn, operators=1)
        for _ in range(30):
            await add_party(conn, world, "baltimore", seats=2)
    _, driver_id = await accepted_duty(pool, world)
    mine = await offers_in(pool, world, OfferState.ACCEPTED)
    assert len(mine) > 1, "sixty people need two buses"
    await assign_driver(pool, mine[0].duty_id, driver_id=driver_id, seat=1, secret=SECRET, actor="operator")
    with pytest.raises(Conflict) as busy:
        await assign_driver(pool, mine[1].duty_id, driver_id=driver_id, seat=1, secret=SECRET, actor="operator")
    assert busy.value.code == "driver_busy"


async def test_drivers_are_set_until_a_day_before_and_only_by_their_operator(pool: Pool, world: World) -> None:
    duty_id, driver_id = await accepted_duty(pool, world)
    with pytest.raises(NotFound):
        await assign_driver(
            pool, duty_id, driver_id=await add_driver(pool, world.operators[-1], "Other"), seat=1, secret=SECRET, actor="operator"
        )
    with pytest.raises(Invalid) as seat:
        await assign_driver(pool, duty_id, driver_id=driver_id, seat=3, secret=SECRET, actor="operator")
    assert seat.value.code == "no_such_seat"
    async with pool.acquire() as conn:
        await shift_clock(conn, timedelta(days=29, hours=12))
    with pytest.raises(Conflict) as late:
        await assign_driver(pool, duty_id, driver_id=driver_id, seat=1, secret=SECRET, actor="operator")
    assert late.value.code == "too_late_to_assign"

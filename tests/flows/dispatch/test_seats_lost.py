"""When it fails: pulling out, the capacity deadline, people who leave."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core.clock import shift_clock
from app.core.database import Pool, transaction
from app.core.errors import Conflict
from app.domain.dispatch.model import DeclineReason, OfferState, pull_out_fee_minor
from app.domain.dispatch.store import plans
from app.domain.events import store as events
from app.domain.trips import store as trips
from app.flows.answer_offer import accept_offer, decline_offer
from app.flows.capacity_deadline import end_capacity
from app.flows.change_event import cancel_event
from app.flows.close_booking import dispatch_event
from app.flows.invariants import find_violations
from app.flows.pull_out import pull_out
from app.flows.seats_freed import call_off_event_within, free_seats_within
from tests.support.dispatch_world import World, add_party, build_world, offers_in, plan_once


async def allocate(pool: Pool, world: World) -> None:
    await dispatch_event(pool, world.event_id, actor="organiser")
    await plan_once(pool, world)
    for offer in await offers_in(pool, world, OfferState.SENT):
        await accept_offer(pool, offer.id, actor="operator")


async def count(pool: Pool, sql: str) -> int:
    async with pool.acquire() as conn:
        found: int = await conn.fetchval(sql)
        return found


async def test_pulling_out_takes_manifests_back_and_the_next_yes_allocates_again(pool: Pool, world: World) -> None:
    await allocate(pool, world)
    failing, *staying = await offers_in(pool, world, OfferState.ACCEPTED)
    await pull_out(pool, failing.id, note="engine", actor="operator")

    async with pool.acquire() as conn:
        lost = await plans.list_riders(conn, [failing.duty_id])
        states = {row["id"]: row["state"] for row in await conn.fetch("SELECT id, state FROM trips")}
        manifests = {row["duty_id"] for row in await conn.fetch("SELECT duty_id FROM current_manifests")}
        open_kinds = [row["kind"] for row in await conn.fetch("SELECT kind FROM incidents WHERE state = 'open'")]
        fee = await conn.fetchval("SELECT detail->>'pull_out_fee_minor' FROM audit WHERE subject_id = $1 AND detail <> '{}'", failing.id)
    assert {states[rider.trip_id] for rider in lost} == {"confirmed"}
    assert manifests == {offer.duty_id for offer in staying}
    assert open_kinds == ["operator_pulled_out"]
    assert fee == "0", "a month ahead it is free"

    await plan_once(pool, world)
    renewed = await offers_in(pool, world, OfferState.SENT)
    assert failing.operator_id not in {offer.operator_id for offer in renewed}
    for offer in renewed:
        await accept_offer(pool, offer.id, actor="operator")
    assert await count(pool, "SELECT count(*) FROM trips WHERE state = 'allocated'") == 3
    assert await count(pool, "SELECT count(*) FROM incidents WHERE state = 'open'") == 0
    assert await count(pool, "SELECT count(*) FROM boarding_passes WHERE revoked_at IS NULL") == 2 * 60


async def test_only_an_accepted_duty_that_has_not_begun_can_be_pulled_out_of(pool: Pool, world: World) -> None:
    await dispatch_event(pool, world.event_id, actor="organiser")
    await plan_once(pool, world)
    first, *_ = await offers_in(pool, world, OfferState.SENT)
    with pytest.raises(Conflict, match="Decline") as refusal:
        await pull_out(pool, first.id, note="", actor="operator")
    assert refusal.value.code == "offer_not_accepted"
    await accept_offer(pool, first.id, actor="operator")
    async with pool.acquire() as conn:
        await shift_clock(conn, timedelta(days=31))
    with pytest.raises(Conflict) as late:
        await pull_out(pool, first.id, note="", actor="operator")
    assert late.value.code == "duty_started"


def test_the_ladder_falls_with_time() -> None:
    start = datetime(2027, 1, 20, 6, tzinfo=UTC)
    fees = [
        pull_out_fee_minor(price_minor=100_000, starts_at=start, now=start - ahead)
        for ahead in (timedelta(days=20), timedelta(days=14), timedelta(days=8), timedelta(days=4), timedelta(hours=30), timedelta(hours=2))
    ]
    assert fees == [0, 0, 10_000, 25_000, 50_000, 100_000]


async def test_whoever_has_no_seat_at_the_capacity_deadline_is_refunded_in_full_and_told(pool: Pool) -> None:
    async with pool.acquire() as conn:
        world = await build_world(conn, operators=1, buses_each=1, seats=10, price_minor=20_000)
        seated = [await add_party(conn, world, "baltimore", seats=5, price_minor=20_000) for _ in range(2)]
        unlucky = await add_party(conn, world, "baltimore", seats=2, price_minor=20_000)
        far = await add_party(conn, world, "richmond", seats=8, price_minor=20_000)
        await conn.execute("UPDATE stops SET max_ride_s = 60 WHERE id = $1", world.stops["richmond"])
    await allocate(pool, world)
    async with pool.acquire() as conn:
        listed = {row["pledge_id"] for row in await conn.fetch("SELECT pledge_id FROM incident_pledges")}
        states = {row["id"]: row["state"] for row in await conn.fetch("SELECT id, state FROM trips")}
    assert listed == {unlucky, far}
    assert (states[world.trips["baltimore"]], states[world.trips["richmond"]]) == ("allocated", "confirmed")

    async with pool.acquire() as conn:
        await shift_clock(conn, timedelta(days=26))
    for _ in range(2):
        await end_capacity(pool, world.event_id)

    async with pool.acquire() as conn:
        states = {row["id"]: row["state"] for row in await conn.fetch("SELECT id, state FROM trips")}
        pledges = {row["id"]: row["state"] for row in await conn.fetch("SELECT id, state FROM pledges")}
        refunds = await conn.fetch("SELECT m.reference, r.amount_minor, r.reason FROM refunds r JOIN payments m ON m.id = r.payment_id")
        told = {row["subject_id"] for row in await conn.fetch("SELECT subject_id FROM mails WHERE template = 'unseated'")}
    assert states[world.trips["baltimore"]] == "allocated"
    assert states[world.trips["richmond"]] == states[world.trips["frederick"]] == "cancelled"
    assert {pledges[pledge] for pledge in seated} == {"paid"}
    assert {row["reference"]: (row["amount_minor"], row["reason"]) for row in refunds} == {
        unlucky: (2 * 20_000, "unseated"),
        far: (8 * 20_000, "cancellation"),
    }
    assert told == {unlucky}
    assert await count(pool, "SELECT count(*) FROM incidents WHERE state = 'open' AND kind <> 'cancelled'") == 0


async def test_offers_still_open_at_the_capacity_deadline_are_withdrawn_and_their_people_refunded(pool: Pool, world: World) -> None:
    await dispatch_event(pool, world.event_id, actor="organiser")
    await plan_once(pool, world)
    first, second, *_ = await offers_in(pool, world, OfferState.SENT)
    await accept_offer(pool, first.id, actor="operator")
    await decline_offer(pool, second.id, reason=DeclineReason.DRIVER, note="", actor="operator")
    async with pool.acquire() as conn:
        await shift_clock(conn, timedelta(days=26))
    await end_capacity(pool, world.event_id)
    assert await offers_in(pool, world, OfferState.SENT, OfferState.PROPOSED) == []
    async with pool.acquire() as conn:
        seated = await plans.list_riders(conn, [first.duty_id])
        paid = {row["id"] for row in await conn.fetch("SELECT id FROM pledges WHERE state = 'paid'")}
        riding = {row["pledge_id"] for row in await conn.fetch("SELECT pledge_id FROM manifest_people")}
    assert paid == {rider.pledge_id for rider in seated} == riding


async def test_people_who_leave_free_their_seats_and_empty_duties_are_called_off(pool: Pool, world: World) -> None:
    await allocate(pool, world)
    first, *others = await offers_in(pool, world, OfferState.ACCEPTED)
    async with transaction(pool) as conn:
        riders = [rider.pledge_id for rider in await plans.list_riders(conn, [first.duty_id])]
        event = await events.lock_event(conn, world.event_id)
        assert event is not None
        await trips.lock_trips_of_event(conn, world.event_id)
        await conn.execute("UPDATE pledges SET state = 'refunded' WHERE id = ANY($1)", riders)
        await free_seats_within(conn, event, riders, cause="free exit")
    assert [offer.id for offer in await offers_in(pool, world, OfferState.WITHDRAWN)] == [first.id]
    assert await count(pool, "SELECT count(*) FROM current_manifests") == len(others)


async def test_a_cancelled_event_calls_off_every_offer(pool: Pool, world: World) -> None:
    await allocate(pool, world)
    async with transaction(pool) as conn:
        event = await events.lock_event(conn, world.event_id)
        assert event is not None
        await conn.execute("UPDATE trips SET state = 'cancelled'")
        await conn.execute("UPDATE pledges SET state = 'refunded'")
        await call_off_event_within(conn, event)
    assert await offers_in(pool, world, OfferState.ACCEPTED, OfferState.SENT, OfferState.PROPOSED) == []
    assert await count(pool, "SELECT count(*) FROM current_manifests") == 0


async def test_a_bus_lost_after_the_capacity_deadline_is_replaced_and_else_its_people_get_everything_back(pool: Pool, world: World) -> None:
    await allocate(pool, world)
    first, second, *_ = await offers_in(pool, world, OfferState.ACCEPTED)
    async with pool.acquire() as conn:
        await shift_clock(conn, timedelta(days=27))
    await end_capacity(pool, world.event_id)
    assert await count(pool, "SELECT count(*) FROM trips WHERE state = 'allocated'") == 3

    await pull_out(pool, first.id, note="engine", actor="operator")
    await plan_once(pool, world)
    [replacement] = await offers_in(pool, world, OfferState.SENT)
    async with pool.acquire() as conn:
        now, due = await conn.fetchrow("SELECT busload_now(), due_at FROM timers WHERE kind = 'capacity_deadline'") or (None, None)
    assert replacement.expires_at is not None
    assert now is not None
    assert due is not None
    assert now < replacement.expires_at <= due < first.starts_at
    await accept_offer(pool, replacement.id, actor="operator")
    assert await count(pool, "SELECT count(*) FROM trips WHERE state = 'allocated'") == 3

    await pull_out(pool, second.id, note="engine", actor="operator")
    async with pool.acquire() as conn:
        riders = {rider.pledge_id for rider in await plans.list_riders(conn, [second.duty_id])}
        await shift_clock(conn, timedelta(days=28, hours=2))
    await end_capacity(pool, world.event_id)
    async with pool.acquire() as conn:
        back = {row["id"] for row in await conn.fetch("SELECT id FROM pledges WHERE state = 'refunded'")}
    assert back == riders


async def test_a_bus_that_has_left_keeps_its_duty_when_the_event_is_cancelled_and_others_are_called_off(pool: Pool, world: World) -> None:
    await dispatch_event(pool, world.event_id, actor="organiser")
    await plan_once(pool, world)
    for offer in await offers_in(pool, world, OfferState.SENT):
        await accept_offer(pool, offer.id, actor="operator")
    gone, *waiting = await offers_in(pool, world, OfferState.ACCEPTED)
    await pool.execute("UPDATE current_manifests SET closed_at = busload_now() WHERE duty_id = $1", gone.duty_id)
    with pytest.raises(Conflict) as late:
        await pull_out(pool, gone.id, note="", actor="operator")
    assert late.value.code == "duty_started"

    await cancel_event(pool, world.event_id, actor="organiser", reason="storm")

    assert [offer.id for offer in await offers_in(pool, world, OfferState.ACCEPTED)] == [gone.id]
    assert len(await offers_in(pool, world, OfferState.WITHDRAWN)) == len(waiting) > 0
    async with pool.acquire() as conn:
        assert "I07 manifests fit their bus" not in await find_violations(conn)

"""Operators answer: yes fixes the duty, no plans the rest again, and nothing is answered twice."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from app.core.clock import shift_clock
from app.core.database import Pool, transaction
from app.core.errors import Conflict, Gone, NotFound
from app.core.ids import new_id
from app.domain.dispatch.model import Cause, DeclineReason, Offer, OfferState
from app.domain.dispatch.store import offers, plans, snapshots
from app.domain.events import store as events
from app.domain.trips import store as trips
from app.flows.answer_offer import accept_offer, decline_offer
from app.flows.close_booking import dispatch_event
from app.flows.expire_offer import expire_offer
from app.flows.freeze_demand import freeze_demand
from app.flows.seats_freed import free_seats_within
from app.flows.solve_event import solve_event
from solver.travel import GreatCircle
from tests.support.dispatch_world import LIMITS, World, add_party, build_world, offers_in, plan_once


async def start(pool: Pool, world: World) -> list[Offer]:
    """The first round's offers."""
    await dispatch_event(pool, world.event_id, actor="organiser")
    await plan_once(pool, world)
    return await offers_in(pool, world, OfferState.SENT)


async def trip_states(pool: Pool, world: World) -> set[str]:
    async with pool.acquire() as conn:
        return {row["state"] for row in await conn.fetch("SELECT state FROM trips WHERE event_id = $1", world.event_id)}


async def code_of(pool: Pool, offer_id: UUID) -> str:
    """The problem type that accepting meets."""
    with pytest.raises((Conflict, Gone, NotFound)) as refusal:
        await accept_offer(pool, offer_id, actor="operator")
    return refusal.value.code


async def test_the_last_yes_allocates_the_trips_with_manifests_and_passes(pool: Pool, world: World) -> None:
    sent = await start(pool, world)
    for offer in sent[:-1]:
        await accept_offer(pool, offer.id, actor="operator")
    assert await trip_states(pool, world) == {"confirmed"}

    await accept_offer(pool, sent[-1].id, actor="operator")

    assert await trip_states(pool, world) == {"allocated"}
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM current_manifests") == len(sent)
        assert await conn.fetchval("SELECT count(*) FROM boarding_passes WHERE revoked_at IS NULL") == 2 * 60
        assert await conn.fetchval("SELECT count(*) FROM incidents") == 0


async def test_an_answer_counts_once_and_each_late_one_has_its_own_problem_type(pool: Pool, world: World) -> None:
    first, second, *_ = await start(pool, world)
    await accept_offer(pool, first.id, actor="operator")
    await decline_offer(pool, second.id, reason=DeclineReason.PRICE, note="", actor="operator")
    assert await code_of(pool, first.id) == "offer_already_accepted"
    assert await code_of(pool, second.id) == "offer_already_declined"
    assert await code_of(pool, new_id()) == "unknown_offer"


async def test_an_offer_past_its_expiry_is_refused_before_the_timer_has_swept_it(pool: Pool, world: World) -> None:
    first, *_ = await start(pool, world)
    async with pool.acquire() as conn:
        await shift_clock(conn, timedelta(hours=25))
    assert await code_of(pool, first.id) == "offer_expired"
    assert await expire_offer(pool, first.id)
    assert await code_of(pool, first.id) == "offer_expired"
    assert not await expire_offer(pool, first.id)


async def test_silence_leaves_the_operator_out_of_the_next_round(pool: Pool, world: World) -> None:
    first, *_ = await start(pool, world)
    async with pool.acquire() as conn:
        await shift_clock(conn, timedelta(hours=25))
    await expire_offer(pool, first.id)
    await plan_once(pool, world)
    assert first.operator_id not in {offer.operator_id for offer in await offers_in(pool, world, OfferState.SENT)}


async def test_busy_leaves_out_the_vehicle_and_blocks_its_calendar(pool: Pool, world: World) -> None:
    first, *_ = await start(pool, world)
    await decline_offer(pool, first.id, reason=DeclineReason.BUSY, note="", actor="operator")
    await plan_once(pool, world)
    standing = await offers_in(pool, world, OfferState.SENT)
    assert first.vehicle_id not in {offer.vehicle_id for offer in standing}
    async with pool.acquire() as conn:
        blocked = await conn.fetchrow("SELECT vehicle_id, lower(during) AS starts_at FROM availability WHERE kind = 'blocked'")
    assert blocked is not None
    assert (blocked["vehicle_id"], blocked["starts_at"]) == (first.vehicle_id, first.starts_at)


async def test_a_decline_leaves_accepted_and_unchanged_offers_standing(pool: Pool, world: World) -> None:
    first, second, *others = await start(pool, world)
    await accept_offer(pool, first.id, actor="operator")
    await decline_offer(pool, second.id, reason=DeclineReason.BUSY, note="", actor="operator")
    await plan_once(pool, world)

    async with pool.acquire() as conn:
        duties = {duty.id for duty in await plans.list_current_duties(conn, world.event_id)}
        riders = await plans.list_riders(conn, sorted(duties))
    assert first.duty_id in duties
    assert {other.id for other in others} <= {offer.id for offer in await offers_in(pool, world, OfferState.SENT)}
    assert sum(rider.people for rider in riders) == 60
    assert len({rider.pledge_id for rider in riders}) == len(riders), "nobody rides two buses"
    for offer in await offers_in(pool, world, OfferState.SENT):
        await accept_offer(pool, offer.id, actor="operator")
    assert await trip_states(pool, world) == {"allocated"}


async def test_an_offer_is_withdrawn_by_the_plan_that_lacks_its_duty_and_would_be_refused_even_if_it_were_not(
    pool: Pool, world: World
) -> None:
    first, *_ = await start(pool, world)
    async with transaction(pool) as conn:
        leaving = (await plans.list_riders(conn, [first.duty_id]))[0].pledge_id
        event = await events.lock_event(conn, world.event_id)
        assert event is not None
        await trips.lock_trips_of_event(conn, world.event_id)
        await conn.execute("UPDATE pledges SET state = 'refunded' WHERE id = $1", leaving)
        await free_seats_within(conn, event, [leaving], cause="rider withdrew")
    assert first.id in {offer.id for offer in await offers_in(pool, world, OfferState.SENT)}
    await plan_once(pool, world)
    async with pool.acquire() as conn:
        planned = {duty.id for duty in await plans.list_current_duties(conn, world.event_id)}
    assert first.duty_id not in planned
    assert {offer.duty_id for offer in await offers_in(pool, world, OfferState.PROPOSED, OfferState.SENT)} == planned
    assert await code_of(pool, first.id) == "offer_withdrawn"

    [standing, *_] = await offers_in(pool, world, OfferState.SENT)
    await pool.execute("UPDATE plans SET is_current = false")
    assert await code_of(pool, standing.id) == "offer_superseded"


async def test_several_declines_are_one_round(pool: Pool, world: World) -> None:
    first, second, *_ = await start(pool, world)
    for offer in (first, second):
        await decline_offer(pool, offer.id, reason=DeclineReason.BUSY, note="", actor="operator")
    for _ in range(2):
        await plan_once(pool, world)
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT max(round) FROM snapshots") == 2
        assert await conn.fetchval("SELECT count(*) FROM timers WHERE kind = 'replan'") == 1


async def test_after_five_rounds_the_organiser_decides(pool: Pool) -> None:
    async with pool.acquire() as conn:
        world = await build_world(conn, operators=8, buses_each=1, price_minor=40_000)
        await add_party(conn, world, "baltimore", seats=8, price_minor=40_000)
    await start(pool, world)
    for _ in range(6):
        [offer] = await offers_in(pool, world, OfferState.SENT)
        await decline_offer(pool, offer.id, reason=DeclineReason.PRICE, note="", actor="operator")
        await plan_once(pool, world)
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT max(round) FROM snapshots") == 6
        assert [row["kind"] for row in await conn.fetch("SELECT kind FROM incidents WHERE state = 'open'")] == ["no_plan"]
    assert await offers_in(pool, world, OfferState.SENT) == []

    await dispatch_event(pool, world.event_id, actor="organiser")
    await plan_once(pool, world)
    [offer] = await offers_in(pool, world, OfferState.SENT)
    await accept_offer(pool, offer.id, actor="operator")
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM incidents WHERE state = 'open'") == 0


async def test_two_operators_answering_at_once_both_count(pool: Pool, world: World) -> None:
    sent = await start(pool, world)
    await asyncio.gather(*(accept_offer(pool, offer.id, actor="operator") for offer in sent))
    assert await trip_states(pool, world) == {"allocated"}


async def test_two_clicks_at_once_are_one_yes(pool: Pool, world: World) -> None:
    first, *_ = await start(pool, world)
    answers = await asyncio.gather(*(accept_offer(pool, first.id, actor="operator") for _ in range(4)), return_exceptions=True)
    assert [type(answer) for answer in answers].count(Offer) == 1
    assert {answer.code for answer in answers if isinstance(answer, Conflict)} == {"offer_already_accepted"}


async def test_a_vehicle_in_another_accepted_duty_cannot_be_accepted_again(pool: Pool, world: World) -> None:
    first, *_ = await start(pool, world)
    async with pool.acquire() as conn:
        await conn.execute("UPDATE vehicles SET in_service = false WHERE id <> $1", first.vehicle_id)
        other = await build_world(conn, operators=0, price_minor=100_000)
        await add_party(conn, other, "baltimore", seats=2, price_minor=100_000)
    await dispatch_event(pool, other.event_id, actor="organiser")
    await plan_once(pool, other)
    [rival] = await offers_in(pool, other, OfferState.SENT)
    await accept_offer(pool, rival.id, actor="operator")
    assert await code_of(pool, first.id) == "vehicle_busy"


async def test_papers_that_expire_after_the_offer_was_sent_stop_the_yes(pool: Pool, world: World) -> None:
    first, *_ = await start(pool, world)
    async with pool.acquire() as conn:
        await conn.execute("UPDATE operators SET licence_expires_on = current_date WHERE id = $1", first.operator_id)
    assert await code_of(pool, first.id) == "operator_papers_expired"


async def test_an_answer_of_the_solver_that_is_out_of_date_is_dropped_and_wished_for_anew(pool: Pool, world: World) -> None:
    first, second, *_ = await start(pool, world)
    await decline_offer(pool, second.id, reason=DeclineReason.PRICE, note="", actor="operator")
    await freeze_demand(pool, world.event_id, travel=GreatCircle())
    await accept_offer(pool, first.id, actor="operator")
    async with pool.acquire() as conn:
        [snapshot_id] = await snapshots.list_unsolved(conn, world.event_id)
        standing = {duty.id for duty in await plans.list_current_duties(conn, world.event_id)}
    plan_id = await solve_event(pool, snapshot_id, limits=LIMITS)
    async with pool.acquire() as conn:
        wish = await snapshots.wanted_cause(conn, world.event_id)
        after = {duty.id for duty in await plans.list_current_duties(conn, world.event_id)}
        accepted = await offers.list_accepted(conn, world.event_id)
    if plan_id is None:
        assert (wish, after) == (Cause.SUPERSEDED, standing)
    else:
        assert first.duty_id in after, "the accepted duty came out unchanged"
    assert [offer.id for offer in accepted] == [first.id]

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from app.core.clock import shift_clock
from app.core.database import Connection, Pool, transaction
from app.core.errors import Conflict
from app.domain.manifests.day_store import read_last_position
from app.domain.manifests.model import IncidentKind, Position
from app.domain.manifests.passes import signing_key
from app.domain.manifests.service import DriverLinkExpired, DriverLinkRevoked, DriverLinkUnknown, DutyNotBegun, open_driver_link
from app.flows.check_in import NamedPerson, check_in
from app.flows.close_manifest import close_manifest, close_overdue_manifest
from app.flows.complete_duty import complete_duty, end_duty
from app.flows.issue_manifests import issue_manifests_within
from app.flows.record_position import purge_positions, record_positions
from app.flows.report_incident import report_incident
from tests.support.travel_world import SECRET, World, add_duty, add_party, allocate, assign_driver, build_world

NO_DRIVER = UUID(int=1)


async def issue(pool: Pool, world: World) -> None:
    async with transaction(pool) as conn:
        await issue_manifests_within(conn, world.event_id, cause="test")


async def board(pool: Pool, duty: UUID, pledge: UUID, at: datetime) -> None:
    person = NamedPerson(id=uuid4(), pledge_id=pledge, person=1, leg="outbound", checked_at=at)
    await check_in(pool, duty_id=duty, arrivals=[person], key=signing_key(SECRET))


async def trip_state(db: Connection, world: World) -> str:
    return str(await db.fetchval("SELECT state FROM trips WHERE id = $1", world.trip_id))


async def pledge_state(db: Connection, pledge: UUID) -> str:
    return str(await db.fetchval("SELECT state FROM pledges WHERE id = $1", pledge))


async def test_a_trip_departs_with_its_first_closed_manifest_and_completes_with_its_last_duty(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    ada, bob, eve = [await add_party(db, world, name=name) for name in ("Ada", "Bob", "Eve")]
    first = await add_duty(db, world, [ada, bob])
    second = await add_duty(db, world, [eve], plate="BUS 202")
    await issue(pool, world)
    await allocate(db, world)
    await board(pool, first, ada, world.starts_at)
    await board(pool, second, eve, world.starts_at)

    state = await close_manifest(pool, duty_id=first, actor="driver:1")
    assert state.closed_at is not None
    assert await trip_state(db, world) == "departed"
    await close_overdue_manifest(pool, duty_id=second)
    await complete_duty(pool, duty_id=first)
    assert await trip_state(db, world) == "departed"
    assert await pledge_state(db, ada) == "paid"
    await complete_duty(pool, duty_id=second)
    assert await trip_state(db, world) == "completed"
    assert [await pledge_state(db, one) for one in (ada, bob, eve)] == ["travelled", "no_show", "travelled"]


async def test_closing_twice_is_closing_once(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    duty = await add_duty(db, world, [await add_party(db, world)])
    await issue(pool, world)
    await allocate(db, world)
    first = await close_manifest(pool, duty_id=duty, actor="driver:1")
    assert await close_manifest(pool, duty_id=duty, actor="driver:1") == first
    departures = await db.fetchval("SELECT count(*) FROM audit WHERE subject_id = $1 AND to_state = 'departed'", world.trip_id)
    assert departures == 1


async def test_the_timer_completes_a_duty_whose_driver_tapped_nothing(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    ada = await add_party(db, world)
    duty = await add_duty(db, world, [ada])
    await issue(pool, world)
    await allocate(db, world)
    await complete_duty(pool, duty_id=duty)
    assert (await trip_state(db, world), await pledge_state(db, ada)) == ("completed", "no_show")


async def test_a_tap_at_the_depot_leaves_late_phones_their_time(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    ada = await add_party(db, world)
    duty = await add_duty(db, world, [ada])
    await issue(pool, world)
    await allocate(db, world)
    state = await end_duty(pool, duty_id=duty, actor="driver:1")
    assert state.ended_at is not None
    await board(pool, duty, ada, world.starts_at)
    await complete_duty(pool, duty_id=duty)
    assert await pledge_state(db, ada) == "travelled"


async def test_a_tap_days_before_the_bus_leaves_is_refused_and_binds_nobody(pool: Pool, db: Connection) -> None:
    world = await build_world(db, starts_in=timedelta(days=7))
    ada = await add_party(db, world)
    duty = await add_duty(db, world, [ada])
    await issue(pool, world)
    await allocate(db, world)
    for tap in (close_manifest, end_duty):
        with pytest.raises(DutyNotBegun, match="on the day") as early:
            await tap(pool, duty_id=duty, actor="driver:1")
        assert early.value.code == "duty_not_begun"
    person = NamedPerson(id=uuid4(), pledge_id=ada, person=1, leg="outbound", checked_at=world.starts_at)
    [outcome] = await check_in(pool, duty_id=duty, arrivals=[person], key=signing_key(SECRET))
    assert (outcome.status, outcome.code) == ("refused", "duty_not_begun")
    assert await trip_state(db, world) == "allocated"

    await shift_clock(db, timedelta(days=7, hours=-1))
    await board(pool, duty, ada, world.starts_at)
    assert (await close_manifest(pool, duty_id=duty, actor="driver:1")).closed_at is not None
    assert await trip_state(db, world) == "departed"


async def test_a_trip_planned_anew_while_its_bus_is_on_the_road_still_departs_and_completes(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    ada = await add_party(db, world)
    duty = await add_duty(db, world, [ada])
    await issue(pool, world)
    await close_manifest(pool, duty_id=duty, actor="driver:1")  # the trip is `confirmed`: another of its buses was pulled out
    await allocate(db, world)
    await complete_duty(pool, duty_id=duty)
    assert await trip_state(db, world) == "completed"


async def test_who_had_no_seat_is_no_no_show(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    ada, unseated = await add_party(db, world), await add_party(db, world, name="Ursula Unseated")
    duty = await add_duty(db, world, [ada])
    await issue(pool, world)
    await allocate(db, world)
    await complete_duty(pool, duty_id=duty)
    assert await pledge_state(db, unseated) == "paid"


async def test_timers_of_a_duty_that_was_taken_back_do_nothing(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    duty = await add_duty(db, world, [await add_party(db, world)])
    await close_overdue_manifest(pool, duty_id=duty)
    await complete_duty(pool, duty_id=duty)
    assert await trip_state(db, world) == "confirmed"


def spot(at: datetime, lat: float = 41.9) -> Position:
    return Position(at=at, lat=lat, lon=-87.7, accuracy_m=12.0)


async def test_positions_count_once_and_the_newest_is_where_the_bus_is(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    duty = await add_duty(db, world, [await add_party(db, world)])
    await issue(pool, world)
    batch = [spot(world.starts_at + timedelta(minutes=n), 41.9 + n / 100) for n in range(3)]
    assert await record_positions(pool, duty_id=duty, positions=batch) == 3
    assert await record_positions(pool, duty_id=duty, positions=batch[::-1]) == 0
    last = await read_last_position(db, duty)
    assert last is not None
    assert last.lat == 41.92


async def test_positions_from_outside_the_duty_or_from_the_future_are_dropped(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    duty = await add_duty(db, world, [await add_party(db, world)])
    await issue(pool, world)
    now = await db.fetchval("SELECT busload_now()")
    strangers = [spot(world.starts_at - timedelta(days=1)), spot(now + timedelta(hours=1))]
    assert await record_positions(pool, duty_id=duty, positions=strangers) == 0


async def test_nobody_is_followed_after_the_duty(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    duty = await add_duty(db, world, [await add_party(db, world)])
    await issue(pool, world)
    state = await end_duty(pool, duty_id=duty, actor="driver:1")
    assert state.ended_at is not None
    assert await record_positions(pool, duty_id=duty, positions=[spot(state.ended_at + timedelta(minutes=1))]) == 0


async def test_positions_are_forgotten_after_thirty_days(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    duty = await add_duty(db, world, [await add_party(db, world)])
    await issue(pool, world)
    await record_positions(pool, duty_id=duty, positions=[spot(world.starts_at)])
    await purge_positions(pool)
    assert await read_last_position(db, duty) is not None
    await shift_clock(db, timedelta(days=31))
    assert await purge_positions(pool) >= 1
    assert await read_last_position(db, duty) is None


async def test_an_incident_reaches_everybody_on_the_bus_and_the_operator(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    ada, bob = await add_party(db, world), await add_party(db, world, name="Bob Brown")
    elsewhere = await add_party(db, world, name="Eve Evans")
    duty = await add_duty(db, world, [ada, bob])
    await add_duty(db, world, [elsewhere], plate="BUS 202")
    await issue(pool, world)
    incident = uuid4()
    assert await report_incident(pool, duty_id=duty, driver_id=NO_DRIVER, incident_id=incident, kind=IncidentKind.LATE, delay_min=30)
    rows = await db.fetch(
        "SELECT template, subject_id, data FROM mails WHERE dedupe_key LIKE $1 ORDER BY template, subject_id", f"incident:{incident}:%"
    )
    assert [(row["template"], row["subject_id"]) for row in rows] == [
        ("incident_operator", duty),
        *(("incident_rider", pledge) for pledge in sorted([ada, bob])),
    ]
    assert rows[1]["data"]["summary"] == "Bus BUS 101 of Lakeshore Coaches runs about 30 minutes late."
    assert await db.fetchval("SELECT count(*) FROM incident_pledges WHERE incident_id = $1", incident) == 2


async def test_an_incident_sent_twice_is_told_once(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    duty = await add_duty(db, world, [await add_party(db, world)])
    other = await add_duty(db, world, [await add_party(db, world)], plate="BUS 202")
    await issue(pool, world)
    incident = uuid4()
    details = {"driver_id": NO_DRIVER, "incident_id": incident}
    assert await report_incident(pool, duty_id=duty, kind=IncidentKind.BREAKDOWN, delay_min=0, **details)
    assert not await report_incident(pool, duty_id=duty, kind=IncidentKind.BREAKDOWN, delay_min=0, **details)
    with pytest.raises(Conflict):
        await report_incident(pool, duty_id=other, kind=IncidentKind.BREAKDOWN, delay_min=0, **details)
    assert await db.fetchval("SELECT count(*) FROM incidents WHERE event_id = $1", world.event_id) == 1


async def test_a_link_opens_its_duty_until_it_expires_or_another_driver_takes_over(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    duty = await add_duty(db, world, [await add_party(db, world)])
    driver, token = await assign_driver(db, world, duty)
    link = await open_driver_link(db, token)
    assert (link.duty_id, link.driver_id, link.seat) == (duty, driver, 1)
    with pytest.raises(DriverLinkUnknown):
        await open_driver_link(db, token[:-1] + "x")
    await shift_clock(db, timedelta(days=1, seconds=1))
    with pytest.raises(DriverLinkExpired):
        await open_driver_link(db, token)
    await db.execute("UPDATE duty_drivers SET ended_at = busload_now() WHERE driver_id = $1", driver)
    with pytest.raises(DriverLinkRevoked):
        await open_driver_link(db, token)

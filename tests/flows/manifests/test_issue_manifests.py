from uuid import UUID

import asyncpg
import pytest

from app.core.database import Connection, Pool, transaction
from app.domain.manifests.model import Manifest
from app.domain.manifests.service import require_manifest
from app.domain.manifests.store import read_current_manifest, read_pledge_passes
from app.flows.issue_manifests import issue_manifests_within, withdraw_manifests_within
from tests.support.travel_world import World, accept_duty, add_duty, add_party, assign_driver, build_world


async def issue(pool: Pool, world: World, cause: str = "allocated") -> list[UUID]:
    async with transaction(pool) as conn:
        return await issue_manifests_within(conn, world.event_id, cause=cause)


async def current(conn: Connection, duty_id: UUID) -> Manifest:
    manifest = await read_current_manifest(conn, duty_id)
    assert manifest is not None
    return manifest


async def test_the_first_version_says_when_where_and_who(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    ada = await add_party(db, world, seats=2, wheelchairs=1, needs="Folding wheelchair")
    bob = await add_party(db, world, stop="pittsburgh", legs=("outbound",), name="Bob Brown")
    duty = await add_duty(db, world, [ada, bob])
    driver, _ = await assign_driver(db, world, duty)

    assert await issue(pool, world) == [duty]

    manifest = await current(db, duty)
    document = manifest.document
    assert (manifest.version, manifest.cause) == (1, "allocated")
    assert [(call.place.name, call.place.zone, call.people) for call in document.outbound] == [
        ("Union Station", "America/Chicago", 3),
        ("Liberty Avenue", "America/New_York", 1),
    ]
    assert [(call.place.name, call.people) for call in document.return_calls] == [("Liberty Avenue", 0), ("Union Station", 3)]
    assert (document.people("outbound"), document.people("return")) == (4, 3)
    named = (await require_manifest(db, duty)).document.outbound[0].parties[0]
    assert (named.name, named.needs) == ("Ada Lovelace", "Folding wheelchair")
    assert [one.driver_id for one in document.drivers] == [driver]
    assert document.depot_out_at == world.starts_at
    assert (
        document.depot_out_at < document.outbound[0].depart_at < document.venue_arrive_at < document.venue_depart_at < document.depot_in_at
    )
    assert document.event.dispatcher_phone == "+1 202 555 0100"


async def test_no_name_rests_in_a_manifest_so_that_erasing_a_rider_reaches_every_version(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    duty = await add_duty(db, world, [await add_party(db, world, needs="Guide dog")])
    await issue(pool, world)
    kept = str(await db.fetchval("SELECT document::text FROM manifests WHERE duty_id = $1", duty))
    assert "Union Station" in kept
    assert "Ada" not in kept
    assert "Guide dog" not in kept


async def test_every_person_gets_one_pass_per_leg(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    ada = await add_party(db, world, seats=2, wheelchairs=1)
    duty = await add_duty(db, world, [ada])
    await issue(pool, world)
    passes = await read_pledge_passes(db, ada)
    assert [(one.leg, one.person, one.duty_id) for one in passes] == [(leg, n, duty) for leg in ("outbound", "return") for n in (1, 2, 3)]


async def test_nothing_changed_makes_no_version_and_keeps_the_passes(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    ada = await add_party(db, world)
    duty = await add_duty(db, world, [ada])
    await issue(pool, world)
    before = await read_pledge_passes(db, ada)
    assert await issue(pool, world) == []
    assert (await current(db, duty)).version == 1
    assert await read_pledge_passes(db, ada) == before


async def test_another_driver_makes_the_next_version_and_leaves_passes_alone(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    ada = await add_party(db, world)
    duty = await add_duty(db, world, [ada])
    await issue(pool, world)
    before = await read_pledge_passes(db, ada)
    await assign_driver(db, world, duty, name="New Driver")
    assert await issue(pool, world, "driver assigned") == [duty]
    manifest = await current(db, duty)
    assert (manifest.version, manifest.cause, manifest.document.drivers[0].name) == (2, "driver assigned", "New Driver")
    assert await read_pledge_passes(db, ada) == before


async def test_a_party_that_left_loses_its_passes_and_the_others_keep_theirs(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    ada, bob = await add_party(db, world), await add_party(db, world, name="Bob Brown")
    duty = await add_duty(db, world, [ada, bob])
    await issue(pool, world)
    kept = await read_pledge_passes(db, ada)
    await db.execute("UPDATE duty_parties SET left_at = busload_now() WHERE pledge_id = $1", bob)
    await issue(pool, world, "a party left")
    assert (await current(db, duty)).document.people("outbound") == 1
    assert await read_pledge_passes(db, bob) == []
    assert await read_pledge_passes(db, ada) == kept


async def test_a_refunded_party_is_on_no_manifest(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    ada, bob = await add_party(db, world), await add_party(db, world, name="Bob Brown")
    duty = await add_duty(db, world, [ada, bob])
    await db.execute("UPDATE pledges SET state = 'refunded' WHERE id = $1", bob)
    await issue(pool, world)
    assert [party.pledge_id for party in (await current(db, duty)).document.outbound[0].parties] == [ada]


async def test_a_duty_pulled_out_of_loses_manifest_passes_and_timers(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    ada = await add_party(db, world)
    duty = await add_duty(db, world, [ada])
    await issue(pool, world)
    await db.execute("UPDATE offers SET state = 'failed' WHERE duty_id = $1", duty)
    async with transaction(pool) as conn:
        assert await withdraw_manifests_within(conn, world.event_id) == [duty]
    assert await read_current_manifest(db, duty) is None
    assert await read_pledge_passes(db, ada) == []
    assert await db.fetchval("SELECT count(*) FROM timers WHERE subject_id = $1", duty) == 0


async def test_a_party_moved_to_another_bus_is_told_old_and_new(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    ada = await add_party(db, world)
    first = await add_duty(db, world, [ada])
    await issue(pool, world)
    await db.execute("UPDATE offers SET state = 'failed' WHERE duty_id = $1", first)
    await db.execute("DELETE FROM plan_duties WHERE duty_id = $1", first)
    second = await add_duty(db, world, [ada], plate="BUS 202", stops=("pittsburgh", "chicago"))
    assert await issue(pool, world, "planned anew") == [second]
    passes = await read_pledge_passes(db, ada)
    assert {one.duty_id for one in passes} == {second}
    mails = await db.fetch("SELECT template, data FROM mails WHERE subject_id = $1 ORDER BY id", ada)
    assert [mail["template"] for mail in mails] == ["ride_ready", "ride_changed"]
    change = mails[1]["data"]["changes"][0]
    assert (change["before"]["plate"], change["ride"]["plate"]) == ("BUS 101", "BUS 202")
    assert change["before"]["at"] < change["ride"]["at"]


async def test_a_duty_accepted_again_gets_the_next_version(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    ada = await add_party(db, world)
    duty = await add_duty(db, world, [ada])
    await issue(pool, world)
    await db.execute("UPDATE offers SET state = 'failed' WHERE duty_id = $1", duty)
    await issue(pool, world, "pulled out")
    await accept_duty(db, world, duty)
    assert await issue(pool, world, "accepted again") == [duty]
    assert (await current(db, duty)).version == 2


async def test_the_timetable_sets_the_timers_that_close_and_end_a_duty(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    duty = await add_duty(db, world, [await add_party(db, world)])
    await issue(pool, world)
    rows = await db.fetch("SELECT kind, due_at FROM timers WHERE subject_id = $1 ORDER BY due_at", duty)
    document = (await current(db, duty)).document
    assert [row["kind"] for row in rows] == ["duty_start", "duty_end"]
    assert rows[0]["due_at"] > document.outbound[-1].depart_at
    assert rows[1]["due_at"] > document.depot_in_at


@pytest.mark.parametrize("statement", ["UPDATE manifests SET cause = 'x'", "DELETE FROM manifests", "DELETE FROM manifest_people"])
async def test_versions_are_for_ever(pool: Pool, db: Connection, statement: str) -> None:
    world = await build_world(db)
    await add_duty(db, world, [await add_party(db, world)])
    await issue(pool, world)
    with pytest.raises(asyncpg.PostgresError, match="append-only"):
        await db.execute(statement)

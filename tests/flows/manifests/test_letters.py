"""The mails of the day of travel, as their readers get them."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from app.core.database import Connection, Pool, transaction
from app.core.ids import derived_token
from app.domain.manifests.model import IncidentKind
from app.domain.notifications.letters import build_letter_environment, write_letter
from app.domain.notifications.model import Letter
from app.domain.notifications.store import list_mails_about
from app.flows.issue_manifests import issue_manifests_within
from app.flows.report_incident import report_incident
from tests.support.travel_world import SECRET, World, add_duty, add_party, assign_driver, build_world, manage_token

LETTERS = build_letter_environment(secret=SECRET, base_url="https://busload.example")


async def letters_about(db: Connection, subject: UUID) -> list[Letter]:
    return [write_letter(LETTERS, mail) for mail in await list_mails_about(db, [subject])]


async def issue(pool: Pool, world: World) -> None:
    async with transaction(pool) as conn:
        await issue_manifests_within(conn, world.event_id, cause="test")


async def test_a_rider_is_told_time_place_bus_and_links(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    ada = await add_party(db, world)
    await add_duty(db, world, [ada])
    await issue(pool, world)
    (letter,) = await letters_about(db, ada)
    code = await db.fetchval("SELECT public_code FROM pledges WHERE id = $1", ada)
    assert letter.subject == "Your bus to Women's March: time, place and boarding pass"
    for words in (
        "Union Station, 225 S Canal St, Chicago",
        "bus BUS 101 of Lakeshore Coaches",
        f"https://busload.example/p/{manage_token(ada)}/pass",
        f"https://busload.example/t/{code}-{derived_token(SECRET, 'pass', ada)}",
        "+1 202 555 0100",
    ):
        assert words in letter.text
    assert " CST" in letter.text or " CDT" in letter.text  # the stop's own clock, not the venue's


async def test_a_changed_ride_is_told_with_what_held_before(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    ada = await add_party(db, world)
    first = await add_duty(db, world, [ada])
    await issue(pool, world)
    await db.execute("UPDATE offers SET state = 'failed' WHERE duty_id = $1", first)
    await db.execute("DELETE FROM plan_duties WHERE duty_id = $1", first)
    await add_duty(db, world, [ada], plate="BUS 202")
    await issue(pool, world)
    changed = (await letters_about(db, ada))[-1]
    assert changed.subject == "Changed: your bus to Women's March"
    assert "bus BUS 202" in changed.text
    assert "(before: Union Station" in changed.text
    assert "bus BUS 101)" in changed.text


@pytest.mark.parametrize(("stops", "may_leave"), [(("pittsburgh", "chicago"), True), (("chicago", "pittsburgh"), False)])
async def test_a_change_beyond_the_tolerance_opens_a_free_exit(
    pool: Pool, db: Connection, stops: tuple[str, ...], *, may_leave: bool
) -> None:
    world = await build_world(db, starts_in=timedelta(days=5))
    ada = await add_party(db, world)
    first = await add_duty(db, world, [ada])
    await issue(pool, world)
    await db.execute("UPDATE offers SET state = 'failed' WHERE duty_id = $1", first)
    await db.execute("DELETE FROM plan_duties WHERE duty_id = $1", first)
    await add_duty(db, world, [ada], plate="BUS 202", stops=stops)  # the other order comes an hour later
    await issue(pool, world)
    until = await db.fetchval("SELECT free_exit_until - busload_now() FROM pledges WHERE id = $1", ada)
    changed = (await letters_about(db, ada))[-1]
    assert ("free of charge" in changed.text) is may_leave
    assert (until is not None and timedelta(hours=47) < until <= timedelta(days=2)) is may_leave


async def test_an_incident_is_told_to_riders_and_operator(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    ada = await add_party(db, world)
    duty = await add_duty(db, world, [ada])
    await issue(pool, world)
    await report_incident(pool, duty_id=duty, driver_id=uuid4(), incident_id=uuid4(), kind=IncidentKind.BREAKDOWN, delay_min=0)
    rider, operator = (await letters_about(db, ada))[-1], (await letters_about(db, duty))[-1]
    assert "Bus BUS 101 of Lakeshore Coaches has broken down." in rider.text
    assert "/t/" in rider.text
    assert operator.subject.startswith("Incident on duty")


async def test_a_driver_who_holds_an_older_version_is_told(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    ada, bob = await add_party(db, world), await add_party(db, world, name="Bob Brown")
    duty = await add_duty(db, world, [ada, bob])
    await issue(pool, world)
    driver, token = await assign_driver(db, world, duty)
    await issue(pool, world)
    assert await letters_about(db, duty) == []  # the assignment has its own mail
    await db.execute("UPDATE duty_parties SET left_at = busload_now() WHERE pledge_id = $1", bob)
    await issue(pool, world)
    (letter,) = await letters_about(db, duty)
    assert letter.subject.startswith("Changed: your duty")
    assert "Version 3 holds now: 1 on the way there" in letter.text
    assert f"https://busload.example/d/{token}" in letter.text
    assert await db.fetchval("SELECT recipient FROM mails WHERE subject_id = $1", duty) == f"{driver.hex}@driver.example"

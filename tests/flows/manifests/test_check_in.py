import asyncio
from datetime import datetime
from uuid import UUID, uuid4

import msgspec
import pytest
import pytest_asyncio

from app.core.database import Connection, Pool, transaction
from app.domain.manifests.day_store import read_duty_check_ins
from app.domain.manifests.model import BoardingPass, CheckInOutcome, CheckInStatus, Leg
from app.domain.manifests.passes import claims_of, sign_pass, signing_key
from app.domain.manifests.service import NoManifest
from app.domain.manifests.store import read_pledge_passes
from app.flows.check_in import NamedPerson, ScannedPass, check_in
from app.flows.issue_manifests import issue_manifests_within
from app.flows.retire_pass_keys import retire_pass_keys
from tests.support.server import ScratchDatabase
from tests.support.travel_world import SECRET, World, add_duty, add_party, build_world

KEY = signing_key(SECRET)


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """A duty with its manifest: Ada's party of three on both legs, Bob alone and outbound only."""

    world: World
    duty: UUID
    ada: UUID
    bob: UUID
    now: datetime


@pytest_asyncio.fixture
async def day(pool: Pool, db: Connection) -> Day:
    world = await build_world(db)
    ada = await add_party(db, world, seats=2, wheelchairs=1)
    bob = await add_party(db, world, stop="pittsburgh", legs=("outbound",), name="Bob Brown")
    duty = await add_duty(db, world, [ada, bob])
    await issue(pool, world)
    return Day(world=world, duty=duty, ada=ada, bob=bob, now=await db.fetchval("SELECT busload_now()"))


async def issue(pool: Pool, world: World) -> None:
    async with transaction(pool) as conn:
        await issue_manifests_within(conn, world.event_id, cause="test")


def named(day: Day, pledge: UUID, person: int = 1, leg: Leg = "outbound", check_in_id: UUID | None = None) -> NamedPerson:
    return NamedPerson(id=check_in_id or uuid4(), pledge_id=pledge, person=person, leg=leg, checked_at=day.now)


def token_of(boarding_pass: BoardingPass) -> str:
    return sign_pass(KEY, claims_of(boarding_pass))


async def arrive(pool: Pool, day: Day, *arrivals: NamedPerson | ScannedPass) -> list[CheckInOutcome]:
    return await check_in(pool, duty_id=day.duty, arrivals=list(arrivals), key=KEY)


async def test_a_signed_pass_checks_its_person_in(pool: Pool, db: Connection, day: Day) -> None:
    passes = await read_pledge_passes(db, day.ada)
    scan = ScannedPass(id=uuid4(), token=token_of(passes[1]), checked_at=day.now)
    (outcome,) = await arrive(pool, day, scan)
    assert outcome.status is CheckInStatus.ACCEPTED
    (kept,) = await read_duty_check_ins(db, day.duty)
    assert (kept.pledge_id, kept.person, kept.leg, kept.method.value) == (day.ada, 2, "outbound", "pass")


async def test_a_name_checks_a_person_in(pool: Pool, db: Connection, day: Day) -> None:
    (outcome,) = await arrive(pool, day, named(day, day.bob))
    assert outcome.status is CheckInStatus.ACCEPTED
    (kept,) = await read_duty_check_ins(db, day.duty)
    assert (kept.pledge_id, kept.method.value) == (day.bob, "name")


async def test_the_same_batch_sent_again_changes_nothing(pool: Pool, db: Connection, day: Day) -> None:
    batch = [named(day, day.ada, person) for person in (1, 2, 3)]
    await arrive(pool, day, *batch)
    again = await arrive(pool, day, *batch)
    assert {outcome.status for outcome in again} == {CheckInStatus.REPEATED}
    assert len(await read_duty_check_ins(db, day.duty)) == 3


async def test_a_second_scan_is_kept_and_names_the_first(pool: Pool, db: Connection, day: Day) -> None:
    first, second = named(day, day.bob), named(day, day.bob)
    await arrive(pool, day, first)
    (outcome,) = await arrive(pool, day, second)
    assert (outcome.status, outcome.conflicts_with) == (CheckInStatus.CONFLICT, first.id)
    assert [one.conflicts_with for one in await read_duty_check_ins(db, day.duty)] == [None, first.id]
    (repeated,) = await arrive(pool, day, second)
    assert (repeated.status, repeated.conflicts_with) == (CheckInStatus.REPEATED, first.id)


async def test_each_leg_is_checked_in_on_its_own(pool: Pool, day: Day) -> None:
    outcomes = await arrive(pool, day, named(day, day.ada, 1, "outbound"), named(day, day.ada, 1, "return"))
    assert [outcome.status for outcome in outcomes] == [CheckInStatus.ACCEPTED] * 2


async def test_two_phones_at_once_leave_one_check_in_and_the_rest_as_conflicts(pool: Pool, db: Connection, day: Day) -> None:
    batches = [[named(day, day.ada, person) for person in (1, 2, 3)] for _ in range(6)]
    outcomes = await asyncio.gather(*(arrive(pool, day, *batch) for batch in batches))
    statuses = [outcome.status for batch in outcomes for outcome in batch]
    assert statuses.count(CheckInStatus.ACCEPTED) == 3
    assert statuses.count(CheckInStatus.CONFLICT) == 15
    assert len(await read_duty_check_ins(db, day.duty)) == 18


async def test_the_rest_of_a_batch_is_kept_when_one_is_refused(pool: Pool, db: Connection, day: Day) -> None:
    outcomes = await arrive(pool, day, named(day, uuid4()), named(day, day.bob))
    assert [(outcome.status, outcome.code) for outcome in outcomes] == [
        (CheckInStatus.REFUSED, "not_on_this_bus"),
        (CheckInStatus.ACCEPTED, ""),
    ]
    assert len(await read_duty_check_ins(db, day.duty)) == 1


@pytest.mark.parametrize(("person", "leg"), [(2, "outbound"), (0, "outbound"), (1, "return")])
async def test_a_party_has_only_its_own_people_and_legs(pool: Pool, day: Day, person: int, leg: Leg) -> None:
    (outcome,) = await arrive(pool, day, named(day, day.bob, person, leg))
    assert (outcome.status, outcome.code) == (CheckInStatus.REFUSED, "not_on_this_bus")


async def test_an_id_is_good_for_one_check_in(pool: Pool, day: Day) -> None:
    first = named(day, day.bob)
    await arrive(pool, day, first)
    (outcome,) = await arrive(pool, day, named(day, day.ada, check_in_id=first.id))
    assert (outcome.status, outcome.code) == (CheckInStatus.REFUSED, "check_in_id_reused")


async def test_a_forged_pass_is_refused(pool: Pool, db: Connection, day: Day) -> None:
    passes = await read_pledge_passes(db, day.ada)
    token = token_of(passes[0])
    forged = token[:40] + ("A" if token[40] != "A" else "B") + token[41:]
    (outcome,) = await arrive(pool, day, ScannedPass(id=uuid4(), token=forged, checked_at=day.now))
    assert (outcome.status, outcome.code) == (CheckInStatus.REFUSED, "pass_invalid")
    assert await read_duty_check_ins(db, day.duty) == []


async def test_a_revoked_pass_is_refused(pool: Pool, db: Connection, day: Day) -> None:
    (boarding_pass,) = await read_pledge_passes(db, day.bob)
    await db.execute("UPDATE boarding_passes SET revoked_at = busload_now() WHERE id = $1", boarding_pass.id)
    (outcome,) = await arrive(pool, day, ScannedPass(id=uuid4(), token=token_of(boarding_pass), checked_at=day.now))
    assert (outcome.status, outcome.code) == (CheckInStatus.REFUSED, "pass_revoked")


async def test_the_pass_of_another_bus_is_refused(pool: Pool, db: Connection, day: Day) -> None:
    eve = await add_party(db, day.world, name="Eve Evans")
    await add_duty(db, day.world, [eve], plate="BUS 202")
    await issue(pool, day.world)
    passes = await read_pledge_passes(db, eve)
    (outcome,) = await arrive(pool, day, ScannedPass(id=uuid4(), token=token_of(passes[0]), checked_at=day.now))
    assert (outcome.status, outcome.code) == (CheckInStatus.REFUSED, "not_on_this_bus")


async def test_a_person_of_an_older_version_is_kept_for_phones_without_signal(pool: Pool, db: Connection, day: Day) -> None:
    await db.execute("UPDATE duty_parties SET left_at = busload_now() WHERE pledge_id = $1", day.bob)
    await issue(pool, day.world)
    (outcome,) = await arrive(pool, day, named(day, day.bob))
    assert outcome.status is CheckInStatus.ACCEPTED


async def test_a_duty_that_was_taken_back_takes_no_check_ins(pool: Pool, db: Connection, day: Day) -> None:
    await db.execute("UPDATE offers SET state = 'failed' WHERE duty_id = $1", day.duty)
    await issue(pool, day.world)
    with pytest.raises(NoManifest):
        await arrive(pool, day, named(day, day.bob))


async def test_after_a_rotation_passes_already_shown_hold_until_their_key_is_retired(pool: Pool, db: Connection, day: Day) -> None:
    first, second = (await read_pledge_passes(db, day.ada))[:2]
    await arrive(pool, day, ScannedPass(id=uuid4(), token=token_of(first), checked_at=day.now))
    rotated = signing_key("the secret after the rotation, long enough")
    old = ScannedPass(id=uuid4(), token=token_of(second), checked_at=day.now)
    (outcome,) = await check_in(pool, duty_id=day.duty, arrivals=[old], key=rotated)
    assert outcome.status is CheckInStatus.ACCEPTED
    assert await retire_pass_keys(pool, secret="the secret after the rotation, long enough") == [KEY.key_id]
    third = ScannedPass(id=uuid4(), token=token_of((await read_pledge_passes(db, day.ada))[2]), checked_at=day.now)
    (outcome,) = await check_in(pool, duty_id=day.duty, arrivals=[third], key=rotated)
    await db.execute("UPDATE pass_keys SET retired_at = NULL")
    assert (outcome.status, outcome.code) == (CheckInStatus.REFUSED, "pass_key_unknown")


async def test_without_its_index_the_once_per_person_rule_would_break(database: ScratchDatabase) -> None:
    """The negative control of the two phones: what holds the rule is the index, and the test above would see it missing."""
    pool = await database.pool()
    async with pool.acquire() as db:
        world = await build_world(db)
        bob = await add_party(db, world, name="Bob Brown")
        duty = await add_duty(db, world, [bob])
        await issue(pool, world)
        await db.execute("DROP INDEX check_ins_once")
        now = await db.fetchval("SELECT busload_now()")
        twice = [NamedPerson(id=uuid4(), pledge_id=bob, person=1, leg="outbound", checked_at=now) for _ in range(2)]
        outcomes = await check_in(pool, duty_id=duty, arrivals=list(twice), key=KEY)
        assert [outcome.status for outcome in outcomes] == [CheckInStatus.ACCEPTED] * 2

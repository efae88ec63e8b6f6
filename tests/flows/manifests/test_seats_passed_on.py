"""Seats that change hands once the bus is known: the driver gets the new name, old passes hold no longer."""

from datetime import UTC, datetime

import pytest

from app.core.database import Connection, Pool, transaction
from app.core.errors import Conflict
from app.core.ids import new_id, token_hash
from app.domain.manifests.service import require_manifest
from app.domain.manifests.store import read_pledge_passes
from app.domain.pledges.transfer_store import add_transfer
from app.flows.issue_manifests import issue_manifests_within
from app.flows.transfer_pledge import accept_transfer
from tests.support.travel_world import SECRET, add_duty, add_party, assign_driver, build_world


async def test_the_next_version_names_the_new_rider_and_passes_are_new(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    ada, bob = await add_party(db, world, seats=2), await add_party(db, world, name="Bob Brown")
    duty, other = await add_duty(db, world, [ada]), await add_duty(db, world, [bob], plate="BUS 2")
    await assign_driver(db, world, duty)
    async with transaction(pool) as conn:
        await issue_manifests_within(conn, world.event_id, cause="allocated")
    before, bobs = await read_pledge_passes(db, ada), await read_pledge_passes(db, bob)
    transfer_id = new_id()
    await add_transfer(
        db, transfer_id=transfer_id, pledge_id=ada, from_name="Ada Lovelace", from_email=f"{ada.hex}@rider.example", to_name="Theo Taker",
        to_email="theo@example.org", to_email_normalised="theo@example.org", token_hash=token_hash(str(transfer_id)),
        expires_at=datetime(2100, 1, 1, tzinfo=UTC),
    )  # fmt: skip

    await accept_transfer(pool, transfer_id, phone="", needs="A cane", secret=SECRET)

    manifest = await require_manifest(db, duty)
    party = manifest.document.outbound[0].parties[0]
    assert (manifest.version, manifest.cause, party.name, party.needs) == (2, "seats passed on", "Theo Taker", "A cane")
    assert (await require_manifest(db, other)).version == 1, "other buses are left alone"
    after = await read_pledge_passes(db, ada)
    assert [one.slot for one in after] == [one.slot for one in before]
    assert {one.id for one in after}.isdisjoint(one.id for one in before)
    assert await read_pledge_passes(db, bob) == bobs


async def test_once_the_bus_has_left_seats_are_not_passed_on(pool: Pool, db: Connection) -> None:
    world = await build_world(db)
    ada = await add_party(db, world)
    duty = await add_duty(db, world, [ada])
    async with transaction(pool) as conn:
        await issue_manifests_within(conn, world.event_id, cause="allocated")
    await db.execute("UPDATE current_manifests SET closed_at = busload_now() WHERE duty_id = $1", duty)
    transfer_id = new_id()
    await add_transfer(
        db, transfer_id=transfer_id, pledge_id=ada, from_name="Ada Lovelace", from_email=f"{ada.hex}@rider.example", to_name="Theo Taker",
        to_email="late@example.org", to_email_normalised="late@example.org", token_hash=token_hash(str(transfer_id)),
        expires_at=datetime(2100, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    with pytest.raises(Conflict) as refused:
        await accept_transfer(pool, transfer_id, phone="", needs="", secret=SECRET)
    assert refused.value.code == "bus_has_left"

"""Check-ins from a driver's phone: many at once, some of them old, some sent twice, some contradicting another phone's."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.errors import Refusal
from app.core.live import tell
from app.domain.manifests import day_store, service, store
from app.domain.manifests.model import PASS_MARGIN, CheckIn, CheckInMethod, CheckInOutcome, CheckInStatus, Leg
from app.domain.manifests.passes import PassKey, PassRefused, read_pass, serial_of


class NotOnThisBus(Refusal):
    """The person is on no manifest of this duty."""

    code = "not_on_this_bus"
    title = "This person rides another bus"


class CheckInIdReused(Refusal):
    """The id belongs to another check-in."""

    code = "check_in_id_reused"
    title = "This id was used before"


class ScannedPass(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody showed a pass."""

    id: UUID
    token: str
    checked_at: datetime


class NamedPerson(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody was found by name."""

    id: UUID
    pledge_id: UUID
    person: int
    leg: Leg
    checked_at: datetime


async def check_in(pool: Pool, *, duty_id: UUID, arrivals: list[ScannedPass | NamedPerson], key: PassKey) -> list[CheckInOutcome]:
    """Records a batch in one transaction and says for each arrival, in order, what became of it.

    A repeated id is the same check-in. A second check-in of a person on a leg is kept and names the first. A refused one is not
    kept; the others are. Raises NoManifest when the duty was taken back.
    """
    async with transaction(pool) as conn:
        await service.lock_duty(conn, duty_id)
        keys = await service.accepted_keys(conn, key)
        roll = await _read_roll(conn, duty_id)
        outcomes: dict[int, CheckInOutcome] = {}
        readings: list[tuple[int, CheckIn]] = []
        for index, arrival in enumerate(arrivals):
            try:
                readings.append((index, roll.recognise(duty_id, arrival, keys)))
            except Refusal as refusal:
                outcomes[index] = _refused(arrival.id, refusal)
        # One order for all phones: two buses recording the same persons cannot wait for each other in a circle.
        for index, reading in sorted(readings, key=lambda pair: (pair[1].pledge_id, pair[1].person, pair[1].leg, pair[0])):
            outcomes[index] = await _record(conn, reading)
        if any(outcome.status in {CheckInStatus.ACCEPTED, CheckInStatus.CONFLICT} for outcome in outcomes.values()):
            await tell(conn, "duty", duty_id)
    return [outcomes[index] for index in range(len(arrivals))]


class _Roll(msgspec.Struct, frozen=True, kw_only=True):
    """Who may board: people by (pledge, leg) over all versions of the manifest, and the passes taken back.

    `is_open`: whether anybody can be aboard by now. A pass says that itself; who boards by name days before did not travel.
    """

    people: dict[tuple[UUID, Leg], int]
    revoked: dict[bytes, bool]
    is_open: bool

    def recognise(self, duty_id: UUID, arrival: ScannedPass | NamedPerson, keys: Mapping[str, bytes]) -> CheckIn:
        """Who arrived. Raises PassRefused, NotOnThisBus."""
        if isinstance(arrival, ScannedPass):
            claims = read_pass(arrival.token, keys, at=arrival.checked_at)
            if claims.duty_id == duty_id and self.revoked.get(claims.serial, True):
                raise PassRefused("This pass was replaced by a newer one. Ask for the newest, or check in by name.", code="pass_revoked")
            pledge_id, person, leg, method = claims.pledge_id, claims.person, claims.leg, CheckInMethod.PASS
            here = claims.duty_id == duty_id
        else:
            if not self.is_open:
                raise service.DutyNotBegun("Nobody can be aboard yet: the bus is to leave its depot only in more than half a day.")
            pledge_id, person, leg, method = arrival.pledge_id, arrival.person, arrival.leg, CheckInMethod.NAME
            here = True
        if not here or not 1 <= person <= self.people.get((pledge_id, leg), 0):
            raise NotOnThisBus("This person is not on this bus's manifest for this leg. Call the dispatcher.")
        return CheckIn(
            id=arrival.id,
            pledge_id=pledge_id,
            person=person,
            leg=leg,
            duty_id=duty_id,
            method=method,
            checked_at=arrival.checked_at,
            conflicts_with=None,
        )


async def _read_roll(conn: Connection, duty_id: UUID) -> _Roll:
    riders = await day_store.read_riders_ever(conn, duty_id)
    passes = await store.read_duty_passes(conn, duty_id)
    opens_at = await day_store.read_depot_out(conn, duty_id) - PASS_MARGIN
    return _Roll(
        people={(rider.pledge_id, rider.leg): rider.people for rider in riders},
        revoked={serial_of(one.id): one.revoked_at is not None for one in passes},
        is_open=await busload_now(conn) >= opens_at,
    )


async def _record(conn: Connection, reading: CheckIn) -> CheckInOutcome:
    known = await day_store.read_check_in(conn, reading.id)
    if known is None:
        if await day_store.add_check_in(conn, reading):
            return _kept(reading.id, CheckInStatus.ACCEPTED, None)
        first = await day_store.read_first_check_in(conn, reading.pledge_id, reading.person, reading.leg)
        if first is not None and first.id != reading.id:
            second = msgspec.structs.replace(reading, conflicts_with=first.id)
            if await day_store.add_check_in(conn, second):
                return _kept(reading.id, CheckInStatus.CONFLICT, first.id)
        known = await day_store.read_check_in(conn, reading.id)
    if known is not None and _same(known, reading):
        return _kept(reading.id, CheckInStatus.REPEATED, known.conflicts_with)
    return _refused(reading.id, CheckInIdReused("Send every check-in with an id of its own (a UUID)."))


def _same(known: CheckIn, reading: CheckIn) -> bool:
    return (known.pledge_id, known.person, known.leg, known.duty_id) == (
        reading.pledge_id,
        reading.person,
        reading.leg,
        reading.duty_id,
    )


def _kept(check_in_id: UUID, status: CheckInStatus, first: UUID | None) -> CheckInOutcome:
    detail = "Somebody was checked in as this person before." if first else ""
    return CheckInOutcome(id=check_in_id, status=status, conflicts_with=first, code="", detail=detail)


def _refused(check_in_id: UUID, refusal: Refusal) -> CheckInOutcome:
    return CheckInOutcome(id=check_in_id, status=CheckInStatus.REFUSED, conflicts_with=None, code=refusal.code, detail=refusal.detail)

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.domain.dispatch.model import Call, Scope, Timetable
from app.domain.manifests.compose import compose_manifest, name_parties
from app.domain.manifests.model import pass_slots, ridings
from app.domain.manifests.store import DutyRow, Named, PartyRow

START = datetime(2027, 1, 16, 10, 0, tzinfo=UTC)
STOP = UUID(int=7)
ADA, BOB = uuid4(), uuid4()


def call(kind: Any, leg: Any, arrives_h: float | None, departs_h: float | None) -> Call:
    def at(hours: float | None) -> datetime | None:
        return None if hours is None else START + timedelta(hours=hours)

    return Call(
        kind=kind,
        leg=leg,
        stop_id=STOP if kind == "stop" else None,
        name=kind,
        address="",
        lat=40.0,
        lon=-80.0,
        zone="America/New_York",
        arrives_at=at(arrives_h),
        departs_at=at(departs_h),
        drive_s=3600,
        drive_m=90_000,
        break_s=0,
        is_dead=False,
        seats=0,
        wheelchairs=0,
    )


CALLS = {
    Scope.BOTH: [
        ("depot", "outbound", None, 0),
        ("stop", "outbound", 1, 1.1),
        ("venue", "outbound", 3, 8),
        ("stop", "return", 10, 10.1),
        ("depot", "return", 11, None),
    ],
    Scope.OUTBOUND: [
        ("depot", "outbound", None, 0),
        ("stop", "outbound", 1, 1.1),
        ("venue", "outbound", 3, 3),
        ("depot", "return", 5, None),
    ],
    Scope.RETURN: [
        ("depot", "outbound", None, 6),
        ("venue", "outbound", 8, 8),
        ("stop", "return", 10, 10.1),
        ("depot", "return", 11, None),
    ],
}


def duty(scope: Scope) -> DutyRow:
    return DutyRow(
        duty_id=UUID(int=1),
        duty_code="D",
        offer_id=UUID(int=2),
        offer_code="O",
        scope=scope,
        timetable=Timetable(calls=[call(*one) for one in CALLS[scope]], quote=[]),
        event_id=UUID(int=3),
        event_code="E",
        event_name="March",
        starts_at=START,
        ends_at=START + timedelta(hours=9),
        dispatcher_phone="1",
        operator_name="Lakeshore",
        licence_number="L",
        operator_phone="2",
        plate="BUS 1",
        vehicle_name="Bus",
        vehicle_seats=49,
        wheelchair_places=1,
    )


def rider(pledge: UUID, *legs: str, seats: int = 1) -> PartyRow:
    return PartyRow(duty_id=UUID(int=1), pledge_id=pledge, public_code="C", seats=seats, wheelchairs=0, legs=legs, stop_id=STOP)


RIDERS = [rider(ADA, "outbound", "return", seats=2), rider(BOB, "return")]


@pytest.mark.parametrize(("scope", "there", "back"), [(Scope.BOTH, 2, 3), (Scope.OUTBOUND, 2, 0), (Scope.RETURN, 0, 3)])
def test_a_duty_carries_each_party_on_its_own_legs_of_its_scope(scope: Scope, there: int, back: int) -> None:
    document = compose_manifest(duty(scope), RIDERS, [])
    assert (document.people("outbound"), document.people("return")) == (there, back)
    assert len(pass_slots(document)) == there + back


@pytest.mark.parametrize(("scope", "hours"), [(Scope.BOTH, 1.1), (Scope.OUTBOUND, 1.1), (Scope.RETURN, 8)])
def test_the_last_chance_to_get_on_the_way_there_is_the_last_stop_or_the_venue(scope: Scope, hours: float) -> None:
    assert compose_manifest(duty(scope), RIDERS, []).left_last_stop_at == START + timedelta(hours=hours)


def test_names_are_filled_in_where_they_are_known_and_rest_nowhere() -> None:
    document = compose_manifest(duty(Scope.BOTH), RIDERS, [])
    assert {party.name for one in document.return_calls for party in one.parties} == {""}
    named = name_parties(document, [Named(pledge_id=ADA, name="Ada", needs="lift")])
    assert [(party.name, party.needs) for party in named.return_calls[0].parties] == [("Ada", "lift"), ("", "")]
    assert ridings(named) == ridings(document)

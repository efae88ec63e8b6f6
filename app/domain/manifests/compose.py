"""Composing a manifest from an accepted duty and who rides it. No database, no clock."""

from collections.abc import Iterable
from datetime import datetime

from msgspec.structs import replace

from app.domain.dispatch.model import Call as PlannedCall
from app.domain.manifests.model import Call, DriverFacts, EventFacts, Leg, ManifestDocument, OperatorFacts, Party, Place, VehicleFacts
from app.domain.manifests.store import AssignedDriver, DutyRow, Named, PartyRow


def compose_manifest(duty: DutyRow, parties: Iterable[PartyRow], drivers: Iterable[AssignedDriver]) -> ManifestDocument:
    """The manifest of one duty; `parties` and `drivers` are its own. The timetable is kept as accepted, whoever has left since."""
    riders = list(parties)
    calls = duty.timetable.calls
    depot_out, depot_in = calls[0], calls[-1]
    venues = [call for call in calls if call.kind == "venue"]
    return ManifestDocument(
        duty_id=duty.duty_id,
        duty_code=duty.duty_code,
        contract_reference=duty.offer_code,
        event=EventFacts(
            event_id=duty.event_id,
            public_code=duty.event_code,
            name=duty.event_name,
            starts_at=duty.starts_at,
            ends_at=duty.ends_at,
            dispatcher_phone=duty.dispatcher_phone,
        ),
        operator=OperatorFacts(name=duty.operator_name, licence_number=duty.licence_number, phone=duty.operator_phone),
        vehicle=VehicleFacts(plate=duty.plate, name=duty.vehicle_name, seats=duty.vehicle_seats, wheelchair_places=duty.wheelchair_places),
        drivers=tuple(DriverFacts(driver_id=driver.driver_id, name=driver.name, seat=driver.seat) for driver in drivers),
        depot=_place(depot_out),
        depot_out_at=_time(depot_out),
        depot_in_at=_time(depot_in),
        venue=_place(venues[0]),
        venue_arrive_at=venues[0].arrives_at or _time(venues[0]),
        venue_depart_at=venues[-1].departs_at or _time(venues[-1]),
        outbound=_halts(duty, riders, "outbound"),
        return_calls=_halts(duty, riders, "return"),
    )


def _halts(duty: DutyRow, riders: list[PartyRow], leg: Leg) -> tuple[Call, ...]:
    if leg not in duty.scope.legs:
        return ()
    return tuple(
        Call(
            stop_id=call.stop_id,
            place=_place(call),
            arrive_at=call.arrives_at or _time(call),
            depart_at=call.departs_at or _time(call),
            parties=tuple(_party(rider) for rider in riders if rider.stop_id == call.stop_id and leg in rider.legs),
        )
        for call in duty.timetable.calls
        if call.kind == "stop" and call.leg == leg and call.stop_id is not None
    )


def name_parties(document: ManifestDocument, named: Iterable[Named]) -> ManifestDocument:
    """The manifest with names and needs filled in: they rest with the pledge alone, so that erasing a rider reaches every version."""
    people = {one.pledge_id: one for one in named}

    def filled(calls: tuple[Call, ...]) -> tuple[Call, ...]:
        return tuple(replace(call, parties=tuple(_named(party, people.get(party.pledge_id)) for party in call.parties)) for call in calls)

    return replace(document, outbound=filled(document.outbound), return_calls=filled(document.return_calls))


def _named(party: Party, person: Named | None) -> Party:
    return party if person is None else replace(party, name=person.name, needs=person.needs)


def _party(rider: PartyRow) -> Party:
    """A party as a manifest keeps it: nothing personal."""
    return Party(
        pledge_id=rider.pledge_id,
        public_code=rider.public_code,
        name="",
        seats=rider.seats,
        wheelchairs=rider.wheelchairs,
        needs="",
    )


def _place(call: PlannedCall) -> Place:
    return Place(name=call.name, address=call.address, lat=call.lat, lon=call.lon, zone=call.zone)


def _time(call: PlannedCall) -> datetime:
    """The one time of a call that only arrives or only departs."""
    at = call.departs_at or call.arrives_at
    assert at is not None, "a call has at least one time"
    return at

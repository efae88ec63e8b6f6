"""Manifests, passes, check-ins, positions and incidents as plain data, and what is decided about them."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from uuid import UUID

import msgspec

from app.core.machine import Machine

Leg = Literal["outbound", "return"]
LEGS: tuple[Leg, Leg] = ("outbound", "return")

CLOSE_GRACE = timedelta(minutes=30)
"""How long after the last outbound departure a manifest closes by itself when the driver taps nothing."""
END_GRACE = timedelta(hours=1)
"""How long after the planned return to the depot a duty ends by itself: phones without signal still send their check-ins."""
PASS_MARGIN = timedelta(hours=12)
"""A pass holds this long before and after its duty: a late bus must not make genuine passes false."""
EARLY_MARGIN = timedelta(hours=2)
"""How long before its depot out a duty can be closed or ended by a tap: its riders cannot leave any more from then on."""
MAX_BATCH = 500


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Somewhere a bus goes; `zone` is the IANA zone its clock times show in."""

    name: str
    address: str
    lat: float
    lon: float
    zone: str


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """The people of one pledge as a driver knows them. `name` and `needs` are empty at rest (see `compose.name_parties`)."""

    pledge_id: UUID
    public_code: str
    name: str
    seats: int
    wheelchairs: int
    needs: str

    @property
    def people(self) -> int:
        """Seats and wheelchair places together: each is one person."""
        return self.seats + self.wheelchairs


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One halt of a leg: the bus stands there between two times; these parties board (outbound) or alight (return)."""

    stop_id: UUID
    place: Place
    arrive_at: datetime
    depart_at: datetime
    parties: tuple[Party, ...]

    @property
    def people(self) -> int:
        """How many people board or alight here."""
        return sum(party.people for party in self.parties)


class EventFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The event as a manifest states it."""

    event_id: UUID
    public_code: str
    name: str
    starts_at: datetime
    ends_at: datetime
    dispatcher_phone: str


class OperatorFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The bus company as an inspector asks for it."""

    name: str
    licence_number: str
    phone: str


class VehicleFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The bus."""

    plate: str
    name: str
    seats: int
    wheelchair_places: int


class DriverFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Who drives; `seat` is 1 for the first driver and 2 for the second."""

    driver_id: UUID
    name: str
    seat: int


class ManifestDocument(msgspec.Struct, frozen=True, kw_only=True, rename={"return_calls": "return"}):
    """Everything a driver works from. Immutable: another content is the next version.

    `outbound` and `return` list the halts before and after the venue in driving order; a leg driven empty lists none.
    """

    duty_id: UUID
    duty_code: str
    contract_reference: str
    event: EventFacts
    operator: OperatorFacts
    vehicle: VehicleFacts
    drivers: tuple[DriverFacts, ...]
    depot: Place
    depot_out_at: datetime
    depot_in_at: datetime
    venue: Place
    venue_arrive_at: datetime
    venue_depart_at: datetime
    outbound: tuple[Call, ...]
    return_calls: tuple[Call, ...]

    def calls(self, leg: Leg) -> tuple[Call, ...]:
        """The halts of one leg."""
        return self.outbound if leg == "outbound" else self.return_calls

    def people(self, leg: Leg) -> int:
        """The head count of one leg."""
        return sum(call.people for call in self.calls(leg))

    @property
    def left_last_stop_at(self) -> datetime:
        """When nobody is expected any more: the last outbound departure, or the venue's for a bus that only brings people back."""
        return self.outbound[-1].depart_at if self.outbound else self.venue_depart_at


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One version of what a driver works from."""

    id: UUID
    duty_id: UUID
    offer_id: UUID
    version: int
    document: ManifestDocument
    cause: str
    created_at: datetime


class NewVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A duty's next version, about to be written, and the accepted offer it stands on."""

    id: UUID
    offer_id: UUID
    document: ManifestDocument


class Riding(msgspec.Struct, frozen=True, kw_only=True):
    """One party on one leg of one manifest."""

    pledge_id: UUID
    leg: Leg
    stop_id: UUID
    seats: int
    wheelchairs: int


def ridings(document: ManifestDocument) -> list[Riding]:
    """Who rides, leg by leg, as the table of a manifest's people holds it."""
    return [
        Riding(pledge_id=party.pledge_id, leg=leg, stop_id=call.stop_id, seats=party.seats, wheelchairs=party.wheelchairs)
        for leg in LEGS
        for call in document.calls(leg)
        for party in call.parties
    ]


class PassSlot(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A pass that should exist: this person of this pledge on this leg of this duty, valid between two times."""

    pledge_id: UUID
    person: int
    leg: Leg
    duty_id: UUID
    valid_from: datetime
    valid_until: datetime


class BoardingPass(msgspec.Struct, frozen=True, kw_only=True):
    """A pass on record. Its signed token is made when it is shown and rests nowhere."""

    id: UUID
    pledge_id: UUID
    person: int
    leg: Leg
    duty_id: UUID
    valid_from: datetime
    valid_until: datetime
    revoked_at: datetime | None

    @property
    def slot(self) -> PassSlot:
        """What it stands for."""
        return PassSlot(
            pledge_id=self.pledge_id,
            person=self.person,
            leg=self.leg,
            duty_id=self.duty_id,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
        )


def pass_slots(document: ManifestDocument) -> set[PassSlot]:
    """One pass per person and leg of a manifest."""
    valid_from = (document.depot_out_at - PASS_MARGIN).replace(microsecond=0)
    valid_until = (document.depot_in_at + PASS_MARGIN).replace(microsecond=0)
    return {
        PassSlot(
            pledge_id=riding.pledge_id,
            person=person,
            leg=riding.leg,
            duty_id=document.duty_id,
            valid_from=valid_from,
            valid_until=valid_until,
        )
        for riding in ridings(document)
        for person in range(1, riding.seats + riding.wheelchairs + 1)
    }


class CheckInMethod(StrEnum):
    """How a person was recognised."""

    PASS = "pass"  # noqa: S105  a boarding pass
    NAME = "name"


class CheckIn(msgspec.Struct, frozen=True, kw_only=True):
    """One person came aboard on one leg. `conflicts_with` names the check-in that came first for the same person and leg."""

    id: UUID
    pledge_id: UUID
    person: int
    leg: Leg
    duty_id: UUID
    method: CheckInMethod
    checked_at: datetime
    conflicts_with: UUID | None


class CheckInStatus(StrEnum):
    """What became of one check-in of a batch; all but `refused` are kept."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    CONFLICT = "conflict"
    REFUSED = "refused"


class CheckInOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for one check-in. `code` and `detail` say why it was refused, or which one came first."""

    id: UUID
    status: CheckInStatus
    conflicts_with: UUID | None
    code: str
    detail: str


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where a bus was; `accuracy_m` is the radius its phone is sure of."""

    at: datetime
    lat: float
    lon: float
    accuracy_m: float


class IncidentKind(StrEnum):
    """What a driver can report with one tap."""

    LATE = "late"
    BREAKDOWN = "breakdown"
    ACCIDENT = "accident"
    OTHER = "other"


class IncidentState(StrEnum):
    """An incident is open until an organiser resolves it."""

    OPEN = "open"
    RESOLVED = "resolved"


INCIDENT_MACHINE = Machine(
    "incident", births=frozenset({IncidentState.OPEN}), arrows={IncidentState.OPEN: frozenset({IncidentState.RESOLVED})}
)


class DriverLink(msgspec.Struct, frozen=True, kw_only=True):
    """A driver's link that opens: one duty, one driver, until it expires."""

    duty_id: UUID
    driver_id: UUID
    event_id: UUID
    seat: int
    expires_at: datetime


class DutyState(msgspec.Struct, frozen=True, kw_only=True):
    """How far the day is: the manifest closes when the bus leaves its last outbound stop, the duty ends at the depot."""

    duty_id: UUID
    event_id: UUID
    manifest_id: UUID
    version: int
    closed_at: datetime | None
    ended_at: datetime | None

"""What a rider is told of a ride, and whether that has changed."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from app.domain.manifests.model import LEGS, Leg, ManifestDocument

TOLERANCE = timedelta(minutes=15)


class Ride(msgspec.Struct, frozen=True, kw_only=True):
    """One leg as its rider knows it: outbound the bus leaves the stop at `at`; on the return it leaves the venue at `at`.

    `until` is when it reaches the venue (outbound) or the stop (return), in the zone of the place it reaches.
    """

    leg: Leg
    stop: str
    address: str
    zone: str
    at: datetime
    at_zone: str
    until: datetime
    until_zone: str
    plate: str
    operator: str

    @property
    def own_time(self) -> datetime:
        """When the rider is at the stop: leaving it on the way there, reaching it on the way back."""
        return self.at if self.leg == "outbound" else self.until


def rides_of(document: ManifestDocument, pledge_id: UUID) -> list[Ride]:
    """The legs that this party rides on this duty."""
    return [ride for leg in LEGS for ride in _rides_on(document, leg, pledge_id)]


def _rides_on(document: ManifestDocument, leg: Leg, pledge_id: UUID) -> Iterable[Ride]:
    out = leg == "outbound"
    for call in document.calls(leg):
        if any(party.pledge_id == pledge_id for party in call.parties):
            yield Ride(
                leg=leg,
                stop=call.place.name,
                address=call.place.address,
                zone=call.place.zone,
                at=call.depart_at if out else document.venue_depart_at,
                at_zone=call.place.zone if out else document.venue.zone,
                until=document.venue_arrive_at if out else call.arrive_at,
                until_zone=document.venue.zone if out else call.place.zone,
                plate=document.vehicle.plate,
                operator=document.operator.name,
            )


class ChangedRide(msgspec.Struct, frozen=True, kw_only=True):
    """A leg that is news to its rider; `before` is what the rider was told last, None for the first time."""

    ride: Ride
    before: Ride | None

    @property
    def is_beyond_tolerance(self) -> bool:
        """Whether the rider's own clock time moved by more than 15 minutes: then leaving is free."""
        return self.before is not None and abs(self.ride.own_time - self.before.own_time) > TOLERANCE


def changed_rides(now: Iterable[Ride], told: dict[Leg, Ride]) -> list[ChangedRide]:
    """The legs whose stop, clock times or bus differ from what was told."""
    return [ChangedRide(ride=ride, before=told.get(ride.leg)) for ride in now if told.get(ride.leg) != ride]

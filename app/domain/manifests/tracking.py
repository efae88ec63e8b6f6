"""Where a rider's bus is and when it should come. No database, no clock."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

import msgspec

from app.domain.manifests.model import Leg, ManifestDocument, Place, Position

FRESH = timedelta(minutes=3)
"""A phone reports every 15 s while it has signal; after this long the connection counts as lost."""
BASE_SLACK = timedelta(minutes=4)
DRIVE_SLACK = 0.15
EARTH_RADIUS_M = 6_371_000


class Sight(StrEnum):
    """What can be said about a bus."""

    NOT_STARTED = "not_started"
    LIVE = "live"
    LOST = "lost"
    PASSED = "passed"
    ENDED = "ended"


class Halt(msgspec.Struct, frozen=True, kw_only=True):
    """A place on the way with its planned times."""

    place: Place
    arrive_at: datetime
    depart_at: datetime


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """The bus should reach the place between these times."""

    earliest_at: datetime
    latest_at: datetime


def distance_m(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Great-circle metres between two places (haversine)."""
    phi_a, phi_b = math.radians(lat_a), math.radians(lat_b)
    half = math.sin((phi_b - phi_a) / 2) ** 2 + math.cos(phi_a) * math.cos(phi_b) * math.sin(math.radians(lon_b - lon_a) / 2) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(half)))


def halts_of(document: ManifestDocument, leg: Leg) -> list[Halt]:
    """A leg's places in driving order: depot to venue, or venue to depot."""
    depot_out = Halt(place=document.depot, arrive_at=document.depot_out_at, depart_at=document.depot_out_at)
    depot_in = Halt(place=document.depot, arrive_at=document.depot_in_at, depart_at=document.depot_in_at)
    venue = Halt(place=document.venue, arrive_at=document.venue_arrive_at, depart_at=document.venue_depart_at)
    calls = [Halt(place=call.place, arrive_at=call.arrive_at, depart_at=call.depart_at) for call in document.calls(leg)]
    return [depot_out, *calls, venue] if leg == "outbound" else [venue, *calls, depot_in]


def next_halt(halts: Sequence[Halt], position: Position) -> int:
    """Which halt the bus drives to: the end of the stretch it is nearest to lying on (1 to len - 1); ties go to the earlier."""
    detours = [
        distance_m(before.place.lat, before.place.lon, position.lat, position.lon)
        + distance_m(position.lat, position.lon, after.place.lat, after.place.lon)
        - distance_m(before.place.lat, before.place.lon, after.place.lat, after.place.lon)
        for before, after in pairwise(halts)
    ]
    return min(range(len(detours)), key=lambda index: (detours[index], index)) + 1


def estimate(halts: Sequence[Halt], target: int, position: Position, now: datetime) -> Estimate | None:
    """When the bus reaches `halts[target]`, from its last position; None when that lies behind it.

    The stretch it is on counts by the part that is left, the later ones by their planned times. The range widens with the drive
    that is left and with the age of the position, and never begins before the plan: a bus that is early waits.
    """
    index = next_halt(halts, position)
    if index > target:
        return None
    before, after = halts[index - 1], halts[index]
    whole = distance_m(before.place.lat, before.place.lon, after.place.lat, after.place.lon)
    left = distance_m(position.lat, position.lon, after.place.lat, after.place.lon)
    share = min(1.5, left / whole) if whole > 0 else 0.0
    drive = (after.arrive_at - before.depart_at) * share + (halts[target].arrive_at - after.arrive_at)
    slack = BASE_SLACK + drive * DRIVE_SLACK
    due = max(position.at, min(now, position.at + FRESH)) + drive
    planned = halts[target].arrive_at
    earliest = max(due - slack / 2, planned, position.at)
    return Estimate(earliest_at=earliest, latest_at=max(due + slack + max(timedelta(0), now - position.at - FRESH), earliest + BASE_SLACK))


def sight_of(position: Position | None, now: datetime, *, ended: bool) -> Sight:
    """How fresh our knowledge is. `PASSED` is the caller's to say: it depends on the place."""
    if ended:
        return Sight.ENDED
    if position is None:
        return Sight.NOT_STARTED
    return Sight.LIVE if now - position.at <= FRESH else Sight.LOST

"""A stored plan as the same picture the search drew: its duties' calls, reduced to what a drawing needs."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

import solver
from app.domain.dispatch.model import Call
from solver.sketch import Projection, SketchDuty, SketchStop


class DrawnDuty(msgspec.Struct, frozen=True, kw_only=True):
    """A duty to draw: whose it is, how many places its bus has, every call in driving order."""

    operator: str
    places: int
    calls: list[Call]


def operators_of(duties: Sequence[DrawnDuty]) -> list[str]:
    """The operators by number: most buses first."""
    buses = Counter(duty.operator for duty in duties)
    return sorted(buses, key=lambda name: (-buses[name], name))


def sketch_of_duties(duties: Sequence[DrawnDuty]) -> solver.Sketch | None:
    """The drawing of duties of one event, or None without any. A stop's people are those of its fuller leg."""
    venue = next((call for duty in duties for call in duty.calls if call.kind == "venue"), None)
    if venue is None:
        return None
    stops = {call.stop_id: call for duty in duties for call in duty.calls if call.stop_id is not None}
    number_of: dict[UUID | None, int] = {stop_id: number for number, stop_id in enumerate(stops)}
    people: dict[tuple[UUID | None, str], int] = defaultdict(int)
    for duty in duties:
        for call in duty.calls:
            people[call.stop_id, call.leg] += call.seats + call.wheelchairs
    projection = Projection((venue.lat, venue.lon), [(call.lat, call.lon) for call in stops.values()])
    operators = operators_of(duties)
    rank = {name: number for number, name in enumerate(operators)}
    return solver.Sketch(
        title=f"{len(duties)} {'bus' if len(duties) == 1 else 'buses'}",
        venue=projection.point(venue.lat, venue.lon),
        stops=tuple(
            SketchStop(projection.point(call.lat, call.lon), max(people[stop_id, "outbound"], people[stop_id, "return"]), 0, call.name)
            for stop_id, call in stops.items()
        ),
        duties=tuple(
            SketchDuty(rank[duty.operator], way_of(duty, "outbound", number_of), way_of(duty, "return", number_of), full_percent(duty))
            for duty in duties
        ),
        operators=tuple(operators),
        venue_name=venue.name,
    )


def way_of(duty: DrawnDuty, leg: str, number_of: Mapping[UUID | None, int]) -> tuple[int, ...]:
    """The numbers of a leg's stops in driving order."""
    return tuple(number_of[call.stop_id] for call in duty.calls if call.kind == "stop" and call.leg == leg)


def full_percent(duty: DrawnDuty) -> int:
    """How much of the bus the fuller leg takes."""
    aboard = {"outbound": 0, "return": 0}
    for call in duty.calls:
        if call.kind == "stop":
            aboard[call.leg] += call.seats + call.wheelchairs
    return round(100 * max(aboard.values()) / duty.places) if duty.places else 0

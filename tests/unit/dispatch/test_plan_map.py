"""A stored plan's picture: places, people and how full buses are, read from the duties' calls."""

from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from app.domain.dispatch.model import Call
from app.domain.dispatch.plan_map import DrawnDuty, operators_of, sketch_of_duties
from app.domain.dispatch.solving_map import legend_of

AT = datetime(2027, 1, 16, 9, tzinfo=UTC)
EAST, WEST = UUID(int=1), UUID(int=2)
PLACES = {EAST: ("East & <Mill>", 38.9, -76.5), WEST: ("West", 38.9, -77.5), None: ("Mall", 38.89, -77.02)}


def call(kind: Literal["depot", "stop", "venue"], leg: Literal["outbound", "return"], stop_id: UUID | None, seats: int = 0) -> Call:
    name, lat, lon = PLACES[stop_id]
    return Call(
        kind=kind, leg=leg, stop_id=stop_id, name=name, address="", lat=lat, lon=lon, zone="UTC", arrives_at=AT, departs_at=AT,
        seats=seats, wheelchairs=0, drive_s=0, drive_m=0, break_s=0, is_dead=False,
    )  # fmt: skip


def duty(operator: str, *out: tuple[UUID, int], back: tuple[tuple[UUID, int], ...] = ()) -> DrawnDuty:
    calls = [call("depot", "outbound", None), *(call("stop", "outbound", *stop) for stop in out), call("venue", "outbound", None)]
    return DrawnDuty(operator=operator, places=50, calls=[*calls, *(call("stop", "return", *stop) for stop in back)])


def test_the_fuller_leg_says_how_full_a_bus_is_and_how_many_wait() -> None:
    plan = [duty("Blue", (EAST, 20), (WEST, 25), back=((EAST, 20),)), duty("Red", (EAST, 5), back=((EAST, 10),)), duty("Red", (WEST, 1))]
    sketch = sketch_of_duties(plan)
    assert sketch is not None
    assert operators_of(plan) == ["Red", "Blue"]
    assert [(stop.name, stop.people) for stop in sketch.stops] == [("East & <Mill>", 30), ("West", 26)]
    assert [(found.operator, found.outbound, found.back, found.full) for found in sketch.duties] == [
        (1, (0, 1), (0,), 90),
        (0, (0,), (0,), 20),
        (0, (1,), (), 2),
    ]
    assert [(row.name, row.buses, row.full_percent) for row in legend_of(sketch)] == [("Red", 2, 11), ("Blue", 1, 90)]
    (west, venue, east) = (sketch.stops[1].at, sketch.venue, sketch.stops[0].at)
    assert west[0] < venue[0] < east[0]
    assert sketch.venue_name == "Mall"


def test_without_duties_there_is_nothing_to_draw() -> None:
    assert sketch_of_duties([]) is None

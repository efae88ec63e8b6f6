"""The picture of the best plan so far: cut into notes, put together, drawn."""

from uuid import UUID
from xml.etree import ElementTree as ET

import msgspec

import solver
from app.core.live import News
from app.domain.dispatch.solving_map import SolvingMap, cut, draw, legend_of, put_together
from solver.sketch import Sketch, SketchDuty, SketchStop
from tests.solver.events import event

NOTIFICATION_BYTES = 7_999


def a_map(*, stops: int, buses: int, name: str = "Kelly & <Sons>") -> SolvingMap:
    """A picture of so many stops and buses, two to a stop, one rider of each left behind at the first."""
    spots = tuple(
        SketchStop(at=((97 * i * i) % 1000, (61 * i * i + 7 * i) % 760), people=1 + i % 90, left=int(i == 0)) for i in range(stops)
    )
    duties = tuple(SketchDuty(b % 3, (b % stops, (b * 7) % stops), ((b * 7) % stops, b % stops), 50 + b % 50) for b in range(buses))
    sketch = Sketch(title=f"{buses} buses", venue=(500, 380), stops=spots, duties=duties, operators=(name, "Two", "Three"))
    return SolvingMap(version=7, seconds=1.5, people=100, people_left=1, sketch=sketch)


def test_a_stadiums_picture_is_cut_into_notes_that_fit_and_comes_back_whole() -> None:
    drawn = a_map(stops=600, buses=1_000)
    notes = cut(drawn)
    news = [News(kind="solving_map_10", subject_id=UUID(int=0), note=note) for note in notes]
    assert 1 < len(notes) <= 20
    assert max(len(msgspec.json.encode(piece)) for piece in news) <= NOTIFICATION_BYTES
    assert put_together(lambda number: notes[number] if number < len(notes) else "") == drawn


def test_parts_of_two_pictures_are_no_picture() -> None:
    first = cut(a_map(stops=600, buses=1_000))
    second = cut(msgspec.structs.replace(a_map(stops=600, buses=1_000), version=8))
    assert put_together(lambda number: second[0] if number == 0 else first[number]) is None
    assert put_together(lambda number: first[0] if number == 0 else "") is None
    assert put_together(lambda _: "") is None


def test_a_picture_too_large_for_its_notes_is_not_told() -> None:
    large = a_map(stops=40_000, buses=40_000)
    assert cut(large) == []


def test_the_drawing_is_one_well_formed_element_with_every_stop_and_way() -> None:
    drawn = a_map(stops=5, buses=4)
    root = ET.fromstring(draw(drawn.sketch))
    kinds = [element.tag.rpartition("}")[2] for element in root]
    assert kinds.count("circle") == 5
    assert kinds.count("polyline") == 4
    assert root[0].text == "4 buses"
    assert [(row.name, row.buses) for row in legend_of(drawn.sketch)] == [("Kelly & <Sons>", 2), ("Two", 1), ("Three", 1)]


def test_the_solvers_picture_and_the_pages_are_the_same_drawing() -> None:
    problem = solver.parse_problem(event(1))
    plan = solver.solve(problem, solver.IterationLimit(2)).plan
    whole = solver.draw_svg(problem, plan)
    brief = solver.draw_sketch(solver.sketch_of(problem, plan, names={}), legend=False)
    assert [part.split('"')[1] for part in brief.split("<polyline ")[1:]] == [part.split('"')[1] for part in whole.split("<polyline ")[1:]]

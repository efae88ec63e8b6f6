"""Drawings: words that lie upon nothing, colours that can be seen on white and on black, one operator alone."""

import math
from xml.etree import ElementTree as ET

import solver
from solver.labels import CHAR, FULL_PERCENT, LINE, Label, labels_of, marked
from solver.palette import COLOURS, OTHERS, colour_of
from solver.picture import FAINT, draw_sketch, radius_of
from solver.sketch import Sketch, SketchDuty, SketchStop
from tests.solver.events import event

LIGHT, DARK = "#faf9f5", "#1f1e1d"
SEEN = 3.0  # the contrast WCAG 1.4.11 asks of graphics


def star(buses: int, operators: int, *, full: int = 90) -> Sketch:
    """A bus to each stop on a circle around the venue."""
    at = [(round(500 + 300 * math.cos(n)), round(380 + 300 * math.sin(n))) for n in range(buses)]
    return Sketch(
        title="star",
        venue=(500, 380),
        stops=tuple(SketchStop(spot, 10 + n % 50, 0, f"Place {n}") for n, spot in enumerate(at)),
        duties=tuple(SketchDuty(n % operators, (n,), (n,), full) for n in range(buses)),
        operators=tuple(f"Operator {n}" for n in range(operators)),
        venue_name="Stadium",
    )


def luminance(colour: str) -> float:
    parts = [int(colour[begin : begin + 2], 16) / 255 for begin in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def box(label: Label) -> tuple[float, float, float, float]:
    wide = CHAR * len(label.text) / 2
    return label.x - wide, label.y - LINE / 2, label.x + wide, label.y + LINE / 2


def meet(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] - 0.2 and b[0] < a[2] - 0.2 and a[1] < b[3] - 0.2 and b[1] < a[3] - 0.2  # places are rounded


def ways(sketch: Sketch, picked: int | None = None) -> list[ET.Element]:
    return [part for part in ET.fromstring(draw_sketch(sketch, legend=False, picked=picked)) if "plan-way" in part.get("class", "")]


def test_every_colour_can_be_seen_on_a_white_and_on_a_black_page() -> None:
    assert len(set(COLOURS)) == len(COLOURS) == 12
    assert min(contrast(colour, page) for colour in (*COLOURS, OTHERS) for page in (LIGHT, DARK)) >= SEEN
    assert colour_of(12) == colour_of(134) == OTHERS


def test_words_lie_neither_upon_each_other_nor_upon_a_stop() -> None:
    sketch = star(20, 4)
    radii = [radius_of(stop.people, 20) for stop in sketch.stops]
    labels = labels_of(sketch, radii)
    boxes = [box(label) for label in labels]
    assert {"Stadium", "90 %", "Place 19 (29)"} <= {label.text for label in labels}
    assert not any(meet(a, b) for number, a in enumerate(boxes) for b in boxes[:number])
    stops = [(x - r, y - r, x + r, y + r) for (x, y), r in zip([stop.at for stop in sketch.stops], radii, strict=True)]
    assert not any(meet(a, stop) for a in boxes for stop in stops)


def test_of_many_buses_only_those_with_room_are_marked() -> None:
    sketch = star(300, 30, full=FULL_PERCENT)
    assert marked(sketch) == []
    labels = labels_of(sketch, [3.0] * 300)
    assert [label.text for label in labels] == ["Stadium"]


def test_a_large_picture_has_thin_lines_and_colours_for_the_largest_fleets_on_top() -> None:
    drawn = ways(star(800, 135))
    assert len(drawn) == 800
    assert max(float(way.get("stroke-width", "9")) for way in drawn) < 1.5
    coloured = [way.get("stroke") != OTHERS for way in drawn]
    assert coloured == sorted(coloured), "what has a colour lies upon what has none"
    assert sum(coloured) == sum(number % 135 < 12 for number in range(800))


def test_a_picked_operator_stands_out_even_without_a_colour_of_its_own() -> None:
    drawn = ways(star(60, 20), picked=15)
    clear = [way for way in drawn if float(way.get("stroke-opacity", "0")) > FAINT]
    assert [way.get("class") for way in clear] == ["plan-way op-15"] * 3
    assert {way.get("stroke") for way in clear}.isdisjoint({OTHERS})


def test_the_report_leaves_one_operator_by_choice_without_a_script() -> None:
    problem = solver.parse_problem(event(1))
    result = solver.solve(problem, solver.IterationLimit(2))
    report = solver.write_html(result)
    legend = solver.legend_of(solver.sketch_of(problem, result.plan))
    assert report.count('type="radio"') == len(legend) + 1
    assert "<script" not in report
    for row in legend:
        assert f"main:has(#pick-{row.operator}:checked)" in report
        assert report.count(f'<tr class="op-{row.operator}">') == row.buses

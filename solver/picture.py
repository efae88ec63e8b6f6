"""The plan as a drawing: venue, stops sized by riders, a line per duty in its operator's colour, how full it is beside it.

Plain SVG without script or style; everything that comes from a file is escaped. Parts have classes (`plan-paper`, `plan-way`,
`plan-stop`, ...), so that a page it is put into may give them colours of its own; ways and loads have `op-3` of their operator's number.
"""

import math
from collections import Counter, defaultdict
from xml.sax.saxutils import escape, quoteattr

import msgspec

from solver.labels import FEW_DUTIES, FULL_PERCENT, Label, labels_of
from solver.palette import COLOURS, OTHERS, PICKED, colour_of
from solver.plan import Plan
from solver.problem import Problem
from solver.sketch import HEIGHT, WIDTH, Point, Sketch, SketchDuty, SketchStop, sketch_of

STROKE, STEP, WIDEST = 3.0, 3.0, 15.0  # buses on one and the same way lie upon each other, the first one widest
MANY_DUTIES = 80  # beyond so many, lines become thinner
FAINT, CLEAR, BEHIND = 0.12, 0.9, 0.45  # opacity of ways that were not asked for, of a coloured operator's, of the others'
LEGEND_WIDTH, LEGEND_ROW = 300, 22
SIDE = 130
MAX_LEGEND, MAX_NAME = 26, 24
SMALLEST, LARGEST, CROWD = 3.0, 26.0, 60  # radii of stops; beyond so many stops they shrink
KEY_PEOPLE = (10, 50, 150)


def draw_svg(problem: Problem, plan: Plan) -> str:
    """-> the whole picture as an SVG document, with a legend."""
    return draw_sketch(sketch_of(problem, plan)) + "\n"


def draw_sketch(sketch: Sketch, *, legend: bool = True, picked: int | None = None) -> str:
    """-> an `<svg>` element; with the number of a `picked` operator the ways of all others are faint."""
    left, right = (0, WIDTH) if legend else edges_of(sketch)
    wide = right - left + (LEGEND_WIDTH if legend else 0)
    parts = [f'<rect class="plan-paper" x="{left}" width="{wide}" height="{HEIGHT}" fill="#faf9f5"/>']
    parts += _ways(sketch, picked)
    radii = [radius_of(stop.people, len(sketch.stops)) for stop in sketch.stops]
    largest_first = sorted(zip(sketch.stops, radii, strict=True), key=lambda drawn: -drawn[1])  # a small one is not hidden
    parts += [_stop(stop, radius) for stop, radius in largest_first]
    parts.append(_venue(sketch.venue))
    parts += [
        _label(label) for label in labels_of(sketch, radii, left=left, right=right) if picked is None or label.operator in {None, picked}
    ]
    parts += _legend(sketch) if legend else []
    style = 'font-family="system-ui, sans-serif" font-size="14" role="img"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left} 0 {wide} {HEIGHT}" {style}>'
    return f"{head}<title>{escape(sketch.title)}</title>{''.join(parts)}</svg>"


def edges_of(sketch: Sketch) -> tuple[int, int]:
    """Left and right edge of what there is to see, with room for words: on a phone every point of width counts."""
    xs = [sketch.venue[0], *(stop.at[0] for stop in sketch.stops)]
    return max(0, min(xs) - SIDE), min(WIDTH, max(xs) + SIDE)


def _ways(sketch: Sketch, picked: int | None) -> list[str]:
    """All duties, those that matter most on top."""
    alike = Counter((duty.outbound, duty.back) for duty in sketch.duties)
    thin = min(1.0, math.sqrt(MANY_DUTIES / max(1, len(sketch.duties))))
    drawn: list[tuple[float, list[str]]] = []
    for duty in sketch.duties:
        alike[duty.outbound, duty.back] -= 1
        width = thin * min(WIDEST, STROKE + STEP * alike[duty.outbound, duty.back])
        colour, opacity = colour_of(duty.operator), CLEAR if duty.operator < len(COLOURS) else BEHIND
        if picked is not None:
            mine = PICKED if colour == OTHERS else colour
            colour, opacity = (mine, CLEAR) if duty.operator == picked else (OTHERS, FAINT)
        look = f'class="plan-way op-{duty.operator}" stroke="{colour}" stroke-width="{width:.3g}" stroke-opacity="{opacity:g}"'
        drawn.append((opacity, _way(sketch, duty, look)))
    return [part for _, parts in sorted(drawn, key=lambda item: item[0]) for part in parts]


def _way(sketch: Sketch, duty: SketchDuty, look: str) -> list[str]:
    """Its way there, and its way back (dashed) where that is another one."""
    ways = [(duty.outbound, ""), (duty.back, ' stroke-dasharray="7 5"')]
    if duty.back == tuple(reversed(duty.outbound)):
        ways.pop()
    title = f"<title>{escape(duty.label)}</title>" if duty.label else ""
    result = []
    for stops, dashes in ways:
        points = [sketch.stops[number].at for number in stops]
        line = " ".join(f"{x},{y}" for x, y in ([sketch.venue, *points] if dashes else [*points, sketch.venue]))
        if points:
            result.append(f'<polyline points="{line}" fill="none" {look} stroke-linejoin="round"{dashes}>{title}</polyline>')
    return result


def radius_of(people: int, stops: int) -> float:
    """A stop's radius in picture points: the area grows with who waits there, and all are smaller where there are many stops."""
    shrink = min(1.0, math.sqrt(CROWD / max(1, stops)))
    return round(min(LARGEST, SMALLEST + 1.3 * math.sqrt(people)) * shrink, 1)


def _stop(stop: SketchStop, radius: float) -> str:
    left = f", {stop.left} left behind" if stop.left else ""
    title = f"<title>{escape(f'{stop.name}: {stop.people} riders{left}')}</title>" if stop.name else ""
    look = 'class="plan-left" fill="#c6613f"' if stop.left else 'class="plan-stop" fill="#ffffff"'
    (x, y) = stop.at
    return f'<circle {look} cx="{x}" cy="{y}" r="{radius}" stroke="#141413" stroke-width="{min(1.5, radius / 4):.2g}">{title}</circle>'


def _venue(at: Point) -> str:
    x, y = at
    star = f"M{x} {y - 17}l5 12 12 1-9 8 3 12-11-7-11 7 3-12-9-8 12-1z"
    return f'<path class="plan-venue" d="{star}" fill="#141413" stroke="#faf9f5" stroke-width="1.5"><title>venue</title></path>'


def _label(label: Label) -> str:
    """A word with an edge in the paper's colour, so that it can be read upon a line."""
    kind = "plan-name" if label.operator is None else f"plan-load op-{label.operator}"
    at = f'x="{label.x:g}" y="{label.y + 5:g}" text-anchor="middle"'
    edge = 'fill="#141413" stroke="#faf9f5" stroke-width="4" stroke-linejoin="round" paint-order="stroke"'
    return f'<text class="{kind}" {at} {edge}>{escape(label.text)}</text>'


class LegendRow(msgspec.Struct, frozen=True, kw_only=True):
    """An operator by its number, how many buses it sends and how full they are on average."""

    name: str
    colour: str
    buses: int
    full_percent: int
    operator: int = 0


def legend_of(sketch: Sketch) -> list[LegendRow]:
    """The operators of a plan: those with a colour of their own before the others, most buses first."""
    loads: dict[int, list[int]] = defaultdict(list)
    for duty in sketch.duties:
        loads[duty.operator].append(duty.full)
    return [
        LegendRow(
            name=sketch.operators[number],
            colour=colour_of(number),
            buses=len(full),
            full_percent=round(sum(full) / len(full)),
            operator=number,
        )
        for number, full in sorted(loads.items(), key=lambda item: (item[0] >= len(COLOURS), -len(item[1])))
    ]


def legend_text(row: LegendRow) -> str:
    return f"{row.name}: {row.buses} {'bus' if row.buses == 1 else 'buses'}, {row.full_percent} % full"


def _legend(sketch: Sketch) -> list[str]:
    """Beside the map: what it shows, who drives, and what sizes and dashes mean."""
    result = [f'<text class="plan-text" x="24" y="34" font-size="18" font-weight="600" fill="#141413">{escape(sketch.title)}</text>']
    rows = legend_of(sketch)
    for number, row in enumerate(rows[:MAX_LEGEND]):
        y = 40 + LEGEND_ROW * number
        name = row.name if len(row.name) <= MAX_NAME else row.name[: MAX_NAME - 1] + "…"
        text, colour = legend_text(msgspec.structs.replace(row, name=name)), quoteattr(row.colour)
        result.append(f'<rect x="{WIDTH + 8}" y="{y - 12}" width="14" height="14" fill={colour}/>')
        result.append(f'<text class="plan-text" x="{WIDTH + 30}" y="{y}" fill="#141413">{escape(text)}</text>')
    if len(rows) > MAX_LEGEND:
        text = f"and {len(rows) - MAX_LEGEND} more operators"
        result.append(f'<text class="plan-text" x="{WIDTH + 30}" y="{40 + LEGEND_ROW * MAX_LEGEND}" fill="#5e5d59">{text}</text>')
    return result + _key(sketch)


def _key(sketch: Sketch) -> list[str]:
    """Sizes of stops, dashes and percentages, at the foot of the legend."""
    result, x = [], float(WIDTH + 8)
    for people in KEY_PEOPLE:
        radius = radius_of(people, len(sketch.stops))
        x += radius
        result.append(f'<circle cx="{x:g}" cy="{HEIGHT - 78}" r="{radius}" fill="#ffffff" stroke="#141413" stroke-width="1.5"/>')
        x += radius + 5
        result.append(_small(x, HEIGHT - 73, f"{people}"))
        x += 28
    result.append(_small(x, HEIGHT - 73, "riders at a stop"))
    result.append(_small(WIDTH + 8, HEIGHT - 42, "dashed: back another way"))
    loads = "seats taken" if len(sketch.duties) <= FEW_DUTIES else f"seats taken, if under {FULL_PERCENT} %"
    return [*result, _small(WIDTH + 8, HEIGHT - 20, f"% at a way: {loads}")]


def _small(x: float, y: float, text: str) -> str:
    return f'<text class="plan-text" x="{x:g}" y="{y:g}" font-size="13" fill="#5e5d59">{escape(text)}</text>'

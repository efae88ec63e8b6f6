"""The plan as a drawing: venue, stops sized by riders, a line per duty in its operator's colour, load factors beside it.

Plain SVG without script or style; everything that comes from a file is escaped. Parts have classes (`plan-paper`, `plan-ink`,
`plan-stop`), so that a page it is put into may give them colours of its own.
"""

import math
from collections import Counter, defaultdict
from xml.sax.saxutils import escape, quoteattr

import msgspec

from solver.plan import Plan
from solver.problem import Problem
from solver.sketch import HEIGHT, WIDTH, Point, Sketch, SketchDuty, SketchStop, sketch_of

HUES = 137.508  # the golden angle: neighbouring numbers get colours far apart
LIGHTNESS = (45, 58, 36)
STROKE, STEP, WIDEST = 3.0, 3.0, 15.0  # buses on one and the same way lie upon each other, the first one widest
LEGEND_WIDTH, LEGEND_ROW = 300, 22
MAX_LEGEND, MAX_NAME = 32, 24
SMALLEST, LARGEST, CROWD = 3.0, 26.0, 60  # radii of stops; beyond so many stops they shrink


def colour_of(operator: int) -> str:
    """An operator's colour, dark enough for a white page and light enough for a black one; close hues differ in lightness."""
    return f"hsl({round(operator * HUES % 360)} 62% {LIGHTNESS[operator % len(LIGHTNESS)]}%)"


def draw_svg(problem: Problem, plan: Plan) -> str:
    """-> the whole picture as an SVG document, with a legend."""
    return draw_sketch(sketch_of(problem, plan)) + "\n"


def draw_sketch(sketch: Sketch, *, legend: bool = True) -> str:
    """-> an `<svg>` element."""
    wide = WIDTH + (LEGEND_WIDTH if legend else 0)
    parts = [f'<rect class="plan-paper" width="{wide}" height="{HEIGHT}" fill="#faf9f5"/>']
    alike = Counter((duty.outbound, duty.back) for duty in sketch.duties)
    for duty in sketch.duties:
        alike[duty.outbound, duty.back] -= 1
        parts += _duty(sketch, duty, min(WIDEST, STROKE + STEP * alike[duty.outbound, duty.back]))
    parts += [
        _stop(sketch, stop) for stop in sorted(sketch.stops, key=lambda stop: -stop.people)
    ]  # a small one is not hidden by a large one
    parts.append(_venue(sketch.venue))
    parts += _legend(sketch) if legend else []
    style = 'font-family="system-ui, sans-serif" font-size="14" role="img"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {HEIGHT}" {style}>'
    return f"{head}<title>{escape(sketch.title)}</title>{''.join(parts)}</svg>"


def _duty(sketch: Sketch, duty: SketchDuty, width: float) -> list[str]:
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
            drawn = f'stroke="{colour_of(duty.operator)}" stroke-width="{width:g}" stroke-opacity=".85" stroke-linejoin="round"{dashes}'
            result.append(f'<polyline points="{line}" fill="none" {drawn}>{title}</polyline>')
    return result


def _stop(sketch: Sketch, stop: SketchStop) -> str:
    shrink = min(1.0, math.sqrt(CROWD / max(1, len(sketch.stops))))
    size = round(min(LARGEST, SMALLEST + 1.1 * math.sqrt(stop.people)) * shrink, 1)
    left = f", {stop.left} left behind" if stop.left else ""
    title = f"<title>{escape(f'{stop.name}: {stop.people} riders{left}')}</title>" if stop.name else ""
    look = 'class="plan-left" fill="#c6613f"' if stop.left else 'class="plan-stop" fill="#ffffff"'
    (x, y) = stop.at
    return f'<circle {look} cx="{x}" cy="{y}" r="{size}" stroke="#141413" stroke-width="1.5">{title}</circle>'


def _venue(at: Point) -> str:
    x, y = at
    star = f"M{x} {y - 17}l5 12 12 1-9 8 3 12-11-7-11 7 3-12-9-8 12-1z"
    return f'<path class="plan-venue" d="{star}" fill="#141413" stroke="#faf9f5" stroke-width="1.5"><title>venue</title></path>'


class LegendRow(msgspec.Struct, frozen=True, kw_only=True):
    """An operator, how many buses it sends and how full they are on average."""

    name: str
    colour: str
    buses: int
    full_percent: int


def legend_of(sketch: Sketch) -> list[LegendRow]:
    """The operators of a plan, most buses first."""
    loads: dict[int, list[int]] = defaultdict(list)
    for duty in sketch.duties:
        loads[duty.operator].append(duty.full)
    return [
        LegendRow(name=sketch.operators[number], colour=colour_of(number), buses=len(full), full_percent=round(sum(full) / len(full)))
        for number, full in sorted(loads.items(), key=lambda item: -len(item[1]))
    ]


def legend_text(row: LegendRow) -> str:
    return f"{row.name}: {row.buses} {'bus' if row.buses == 1 else 'buses'}, {row.full_percent} % full"


def _legend(sketch: Sketch) -> list[str]:
    """The legend beside the map."""
    result = []
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
    return result

"""The plan as a drawing: venue, stops sized by riders, a line per duty in its operator's colour, load factors beside it.

Plain SVG without script; everything that comes from a file is escaped.
"""

import math
from collections import defaultdict
from xml.sax.saxutils import escape, quoteattr

from solver.plan import Plan, PlannedDuty
from solver.problem import LEGS, Problem

WIDTH, HEIGHT, MARGIN = 1000, 760, 50
HUES = 137.508  # the golden angle: neighbouring numbers get colours far apart
MAX_LEGEND = 28


class Projection:
    """Degrees to picture points: an equirectangular map around the venue that keeps shapes."""

    def __init__(self, problem: Problem) -> None:
        spots = [(p.lat, p.lon) for p in problem.stops] + [(p.lat, p.lon) for p in problem.depots]
        spots.append((problem.venue.lat, problem.venue.lon))
        self.squeeze = math.cos(math.radians(problem.venue.lat))
        xs, ys = [lon * self.squeeze for _, lon in spots], [lat for lat, _ in spots]
        self.left, self.top = min(xs), max(ys)
        wide, high = max(xs) - self.left, self.top - min(ys)
        self.scale = min((WIDTH - 2 * MARGIN) / max(wide, 1e-9), (HEIGHT - 2 * MARGIN) / max(high, 1e-9))
        self.shift = ((WIDTH - wide * self.scale) / 2, (HEIGHT - high * self.scale) / 2)

    def point(self, lat: float, lon: float) -> tuple[float, float]:
        x = self.shift[0] + (lon * self.squeeze - self.left) * self.scale
        return round(x, 1), round(self.shift[1] + (self.top - lat) * self.scale, 1)


def colours_of(problem: Problem) -> dict[str, str]:
    """A colour for each operator, the same for the same problem."""
    names = list(dict.fromkeys(vehicle.operator for vehicle in problem.vehicles))
    return {name: f"hsl({round(number * HUES % 360)} 62% 42%)" for number, name in enumerate(names)}


def load_factor(problem: Problem, duty: PlannedDuty) -> float:
    """The fuller leg's share of the vehicle's seats, 0 to 1."""
    vehicle = next(v for v in problem.vehicles if v.id == duty.vehicle)
    riders = [party for party in problem.parties if party.id in set(duty.parties)]
    busiest = max(sum(party.seats for party in riders if leg in party.legs) for leg in LEGS)
    return busiest / vehicle.seats if vehicle.seats else 0.0


def draw_svg(problem: Problem, plan: Plan) -> str:
    """-> the whole picture as an SVG document."""
    projection, colours = Projection(problem), colours_of(problem)
    operator = {vehicle.id: vehicle.operator for vehicle in problem.vehicles}
    parts = [f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#faf9f5"/>']
    for duty in plan.duties:
        parts += _duty(problem, projection, duty, colours[operator[duty.vehicle]])
    parts += _stops(problem, plan, projection)
    x, y = projection.point(problem.venue.lat, problem.venue.lon)
    parts.append(f'<path d="M{x} {y - 13}l4 9 9 1-7 6 2 9-8-5-8 5 2-9-7-6 9-1z" fill="#141413"><title>venue</title></path>')
    parts += _legend(problem, plan, colours)
    title = escape(f"{problem.name}: {len(plan.duties)} buses, {plan.cost_minor / 100:,.2f} {problem.currency}")
    style = 'font-family="system-ui, sans-serif" font-size="12" role="img"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {style}>'
    return f"{head}<title>{title}</title>{''.join(parts)}</svg>\n"


def _duty(problem: Problem, projection: Projection, duty: PlannedDuty, colour: str) -> list[str]:
    stops = {stop.id: stop for stop in problem.stops}
    label = f"{duty.vehicle}: {len(duty.parties)} parties, {round(100 * load_factor(problem, duty))} % full, {duty.cost_minor / 100:,.2f}"
    result = []
    for rows, dashes in ((duty.outbound, ""), (duty.return_, ' stroke-dasharray="6 4"')):
        points = [projection.point(stops[row.stop].lat, stops[row.stop].lon) for row in rows]
        venue = projection.point(problem.venue.lat, problem.venue.lon)
        line = " ".join(f"{x},{y}" for x, y in ([*points, venue] if not dashes else [venue, *points]))
        if points and not (dashes and [row.stop for row in rows] == [row.stop for row in reversed(duty.outbound)]):
            result.append(
                f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2.2" stroke-opacity=".75"{dashes}>'
                f"<title>{escape(label)}</title></polyline>"
            )
    return result


def _stops(problem: Problem, plan: Plan, projection: Projection) -> list[str]:
    served = plan.served_parties
    people: dict[str, int] = defaultdict(int)
    behind: dict[str, int] = defaultdict(int)
    for party in problem.parties:
        people[party.stop] += party.persons
        behind[party.stop] += party.persons if party.id not in served else 0
    result = []
    for stop in problem.stops:
        x, y = projection.point(stop.lat, stop.lon)
        size = round(2 + 1.1 * math.sqrt(people[stop.id]), 1)
        fill = "#c6613f" if behind[stop.id] else "#ffffff"
        left = f", {behind[stop.id]} left behind" if behind[stop.id] else ""
        title = escape(f"{stop.name or stop.id}: {people[stop.id]} riders{left}")
        result.append(
            f'<circle cx="{x}" cy="{y}" r="{size}" fill="{fill}" fill-opacity=".85" stroke="#141413"><title>{title}</title></circle>'
        )
    return result


def _legend(problem: Problem, plan: Plan, colours: dict[str, str]) -> list[str]:
    operator = {vehicle.id: vehicle.operator for vehicle in problem.vehicles}
    loads: dict[str, list[float]] = defaultdict(list)
    for duty in plan.duties:
        loads[operator[duty.vehicle]].append(load_factor(problem, duty))
    result = []
    for row, (name, factors) in enumerate(sorted(loads.items(), key=lambda item: -len(item[1]))[:MAX_LEGEND]):
        y = 24 + 18 * row
        text = escape(f"{name}: {len(factors)} buses, {round(100 * sum(factors) / len(factors))} % full")
        result.append(
            f'<rect x="14" y="{y - 10}" width="12" height="12" fill={quoteattr(colours[name])}/><text x="32" y="{y}">{text}</text>'
        )
    return result

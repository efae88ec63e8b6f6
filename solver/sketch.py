"""A plan reduced to what a drawing of it needs: points, who waits where, one line per duty. Small enough to be sent about.

`sketch_of(problem, plan)` -> Sketch; `solver.picture.draw_sketch` draws it. Points are picture points (0..WIDTH, 0..HEIGHT).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from solver.plan import Plan, PlannedDuty, Visit
from solver.problem import LEGS, Party, Problem

WIDTH, HEIGHT, MARGIN = 1000, 760, 50
FEW_STOPS = 60  # their names may be sent about
Point = tuple[int, int]


class SketchStop(msgspec.Struct, frozen=True, array_like=True):
    """A stop: where, how many people wait there, how many of them the plan leaves behind."""

    at: Point
    people: int
    left: int
    name: str = ""


class SketchDuty(msgspec.Struct, frozen=True, array_like=True):
    """A duty: its operator's number, the numbers of its stops in driving order on each leg, how full its fuller leg is in per cent."""

    operator: int
    outbound: tuple[int, ...]
    back: tuple[int, ...]
    full: int
    label: str = ""


class Sketch(msgspec.Struct, frozen=True, array_like=True):
    """The whole drawing; `operators` has a name for each operator of the fleet, the largest fleet first.

    So colours stay while the plan changes, and the operators that have one of their own are those likely to drive most.
    """

    title: str
    venue: Point
    stops: tuple[SketchStop, ...]
    duties: tuple[SketchDuty, ...]
    operators: tuple[str, ...]
    venue_name: str = ""


class Projection:
    """Degrees (latitude, longitude) to picture points: an equirectangular map around the venue that keeps shapes."""

    def __init__(self, venue: tuple[float, float], places: Sequence[tuple[float, float]]) -> None:
        spots = [*places, venue]
        self.squeeze = math.cos(math.radians(venue[0]))
        xs, ys = [lon * self.squeeze for _, lon in spots], [lat for lat, _ in spots]
        self.left, self.top = min(xs), max(ys)
        wide, high = max(xs) - self.left, self.top - min(ys)
        self.scale = min((WIDTH - 2 * MARGIN) / max(wide, 1e-9), (HEIGHT - 2 * MARGIN) / max(high, 1e-9))
        self.shift = ((WIDTH - wide * self.scale) / 2, (HEIGHT - high * self.scale) / 2)

    def point(self, lat: float, lon: float) -> Point:
        x = self.shift[0] + (lon * self.squeeze - self.left) * self.scale
        return round(x), round(self.shift[1] + (self.top - lat) * self.scale)


def load_factor(seats: int, riders: Sequence[Party]) -> float:
    """The fuller leg's share of a vehicle's seats, 0 to 1."""
    busiest = max(sum(party.seats for party in riders if leg in party.legs) for leg in LEGS)
    return busiest / seats if seats else 0.0


def load_factors(problem: Problem, plan: Plan) -> list[float]:
    """How full each duty's fuller leg is, 0 to 1, in the plan's order."""
    seats = {vehicle.id: vehicle.seats for vehicle in problem.vehicles}
    parties = {party.id: party for party in problem.parties}
    return [load_factor(seats[duty.vehicle], [parties[party] for party in duty.parties]) for duty in plan.duties]


def sketch_of(problem: Problem, plan: Plan, *, names: Mapping[str, str] | None = None) -> Sketch:
    """-> the drawing's data. `names` are what operators are called; without them their ids stand, and duties and all stops get words."""
    places = [(p.lat, p.lon) for p in problem.stops] or [(p.lat, p.lon) for p in problem.depots]
    projection = Projection((problem.venue.lat, problem.venue.lon), places)
    operator_of = {vehicle.id: vehicle.operator for vehicle in problem.vehicles}
    operators = {name: number for number, (name, _) in enumerate(Counter(operator_of.values()).most_common())}
    at = {stop.id: number for number, stop in enumerate(problem.stops)}
    duties = tuple(
        SketchDuty(
            operators[operator_of[duty.vehicle]],
            numbers_of(at, duty.outbound),
            numbers_of(at, duty.return_),
            round(100 * full),
            duty_label(duty, full) if names is None else "",
        )
        for duty, full in zip(plan.duties, load_factors(problem, plan), strict=True)
    )
    buses = f"{len(plan.duties)} {'bus' if len(plan.duties) == 1 else 'buses'}"
    return Sketch(
        title=f"{problem.name}: {buses}, {plan.cost_minor / 100:,.2f} {problem.currency}" if names is None else buses,
        venue=projection.point(problem.venue.lat, problem.venue.lon),
        stops=stops_of(problem, plan, projection, named=names is None or len(problem.stops) <= FEW_STOPS),
        duties=duties,
        operators=tuple((names or {}).get(operator, operator) for operator in operators),
        venue_name="venue" if names is None else "",
    )


def numbers_of(at: Mapping[str, int], visits: Sequence[Visit]) -> tuple[int, ...]:
    return tuple(at[visit.stop] for visit in visits)


def duty_label(duty: PlannedDuty, full: float) -> str:
    return f"{duty.vehicle}: {len(duty.parties)} parties, {round(100 * full)} % full, {duty.cost_minor / 100:,.2f}"


def stops_of(problem: Problem, plan: Plan, projection: Projection, *, named: bool) -> tuple[SketchStop, ...]:
    """Every stop with the people who wait there."""
    served = plan.served_parties
    people: dict[str, int] = defaultdict(int)
    left: dict[str, int] = defaultdict(int)
    for party in problem.parties:
        people[party.stop] += party.persons
        left[party.stop] += party.persons if party.id not in served else 0
    return tuple(
        SketchStop(projection.point(stop.lat, stop.lon), people[stop.id], left[stop.id], (stop.name or stop.id) if named else "")
        for stop in problem.stops
    )

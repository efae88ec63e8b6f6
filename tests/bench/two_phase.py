"""Large problems for solvers that cannot take them whole, in two phases, of either kind.

Sectors: around the venue first, then each sector on its own. Sectors hold about as many boarding groups each; a vehicle goes to the nearest
sector that has not its share of seats yet. Each of `cores` processes works off its sectors, with an equal part of the time for each.

Full buses: stops that fill a bus get full buses of their own first, the farthest stop first, each time of the class that costs
least a seat; then the rival routes everybody else on the vehicles left, as one problem, with all the time.
"""

import math
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import msgspec
import numpy as np

from solver.admit import Gate
from solver.draft import Draft, Duty, make_duty
from solver.instance import Instance
from solver.plan import Plan
from solver.problem import Depot, Problem, Stop
from solver.writing import write_plan

PARTIES_PER_SECTOR = 2_500  # about 250 boarding groups
LEAST_FULL = 40  # seats: fewer people of a stop are routed
Answer = Callable[[Gate, float], Draft]


def sectors_of(problem: Problem) -> list[Problem]:
    """The parts, each with its parties and its share of the vehicles."""
    count = max(2, math.ceil(len(problem.parties) / PARTIES_PER_SECTOR))
    places: list[Stop | Depot] = [*problem.stops, *problem.depots]
    spot = {place.id: (place.lat - problem.venue.lat, place.lon - problem.venue.lon) for place in places}
    order = sorted(problem.parties, key=lambda party: (math.atan2(*spot[party.stop]), party.stop))
    parts = [[order[i] for i in part] for part in np.array_split(np.arange(len(order)), count)]
    centres = [np.mean([spot[party.stop] for party in part], axis=0) for part in parts]
    people = [sum(party.persons for party in part) for part in parts]
    seats = sum(vehicle.seats for vehicle in problem.vehicles)
    open_seats = [seats * share / sum(people) for share in people]
    fleets: list[list[int]] = [[] for _ in parts]
    for number, vehicle in sorted(enumerate(problem.vehicles), key=lambda pair: -pair[1].seats):
        away = [float(np.hypot(*(centre - spot[vehicle.depot]))) for centre in centres]
        best = min(range(count), key=lambda s: (open_seats[s] <= 0, away[s]))
        open_seats[best] -= vehicle.seats
        fleets[best].append(number)
    return [
        msgspec.structs.replace(problem, parties=tuple(part), vehicles=tuple(problem.vehicles[number] for number in sorted(fleet)))
        for part, fleet in zip(parts, fleets, strict=True)
    ]


def filled(instance: Instance, waiting: list[int], seats: int, places: int) -> list[int]:
    """Parties of a stop that fill so many seats, the largest first; they may leave a seat or two."""
    aboard, wheels, taken = 0, 0, []
    for party in sorted(waiting, key=lambda p: (-instance.riders[p].wheels, -instance.riders[p].seats, p)):
        riders = instance.riders[party]
        if aboard + riders.seats <= seats and wheels + riders.wheels <= places:
            aboard, wheels = aboard + riders.seats, wheels + riders.wheels
            taken.append(party)
    return taken


def full_buses(gate: Gate) -> Draft:
    """Duties of one stop each, as many as its people fill. For plain problems: both legs alike, everybody rides both."""
    instance = gate.instance
    free = [klass.count for klass in instance.classes]
    duties, left = list[Duty](), list[int]()
    at: dict[int, list[int]] = defaultdict(list)
    for party, riders in enumerate(instance.riders):
        at[riders.stop].append(party)
    for stop in sorted(at, key=lambda s: -int(instance.sides[1].secs[0, s])):
        waiting = at[stop]
        alone = {k: made for k in range(len(free)) if not isinstance(made := make_duty(instance, k, (stop,), (stop,), []), str)}
        while True:
            people = sum(instance.riders[party].seats for party in waiting)
            able = [k for k in alone if free[k] and instance.classes[k].seats <= people]
            if people < LEAST_FULL or not able:
                break
            best = min(able, key=lambda k: alone[k].cost / instance.classes[k].seats)
            aboard = filled(instance, waiting, instance.classes[best].seats, instance.classes[best].places)
            made = make_duty(instance, best, (stop,), (stop,), aboard)
            if isinstance(made, str):
                break
            duties.append(made)
            free[best] -= 1
            taken = set(aboard)
            waiting = [party for party in waiting if party not in taken]
        left += waiting
    return Draft(tuple(duties), tuple(sorted(left)))


def answer_after_full_buses(answer: Answer, problem: Problem, seconds: float) -> Plan:
    """Full buses, and the rival's plan of everybody else, as one."""
    started = time.monotonic()
    gate = Gate(Instance(problem))
    full = write_plan(gate, full_buses(gate), bound=None, optimal=False, seconds=seconds)
    busy, seated = {duty.vehicle for duty in full.duties}, {party for duty in full.duties for party in duty.parties}
    rest = msgspec.structs.replace(
        problem,
        parties=tuple(party for party in problem.parties if party.id not in seated),
        vehicles=tuple(vehicle for vehicle in problem.vehicles if vehicle.id not in busy),
    )
    others = answer_part(answer, rest, seconds - (time.monotonic() - started))
    return joined([msgspec.structs.replace(full, unserved=()), others])


def answer_part(answer: Answer, part: Problem, seconds: float) -> Plan:
    """The plan of one part of the problem."""
    gate = Gate(Instance(part))
    return write_plan(gate, answer(gate, seconds), bound=None, optimal=False, seconds=seconds)


def answer_in_parts(answer: Answer, problem: Problem, seconds: float, cores: int) -> Plan:
    """All sectors' plans as one."""
    parts = sectors_of(problem)
    share = seconds / math.ceil(len(parts) / cores)
    with ProcessPoolExecutor(cores) as pool:
        plans = list(pool.map(answer_part, [answer] * len(parts), parts, [share] * len(parts)))
    return joined(plans)


def joined(plans: list[Plan]) -> Plan:
    """Plans of different people on different vehicles as one."""
    return msgspec.structs.replace(
        plans[0],
        cost_minor=sum(plan.cost_minor for plan in plans),
        duties=tuple(duty for plan in plans for duty in plan.duties),
        unserved=tuple(entry for plan in plans for entry in plan.unserved),
    )

"""Large problems for solvers that cannot take them whole: sectors around the venue first, then each sector on its own.

Sectors hold about as many boarding groups each; a vehicle goes to the nearest sector that has not its share of seats yet.
Each of `cores` processes works off its sectors, with an equal part of the time for each.
"""

import math
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import msgspec
import numpy as np

from solver.admit import Gate
from solver.draft import Draft
from solver.instance import Instance
from solver.plan import Plan
from solver.problem import Depot, Problem, Stop
from solver.writing import write_plan

PARTIES_PER_SECTOR = 2_500  # about 250 boarding groups
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


def answer_part(answer: Answer, part: Problem, seconds: float) -> Plan:
    """One sector's plan."""
    gate = Gate(Instance(part))
    return write_plan(gate, answer(gate, seconds), bound=None, optimal=False, seconds=seconds)


def answer_in_parts(answer: Answer, problem: Problem, seconds: float, cores: int) -> Plan:
    """All sectors' plans as one."""
    parts = sectors_of(problem)
    share = seconds / math.ceil(len(parts) / cores)
    with ProcessPoolExecutor(cores) as pool:
        plans = list(pool.map(answer_part, [answer] * len(parts), parts, [share] * len(parts)))
    return msgspec.structs.replace(
        plans[0],
        cost_minor=sum(plan.cost_minor for plan in plans),
        duties=tuple(duty for plan in plans for duty in plan.duties),
        unserved=tuple(entry for plan in plans for entry in plan.unserved),
    )

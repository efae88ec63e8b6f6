"""VROOM as a rival: `python -m tests.bench.rival_vroom vroom|vroom-sectors problem.json SECONDS plan.json CORES`, see solver_rivals.py.

A module of its own, so that the memory VROOM and its pandas take is not counted for anybody else. VROOM keeps fixed, per-km and
per-hour costs, ride limits (time windows), availability and both capacities. It cannot count different stops, only tasks: a route
of more than `max_stops` stops is thrown away here as PyVRP's is, and its riders are seated where they still fit. It explores at its
highest level and stops by itself, often long before its time is over; it has no seed and nothing that would make it go on.
"""

import sys
import time
from collections import defaultdict
from datetime import timedelta

import vroom

from solver.admit import Gate
from solver.draft import Draft
from solver.routing import boarding_groups
from tests.bench.solver_rivals import draft_of, main, outward_tables, reach_s

MOST_EXPLORATION = 5


def by_vroom(gate: Gate, seconds: float) -> Draft:
    """Routes from the venue outwards, both legs alike, one vehicle per bus; service is part of the travel time, so that it costs."""
    started, instance = time.monotonic(), gate.instance
    groups = boarding_groups(instance, [p for p in range(len(instance.riders)) if gate.servable(p)])
    secs, metres = outward_tables(instance, groups)
    asked = vroom.Input()
    asked.set_durations_matrix("car", secs)
    asked.set_distances_matrix("car", metres)
    klass_of: list[int] = []
    for k, klass in enumerate(instance.classes):
        costs = vroom.VehicleCosts(
            fixed=klass.hire.call_out + int(instance.rates.standby_minor[k]), per_hour=2 * klass.hire.per_h, per_km=2 * klass.hire.per_km
        )
        for _ in range(klass.count):
            asked.add_vehicle(
                vroom.Vehicle(
                    len(klass_of),
                    start=0,
                    end=len(groups) + 1 + k,
                    capacity=[klass.seats, klass.places],
                    time_window=vroom.TimeWindow(0, reach_s(instance, k)),
                    costs=costs,
                )
            )
            klass_of.append(k)
    for number, group in enumerate(groups):
        late = instance.max_ride[group.stop] + instance.dwell[group.stop]
        asked.add_job(
            vroom.Job(number, location=number + 1, delivery=[group.seats, group.wheels], time_windows=[vroom.TimeWindow(0, late)])
        )
    left_s = max(0.1, seconds - (time.monotonic() - started))
    found = asked.solve(MOST_EXPLORATION, nb_threads=1, timeout=timedelta(seconds=left_s))
    routes: dict[int, list[int]] = defaultdict(list)
    for row in found.routes.itertuples():
        if row.type == "job":
            routes[row.vehicle_id].append(row.id)
    return draft_of(gate, [(klass_of[bus], [groups[number] for number in numbers]) for bus, numbers in routes.items()])


if __name__ == "__main__":
    main(sys.argv[1:], {"vroom": by_vroom})

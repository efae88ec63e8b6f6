"""One solver on one problem file in a process of its own: `python -m tests.bench.solver_rivals WHO problem.json SECONDS plan.json CORES`.

WHO is busload, ortools (plain routing: PATH_CHEAPEST_ARC and guided local search), pyvrp, or one of the last two with `-sectors`
or `-full` (two_phase.py); rival_vroom.py adds VROOM. They get boarding groups of at most 16 seats, on which they are exact for
plain problems. Prints one JSON object: cost, gap, bound, status, persons, seconds, seconds to the first plan, the most memory all
processes held together in MB, faults by the independent checker.
"""

import contextlib
import json
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import psutil

import solver
from solver.admit import Gate, admit
from solver.draft import Draft, Duty, make_duty, needed_stops
from solver.instance import Instance, Ints
from solver.routing import Group, boarding_groups, route, whole_fleet
from solver.writing import write_plan
from tests.bench.two_phase import Answer, answer_after_full_buses, answer_in_parts


def by_ortools(gate: Gate, seconds: float) -> Draft:
    """Plain OR-Tools routing, one node per boarding group."""
    duties, left = route(gate, range(len(gate.instance.riders)), whole_fleet(gate.instance), seconds, improve=True)
    return admit(gate, duties, left)


def outward_tables(instance: Instance, groups: list[Group]) -> tuple[Ints, Ints]:
    """-> seconds (with the dwell of a stop on entering it) and metres between venue, groups and each class's depot."""
    side, stops = instance.sides[1], np.array([0, *(group.stop for group in groups)])
    m, classes = len(stops), len(instance.classes)
    secs, metres = (np.zeros((m + classes, m + classes), np.int64) for _ in range(2))
    enters = (stops[:, None] != stops[None, :]) & (stops[None, :] > 0)
    secs[:m, :m] = side.secs[np.ix_(stops, stops)] + np.array(instance.dwell)[stops][None, :] * enters
    metres[:m, :m] = side.metres[np.ix_(stops, stops)]
    secs[:m, m:], metres[:m, m:] = side.depot_secs[:, stops].T, side.depot_metres[:, stops].T
    return secs, metres


def by_pyvrp(gate: Gate, seconds: float) -> Draft:
    """PyVRP: routes from the venue outwards, both legs alike; what a metre and a second cost is one table per price level."""
    import pyvrp  # noqa: PLC0415 - its memory is its own, not that of the others measured here
    from pyvrp.stop import MaxRuntime  # noqa: PLC0415 - as above

    started, instance = time.monotonic(), gate.instance
    groups = boarding_groups(instance, [p for p in range(len(instance.riders)) if gate.servable(p)])
    secs, metres = outward_tables(instance, groups)
    m = len(groups) + 1
    limits = [instance.max_ride[group.stop] + instance.dwell[group.stop] for group in groups]
    clients = [pyvrp.Client(location=i + 1, delivery=[group.seats, group.wheels], tw_late=limits[i]) for i, group in enumerate(groups)]
    kinds, tables, level = [], list[Ints](), dict[tuple[int, int], int]()
    for k, klass in enumerate(instance.classes):
        reach = reach_s(instance, k)
        prices = klass.hire.per_km, klass.hire.per_h
        if prices not in level:
            level[prices] = len(tables)
            tables.append(np.rint(2 * (metres * prices[0] / 1000 + secs * prices[1] / 3600)).astype(np.int64))
        kinds.append(
            pyvrp.VehicleType(
                num_available=klass.count,
                capacity=[klass.seats, klass.places],
                start_depot=0,
                end_depot=1 + k,
                fixed_cost=klass.hire.call_out + int(instance.rates.standby_minor[k]),
                tw_late=reach,
                shift_duration=reach,
                start_late=0,
                unit_distance_cost=1,
                profile=level[prices],
            )
        )
    data = pyvrp.ProblemData(
        locations=[pyvrp.Location(0, 0) for _ in range(len(secs))],
        clients=clients,
        depots=[pyvrp.Depot(location=0), *(pyvrp.Depot(location=m + k) for k in range(len(kinds)))],
        vehicle_types=kinds,
        distance_matrices=tables,  # its stubs ask for a shape numpy's types cannot say
        duration_matrices=[secs] * len(tables),
    )
    result = pyvrp.solve(data, stop=MaxRuntime(max(0.1, seconds - (time.monotonic() - started))), seed=1, display=False)
    routes = result.best.routes() if result.is_feasible() else ()
    return draft_of(gate, [(run.vehicle_type(), [groups[visit.idx] for visit in run if visit.is_client()]) for run in routes])


def reach_s(instance: Instance, k: int) -> int:
    """How long a leg of a class may take: its vehicles are available from and until so many seconds around the event."""
    klass = instance.classes[k]
    return max(0, min(instance.arrive_s - klass.from_s, klass.to_s - instance.leave_s))


def draft_of(gate: Gate, routes: Iterable[tuple[int, list[Group]]]) -> Draft:
    """A rival's routes (class, groups from the venue outwards), priced by our own pricing; who is on none that holds is seated greedily."""
    instance, duties = gate.instance, list[Duty]()
    for k, riders in routes:
        parties = [party for group in riders for party in group.parties]
        order = tuple(dict.fromkeys(group.stop for group in riders))
        out, back = needed_stops(instance, parties)
        made = make_duty(instance, k, tuple(s for s in order if s in out), tuple(s for s in order if s in back), parties)
        if not isinstance(made, str):
            duties.append(made)
    seated = {party for duty in duties for party in duty.parties}
    return admit(gate, duties, [party for party in range(len(instance.riders)) if party not in seated])


LOOK_EVERY_S = 0.05


class Footprint:
    """What this process and all it has started hold in memory at the same time, at most; what they share counts once."""

    def __init__(self) -> None:
        self.most = 0  # bytes
        self._process, self._done = psutil.Process(), threading.Event()

    def look(self) -> None:
        held = []
        for process in (self._process, *self._process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):  # it has just ended
                held.append(process.memory_info())
        self.most = max(self.most, sum(one.rss - one.shared for one in held) + max(one.shared for one in held))

    def _watch(self) -> None:
        while not self._done.wait(LOOK_EVERY_S):
            self.look()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Looks many times a second while the context lasts."""
        watcher = threading.Thread(target=self._watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._done.set()
            watcher.join()
            self.look()


RIVALS: dict[str, Answer] = {"ortools": by_ortools, "pyvrp": by_pyvrp}


def run(who: str, source: Path, seconds: float, out: Path, threads: int, rivals: Mapping[str, Answer]) -> dict[str, object]:
    """Solves, checks and measures."""
    problem = solver.load_problem(source)
    started, footprint = time.monotonic(), Footprint()
    first_s: float | None = None
    with footprint.watched():
        if who == "busload":
            result = solver.solve(problem, solver.TimeLimit(seconds), seed=1, threads=threads)
            plan, first_s = result.plan, result.history[0].seconds
        elif who.endswith("-sectors"):
            plan = answer_in_parts(rivals[who.removesuffix("-sectors")], problem, seconds, threads)
        elif who.endswith("-full"):
            plan = answer_after_full_buses(rivals[who.removesuffix("-full")], problem, seconds)
        else:
            gate = Gate(Instance(problem))
            draft = rivals[who](gate, seconds)
            plan = write_plan(gate, draft, bound=None, optimal=False, seconds=0.0)
    took = time.monotonic() - started
    out.write_bytes(solver.encode_plan(plan))
    persons = {party.id: party.persons for party in problem.parties}
    return {
        "cost": plan.cost_minor,
        "bound": plan.bound_minor,
        "gap": plan.gap,
        "status": plan.status,
        "persons": sum(persons[party] for party in plan.served_parties),
        "seconds": round(took, 2),
        "first_plan_s": first_s,
        "memory_mb": round(footprint.most / 1e6),
        "faults": len(solver.check_plan(problem, plan)),
    }


def main(arguments: list[str], rivals: Mapping[str, Answer]) -> None:
    """WHO problem.json SECONDS plan.json CORES."""
    who, problem_file, limit, plan_file, cores = arguments
    print(json.dumps(run(who, Path(problem_file), float(limit), Path(plan_file), int(cores), rivals)))


if __name__ == "__main__":
    main(sys.argv[1:], RIVALS)

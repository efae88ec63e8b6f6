"""`python -m solver.warm`: compiles what a search by strings runs compiled (compiled.py), once per installation; 17 s."""

import shutil
import sys
from typing import Any

from solver import compiled
from solver.admit import Gate
from solver.children import Slice
from solver.instance import Instance
from solver.reading import parse_problem
from solver.start import greedy_draft


def smallest() -> dict[str, Any]:
    """A problem of one stop, one party and one bus."""
    hire = {"call_out": 1, "per_km": 1, "per_h": 1, "standby_per_h": 1, "minimum": 1, "second_driver": 1}
    rules = {"max_driving_s": 9, "max_spread_s": 99, "max_driving_2_s": 9, "max_spread_2_s": 99, "break_after_s": 9, "break_s": 1}
    here = {"lat": 0.0, "lon": 0.0}
    bus = {"operator": "o", "depot": "d", "seats": 2, "wheelchair_places": 1, "available_from_s": 0, "available_to_s": 99}
    return {
        "format": "busload.problem/1",
        "name": "smallest",
        "currency": "EUR",
        "venue": {"id": "venue", **here, "arrive_by_s": 10, "return_departs_s": 20},
        "stops": [{"id": "s", "name": "s", **here, "dwell_s": 1, "max_ride_s": 9}],
        "depots": [{"id": "d", **here}],
        "parties": [{"id": "p", "stop": "s", "seats": 1, "wheelchairs": 0, "legs": ["outbound", "return"]}],
        "vehicles": [{"id": "v", **bus, "rules": "r", "hire": hire}],
        "rules": {"r": rules},
        "limits": {"max_stops": 1},
        "weights": {"rider_minute_minor": 0},
        "matrix": {
            "ids": ["venue", "s", "d"],
            "duration_s": [[0, 1, 1], [1, 0, 1], [1, 1, 0]],
            "distance_m": [[0, 1, 1], [1, 0, 1], [1, 1, 0]],
        },
    }


def main() -> int:
    """Compiles unless that was done before, and removes what was compiled from older sources."""
    place = compiled.place()
    if compiled.ready():
        return 0
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.stderr.write(f"{place}: cannot be made ({error.strerror}); the search will run interpreted\n")
        return 1
    compiled.now = True
    from solver.ruin import Ruin  # noqa: PLC0415 - only now are its functions to be compiled

    gate = Gate(Instance(parse_problem(smallest())))
    draft, _ = Ruin(gate).run(greedy_draft(gate, [0]), Slice(seconds=None, iterations=1, seed=1), count=gate.instance.rates.count)
    if draft.left:
        raise RuntimeError("the compiled search leaves the only rider behind")
    (place / "ready").touch()
    for older in place.parent.glob("compiled-*"):
        if older != place:
            shutil.rmtree(older, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

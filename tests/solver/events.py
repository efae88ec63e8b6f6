"""Small events for the solver's tests: a builder with every rule in play, and one plain problem to take apart."""

import math
import random
from typing import Any

import solver

ARRIVE_S, LEAVE_S = 64_800, 81_000
HIRE = {"call_out": 20_000, "per_km": 120, "per_h": 3_000, "standby_per_h": 1_500, "minimum": 0, "second_driver": 15_000}
OPEN_RULES = {
    "max_driving_s": 10**6,
    "max_spread_s": 10**6,
    "max_driving_2_s": 10**6,
    "max_spread_2_s": 10**6,
    "break_after_s": 10**6,
    "break_s": 0,
}


def table(
    points: list[tuple[float, float]], pace_s: float, chance: random.Random, unevenness: float
) -> tuple[list[list[int]], list[list[int]]]:
    """-> seconds and metres between points on a plane (km), each direction a little different."""
    secs, metres = [], []
    for a in points:
        far = [math.dist(a, b) * 1300 for b in points]
        metres.append([round(x * (1 + unevenness * chance.random())) for x in far])
        secs.append([round(x / 1000 * pace_s * (1 + unevenness * chance.random())) for x in far])
    for i in range(len(points)):
        secs[i][i] = metres[i][i] = 0
    return secs, metres


def event(seed: int = 1, *, stops: int = 6, vehicles: int = 5, full: bool = True, people: int = 8, max_stops: int = 3) -> dict[str, Any]:
    """A problem as decoded JSON; `full` lets one-way riders, wheelchairs, rules, hours and minimum hires bind."""
    chance = random.Random(seed)
    depots = 2
    points = [(0.0, 0.0)] + [(chance.uniform(-60, 60), chance.uniform(-60, 60)) for _ in range(stops + depots)]
    secs, metres = table(points, 50.0, chance, 0.1 if full else 0.0)
    ids = ["venue", *(f"s{i}" for i in range(1, stops + 1)), *(f"d{i}" for i in range(1, depots + 1))]
    around = sorted(secs[0][i] + secs[i][0] for i in range(1, stops + 1))[stops // 2]
    place = {name: {"lat": 50 + y / 111, "lon": 8 + x / 71} for name, (x, y) in zip(ids, points, strict=True)}
    rules = {"open": OPEN_RULES}
    if full:
        rules["tight"] = OPEN_RULES | {
            "max_driving_s": around,
            "max_driving_2_s": 2 * around,
            "break_after_s": max(1, around // 3),
            "break_s": 907,
        }
        rules["spread"] = OPEN_RULES | {"max_spread_s": LEAVE_S - ARRIVE_S + around, "max_spread_2_s": LEAVE_S - ARRIVE_S + 2 * around}
    parties: list[dict[str, Any]] = []
    for s in range(1, stops + 1):
        for _ in range(chance.randint(1, people)):
            legs = chance.choice([["outbound"], ["return"]]) if full and chance.random() < 0.25 else ["outbound", "return"]
            wheels = int(full and chance.random() < 0.08)
            seats = chance.choice([1, 1, 2, 2, 3, 4]) if not wheels else chance.choice([0, 1])
            parties.append({"id": f"p{len(parties) + 1}", "stop": f"s{s}", "seats": seats, "wheelchairs": wheels, "legs": legs})
    fleet = []
    for v in range(vehicles):
        hire = {key: round(value * chance.uniform(0.8, 1.2)) for key, value in HIRE.items()} if full else dict(HIRE)
        hire["minimum"] = chance.choice([0, 0, 60_000, 120_000]) if full else 0
        slack = chance.choice([7_200, 14_400, 36_000]) if full else 10**6
        operator = v % depots + 1
        fleet.append(
            {
                "id": f"v{v + 1}",
                "operator": f"o{operator}",
                "depot": f"d{operator}",
                "seats": chance.choice([8, 16, 29]),
                "wheelchair_places": chance.choice([0, 1, 2]),
                "available_from_s": ARRIVE_S - slack,
                "available_to_s": LEAVE_S + slack,
                "rules": chance.choice(sorted(rules)),
                "hire": hire,
            }
        )
    return {
        "format": "busload.problem/1",
        "name": f"event-{seed}",
        "currency": "EUR",
        "venue": {"id": "venue", **place["venue"], "arrive_by_s": ARRIVE_S, "return_departs_s": LEAVE_S},
        "stops": [
            {
                "id": f"s{i}",
                "name": f"Stop {i}",
                **place[f"s{i}"],
                "dwell_s": 180 + 60 * (i % 3),
                "max_ride_s": round(secs[0][i] * 1.5) + 900,
            }
            for i in range(1, stops + 1)
        ],
        "depots": [{"id": f"d{i}", **place[f"d{i}"]} for i in range(1, depots + 1)],
        "parties": parties,
        "vehicles": fleet,
        "rules": rules,
        "limits": {"max_stops": max_stops},
        "weights": {"rider_minute_minor": 2 if full else 0},
        "matrix": {"ids": ids, "duration_s": secs, "distance_m": metres},
    }


def problem(seed: int = 1, **options: Any) -> solver.Problem:
    """The same, read and validated."""
    return solver.parse_problem(event(seed, **options))


def tiny() -> dict[str, Any]:
    """One stop 60 minutes and 60 km out, one bus standing at it, two riders both ways: every figure is easy to work out."""
    secs = [[0, 3600, 3600], [3600, 0, 600], [3600, 600, 0]]
    metres = [[0, 60_000, 60_000], [60_000, 0, 5_000], [60_000, 5_000, 0]]
    return {
        "format": "busload.problem/1",
        "name": "tiny",
        "currency": "EUR",
        "venue": {"id": "venue", "lat": 50.0, "lon": 8.0, "arrive_by_s": ARRIVE_S, "return_departs_s": LEAVE_S},
        "stops": [{"id": "s1", "name": "Square", "lat": 50.5, "lon": 8.0, "dwell_s": 300, "max_ride_s": 3600}],
        "depots": [{"id": "d1", "lat": 50.5, "lon": 8.1}],
        "parties": [{"id": "p1", "stop": "s1", "seats": 2, "wheelchairs": 0, "legs": ["outbound", "return"]}],
        "vehicles": [
            {
                "id": "v1",
                "operator": "o1",
                "depot": "d1",
                "seats": 4,
                "wheelchair_places": 0,
                "available_from_s": 0,
                "available_to_s": 10**6,
                "rules": "open",
                "hire": dict(HIRE),
            }
        ],
        "rules": {"open": dict(OPEN_RULES)},
        "limits": {"max_stops": 2},
        "weights": {"rider_minute_minor": 0},
        "matrix": {"ids": ["venue", "s1", "d1"], "duration_s": secs, "distance_m": metres},
    }

"""Events for the solver's benchmark: `event_problem(scale, seed)` -> a plain busload.problem/1 as decoded JSON.

Distributions (all from one `numpy` generator seeded with (scale, seed)):
- towns: uniform over a disc around the venue (radius by scale, nobody closer than a sixth of it);
- stops: every town has one, the others fall on towns with probability proportional to population ~ rank^-0.8; a stop lies
  around its town's centre with a normal spread of 4 km;
- riders: stop weights are population per stop times a log-normal (sigma 0.9) times a pull that fades with distance, dealt
  out multinomially; parties of 1 to 6 people with probabilities .38 .34 .12 .10 .04 .02; a party of n has a wheelchair
  rider with probability 0.008 n;
- vehicles: seven sizes from 16 to 75 seats; operators sit near towns; fleets are log-normal (sigma 0.6); each operator has its
  own price level, uniform from 0.82 to 1.25 on the call-out and 0.9 to 1.15 on the rest;
- travel: straight line x 1.3, at 28 to 85 km/h rising with distance, the same both ways, whole minutes;
- scale C (collection) is another kind of problem: one town of 25 km, small buses of 8 to 29 seats, up to 40 stops a leg, a minute at
  each, everybody within 45 minutes of the direct ride;
- ride limit: the direct ride plus 25 minutes, or up to 1.6 times it, at most 90 minutes more; 5 minutes at each stop.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Scale = tuple[int, int, int, int, int, float]
SCALES: dict[str, Scale] = {  # riders, stops, vehicles, operators, towns, radius in km
    "S": (150, 15, 12, 4, 6, 120.0),
    "T": (400, 30, 30, 8, 12, 160.0),
    "M": (1_500, 60, 60, 12, 20, 200.0),
    "L": (48_000, 600, 1_200, 135, 200, 430.0),
    "C": (200, 100, 25, 5, 5, 25.0),
}
SIZES = (
    (16, 18_000, 160),
    (29, 28_000, 190),
    (33, 30_000, 200),
    (49, 42_000, 240),
    (53, 45_000, 240),
    (57, 48_000, 260),
    (75, 66_000, 330),
)
SHARES = {
    "S": (0.25, 0.2, 0.15, 0.2, 0.12, 0.08, 0.0),
    "L": (0.02, 0.05, 0.06, 0.26, 0.28, 0.26, 0.07),
    "C": (0.55, 0.45, 0.0, 0.0, 0.0, 0.0, 0.0),
}
USUAL_SHARES = (0.10, 0.12, 0.12, 0.22, 0.22, 0.17, 0.05)
ARRIVE_S, LEAVE_S, DWELL_S = 64_800, 81_000, 300
MAX_STOPS, MAX_STOPS_COLLECTION = 6, 40
Floats = NDArray[np.float64]


def road(apart_km: Floats) -> tuple[list[list[int]], list[list[int]]]:
    """-> seconds and metres of driving for straight-line distances."""
    far = 1.3 * apart_km
    minutes = np.ceil(60 * far / (28 + 57 * (1 - np.exp(-far / 45))))
    return (60 * minutes).astype(np.int64).tolist(), np.rint(far * 1000).astype(np.int64).tolist()


def party_sizes(rng: np.random.Generator, riders: int) -> list[int]:
    """Parties that add up to so many riders."""
    sizes = []
    while riders > 0:
        size = min(riders, int(rng.choice(6, p=(0.38, 0.34, 0.12, 0.10, 0.04, 0.02))) + 1)
        sizes.append(size)
        riders -= size
    return sizes


def event_problem(scale: str, seed: int) -> dict[str, Any]:
    """One event; equal arguments give equal problems."""
    riders, stop_count, vehicle_count, operators, town_count, radius = SCALES[scale]
    rng = np.random.default_rng([ord(scale), seed])
    angle, away = rng.uniform(0, 2 * np.pi, town_count), radius * np.sqrt(rng.uniform(1 / 36, 1, town_count))
    towns = np.column_stack([away * np.cos(angle), away * np.sin(angle)])
    people = rng.permutation(np.arange(1, town_count + 1) ** -0.8)
    home = np.concatenate([np.arange(town_count), rng.choice(town_count, stop_count - town_count, p=people / people.sum())])
    stops = towns[home] + rng.normal(0, 4, (stop_count, 2))
    weight = people[home] / np.bincount(home)[home] * rng.lognormal(0, 0.9, stop_count)
    weight *= 0.4 + np.exp(-np.hypot(*stops.T) / radius)
    waiting = 1 + rng.multinomial(riders - stop_count, weight / weight.sum())
    depots = towns[rng.choice(town_count, operators, p=people / people.sum())] + rng.normal(0, 6, (operators, 2))
    places = np.vstack([[[0.0, 0.0]], stops, depots])
    secs, metres = road(np.hypot(*(places[:, None, :] - places[None, :, :]).transpose(2, 0, 1)))
    ids = ["venue", *(f"s{i + 1}" for i in range(stop_count)), *(f"d{i + 1}" for i in range(operators))]
    spot = [{"lat": round(50 + y / 111.2, 5), "lon": round(10 + x / 71.5, 5)} for x, y in places.tolist()]
    return {
        "format": "busload.problem/1",
        "name": f"bench-{scale}-{seed}",
        "currency": "EUR",
        "venue": {"id": "venue", **spot[0], "arrive_by_s": ARRIVE_S, "return_departs_s": LEAVE_S},
        "stops": [
            {
                "id": ids[i],
                "name": f"Stop {i}",
                **spot[i],
                "dwell_s": 60 if scale == "C" else DWELL_S,
                "max_ride_s": secs[0][i] + 2700 if scale == "C" else ride_limit_s(secs[0][i]),
            }
            for i in range(1, stop_count + 1)
        ],
        "depots": [{"id": f"d{o + 1}", **spot[stop_count + 1 + o]} for o in range(operators)],
        "parties": parties_of(rng, waiting.tolist()),
        "vehicles": fleet_of(rng, scale, operators, vehicle_count),
        "rules": {
            "open": {
                "max_driving_s": 10**6,
                "max_spread_s": 10**6,
                "max_driving_2_s": 10**6,
                "max_spread_2_s": 10**6,
                "break_after_s": 10**6,
                "break_s": 0,
            }
        },
        "limits": {"max_stops": MAX_STOPS_COLLECTION if scale == "C" else MAX_STOPS},
        "weights": {"rider_minute_minor": 0},
        "matrix": {"ids": ids, "duration_s": secs, "distance_m": metres},
    }


def ride_limit_s(direct_s: int) -> int:
    """How long a ride may be when the direct way takes so long."""
    return max(direct_s + 1500, min(direct_s * 8 // 5, direct_s + 5400))


def parties_of(rng: np.random.Generator, waiting: list[int]) -> list[dict[str, Any]]:
    """The parties of every stop."""
    result: list[dict[str, Any]] = []
    for stop, riders in enumerate(waiting):
        for size in party_sizes(rng, riders):
            wheels = int(rng.random() < 0.008 * size)
            result.append(
                {"id": f"p{len(result) + 1}", "stop": f"s{stop + 1}", "seats": size, "wheelchairs": wheels, "legs": ["outbound", "return"]}
            )
    return result


def fleet_of(rng: np.random.Generator, scale: str, operators: int, count: int) -> list[dict[str, Any]]:
    """Vehicles by operator."""
    share = rng.lognormal(0, 0.6, operators)
    owner = np.sort(np.concatenate([np.arange(operators), rng.choice(operators, count - operators, p=share / share.sum())]))
    call, rest = rng.uniform(0.82, 1.25, operators), rng.uniform(0.9, 1.15, operators)
    early = 60 * rng.choice((600, 720, 840) if scale == "L" else (420, 540, 600), operators)
    result = []
    for number, (o, size) in enumerate(zip(owner, rng.choice(7, count, p=SHARES.get(scale, USUAL_SHARES)), strict=True)):
        seats, fixed, per_km = SIZES[size]
        hour = round(4200 * rest[o])
        hire = {"call_out": round(fixed * call[o]), "per_km": round(per_km * rest[o]), "per_h": hour, "standby_per_h": hour // 2}
        result.append(
            {
                "id": f"v{number + 1}",
                "operator": f"o{o + 1}",
                "depot": f"d{o + 1}",
                "seats": seats,
                "wheelchair_places": 2 if seats > 50 else 1,
                "available_from_s": ARRIVE_S - int(early[o]),
                "available_to_s": LEAVE_S + int(early[o]),
                "rules": "open",
                "hire": hire | {"minimum": 0, "second_driver": 25_000},
            }
        )
    return result

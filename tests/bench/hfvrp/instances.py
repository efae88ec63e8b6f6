"""Golden's mixed-fleet problems 13, 14, 17, 18 and 20 as busload.problem/1.

Points and demands are those of Christofides and Eilon (1969) as used by Golden, Assad, Levy and Gheysens, "The fleet size and mix
vehicle routing problem", Computers & Operations Research 11, 1984; running costs per type and numbers of vehicles are those of
Taillard, "A heuristic column generation method for the heterogeneous fleet VRP", RAIRO 33, 1999. The tables were read in the
demonstration data of VRPSolverEasy (MIT licence) and of jsprit (Apache 2.0), which agree. `points_*.txt`: a line `x y demand` per
place, the depot first; problems 13 and 14 are the first 50 customers of the 75.

Least costs known: Baldacci and Mingozzi, "A unified exact method for solving different classes of vehicle routing problems",
Mathematical Programming 120, 2009, and Pessoa, Sadykov and Uchoa, "Enhanced branch-cut-and-price algorithm for heterogeneous fleet
vehicle routing problems", European Journal of Operational Research 270, 2018, as the table of AILS-HVRP lists them. `limited` is the
problem with fixed and running costs and so many vehicles of each type (HVRPFD), `free` the one with any number (FSMFD).

A tour of the literature is a duty here: the depot of every bus lies at the venue, the standby is none, hours cost nothing, a customer
is a party that is never split. Everybody rides both ways, so that a duty drives its tour twice, at half the price per kilometre: the
best plan costs what the best solution of the literature does, and the rivals, which price both legs alike, are exact. One unit of
length is a kilometre, one of cost 100 minor units; distances are rounded to metres, which moves a cost by less than 0.01 %.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EVENT_S, EVER_S = 10**6, 9 * 10**5
FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Type:
    """A type of vehicle: capacity, fixed cost, cost per unit of length, how many there are where the fleet is limited."""

    seats: int
    fixed: int
    running: float
    count: int


@dataclass(frozen=True, kw_only=True)
class Instance:
    """A problem of the literature with the least costs known for it."""

    points: int
    customers: int
    types: tuple[Type, ...]
    limited_cost: float
    free_cost: float


def types(*rows: tuple[int, int, float, int]) -> tuple[Type, ...]:
    """A fleet from its table."""
    return tuple(Type(seats=seats, fixed=fixed, running=running, count=count) for seats, fixed, running, count in rows)


INSTANCES = {
    13: Instance(
        points=75,
        customers=50,
        types=types((20, 20, 1.0, 4), (30, 35, 1.1, 2), (40, 50, 1.2, 4), (70, 120, 1.7, 4), (120, 225, 2.5, 2), (200, 400, 3.2, 1)),
        limited_cost=3185.09,
        free_cost=2964.65,
    ),
    14: Instance(
        points=75,
        customers=50,
        types=types((120, 1000, 1.0, 4), (160, 1500, 1.1, 2), (300, 3500, 1.4, 1)),
        limited_cost=10107.53,
        free_cost=9126.90,
    ),
    17: Instance(
        points=75,
        customers=75,
        types=types((50, 25, 1.0, 4), (120, 80, 1.2, 4), (200, 150, 1.5, 2), (350, 320, 1.8, 1)),
        limited_cost=2076.96,
        free_cost=2004.48,
    ),
    18: Instance(
        points=75,
        customers=75,
        types=types((20, 10, 1.0, 4), (50, 35, 1.3, 4), (100, 100, 1.9, 2), (150, 180, 2.4, 2), (250, 400, 2.9, 1), (400, 800, 3.2, 1)),
        limited_cost=3743.58,
        free_cost=3147.99,
    ),
    20: Instance(
        points=100,
        customers=100,
        types=types((60, 100, 1.0, 6), (140, 300, 1.7, 4), (200, 500, 2.0, 3)),
        limited_cost=4760.68,
        free_cost=4153.02,
    ),
}


def best_known_minor(number: int, fleet: str) -> int:
    """The least cost known, minor units; `fleet` is limited or free."""
    found = INSTANCES[number]
    return round(100 * (found.limited_cost if fleet == "limited" else found.free_cost))


def hfvrp_problem(number: int, fleet: str) -> dict[str, Any]:
    """One instance as decoded JSON; `fleet` is limited or free."""
    found = INSTANCES[number]
    places = [tuple(map(int, line.split())) for line in (FOLDER / f"points_{found.points}.txt").read_text().splitlines()]
    places = places[: found.customers + 1]
    apart = [[math.dist(a[:2], b[:2]) for b in places] for a in places]
    apart = [[*row, row[0]] for row in [*apart, apart[0]]]  # the depot once more, after the customers
    ids = ["venue", *(f"s{i}" for i in range(1, len(places))), "d1"]
    spots = [{"lat": round(50 + y / 111.2, 5), "lon": round(10 + x / 71.5, 5)} for x, y, _ in places]
    return {
        "format": "busload.problem/1",
        "name": f"H{number}-{fleet}",
        "currency": "EUR",
        "venue": {"id": "venue", **spots[0], "arrive_by_s": EVENT_S, "return_departs_s": EVENT_S},
        "stops": [{"id": ids[i], "name": "", **spots[i], "dwell_s": 0, "max_ride_s": EVER_S} for i in range(1, len(places))],
        "depots": [{"id": "d1", **spots[0]}],
        "parties": [
            {"id": f"p{i}", "stop": ids[i], "seats": places[i][2], "wheelchairs": 0, "legs": ["outbound", "return"]}
            for i in range(1, len(places))
        ],
        "vehicles": vehicles_of(found, fleet, sum(demand for _, _, demand in places)),
        "rules": {"open": dict.fromkeys(RULES, EVENT_S) | {"break_s": 0}},
        "limits": {"max_stops": found.customers},
        "weights": {"rider_minute_minor": 0},
        "matrix": {
            "ids": ids,
            "duration_s": [[round(60 * far) for far in row] for row in apart],
            "distance_m": [[round(1000 * far) for far in row] for row in apart],
        },
    }


RULES = ("max_driving_s", "max_spread_s", "max_driving_2_s", "max_spread_2_s", "break_after_s")


def vehicles_of(found: Instance, fleet: str, demand: int) -> list[dict[str, Any]]:
    """The fleet. A free one has as many of a type as a best solution can use.

    Two vehicles of a type that together are not over-full are never both needed: one tour through both saves a fixed cost, and by the
    triangle inequality way. So all but one are more than half full.
    """
    result: list[dict[str, Any]] = []
    for kind in found.types:
        for _ in range(kind.count if fleet == "limited" else min(found.customers, 2 * demand // kind.seats + 1)):
            hire = {"call_out": 100 * kind.fixed, "per_km": round(50 * kind.running)}
            result.append(
                {
                    "id": f"v{len(result) + 1}",
                    "operator": "o1",
                    "depot": "d1",
                    "seats": kind.seats,
                    "wheelchair_places": 0,
                    "available_from_s": EVENT_S - EVER_S,
                    "available_to_s": EVENT_S + EVER_S,
                    "rules": "open",
                    "hire": hire | {"per_h": 0, "standby_per_h": 0, "minimum": 0, "second_driver": 0},
                }
            )
    return result

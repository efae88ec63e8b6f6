"""Every rule at once: `with_every_rule(problem, seed)` turns a plain event of event_generator.py into one on which all rules bind.

- three in ten parties ride one way only, and one party in twenty-five has one wheelchair rider more;
- each operator keeps one of four rule sets: none, EU 561/2006, the US rules for passengers (data of the service), and a short day
  whose limits are the event's own median tour, so that second drivers and breaks decide something;
- half of the vehicles have a minimum hire of 0.8 to 1.6 times what a median tour costs, second drivers cost 80 to 240;
- homeward it is slower and longer by 6 and 2 %; a rider's minute counts 1 or 2; three or four stops a leg;
- a tenth of the vehicles can only do the way there, as many only the way back;
- six parties nobody can seat or that need a rare vehicle: too large a party, too many wheelchairs, a ride that takes too long.
"""

from typing import Any

import numpy as np

STANDBY_RATE_S = 3_600
FAR = 10**6
EU_561 = {
    "max_driving_s": 32_400,
    "max_spread_s": 46_800,
    "max_driving_2_s": 64_800,
    "max_spread_2_s": 75_600,
    "break_after_s": 16_200,
    "break_s": 2_700,
}
US_395_5 = {
    "max_driving_s": 36_000,
    "max_spread_s": 54_000,
    "max_driving_2_s": 72_000,
    "max_spread_2_s": 86_400,
    "break_after_s": FAR,
    "break_s": 0,
}


def with_every_rule(problem: dict[str, Any], seed: int) -> dict[str, Any]:
    """The same event with every rule in play; equal arguments give equal problems. Changes and returns what it is given."""
    rng = np.random.default_rng([561, seed])
    secs, metres = (np.array(problem["matrix"][key]) for key in ("duration_s", "distance_m"))
    stops = len(problem["stops"])
    tour_s, tour_m = 2 * int(np.median(secs[0, 1 : stops + 1])), 2 * int(np.median(metres[0, 1 : stops + 1]))
    venue = problem["venue"]
    standby_s = venue["return_departs_s"] - venue["arrive_by_s"]
    problem["name"] += "-full"
    problem["rules"] |= {"eu-561": EU_561, "us-395.5": US_395_5, "short-day": short_day(tour_s, standby_s)}
    problem["limits"]["max_stops"] = 3 + seed % 2
    problem["weights"]["rider_minute_minor"] = 1 + seed % 2
    for riders in problem["parties"]:
        if rng.random() < 0.3:
            riders["legs"] = [str(rng.choice(["outbound", "return"]))]
        riders["wheelchairs"] += int(rng.random() < 0.04)
    add_hard_parties(problem)
    for vehicle in problem["vehicles"]:
        bind_vehicle(rng, vehicle, venue, tour_s, tour_m, standby_s)
    homeward(problem, secs, metres, stops)
    return problem


def short_day(tour_s: int, standby_s: int) -> dict[str, int]:
    """Limits that one driver keeps on a tour of middling length, two on a long one."""
    return {
        "max_driving_s": tour_s * 6 // 5,
        "max_spread_s": standby_s + tour_s * 3 // 2,
        "max_driving_2_s": tour_s * 2,
        "max_spread_2_s": standby_s + tour_s * 5 // 2,
        "break_after_s": max(1, tour_s // 3),
        "break_s": 1_200,
    }


def add_hard_parties(problem: dict[str, Any]) -> None:
    """Six parties of the first stop, most of whom nobody can seat."""
    largest = max(vehicle["seats"] for vehicle in problem["vehicles"])
    for seats, wheelchairs in ((largest + 1, 0), (largest, 0), (1, 2), (0, 2), (2, 3), (0, 1)):
        riders = {"id": f"p{len(problem['parties']) + 1}", "stop": "s1", "seats": seats, "wheelchairs": wheelchairs}
        problem["parties"].append(riders | {"legs": ["outbound", "return"]})


def bind_vehicle(
    rng: np.random.Generator, vehicle: dict[str, Any], venue: dict[str, Any], tour_s: int, tour_m: int, standby_s: int
) -> None:
    """Rules, minimum hire, second driver and hours of one vehicle."""
    hire = vehicle["hire"]
    vehicle["rules"] = ("open", "eu-561", "us-395.5", "short-day")[int(vehicle["operator"][1:]) % 4]
    hours = hire["per_h"] * tour_s + hire["standby_per_h"] * standby_s
    usual = hire["call_out"] + hire["per_km"] * tour_m // 1000 + hours // STANDBY_RATE_S
    hire["minimum"] = int(usual * rng.uniform(0.8, 1.6)) if rng.random() < 0.5 else 0
    hire["second_driver"] = int(rng.integers(8_000, 24_000))
    only = rng.random()
    if only < 0.1:
        vehicle["available_to_s"] = venue["return_departs_s"] - 1
    elif only < 0.2:
        vehicle["available_from_s"] = venue["arrive_by_s"] + 1


def homeward(problem: dict[str, Any], secs: np.ndarray[Any, Any], metres: np.ndarray[Any, Any], stops: int) -> None:
    """Ways from the venue and between stops outwards are slower and longer; the ride limit of the last stop leaves no room for that."""
    outwards = secs[0][None, :] > secs[0][:, None]
    problem["matrix"]["duration_s"] = np.where(outwards, secs * 106 // 100, secs).tolist()
    problem["matrix"]["distance_m"] = np.where(outwards, metres * 102 // 100, metres).tolist()
    problem["stops"][stops - 1]["max_ride_s"] = int(secs[stops, 0])

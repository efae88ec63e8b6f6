"""The problem of one event as plain data: the `busload.problem/1` file, field by field.

Times are integer seconds from the problem's own epoch, distances metres, money integer minor units.
Values are trusted here; `solver.reading` is the door that validates.
"""

from typing import Literal

import msgspec

Leg = Literal["outbound", "return"]
LEGS: tuple[Leg, Leg] = ("outbound", "return")
PROBLEM_FORMAT = "busload.problem/1"


class Venue(msgspec.Struct, frozen=True, kw_only=True):
    """Where everyone goes, when every bus arrives and when every bus leaves."""

    id: str
    lat: float
    lon: float
    arrive_by_s: int
    return_departs_s: int


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """A place where riders board and alight; `max_ride_s` bounds the ride of each leg."""

    id: str
    name: str = ""
    lat: float
    lon: float
    dwell_s: int
    max_ride_s: int


class Depot(msgspec.Struct, frozen=True, kw_only=True):
    """Where vehicles start and end."""

    id: str
    lat: float
    lon: float


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """The people of one pledge, never split. A wheelchair rider takes a place and no seat."""

    id: str
    stop: str
    seats: int
    wheelchairs: int
    legs: tuple[Leg, ...]

    @property
    def persons(self) -> int:
        return self.seats + self.wheelchairs


class Hire(msgspec.Struct, frozen=True, kw_only=True):
    """A rate card: minor units, per kilometre, per hour worked, per hour on standby."""

    call_out: int
    per_km: int
    per_h: int
    standby_per_h: int
    minimum: int
    second_driver: int


class Vehicle(msgspec.Struct, frozen=True, kw_only=True):
    """One bus of an operator, with the hours it is available and the rules its driver is under."""

    id: str
    operator: str
    depot: str
    seats: int
    wheelchair_places: int
    available_from_s: int
    available_to_s: int
    rules: str
    hire: Hire


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Driver hours for one and for two drivers, and the breaks of a single driver."""

    max_driving_s: int
    max_spread_s: int
    max_driving_2_s: int
    max_spread_2_s: int
    break_after_s: int
    break_s: int


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How many stops a duty may serve per leg."""

    max_stops: int


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """What one rider's minute aboard costs, besides the hire."""

    rider_minute_minor: int = 0


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """Driving from row to column, in the order of `ids`."""

    ids: tuple[str, ...]
    duration_s: list[list[int]]
    distance_m: list[list[int]]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the solver needs to know about one event."""

    format: str = PROBLEM_FORMAT
    name: str
    currency: str
    venue: Venue
    stops: tuple[Stop, ...]
    depots: tuple[Depot, ...]
    parties: tuple[Party, ...]
    vehicles: tuple[Vehicle, ...]
    rules: dict[str, Rules]
    limits: Limits
    weights: Weights
    matrix: Matrix


class ProblemError(ValueError):
    """A problem that breaks its format: `faults` holds one message per fault, each naming its path."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults

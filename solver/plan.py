"""The answer as plain data: the `busload.plan/1` file, and its JSON form."""

from typing import Literal

import msgspec

PLAN_FORMAT = "busload.plan/1"

Reason = Literal[
    "party_larger_than_any_bus",
    "no_wheelchair_place",
    "ride_too_long",
    "driver_hours",
    "no_vehicle_available",
    "not_enough_seats",
]


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One stop of a leg: the bus stands there from `arrive_s` to `depart_s`."""

    stop: str
    arrive_s: int
    depart_s: int


class PlannedDuty(msgspec.Struct, frozen=True, kw_only=True, rename={"return_": "return"}):
    """What one vehicle does, in driving order, and who rides it."""

    vehicle: str
    drivers: int
    cost_minor: int
    distance_m: int
    depot_out_s: int
    depot_in_s: int
    parties: tuple[str, ...]
    outbound: tuple[Visit, ...]
    return_: tuple[Visit, ...]


class Unserved(msgspec.Struct, frozen=True, kw_only=True):
    """A party that rides no duty, and the first reason that stops a duty carrying it alone."""

    party: str
    reason: Reason
    detail: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Duties and who stays behind; `bound_minor` is proven for exactly the parties served."""

    format: str = PLAN_FORMAT
    problem: str
    status: Literal["optimal", "feasible"]
    cost_minor: int
    bound_minor: int | None
    gap: float | None
    seconds: float
    duties: tuple[PlannedDuty, ...]
    unserved: tuple[Unserved, ...]

    @property
    def served_parties(self) -> frozenset[str]:
        return frozenset(party for duty in self.duties for party in duty.parties)


def encode_plan(plan: Plan) -> bytes:
    """-> the plan file's bytes (JSON, UTF-8)."""
    return msgspec.json.encode(plan)


def decode_plan(data: bytes) -> Plan:
    """Reads a plan file back; further fields are ignored. Raises msgspec.ValidationError on another shape."""
    return msgspec.json.decode(data, type=Plan)

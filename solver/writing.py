"""From a draft to the plan file: vehicles are named, timetables written, reasons given."""

from collections import defaultdict
from collections.abc import Sequence

from solver.admit import Gate
from solver.draft import Draft, Duty
from solver.instance import Instance
from solver.plan import Plan, PlannedDuty, Unserved, Visit
from solver.pricing import price, rides

DETAILS = {
    "party_larger_than_any_bus": "no vehicle has that many seats",
    "no_wheelchair_place": "no vehicle with the seats has the wheelchair places",
    "ride_too_long": "the direct ride is longer than the stop allows",
    "driver_hours": "every vehicle with room breaks its driver rules",
    "no_vehicle_available": "no vehicle with room is available for the whole duty",
    "not_enough_seats": "the seats of the vehicles that could come are taken",
}


def write_plan(gate: Gate, draft: Draft, *, bound: int | None, optimal: bool, seconds: float, wishes: Sequence[str | None] = ()) -> Plan:
    """The plan of a draft. `bound` holds for exactly the parties the draft serves; `wishes` are vehicles to keep, by duty."""
    instance, names = gate.instance, name_vehicles(gate.instance, draft, wishes)
    bound = None if bound is None else max(0, min(bound, draft.cost))
    return Plan(
        problem=instance.problem.name,
        status="optimal" if optimal and bound == draft.cost else "feasible",
        cost_minor=draft.cost,
        bound_minor=bound,
        gap=gap_of(draft.cost, bound),
        seconds=round(seconds, 3),
        duties=tuple(write_duty(instance, duty, name) for duty, name in zip(draft.duties, names, strict=True)),
        unserved=tuple(_unserved(gate, party) for party in draft.left),
    )


def gap_of(cost: int, bound: int | None) -> float | None:
    """cost / bound - 1, None without a positive bound."""
    return round(cost / bound - 1, 6) if bound else None


def _unserved(gate: Gate, party: int) -> Unserved:
    reason = gate.reason(party)[0]
    return Unserved(party=gate.instance.party_id(party), reason=reason, detail=DETAILS[reason])


def name_vehicles(instance: Instance, draft: Draft, wishes: Sequence[str | None]) -> list[str]:
    """A vehicle for each duty out of its class: the wished one if it is free, else the next."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    for number, (duty, wish) in enumerate(zip(draft.duties, wishes, strict=False)):
        if wish is not None and wish not in taken and wish in instance.classes[duty.klass].vehicles:
            names[number] = wish
            taken.add(wish)
    rest: dict[int, list[str]] = defaultdict(list)
    for k in {duty.klass for duty in draft.duties}:
        rest[k] = [name for name in reversed(instance.classes[k].vehicles) if name not in taken]
    return [names[number] if number in names else rest[duty.klass].pop() for number, duty in enumerate(draft.duties)]


def write_duty(instance: Instance, duty: Duty, vehicle: str) -> PlannedDuty:
    """One duty with its timetable, in driving order."""
    priced = price(instance, duty.klass, duty.outbound, duty.back)
    assert not isinstance(priced, str), f"a draft held a duty that breaks {priced}"
    stops, dwell = instance.problem.stops, instance.dwell
    reach = instance.arrive_s if duty.outbound else instance.leave_s
    go = reach + (instance.standby_s if duty.outbound and duty.back else 0)
    outbound = []
    for stop, ride in reversed(list(zip(duty.outbound, rides(instance, 0, duty.outbound), strict=True))):
        depart = reach - priced.breaks_s[0] - ride
        outbound.append(Visit(stop=stops[stop - 1].id, arrive_s=depart - dwell[stop], depart_s=depart))
    back = []
    for stop, ride in zip(duty.back, rides(instance, 1, duty.back), strict=True):
        back.append(Visit(stop=stops[stop - 1].id, arrive_s=go + ride, depart_s=go + ride + dwell[stop]))
    return PlannedDuty(
        vehicle=vehicle,
        drivers=priced.drivers,
        cost_minor=priced.cost_minor,
        distance_m=priced.distance_m,
        depot_out_s=priced.depot_out_s,
        depot_in_s=priced.depot_in_s,
        parties=tuple(instance.party_id(party) for party in duty.parties),
        outbound=tuple(outbound),
        return_=tuple(back),
    )

"""Re-planning gently: duties whose offers still stand stay as they are while the rest is solved again.

A plan made anew from scratch would move riders between buses that are already promised and take back offers that operators are
looking at; keeping them costs little (the rest is what changed) and makes the next round small.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from solver.checking import Ledger
from solver.plan import Plan, PlannedDuty, Unserved
from solver.problem import Problem


def keepable(
    problem: Problem,
    *,
    before: Problem,
    epoch_at: datetime,
    epoch_before_at: datetime,
    duties: Sequence[PlannedDuty],
    standing: Collection[str],
) -> list[PlannedDuty]:
    """The duties of an earlier plan that stand unchanged in a new problem: same venue times, vehicle and riders.

    `standing` are the vehicles whose offers still stand.
    """
    if epoch_at != epoch_before_at or problem.venue != before.venue:
        return []
    vehicles = {vehicle.id: vehicle for vehicle in problem.vehicles}
    vehicles_before = {vehicle.id: vehicle for vehicle in before.vehicles}
    parties = {party.id: party for party in problem.parties}
    parties_before = {party.id: party for party in before.parties}

    def stands(duty: PlannedDuty) -> bool:
        same_bus = duty.vehicle in vehicles and vehicles[duty.vehicle].hire == vehicles_before[duty.vehicle].hire
        return same_bus and all(name in parties and parties[name] == parties_before[name] for name in duty.parties)

    return [duty for duty in duties if duty.vehicle in standing and stands(duty)]


def without(problem: Problem, duties: Sequence[PlannedDuty]) -> Problem:
    """The rest of a problem when some duties are set: without their vehicles and riders."""
    vehicles = {duty.vehicle for duty in duties}
    riders = {party for duty in duties for party in duty.parties}
    return msgspec.structs.replace(
        problem,
        vehicles=tuple(vehicle for vehicle in problem.vehicles if vehicle.id not in vehicles),
        parties=tuple(party for party in problem.parties if party.id not in riders),
    )


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What duties that stand come to: how many, their riders, their hire and ride minutes in minor units."""

    duties: int = 0
    people: int = 0
    cost_minor: int = 0


def settled_of(problem: Problem, kept: Sequence[PlannedDuty]) -> Settled:
    """The sums of duties that stand; all 0 without any."""
    persons = {party.id: party.persons for party in problem.parties}
    return Settled(
        duties=len(kept),
        people=sum(persons[party] for duty in kept for party in duty.parties),
        cost_minor=sum(duty.cost_minor for duty in kept) + ride_minutes_minor(problem, kept),
    )


def bound_beside(settled: Settled, rest: Plan) -> int | None:
    """No plan with these duties as they are, serving whom the joined one serves, costs less, minor units; None if nothing is proven.

    Who rides a duty that stands is set, so that the cheapest plan of the rest and what stands are the cheapest whole.
    """
    if not rest.duties:
        return settled.cost_minor
    return None if rest.bound_minor is None else settled.cost_minor + rest.bound_minor


def joined(problem: Problem, kept: Sequence[PlannedDuty], rest: Plan) -> Plan:
    """Duties that stand and the plan of the rest as one plan of the whole problem.

    It has no bound: that of a plan file holds for every plan, also for those without the duties that stand (see `bound_beside`).
    """
    return msgspec.structs.replace(
        rest,
        problem=problem.name,
        status="feasible",
        cost_minor=rest.cost_minor + settled_of(problem, kept).cost_minor,
        bound_minor=None,
        gap=None,
        duties=(*kept, *rest.duties),
        unserved=tuple(_judged(Ledger(problem), problem, entry) for entry in rest.unserved),
    )


def _judged(ledger: Ledger, problem: Problem, entry: Unserved) -> Unserved:
    """Why a party stays behind, judged over every vehicle of the whole problem rather than those that were left."""
    reason, _ = ledger.why_unserved(next(party for party in problem.parties if party.id == entry.party))
    return msgspec.structs.replace(entry, reason=reason)


def ride_minutes_minor(problem: Problem, duties: Sequence[PlannedDuty]) -> int:
    """What the minutes aboard of these duties' riders count for, minor units (no one is charged them)."""
    parties = {party.id: party for party in problem.parties}
    total = 0
    for duty in duties:
        left = {visit.stop: visit.depart_s for visit in duty.outbound}
        reached = {visit.stop: visit.arrive_s for visit in duty.return_}
        pause_s = outbound_break_s(problem, duty)
        for party in (parties[name] for name in duty.parties):
            rides = []
            if "outbound" in party.legs:
                rides.append(problem.venue.arrive_by_s - pause_s - left[party.stop])
            if "return" in party.legs:
                rides.append(reached[party.stop] - problem.venue.return_departs_s)
            total += problem.weights.rider_minute_minor * sum(ride_s * party.persons // 60 for ride_s in rides)
    return total


def outbound_break_s(problem: Problem, duty: PlannedDuty) -> int:
    """The break between the last outbound stop and the venue: it does not count in ride times."""
    if not duty.outbound:
        return 0
    row = {name: number for number, name in enumerate(problem.matrix.ids)}
    last = duty.outbound[-1]
    return problem.venue.arrive_by_s - last.depart_s - problem.matrix.duration_s[row[last.stop]][row[problem.venue.id]]

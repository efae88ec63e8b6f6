"""The independent check: recomputes every figure of a plan from the problem file's own words and lists broken promises.

It shares no code with the search, only the data classes of the two files; whoever changes a rule changes it twice.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

from solver.plan import PLAN_FORMAT, Plan, PlannedDuty
from solver.problem import LEGS, Leg, Party, Problem, Vehicle

Orders = dict[Leg, list[str]]
GAP_DIGITS = 0.0005  # the format asks for three decimals


@dataclass(frozen=True)
class Recomputed:
    """What a duty really is: what it breaks and every figure of its rows."""

    broken: list[str]
    rows: dict[Leg, list[tuple[str, int, int]]]
    rides: dict[Leg, dict[str, int]]
    cost_minor: int
    drivers: int
    distance_m: int
    depot_out_s: int
    depot_in_s: int


class Ledger:
    """A problem by id."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.row = {name: number for number, name in enumerate(problem.matrix.ids)}
        self.stops = {stop.id: stop for stop in problem.stops}
        self.parties = {party.id: party for party in problem.parties}
        self.vehicles = {vehicle.id: vehicle for vehicle in problem.vehicles}
        self._alone: dict[tuple[object, ...], list[str]] = {}

    def chain(self, vehicle: Vehicle, leg: Leg, order: list[str]) -> list[int]:
        """The places of a leg in driving order, as matrix rows."""
        names = [vehicle.depot, *order, self.problem.venue.id]
        if leg == "return":
            names = [self.problem.venue.id, *order, vehicle.depot]
        return [self.row[name] for name in names]

    def ride_seconds(self, leg: Leg, order: list[str]) -> dict[str, int]:
        """Seconds aboard, by stop."""
        table, venue = self.problem.matrix.duration_s, self.row[self.problem.venue.id]
        result, clock, last = {}, 0, venue
        for name in reversed(order) if leg == "outbound" else order:
            here = self.row[name]
            clock += table[here][last] if leg == "outbound" else table[last][here]
            result[name] = clock
            clock += self.stops[name].dwell_s
            last = here
        return result

    def recompute(self, vehicle: Vehicle, riders: list[Party], orders: Orders) -> Recomputed:
        """Everything about one duty, from its riders and the stops it drives to."""
        matrix, rule, broken = self.problem.matrix, self.problem.rules[vehicle.rules], list[str]()
        driving, dwell, metres, rides = dict[Leg, int](), dict[Leg, int](), 0, dict[Leg, dict[str, int]]()
        for leg in LEGS:
            aboard = [party for party in riders if leg in party.legs]
            places = self.chain(vehicle, leg, orders[leg])
            pairs = list(pairwise(places))
            driving[leg] = sum(matrix.duration_s[a][b] for a, b in pairs)
            metres += sum(matrix.distance_m[a][b] for a, b in pairs)
            dwell[leg] = sum(self.stops[name].dwell_s for name in orders[leg])
            rides[leg] = self.ride_seconds(leg, orders[leg])
            broken += self.leg_faults(vehicle, leg, aboard, orders[leg], rides[leg])
        return self.clocked(vehicle, riders, orders, (driving, dwell, metres, rides, broken), rule.break_after_s)

    def leg_faults(self, vehicle: Vehicle, leg: Leg, aboard: list[Party], order: list[str], rides: dict[str, int]) -> list[str]:
        found = []
        if len(order) > self.problem.limits.max_stops:
            found.append(f"{leg} has {len(order)} stops")
        if (seats := sum(party.seats for party in aboard)) > vehicle.seats:
            found.append(f"{leg} carries {seats} in {vehicle.seats} seats")
        if (wheels := sum(party.wheelchairs for party in aboard)) > vehicle.wheelchair_places:
            found.append(f"{leg} carries {wheels} wheelchairs in {vehicle.wheelchair_places} places")
        late = [p for p in aboard if rides.get(p.stop, 0) > self.stops[p.stop].max_ride_s]
        return found + [f"{p.id} rides {rides[p.stop]} s on {leg}" for p in late]

    def clocked(
        self,
        vehicle: Vehicle,
        riders: list[Party],
        orders: Orders,
        sums: tuple[dict[Leg, int], dict[Leg, int], int, dict[Leg, dict[str, int]], list[str]],
        after_s: int,
    ) -> Recomputed:
        """Drivers, breaks, clock and hire from the sums of both legs."""
        driving, dwell, metres, rides, broken = sums
        rule, card, venue = self.problem.rules[vehicle.rules], vehicle.hire, self.problem.venue
        used = {leg for leg in LEGS if any(leg in party.legs for party in riders)}
        standby = venue.return_departs_s - venue.arrive_by_s if used == set(LEGS) else 0
        drove = sum(driving.values())
        rest = {leg: max(0, ceil_div(driving[leg], after_s) - 1) * rule.break_s for leg in LEGS}
        spread = drove + sum(dwell.values()) + standby
        drivers = 1
        if drove <= rule.max_driving_s and spread + sum(rest.values()) <= rule.max_spread_s:
            spread += sum(rest.values())
        else:
            drivers, rest = 2, dict.fromkeys(LEGS, 0)
            if drove > rule.max_driving_2_s or spread > rule.max_spread_2_s:
                broken = [*broken, f"breaks driver hours (driving {drove} s, spread {spread} s)"]
        reach = venue.return_departs_s if used == {"return"} else venue.arrive_by_s
        start = reach - driving["outbound"] - dwell["outbound"] - rest["outbound"]
        if start < vehicle.available_from_s or start + spread > vehicle.available_to_s:
            broken = [*broken, f"outside its availability: {start} to {start + spread}"]
        rows: dict[Leg, list[tuple[str, int, int]]] = {"outbound": [], "return": []}
        for name in orders["outbound"]:
            leaves = reach - rest["outbound"] - rides["outbound"][name]
            rows["outbound"].append((name, leaves - self.stops[name].dwell_s, leaves))
        for name in orders["return"]:
            comes = reach + standby + rides["return"][name]
            rows["return"].append((name, comes, comes + self.stops[name].dwell_s))
        cost = card.call_out + ceil_div(card.per_km * metres, 1000) + ceil_div(card.per_h * (spread - standby), 3600)
        cost = max(card.minimum, cost + ceil_div(card.standby_per_h * standby, 3600)) + (card.second_driver if drivers > 1 else 0)
        return Recomputed(broken, rows, rides, cost, drivers, metres, start, start + spread)

    def why_unserved(self, party: Party) -> tuple[str, list[Vehicle]]:
        """The reason the format gives for a party on no duty, and the vehicles that could carry it alone."""
        orders: Orders = {leg: [party.stop] if leg in party.legs else [] for leg in LEGS}
        room = [v for v in self.vehicles.values() if v.seats >= party.seats]
        if self.vehicles and not room:
            return "party_larger_than_any_bus", []
        room = [v for v in room if v.wheelchair_places >= party.wheelchairs]
        if self.vehicles and not room:
            return "no_wheelchair_place", []
        if any(self.ride_seconds(leg, [party.stop])[party.stop] > self.stops[party.stop].max_ride_s for leg in party.legs):
            return "ride_too_long", []
        faults = [(v, self.alone(v, party, orders)) for v in room]
        if room and all(any("driver hours" in fault for fault in found) for _, found in faults):
            return "driver_hours", []
        able = [v for v, found in faults if not found]
        return ("not_enough_seats" if able else "no_vehicle_available"), able

    def alone(self, vehicle: Vehicle, party: Party, orders: Orders) -> list[str]:
        hours = (vehicle.depot, vehicle.rules, vehicle.available_from_s, vehicle.available_to_s)
        key = (*hours, party.stop, tuple(sorted(party.legs)))
        if key not in self._alone:
            self._alone[key] = self.recompute(vehicle, [party], orders).broken
        return self._alone[key]

    def takes(self, vehicle: Vehicle, riders: list[Party], orders: Orders, party: Party, *, keep_stops: bool) -> bool:
        """Whether a faultless duty could take the party too, its stop put where it adds least driving within all rides."""
        wider: Orders = {}
        for leg in LEGS:
            if leg not in party.legs or party.stop in orders[leg]:
                wider[leg] = orders[leg]
                continue
            tries = [[*orders[leg][:k], party.stop, *orders[leg][k:]] for k in range(len(orders[leg]) + 1)]
            tries = [order for order in tries if all(ride <= self.stops[s].max_ride_s for s, ride in self.ride_seconds(leg, order).items())]
            if not tries or keep_stops:
                return False
            wider[leg] = min(tries, key=lambda order: self.driving(vehicle, leg, order))
        return not self.recompute(vehicle, [*riders, party], wider).broken

    def driving(self, vehicle: Vehicle, leg: Leg, order: list[str]) -> int:
        places = self.chain(vehicle, leg, order)
        return sum(self.problem.matrix.duration_s[a][b] for a, b in pairwise(places))


def ceil_div(value: int, by: int) -> int:
    return (value + by - 1) // by


Good = tuple[Vehicle, list[Party], Orders]


def duty_faults(ledger: Ledger, number: int, duty: PlannedDuty) -> tuple[list[str], Recomputed | None, Good | None]:
    """-> what is wrong with one duty, its true figures, and the duty itself when nothing is wrong with its promises."""
    name = f"duties[{number}] ({duty.vehicle})"
    vehicle = ledger.vehicles.get(duty.vehicle)
    orders: Orders = {"outbound": [row.stop for row in duty.outbound], "return": [row.stop for row in duty.return_]}
    strange = [p for p in duty.parties if p not in ledger.parties] + [s for leg in LEGS for s in orders[leg] if s not in ledger.stops]
    if vehicle is None or strange or not duty.parties:
        return [f"{name}: " + ("unknown vehicle" if vehicle is None else f"unknown {strange[:5]}" if strange else "no riders")], None, None
    riders = [ledger.parties[p] for p in dict.fromkeys(duty.parties)]
    faults = []
    for leg in LEGS:
        if len(set(orders[leg])) < len(orders[leg]):
            faults.append(f"{name}: {leg} visits a stop twice")
        if differ := set(orders[leg]) ^ {p.stop for p in riders if leg in p.legs}:
            faults.append(f"{name}: {leg} stops {sorted(differ)} do not match its riders")
    real = ledger.recompute(vehicle, riders, orders)
    faults += [f"{name}: {fault}" for fault in real.broken]
    good = None if faults else (vehicle, riders, orders)
    for leg, said in zip(LEGS, (duty.outbound, duty.return_), strict=True):
        for row, true in zip(said, real.rows[leg], strict=True):
            if (row.stop, row.arrive_s, row.depart_s) != true:
                faults.append(f"{name}: {leg} at {true[0]} says {row.arrive_s} to {row.depart_s}, is {true[1]} to {true[2]}")
    for field in ("cost_minor", "drivers", "distance_m", "depot_out_s", "depot_in_s"):
        if getattr(duty, field) != getattr(real, field):
            faults.append(f"{name}: says {field} {getattr(duty, field)}, is {getattr(real, field)}")
    return faults, real, good


def unserved_faults(ledger: Ledger, plan: Plan, good: list[Good], fixed: Collection[str]) -> list[str]:
    """Wrong or missing entries of `unserved`, and parties that could ride after all."""
    listed, used = Counter(entry.party for entry in plan.unserved), {duty.vehicle for duty in plan.duties}
    served = plan.served_parties
    faults = [f"{p}: neither served nor listed as unserved" for p in ledger.parties if p not in served and p not in listed]
    faults += [f"{p}: listed {n} times as unserved" for p, n in listed.items() if n > 1]
    faults += [f"{p}: unknown party listed as unserved" for p in listed if p not in ledger.parties]
    faults += [f"{p}: served and listed as unserved" for p in listed if p in served]
    known: dict[tuple[object, ...], tuple[str, str | None]] = {}
    for entry in plan.unserved:
        party = ledger.parties.get(entry.party)
        if party is None or entry.party in served:
            continue
        key = (party.stop, party.seats, party.wheelchairs, tuple(sorted(party.legs)))
        if key not in known:
            reason, able = ledger.why_unserved(party)
            room = next((v.id for v in able if v.id not in used), None)
            if able and room is None:
                room = next((v.id for v, riders, orders in good if ledger.takes(v, riders, orders, party, keep_stops=v.id in fixed)), None)
            known[key] = reason, room
        reason, room = known[key]
        if entry.reason != reason:
            faults.append(f"{entry.party}: unserved for {entry.reason}, is {reason}")
        if room is not None:
            faults.append(f"{entry.party}: unserved although {room} could carry it")
    return faults


def claim_faults(problem: Problem, plan: Plan, cost: int) -> list[str]:
    """What the plan says about itself: name, format, cost, bound, gap, status."""
    said = (("format", plan.format, PLAN_FORMAT), ("problem", plan.problem, problem.name), ("cost_minor", plan.cost_minor, cost))
    faults = [f"plan: says {field} {value}, is {true}" for field, value, true in said if value != true]
    bound, gap = plan.bound_minor, plan.gap
    if bound is not None and not 0 <= bound <= cost:
        faults.append(f"plan: bound_minor {bound} is below 0 or above the cost {cost}")
    elif bound and (gap is None or abs(gap - (cost / bound - 1)) > GAP_DIGITS):
        faults.append(f"plan: gap {gap} does not follow from cost {cost} and bound {bound}")
    elif not bound and gap not in (None, 0 if bound == cost == 0 else None):
        faults.append(f"plan: gap {gap} without a positive bound")
    if plan.status == "optimal" and bound != cost:
        faults.append(f"plan: optimal with bound {bound} and cost {cost}")
    return faults


def check_plan(problem: Problem, plan: Plan, *, fixed: Collection[str] = ()) -> list[str]:
    """Every fault of a plan, one message each; empty when it keeps all promises.

    `fixed` are vehicles whose duties may not take on another stop (accepted duties of a re-solve).
    """
    ledger, faults, cost, good = Ledger(problem), list[str](), 0, list[Good]()
    for number, duty in enumerate(plan.duties):
        found, real, fine = duty_faults(ledger, number, duty)
        faults += found
        good += [fine] if fine else []
        if real is None:
            continue
        cost += real.cost_minor
        for party in (ledger.parties[name] for name in dict.fromkeys(duty.parties)):
            people = party.seats + party.wheelchairs
            cost += problem.weights.rider_minute_minor * sum(real.rides[leg].get(party.stop, 0) * people // 60 for leg in party.legs)
    used, seen = Counter(duty.vehicle for duty in plan.duties), Counter(p for duty in plan.duties for p in duty.parties)
    faults += [f"{name}: does {count} duties" for name, count in used.items() if count > 1]
    faults += [f"{name}: rides {count} times" for name, count in seen.items() if count > 1]
    return faults + unserved_faults(ledger, plan, good, fixed) + claim_faults(problem, plan, cost)

"""The last word on who stays behind: why a party is unserved, and nobody is who could still ride (docs/solver.md, "unserved").

A party may be left for `not_enough_seats` only if no vehicle without a duty could carry it alone and no duty could take
it with the others' order kept and its stop put where it adds least driving.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from solver.draft import Draft, Duty, loads, make_duty
from solver.instance import Instance, Ints
from solver.plan import Reason
from solver.pricing import NEVER, Order, leg_figures, paths_of, price, price_many, rides_hold


def alone_orders(instance: Instance, party: int) -> tuple[Order, Order]:
    """The two orders of a duty with this party alone."""
    riders = instance.riders[party]
    return ((riders.stop,) if riders.legs[0] else ()), ((riders.stop,) if riders.legs[1] else ())


def able_classes(instance: Instance, party: int) -> tuple[Reason, list[int]]:
    """The first reason that stops a duty with this party alone, and the classes that could carry it (only for `not_enough_seats`)."""
    riders, orders = instance.riders[party], alone_orders(instance, party)
    able = [k for k, klass in enumerate(instance.classes) if klass.seats >= riders.seats]
    if not able and instance.classes:
        return "party_larger_than_any_bus", []
    able = [k for k in able if instance.classes[k].places >= riders.wheels]
    if not able and instance.classes:
        return "no_wheelchair_place", []
    if not all(rides_hold(instance, leg, order) for leg, order in enumerate(orders)):
        return "ride_too_long", []
    tried = [(k, price(instance, k, *orders)) for k in able]
    if tried and all(priced == "driver_hours" for _, priced in tried):
        return "driver_hours", []
    able = [k for k, priced in tried if not isinstance(priced, str)]
    return ("not_enough_seats" if able else "no_vehicle_available"), able


class Gate:
    """Remembers the reasons of parties that are alike; one per instance and search."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._hires: dict[tuple[int, tuple[bool, bool]], NDArray[np.bool_]] = {}
        self._known: dict[tuple[int, int, int, tuple[bool, bool]], tuple[Reason, list[int]]] = {}

    def key(self, party: int) -> tuple[int, int, int, tuple[bool, bool]]:
        riders = self.instance.riders[party]
        return riders.stop, riders.seats, riders.wheels, riders.legs

    def reason(self, party: int) -> tuple[Reason, list[int]]:
        key = self.key(party)
        if key not in self._known:
            able = self._able(party)
            self._known[key] = ("not_enough_seats", able) if able else able_classes(self.instance, party)
        return self._known[key]

    def _able(self, party: int) -> list[int]:
        """The classes that could carry the party alone, all priced at once."""
        riders, orders = self.instance.riders[party], alone_orders(self.instance, party)
        alone = riders.stop, riders.legs
        if alone not in self._hires:
            if not all(rides_hold(self.instance, leg, order) for leg, order in enumerate(orders)):
                self._hires[alone] = np.zeros(len(self.instance.classes), np.bool_)
            else:
                out, back = (paths_of(self.instance, leg, [order]) for leg, order in enumerate(orders))
                self._hires[alone] = price_many(self.instance, np.arange(len(self.instance.classes)), out, back)[0] < NEVER
        rates = self.instance.rates
        return np.flatnonzero(self._hires[alone] & (rates.seats >= riders.seats) & (rates.places >= riders.wheels)).tolist()

    def servable(self, party: int) -> bool:
        """Whether some duty could carry the party at all."""
        return self.reason(party)[0] == "not_enough_seats"


def with_party(instance: Instance, duty: Duty, party: int, *, keep_stops: bool = False) -> Duty | None:
    """The duty with one more party by the rule above, or None; `keep_stops` forbids a new stop."""
    riders, klass = instance.riders[party], instance.classes[duty.klass]
    for leg, (seats, wheels) in enumerate(loads(instance, duty.parties)):
        if riders.legs[leg] and (seats + riders.seats > klass.seats or wheels + riders.wheels > klass.places):
            return None
    orders = []
    for leg, order in enumerate(duty.orders()):
        if not riders.legs[leg] or riders.stop in order:
            orders.append(order)
        elif (
            keep_stops or len(order) >= instance.max_stops or (best := least_detour(instance, duty.klass, leg, order, riders.stop)) is None
        ):
            return None
        else:
            orders.append(best)
    made = make_duty(instance, duty.klass, orders[0], orders[1], (*duty.parties, party))
    return None if isinstance(made, str) else made


def least_detour(instance: Instance, klass: int, leg: int, order: Order, stop: int) -> Order | None:
    """The order with the stop put where it adds least driving within all ride limits; the first such place in driving order."""
    places = range(len(order) + 1) if leg else range(len(order), -1, -1)
    tries = [(*order[:k], stop, *order[k:]) for k in places]
    tries = [way for way in tries if rides_hold(instance, leg, way)]
    return min(tries, key=lambda way: leg_figures(instance, klass, leg, way).driving_s, default=None)


def cheapest_alone(instance: Instance, party: int, able: Sequence[int], free: Ints) -> Duty | None:
    """The cheapest duty with this party alone on a vehicle that has none yet."""
    orders = alone_orders(instance, party)
    made = [make_duty(instance, k, *orders, (party,)) for k in able if free[k] > 0]
    return min((duty for duty in made if not isinstance(duty, str)), key=lambda duty: duty.cost, default=None)


def admit(gate: Gate, duties: Iterable[Duty], waiting: Iterable[int], *, fixed: int = 0, alone: bool = True) -> Draft:
    """Seats everyone who still fits, larger parties first, each where it adds least cost.

    The first `fixed` duties keep their stops; without `alone` no further vehicle is used.
    """
    instance, made = gate.instance, list(duties)
    free = instance.rates.count.copy() if alone else instance.rates.count * 0
    for duty in made if alone else ():
        free[duty.klass] -= 1
    left = sorted(waiting, key=lambda party: (-instance.riders[party].persons, party))
    moved = True
    while moved:
        moved, still = False, list[int]()
        refused = set[tuple[object, ...]]()
        for party in left:
            reason, able = gate.reason(party)
            if reason != "not_enough_seats" or gate.key(party) in refused:
                still.append(party)
                continue
            place, taken = _best_place(gate, made, party, able, free, fixed)
            if taken is None:
                refused.add(gate.key(party))
                still.append(party)
                continue
            moved = True
            if place == len(made):
                free[taken.klass] -= 1
                made.append(taken)
            else:
                made[place] = taken
        left = still
    return Draft(tuple(made), tuple(sorted(left)))


def _best_place(gate: Gate, made: list[Duty], party: int, able: list[int], free: Ints, fixed: int) -> tuple[int, Duty | None]:
    """-> (number of the duty that takes the party, that duty); one past the end for a new duty; (.., None) if nobody can."""
    best = cheapest_alone(gate.instance, party, able, free)
    place, extra = len(made), best.cost if best else 0
    for number, duty in enumerate(made):
        taken = with_party(gate.instance, duty, party, keep_stops=number < fixed)
        if taken is not None and (best is None or taken.cost - duty.cost < extra):
            place, best, extra = number, taken, taken.cost - duty.cost
    return place, best

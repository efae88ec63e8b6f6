"""The first draft, in milliseconds: full buses and small groups, farthest stops first, parties spread over buses where they must be."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from solver.admit import Gate, admit, least_detour
from solver.draft import Draft, Duty, make_duty, needed_stops
from solver.instance import OUTBOUND, RETURN
from solver.pricing import NEVER, Order, paths_of, price_many, rides_hold

NEAR_STOPS = 16


class Greedy:
    """Works through the stops from the farthest; what is waiting at a stop shrinks as buses take it."""

    def __init__(self, gate: Gate, parties: Iterable[int], max_group: int = 12) -> None:
        self.gate, self.instance = gate, gate.instance
        self.free = self.instance.rates.count.copy()
        self.max_group = min(max_group, self.instance.max_stops)
        self.waiting: dict[int, list[int]] = defaultdict(list)
        self.unable = [party for party in parties if not gate.servable(party)]
        skip = set(self.unable)
        for party in sorted((p for p in parties if p not in skip), key=lambda p: (-self.instance.riders[p].persons, p)):
            self.waiting[self.instance.riders[party].stop].append(party)
        self.duties: list[Duty] = []

    def run(self) -> tuple[list[Duty], list[int]]:
        """-> the duties and who still waits."""
        away = self.instance.sides[OUTBOUND].secs[0] + self.instance.sides[RETURN].secs[0]
        for seed in sorted(self.waiting, key=lambda stop: (-int(away[stop]), stop)):
            while self.waiting[seed]:
                duty = self.next_duty(seed)
                if duty is None:
                    break
                self.take(duty)
        return self.duties, [*self.unable, *(party for parties in self.waiting.values() for party in parties)]

    def take(self, duty: Duty) -> None:
        self.duties.append(duty)
        self.free[duty.klass] -= 1
        gone = set(duty.parties)
        for stop in duty.stops:
            self.waiting[stop] = [party for party in self.waiting[stop] if party not in gone]

    def next_duty(self, seed: int) -> Duty | None:
        """The duty from this stop that costs least per person carried, over groups of near stops and all free classes."""
        groups = self.groups(seed)
        if not groups:
            return None
        table = self.costs(groups)
        for _ in range(8):  # a filling may fall short of what the table promised; a few more tries, then the gate's turn
            flat = int(np.argmin(table))
            group, klass = divmod(flat, table.shape[1])
            if not np.isfinite(table[group, klass]):
                return None
            duty = self.fill(klass, groups[group][0], groups[group][1])
            if duty is not None:
                return duty
            table[group, klass] = np.inf
        return None

    def groups(self, seed: int) -> list[tuple[Order, Order]]:
        """Growing groups of stops around a seed, as orders of both legs."""
        instance = self.instance
        near = instance.sides[OUTBOUND].secs[:, seed] + instance.sides[RETURN].secs[:, seed]
        others = [int(s) for s in np.argsort(near, kind="stable") if s and s != seed and self.waiting.get(int(s))][:NEAR_STOPS]
        out, back = needed_stops(instance, self.waiting[seed])
        orders = (tuple(out), tuple(back))
        if not all(rides_hold(instance, leg, order) for leg, order in enumerate(orders)):
            return []
        result, room = [orders], int(instance.rates.seats.max())
        carried = sum(instance.riders[p].seats for p in self.waiting[seed])
        for stop in others:
            if carried >= room or max(len(orders[0]), len(orders[1])) >= self.max_group:
                break
            wider = self.widened(orders, stop)
            if wider is not None:
                orders = wider
                carried += sum(instance.riders[p].seats for p in self.waiting[stop])
                result.append(orders)
        return result

    def widened(self, orders: tuple[Order, Order], stop: int) -> tuple[Order, Order] | None:
        needs = needed_stops(self.instance, self.waiting[stop])
        result = []
        for leg, order in enumerate(orders):
            way: Order | None = order
            if stop in needs[leg]:
                way = least_detour(self.instance, 0, leg, order, stop)
            if way is None:
                return None
            result.append(way)
        return result[0], result[1]

    def costs(self, groups: list[tuple[Order, Order]]) -> NDArray[np.float64]:
        """Cost per person carried, group x class; infinite where nothing can run."""
        instance, klasses = self.instance, np.arange(len(self.instance.classes))[None, :]
        sides = [paths_of(instance, leg, [group[leg] for group in groups]) for leg in (OUTBOUND, RETURN)]
        hire = price_many(instance, klasses, sides[0], sides[1])
        waiting = [[instance.riders[p] for s in set(a) | set(b) for p in self.waiting[s]] for a, b in groups]
        persons = np.array([sum(r.persons for r in group) for group in waiting])[:, None]
        busiest = np.array([max(sum(r.seats for r in group if r.legs[leg]) for leg in (0, 1)) for group in waiting])[:, None]
        share = np.minimum(1.0, instance.rates.seats[None, :] / np.maximum(1, busiest))
        usable = (hire < NEVER) & (self.free[None, :] > 0) & (share > 0)
        return np.where(usable, hire / np.maximum(1e-9, persons * share), np.inf)

    def fill(self, klass: int, outbound: Order, back: Order) -> Duty | None:
        """Seats the parties of the group's stops, the first stops of the group first."""
        k, chosen = self.instance.classes[klass], []
        seats, wheels = [k.seats, k.seats], [k.places, k.places]
        for stop in dict.fromkeys((*reversed(outbound), *reversed(back))):
            for party in self.waiting[stop]:
                riders = self.instance.riders[party]
                legs = [leg for leg in (0, 1) if riders.legs[leg]]
                if all(seats[leg] >= riders.seats and wheels[leg] >= riders.wheels for leg in legs):
                    chosen.append(party)
                    for leg in legs:
                        seats[leg] -= riders.seats
                        wheels[leg] -= riders.wheels
        if not chosen:
            return None
        out, home = needed_stops(self.instance, chosen)
        orders = tuple(s for s in outbound if s in out), tuple(s for s in back if s in home)
        made = make_duty(self.instance, klass, *orders, chosen)
        return None if isinstance(made, str) else made


def greedy_draft(gate: Gate, parties: Iterable[int]) -> Draft:
    """The first draft over these parties, with everyone seated who still fits."""
    duties, left = Greedy(gate, list(parties)).run()
    return admit(gate, duties, left)

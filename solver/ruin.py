"""Search by strings of stops taken off and put back: drafts in and out of the arrays of the compiled loop, slices, temperatures.

For problems whose legs are alike and whose riders' minutes cost nothing. The loop itself is in strings.py.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solver.admit import Gate
from solver.children import Slice
from solver.compiled import give_back
from solver.draft import Draft, Duty, make_duty
from solver.instance import Instance
from solver.pricing import NEVER, paths_of, price_many
from solver.routes import NOWHERE, Facts, Floats, Ints, Rows, refresh
from solver.strings import Best, Hand, Plan, Temper, anneal, keep

WARM, COLD = 0.08, 0.0005  # first and last temperature, as shares of what a duty costs
AGAIN = 0.4  # of the first temperature, in later slices
PART = 0.6  # how often a unit that was taken off is parted
PERSON_PRICE = 3.0  # times what a person costs on average: leaving one behind
MOST_KIN = 7  # classes of one depot a route may change into while it is filled
MORE_ROUTES = 12  # at least, than there were at first, where there are vehicles
PER_ITERATION = 200  # tries counted as one neighbourhood, and made at one temperature where iterations are the limit
FIRST_TRIES, TURN_S = 20, 0.02  # tries at one temperature: at first, and for how long afterwards


class Ruin:
    """Search over drafts of one instance; the first `fixed` duties stay as they are."""

    def __init__(self, gate: Gate) -> None:
        self.gate, self.instance = gate, gate.instance
        self.runs, self.loaded = 0, False
        self.roads = roads_of(self.instance)

    def run(
        self,
        draft: Draft,
        piece: Slice,
        *,
        count: Ints,
        fixed: int = 0,
        part: float = PART,
        on_better: Callable[[Draft], None] | None = None,
    ) -> tuple[Draft, int]:
        """-> the best draft of a slice, and how many neighbourhoods it counts for. `count` is how many vehicles of each class there are."""
        board = Board(self.gate, self.roads, draft, fixed=fixed, count=count)
        duty = draft.cost / max(1, len(draft.duties))
        person = PERSON_PRICE * max(1, draft.cost) / max(1, sum(riders.persons for riders in self.instance.riders))
        first = WARM * (AGAIN if self.runs else 1.0)
        self.runs += 1
        clock = Clock(piece)
        while len(board.parties) and not clock.over():
            heat = duty * first * (COLD / first) ** clock.share()
            seed = (piece.seed * 1_000_003 + clock.turns) % 2**32
            if board.anneal(Temper(heat=heat, person=person, duty=duty, part=part), seed, clock.tries) and on_better is not None:
                on_better(board.draft())
            if not self.loaded:
                self.loaded = True
                give_back()
            clock.next()
        return board.draft(), -(-clock.done // PER_ITERATION)


class Clock:
    """How far a slice has come, by the clock or by tries; `tries` are those of the next turn."""

    def __init__(self, piece: Slice) -> None:
        self.seconds, self.started = piece.seconds, time.monotonic()
        self.most = None if piece.iterations is None else piece.iterations * PER_ITERATION
        self.tries = FIRST_TRIES if self.most is None else min(PER_ITERATION, self.most)
        self.done = self.turns = 0
        self.turn_began = self.started

    def over(self) -> bool:
        if self.most is not None and self.done >= self.most:
            return True
        return self.seconds is not None and time.monotonic() - self.started >= self.seconds

    def share(self) -> float:
        """Of the slice, how much is over."""
        return min(1.0, self.done / self.most if self.most else (time.monotonic() - self.started) / max(1e-9, self.seconds or 1.0))

    def next(self) -> None:
        """After a turn."""
        now, self.done, self.turns = time.monotonic(), self.done + self.tries, self.turns + 1
        if self.most is None:  # at most twice as many as before, so that one slow turn is no long one
            self.tries = max(1, min(2 * self.tries, round(self.tries * TURN_S / max(1e-6, now - self.turn_began))))
        self.turn_began = now


@dataclass(frozen=True)
class Roads:
    """What is the same for all drafts of an instance, ready for `Facts`."""

    near: Ints
    kin: Ints
    room: Ints
    alone: Ints
    alone_cost: Floats


def roads_of(instance: Instance) -> Roads:
    """Neighbours, kin and duties of one stop."""
    side, rates = instance.sides[0], instance.rates
    around = np.argsort(side.secs + side.secs.T, axis=1, kind="stable")
    near = np.stack([row[row != 0] for row in around]).astype(np.int64)
    depots = [klass.depot for klass in instance.classes]
    kin = np.full((len(depots), MOST_KIN + 1), NOWHERE, np.int64)
    room = rates.seats.copy()
    for k, depot in enumerate(depots):
        others = [other for other, where in enumerate(depots) if where == depot and other != k]
        if len(others) <= MOST_KIN:
            kin[k, : len(others)] = others
            room[k] = max([int(rates.seats[k]), *(int(rates.seats[other]) for other in others)])
    alone, cost = alone_at(instance)
    return Roads(near=near, kin=kin, room=room, alone=alone, alone_cost=cost)


def alone_at(instance: Instance) -> tuple[Ints, Floats]:
    """Place x classes that can drive there and back, the cheapest first and -1 after the last, and what they ask."""
    places, classes = instance.stops + 1, np.arange(len(instance.classes))
    alone, cost = np.full((places, len(classes)), NOWHERE, np.int64), np.full((places, len(classes)), np.inf)
    for s in range(1, places):
        if instance.sides[0].secs_rows[0][s] <= instance.max_ride[s]:
            path = paths_of(instance, 0, [(s,)])
            asked = price_many(instance, classes[None, :], path, path)[0]
            able = np.argsort(asked, kind="stable")[: int((asked < NEVER).sum())]
            alone[s, : len(able)], cost[s, : len(able)] = able, asked[able]
    return alone, cost


def facts_of(instance: Instance, roads: Roads, parties: Sequence[int]) -> Facts:
    """The tables of the loop for these parties, which are sorted by stop."""
    side, rates, riders = instance.sides[0], instance.rates, [instance.riders[party] for party in parties]
    stops = np.array([rider.stop for rider in riders], np.int64)
    return Facts(
        secs=side.secs,
        metres=side.metres,
        dwell=np.array(instance.dwell, np.int64),
        limit=np.array(instance.max_ride, np.int64),
        near=roads.near,
        most=min(instance.max_stops, instance.stops),
        depot_secs=side.depot_secs,
        depot_metres=side.depot_metres,
        seats=rates.seats,
        places=rates.places,
        room=roads.room,
        kin=roads.kin,
        fixed=(rates.call_out + rates.standby_minor).astype(np.float64),
        per_s=2 * rates.per_h / 3600,
        per_m=2 * rates.per_km / 1000,
        call_out=rates.call_out,
        per_km=rates.per_km,
        per_h=rates.per_h,
        standby_minor=rates.standby_minor,
        minimum=rates.minimum,
        second_driver=rates.second_driver,
        driving=rates.driving,
        spread=rates.spread,
        driving_2=rates.driving_2,
        spread_2=rates.spread_2,
        break_after=rates.break_after,
        break_s=rates.break_s,
        from_s=rates.from_s,
        to_s=rates.to_s,
        arrive_s=instance.arrive_s,
        standby_s=instance.standby_s,
        alone=roads.alone,
        alone_cost=roads.alone_cost,
        first=np.searchsorted(stops, np.arange(instance.stops + 2)).astype(np.int64),
        party_stop=stops,
        party_seats=np.array([rider.seats for rider in riders], np.int64),
        party_wheels=np.array([rider.wheels for rider in riders], np.int64),
    )


def empty_rows(count: int, stops: int, places: int) -> Rows:
    """Rows without calls."""
    by_row, by_call = np.zeros((9, count), np.int64), np.zeros((5, count, stops), np.int64)
    return Rows(
        klass=by_row[0],
        calls=by_row[1],
        stop=by_call[0],
        call_seats=by_call[1],
        call_wheels=by_call[2],
        seats=by_row[2],
        wheels=by_row[3],
        cost=by_row[4],
        ride=by_call[3],
        slack=by_call[4],
        secs=by_row[5],
        driving=by_row[6],
        metres=by_row[7],
        version=by_row[8] + 1,
        seen=np.zeros((places, count), np.int64),
        at=np.zeros((places, count), np.int64),
        more=np.zeros((places, count)),
    )


class Board:
    """One draft in arrays: the duties that may change by slot, and the best found so far."""

    def __init__(self, gate: Gate, roads: Roads, draft: Draft, *, fixed: int, count: Ints) -> None:
        instance = self.instance = gate.instance
        self.kept, duties = draft.duties[:fixed], draft.duties[fixed:]
        waiting = [party for party in draft.left if gate.servable(party)]
        self.others = tuple(party for party in draft.left if not gate.servable(party))
        riders = instance.riders
        aboard = [party for duty in duties for party in duty.parties]
        self.parties = sorted([*aboard, *waiting], key=lambda p: (riders[p].stop, -riders[p].seats, p))
        self.facts = facts_of(instance, roads, self.parties)
        free = count.astype(np.int64)
        for duty in draft.duties:
            free[duty.klass] -= 1
        free = np.maximum(0, free)
        slots = len(duties) + min(int(free.sum()), max(MORE_ROUTES, len(duties)))
        self.rows = empty_rows(2 * slots, self.facts.most, instance.stops + 1)
        self.plan = Plan(slot=np.arange(slots), home=np.full(len(self.parties), NOWHERE, np.int64), free=free)
        self.hand = hand_of(slots, len(self.parties), len(free))
        stop = np.zeros((slots, self.facts.most), np.int64)
        by_slot = [np.zeros(slots, np.int64) for _ in range(3)]
        self.best = Best(klass=by_slot[0], calls=by_slot[1], cost=by_slot[2], stop=stop, home=self.plan.home.copy())
        self._set_out(duties)

    def _set_out(self, duties: Sequence[Duty]) -> None:
        """Writes the duties into rows."""
        number, rows = {party: n for n, party in enumerate(self.parties)}, self.rows
        for r, duty in enumerate(duties):
            order = duty.outbound
            rows.klass[r], rows.calls[r], rows.cost[r] = duty.klass, len(order), duty.cost
            rows.stop[r, : len(order)] = order
            at = {stop: j for j, stop in enumerate(order)}
            for party in duty.parties:
                riders = self.instance.riders[party]
                rows.call_seats[r, at[riders.stop]] += riders.seats
                rows.call_wheels[r, at[riders.stop]] += riders.wheels
                self.plan.home[number[party]] = r
            refresh(self.facts, rows, r)
        keep(rows, self.plan, self.best)

    def anneal(self, temper: Temper, seed: int, tries: int) -> bool:
        """So many tries at one temperature -> whether there is a new best draft."""
        return bool(self.parties) and anneal(self.facts, self.rows, self.plan, self.hand, self.best, temper, seed, tries)

    def draft(self) -> Draft:
        """The best draft, priced by the real rules."""
        riders: list[list[int]] = [[] for _ in self.best.calls]
        behind = list(self.others)
        for party, r in zip(self.parties, self.best.home.tolist(), strict=True):
            (riders[r] if r >= 0 else behind).append(party)
        duties = [self._duty(r, parties) for r, parties in enumerate(riders) if parties]
        return Draft((*self.kept, *duties), tuple(sorted(behind)))

    def _duty(self, r: int, parties: list[int]) -> Duty:
        order = tuple(self.best.stop[r, : self.best.calls[r]].tolist())
        duty = make_duty(self.instance, int(self.best.klass[r]), order, order, parties)
        if isinstance(duty, str):
            raise TypeError(f"a priced route became impossible: {duty}")
        return duty


def hand_of(slots: int, parties: int, classes: int) -> Hand:
    """Empty hands, large enough for everything; half of the rows are spare."""
    units = 2 * parties + 1  # each may be parted once
    spare: NDArray[np.int64] = np.arange(slots, 2 * slots)
    return Hand(
        used=np.array([slots, 0, 0, 0, 0], np.int64),
        spare=spare,
        slots=np.zeros(slots, np.int64),
        rows_before=np.zeros(slots, np.int64),
        touched=np.zeros(slots, np.int64),
        moved=np.zeros(parties, np.int64),
        home_before=np.zeros(parties, np.int64),
        unit=np.full(parties, NOWHERE, np.int64),
        stop=np.zeros(units, np.int64),
        seats=np.zeros(units, np.int64),
        wheels=np.zeros(units, np.int64),
        order=np.zeros(units, np.int64),
        key=np.zeros(units),
        free=np.zeros(classes, np.int64),
    )

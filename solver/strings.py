"""Strings of stops taken off near routes and put back where each costs least: one compiled loop (compiled.py).

Slack induction by string removals (Christiaens and Vanden Berghe, "Slack Induction by String Removals for Vehicle Routing
Problems", Transportation Science 54(2), 2020), for vehicles of many classes and stops that several routes may share: a
unit is everybody a route takes at one stop, and units that were taken off may be parted, so that one part fills the seats
left on a route near by. A route that becomes too full may change into another class of its depot, and every changed route
ends on the cheapest free vehicle. Whoever finds no seat stays out at a price and is tried in every later step.

A try works on copies of the rows it changes; what is remembered about the others stays true, whether it is accepted or not.

Over 400 lines, because it is one loop: the steps of a try in their order, each a function only as long as it needs to be.
"""

import math
from typing import NamedTuple

import numpy as np

from solver.compiled import compiled
from solver.routes import (
    FAR,
    NOWHERE,
    Facts,
    Floats,
    Ints,
    Rows,
    add_call,
    cheapest,
    copy_row,
    estimate,
    fits,
    look,
    remove_calls,
)

STRINGS, LONGEST, AVERAGE = 4, 10, 8  # routes touched, stops of one string, units taken off in all
WHOLE = 0.06  # how often whole routes come off: other numbers of vehicles of other sizes are hardly found otherwise
ALL, SOME = 3, 2  # times `AVERAGE`: the most taken off if whole routes are, and if not
SHRINK = 0.5  # how often a route that has lost stops gives its vehicle back for the cheapest that will do
BLINK = 0.02  # of the routes are overlooked
MERGE = 0.2  # how often two units of one stop that come off together become one
NEARLY = 0.01  # of what a duty costs: routes that a part adds less to are about as good as one that calls there
FRESH, LEFT = -2, -1  # where a party rides: just taken off, left behind
SPARE, MARKS, MOVED, UNITS, BEHIND = range(5)  # counters
LARGE, OUTER, INNER = 1, 2, 3  # ways to order those to be put back; any other: at random
WAYS = 4


class Plan(NamedTuple):
    """Which row a slot uses (one without calls is no duty), the slot each party rides in, vehicles left of each class."""

    slot: Ints
    home: Ints
    free: Ints


class Best(NamedTuple):
    """The best plan so far, by slot."""

    klass: Ints
    calls: Ints
    cost: Ints
    stop: Ints
    home: Ints


class Hand(NamedTuple):
    """What a try holds in its hands; `used` says how much of each counts."""

    used: Ints
    spare: Ints  # rows nobody uses
    slots: Ints  # that were changed, in the order of `rows_before`
    rows_before: Ints
    touched: Ints  # by slot
    moved: Ints  # parties, in the order of `home_before`
    home_before: Ints
    unit: Ints  # by party
    stop: Ints  # by unit from here; `NOWHERE` for one that became part of another
    seats: Ints
    wheels: Ints
    order: Ints
    key: Floats
    free: Ints  # by class


class Temper(NamedTuple):
    """How a search behaves: temperature and prices in minor units, `part` how often a unit is parted."""

    heat: float
    person: float
    duty: float
    part: float


@compiled
def below(number: int) -> int:
    """A random whole number below another."""
    return int(np.random.random() * number)  # noqa: NPY002 - the generator that compiled functions have; a search, no secret


@compiled
def chance() -> float:
    """A random number from 0 up to 1."""
    return np.random.random()  # noqa: NPY002 - as above


@compiled
def own_row(rows: Rows, plan: Plan, hand: Hand, r: int) -> int:
    """The row of a slot, a copy of its own for this try."""
    q: int = plan.slot[r]
    if hand.touched[r]:
        return q
    hand.used[SPARE] -= 1
    new: int = hand.spare[hand.used[SPARE]]
    copy_row(rows, q, new)
    plan.slot[r] = new
    hand.touched[r] = 1
    hand.slots[hand.used[MARKS]], hand.rows_before[hand.used[MARKS]] = r, q
    hand.used[MARKS] += 1
    return new


@compiled
def take_off(facts: Facts, rows: Rows, plan: Plan, hand: Hand) -> None:
    """Takes strings off the routes around a party, or the routes as a whole."""
    someone = below(len(facts.party_stop))
    for _ in range(len(facts.party_stop)):
        if plan.home[someone] >= 0:
            break
        someone = (someone + 1) % len(facts.party_stop)
    wanted, whole = 1 + below(STRINGS), chance() < WHOLE
    most = (ALL if whole else SOME) * AVERAGE
    for n in range(facts.near.shape[1]):
        s = facts.near[facts.party_stop[someone], n]
        for party in range(facts.first[s], facts.first[s + 1]):
            r = plan.home[party]
            if r >= 0 and not hand.touched[r]:
                take_string(facts, rows, plan, hand, r, s, whole)
                if hand.used[MARKS] >= wanted or hand.used[UNITS] >= most:
                    return


@compiled
def take_string(facts: Facts, rows: Rows, plan: Plan, hand: Hand, r: int, s: int, whole: bool) -> None:  # noqa: FBT001
    """Takes some calls in a row off a route, one of them at a stop; the vehicle may be given back for a cheaper one."""
    q = own_row(rows, plan, hand, r)
    calls, at = rows.calls[q], 0
    while rows.stop[q, at] != s:
        at += 1
    size = calls if whole else 1 + below(min(LONGEST, calls))
    start = max(0, min(at - below(size), calls - size))
    for j in range(start, start + size):
        unit, stop = hand.used[UNITS], rows.stop[q, j]
        hand.stop[unit], hand.seats[unit], hand.wheels[unit] = stop, rows.call_seats[q, j], rows.call_wheels[q, j]
        hand.used[UNITS] += 1
        for party in range(facts.first[stop], facts.first[stop + 1]):
            if plan.home[party] == r:
                pick_up(plan, hand, party, unit)
    remove_calls(facts, rows, q, start, size)
    hand.free[rows.klass[q]] += 1
    if rows.calls[q] > 0:
        if chance() < SHRINK:
            _, k = cheapest(facts, rows, q, hand.free)
            if k >= 0:
                rows.klass[q] = k
        hand.free[rows.klass[q]] -= 1


@compiled
def pick_up(plan: Plan, hand: Hand, party: int, unit: int) -> None:
    """A party becomes one of a unit."""
    hand.moved[hand.used[MOVED]], hand.home_before[hand.used[MOVED]] = party, plan.home[party]
    hand.used[MOVED] += 1
    hand.unit[party] = unit
    plan.home[party] = FRESH


@compiled
def pick_up_left(facts: Facts, plan: Plan, hand: Hand) -> None:
    """Everybody left behind becomes a unit too."""
    for party in range(len(facts.party_stop)):
        if plan.home[party] == LEFT:
            unit = hand.used[UNITS]
            hand.stop[unit], hand.seats[unit] = facts.party_stop[party], facts.party_seats[party]
            hand.wheels[unit] = facts.party_wheels[party]
            hand.used[UNITS] += 1
            pick_up(plan, hand, party, unit)


@compiled
def rename(facts: Facts, hand: Hand, before: int, unit: int) -> None:
    """The parties of a unit become another's."""
    s = hand.stop[before]
    for party in range(facts.first[s], facts.first[s + 1]):
        if hand.unit[party] == before:
            hand.unit[party] = unit


@compiled
def merge(facts: Facts, hand: Hand) -> None:
    """Units of one stop become one now and then."""
    for a in range(hand.used[UNITS]):
        for b in range(a + 1, hand.used[UNITS]):
            if hand.stop[a] >= 0 and hand.stop[b] == hand.stop[a] and chance() < MERGE:
                rename(facts, hand, b, a)
                hand.seats[a] += hand.seats[b]
                hand.wheels[a] += hand.wheels[b]
                hand.stop[b] = NOWHERE


@compiled
def room_nearby(facts: Facts, rows: Rows, plan: Plan, unit: int, hand: Hand, temper: Temper) -> int:
    """Seats left on a route where a stop adds little, fewer than a unit needs; 0 if there is none."""
    least, room, s = FAR, 0, hand.stop[unit]
    for r in range(len(plan.slot)):
        q = plan.slot[r]
        left = facts.seats[rows.klass[q]] - rows.seats[q]
        if rows.calls[q] > 0 and 0 < left < hand.seats[unit] and look(facts, rows, q, s) != NOWHERE:
            more = (rows.more[s, q] + NEARLY * temper.duty) * chance()
            if more < least:
                least, room = more, left
    return room


@compiled
def part(facts: Facts, hand: Hand, unit: int, room: int) -> None:
    """A unit becomes two: parties that fill so many seats, the largest first, and the others; as it is where that leaves nobody."""
    new, s, staying, wheels, filled = hand.used[UNITS], hand.stop[unit], 0, 0, 0
    for party in range(facts.first[s], facts.first[s + 1]):
        if hand.unit[party] == unit:
            if filled + facts.party_seats[party] <= room:
                filled += facts.party_seats[party]
                wheels += facts.party_wheels[party]
                hand.unit[party] = new
            else:
                staying += 1
    hand.stop[new], hand.seats[new], hand.wheels[new] = s, filled, wheels
    if staying == 0 or filled + wheels == 0:
        rename(facts, hand, new, unit)
    else:
        hand.used[UNITS] += 1
        hand.seats[unit] -= filled
        hand.wheels[unit] -= wheels


@compiled
def part_some(facts: Facts, rows: Rows, plan: Plan, hand: Hand, temper: Temper) -> None:
    """Parts units at random, so that some of their people fill a route near by."""
    for unit in range(hand.used[UNITS]):
        if hand.stop[unit] >= 0 and chance() < temper.part:
            room = room_nearby(facts, rows, plan, unit, hand, temper)
            if room > 0:
                part(facts, hand, unit, room)


@compiled
def in_order(facts: Facts, hand: Hand) -> int:
    """Whom to put back first: at random, the largest, the farthest or the nearest -> how many units there are."""
    way, count = below(WAYS), 0
    for unit in range(hand.used[UNITS]):
        s = hand.stop[unit]
        if s < 0:
            continue
        key = chance()
        if way == LARGE:
            key -= hand.seats[unit] + hand.wheels[unit]
        elif way == OUTER:
            key -= facts.secs[0, s]
        elif way == INNER:
            key += facts.secs[0, s]
        j = count
        while j > 0 and hand.key[j - 1] > key:
            hand.key[j], hand.order[j] = hand.key[j - 1], hand.order[j - 1]
            j -= 1
        hand.key[j], hand.order[j] = key, unit
        count += 1
    return count


@compiled
def kin_with_room(facts: Facts, rows: Rows, hand: Hand, q: int, seats: int, wheels: int) -> tuple[float, int]:
    """-> how much dearer the cheapest free class at the same depot with so much room is, and which; `NOWHERE` if there is none."""
    k = rows.klass[q]
    least, chosen, now = FAR, NOWHERE, estimate(facts, rows, q, k)
    for n in range(facts.kin.shape[1]):
        other = facts.kin[k, n]
        if other < 0:
            break
        if hand.free[other] > 0 and fits(facts, other, seats, wheels):
            dearer = estimate(facts, rows, q, other) - now
            if dearer < least:
                least, chosen = dearer, other
    return least, chosen


@compiled
def until_blink() -> int:
    """How many routes are looked at before one is overlooked."""
    return int(math.log(1.0 - chance()) / math.log(1.0 - BLINK))


@compiled
def best_route(facts: Facts, rows: Rows, plan: Plan, hand: Hand, unit: int) -> tuple[float, int, int]:
    """-> what a unit adds where it adds least, the slot and its class; a slot of `NOWHERE` if there is no room."""
    s, best, where, klass, blink = hand.stop[unit], FAR, NOWHERE, NOWHERE, until_blink()
    for r in range(len(plan.slot)):
        q = plan.slot[r]
        seats, k = rows.seats[q] + hand.seats[unit], rows.klass[q]
        if rows.calls[q] == 0 or seats > facts.room[k]:
            continue
        blink -= 1
        if blink < 0:
            blink = until_blink()
            continue
        if look(facts, rows, q, s) == NOWHERE:
            continue
        more, wheels = rows.more[s, q], rows.wheels[q] + hand.wheels[unit]
        if not fits(facts, k, seats, wheels):
            dearer, k = kin_with_room(facts, rows, hand, q, seats, wheels)
            more += dearer
        if k >= 0 and more < best:
            best, where, klass = more, r, k
    return best, where, klass


@compiled
def alone(facts: Facts, hand: Hand, unit: int, below_cost: float) -> int:
    """The class that carries a unit alone for less than so much, `NOWHERE` if none does."""
    s = hand.stop[unit]
    for n in range(facts.alone.shape[1]):
        k: int = facts.alone[s, n]
        if k < 0 or facts.alone_cost[s, n] >= below_cost:
            break
        if hand.free[k] > 0 and fits(facts, k, hand.seats[unit], hand.wheels[unit]):
            return k
    return NOWHERE


@compiled
def empty_slot(rows: Rows, plan: Plan) -> int:
    """A slot without a duty, `NOWHERE` if there is none."""
    for r in range(len(plan.slot)):
        if rows.calls[plan.slot[r]] == 0:
            return r
    return NOWHERE


@compiled
def put(facts: Facts, rows: Rows, plan: Plan, hand: Hand, unit: int) -> None:
    """Puts a unit where it adds least, but for routes overlooked; it stays behind if it fits nowhere."""
    best, where, klass = best_route(facts, rows, plan, hand, unit)
    single = alone(facts, hand, unit, best)
    if single >= 0:
        slot = empty_slot(rows, plan)
        if slot >= 0:
            where, klass = slot, single
    s = hand.stop[unit]
    for party in range(facts.first[s], facts.first[s + 1]):
        if hand.unit[party] == unit:
            plan.home[party] = where  # `NOWHERE` is `LEFT`
    if where < 0:
        hand.used[BEHIND] += hand.seats[unit] + hand.wheels[unit]
        return
    q, at = own_row(rows, plan, hand, where), 0
    if rows.calls[q] > 0:
        at = look(facts, rows, q, s)
        hand.free[rows.klass[q]] += 1
    hand.free[klass] -= 1
    rows.klass[q] = klass
    add_call(facts, rows, q, at, s, hand.seats[unit], hand.wheels[unit])


@compiled
def settle(facts: Facts, rows: Rows, plan: Plan, hand: Hand) -> tuple[int, int]:
    """Gives every changed route the cheapest vehicle, the fullest first -> what they cost before and now; -1 if one cannot be driven."""
    before = now = 0
    changed = hand.used[MARKS]
    for n in range(changed):
        if rows.calls[hand.rows_before[n]] > 0:
            before += rows.cost[hand.rows_before[n]]
        q = plan.slot[hand.slots[n]]
        if rows.calls[q] > 0:
            hand.free[rows.klass[q]] += 1
    for n in range(changed):
        top = n
        for other in range(n + 1, changed):
            if rows.seats[plan.slot[hand.slots[other]]] > rows.seats[plan.slot[hand.slots[top]]]:
                top = other
        hand.slots[n], hand.slots[top] = hand.slots[top], hand.slots[n]
        hand.rows_before[n], hand.rows_before[top] = hand.rows_before[top], hand.rows_before[n]
        q = plan.slot[hand.slots[n]]
        if rows.calls[q] > 0:
            asked, k = cheapest(facts, rows, q, hand.free)
            if k < 0:
                return before, -1
            if k != rows.klass[q]:
                rows.klass[q] = k
                rows.version[q] += 1
            hand.free[k] -= 1
            rows.cost[q] = asked
            now += asked
    return before, now


@compiled
def accept(plan: Plan, hand: Hand) -> None:
    """Keeps what a try has made of the plan."""
    for n in range(hand.used[MARKS]):
        hand.spare[hand.used[SPARE]] = hand.rows_before[n]
        hand.used[SPARE] += 1
    for k in range(len(plan.free)):
        plan.free[k] = hand.free[k]


@compiled
def reject(plan: Plan, hand: Hand) -> None:
    """Puts the plan back to what it was before a try."""
    for n in range(hand.used[MARKS]):
        hand.spare[hand.used[SPARE]] = plan.slot[hand.slots[n]]
        hand.used[SPARE] += 1
        plan.slot[hand.slots[n]] = hand.rows_before[n]
    for n in range(hand.used[MOVED]):
        plan.home[hand.moved[n]] = hand.home_before[n]


@compiled
def begin(plan: Plan, hand: Hand) -> None:
    """Empties the hands."""
    for n in range(hand.used[MARKS]):
        hand.touched[hand.slots[n]] = 0
    for n in range(hand.used[MOVED]):
        hand.unit[hand.moved[n]] = NOWHERE
    for which in (MARKS, MOVED, UNITS, BEHIND):
        hand.used[which] = 0
    for k in range(len(plan.free)):
        hand.free[k] = plan.free[k]


@compiled
def keep(rows: Rows, plan: Plan, best: Best) -> None:
    """Writes the plan down as the best."""
    for r in range(len(plan.slot)):
        q = plan.slot[r]
        best.klass[r], best.calls[r], best.cost[r] = rows.klass[q], rows.calls[q], rows.cost[q]
        for j in range(rows.calls[q]):
            best.stop[r, j] = rows.stop[q, j]
    for party in range(len(plan.home)):
        best.home[party] = plan.home[party]


@compiled
def rank(facts: Facts, calls: Ints, cost: Ints, home: Ints) -> tuple[int, int]:
    """-> persons left behind and cost of a plan, by slot."""
    left = total = 0
    for r in range(len(calls)):
        if calls[r] > 0:
            total += cost[r]
    for party in range(len(home)):
        if home[party] < 0:
            left += facts.party_seats[party] + facts.party_wheels[party]
    return left, total


@compiled
def shake(facts: Facts, rows: Rows, plan: Plan, hand: Hand, temper: Temper, left: int) -> tuple[int, int]:
    """One try: strings off, units parted and put back, vehicles chosen -> what the changed routes cost before and now."""
    begin(plan, hand)
    take_off(facts, rows, plan, hand)
    merge(facts, hand)
    part_some(facts, rows, plan, hand, temper)
    if left > 0:
        pick_up_left(facts, plan, hand)
    for n in range(in_order(facts, hand)):
        put(facts, rows, plan, hand, hand.order[n])
    return settle(facts, rows, plan, hand)


@compiled
def anneal(facts: Facts, rows: Rows, plan: Plan, hand: Hand, best: Best, temper: Temper, seed: int, tries: int) -> bool:
    """So many tries at one temperature, the best plan kept -> whether it is a new one. Equal seeds give equal answers."""
    np.random.seed(seed)  # noqa: NPY002 - as above
    left, cost, better = 0, 0, False
    for r in range(len(plan.slot)):
        if rows.calls[plan.slot[r]] > 0:
            cost += rows.cost[plan.slot[r]]
    for party in range(len(plan.home)):
        if plan.home[party] < 0:
            left += facts.party_seats[party] + facts.party_wheels[party]
    best_left, best_cost = rank(facts, best.calls, best.cost, best.home)
    for _ in range(tries):
        before, now = shake(facts, rows, plan, hand, temper, left)
        behind = hand.used[BEHIND]
        gain = before - now + (left - behind) * temper.person
        if now < 0 or gain - temper.heat * math.log(1.0 - chance()) <= 0:
            reject(plan, hand)
            continue
        accept(plan, hand)
        cost += now - before
        left = behind
        if left < best_left or (left == best_left and cost < best_cost):
            best_left, best_cost, better = left, cost, True
            keep(rows, plan, best)
    return better

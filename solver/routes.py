"""Routes as rows of arrays: what a change costs, and the cheapest vehicle for one. Compiled (compiled.py).

For problems whose legs are alike: a route is driven out and home over the same stops. Costs of insertions leave out
rounding, minimum hires and breaks; `hire` is the price of pricing.py to the last minor unit, held to it by a property test.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from solver.compiled import compiled

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
NOWHERE = -1
CALLED = -2  # less the position: the route calls there already
FAR = 1e18
NEVER = 1 << 60
M_PER_KM, S_PER_H = 1000, 3600


class Facts(NamedTuple):
    """What does not change during a search: places by number (0 is the venue), classes k, parties sorted by stop, the largest first."""

    secs: Ints  # from inner to outer place
    metres: Ints
    dwell: Ints
    limit: Ints  # of a ride, by place
    near: Ints  # place x the others, the nearest first
    most: int  # stops of a route
    depot_secs: Ints  # k x outermost place
    depot_metres: Ints
    seats: Ints  # by k from here
    places: Ints
    room: Ints  # seats of the largest kin
    kin: Ints  # k x classes at the same depot, -1 after the last
    fixed: Floats  # what every hour and kilometre comes on top of
    per_s: Floats  # of one leg, both legs counted
    per_m: Floats
    call_out: Ints
    per_km: Ints
    per_h: Ints
    standby_minor: Ints
    minimum: Ints
    second_driver: Ints
    driving: Ints
    spread: Ints
    driving_2: Ints
    spread_2: Ints
    break_after: Ints
    break_s: Ints
    from_s: Ints
    to_s: Ints
    arrive_s: int
    standby_s: int
    alone: Ints  # place x classes that can drive there and back, the cheapest first, -1 after the last
    alone_cost: Floats
    first: Ints  # place -> its first party, one more at the end
    party_stop: Ints
    party_seats: Ints
    party_wheels: Ints


class Rows(NamedTuple):
    """Routes q: calls from the venue outwards, and what follows from them. Twice as many as are in use: a try changes copies."""

    klass: Ints
    calls: Ints  # how many
    stop: Ints  # q x call, as are the next two, `ride` and `slack`
    call_seats: Ints
    call_wheels: Ints
    seats: Ints
    wheels: Ints
    cost: Ints
    ride: Ints
    slack: Ints  # how much later a call and all beyond may be reached
    secs: Ints  # up to leaving the outermost stop
    driving: Ints
    metres: Ints
    version: Ints  # counts changes
    seen: Ints  # place x q: the version for which the next two were worked out
    at: Ints  # position where the place adds least, `NOWHERE`, or `CALLED` less the position
    more: Floats  # what it adds there


@compiled
def hire(facts: Facts, k: int, driving: int, dwell: int, metres: int, last: int) -> int:
    """What a class asks for both legs of a route, `NEVER` where hours or availability forbid it (pricing.hire, legs alike)."""
    leg = driving + facts.depot_secs[k, last]
    work = 2 * (leg + dwell)
    pause = max(0, (leg + facts.break_after[k] - 1) // facts.break_after[k] - 1) * facts.break_s[k]
    second = 0
    if 2 * leg <= facts.driving[k] and work + 2 * pause + facts.standby_s <= facts.spread[k]:
        work += 2 * pause
    elif 2 * leg <= facts.driving_2[k] and work + facts.standby_s <= facts.spread_2[k]:
        second = facts.second_driver[k]
        pause = 0
    else:
        return NEVER
    leaves = facts.arrive_s - leg - dwell - pause
    if leaves < facts.from_s[k] or leaves + work + facts.standby_s > facts.to_s[k]:
        return NEVER
    far = 2 * (metres + facts.depot_metres[k, last])
    way = (facts.per_km[k] * far + M_PER_KM - 1) // M_PER_KM
    time = (facts.per_h[k] * work + S_PER_H - 1) // S_PER_H
    asked: int = max(facts.minimum[k], facts.call_out[k] + way + time + facts.standby_minor[k]) + second
    return asked


@compiled
def estimate(facts: Facts, rows: Rows, q: int, k: int) -> float:
    """What a class asks for a route at least: without minimum, drivers, breaks and rounding."""
    last = rows.stop[q, rows.calls[q] - 1]
    secs, metres = rows.secs[q] + facts.depot_secs[k, last], rows.metres[q] + facts.depot_metres[k, last]
    least: float = facts.fixed[k] + facts.per_s[k] * secs + facts.per_m[k] * metres
    return least


@compiled
def fits(facts: Facts, k: int, seats: int, wheels: int) -> bool:
    """Whether so many find room in a class."""
    enough: bool = seats <= facts.seats[k] and wheels <= facts.places[k]
    return enough


@compiled
def cheapest(facts: Facts, rows: Rows, q: int, free: Ints) -> tuple[int, int]:
    """-> what the cheapest free class with room asks for a route, and which; (`NEVER`, `NOWHERE`) if there is none."""
    best, chosen = NEVER, NOWHERE
    last, own, dwell = rows.stop[q, rows.calls[q] - 1], rows.klass[q], rows.secs[q] - rows.driving[q]
    for turn in range(-1, len(facts.seats)):
        k = own if turn < 0 else turn  # its own first: what is estimated dearer need not be priced
        if free[k] <= 0 or turn == own or not fits(facts, k, rows.seats[q], rows.wheels[q]):
            continue
        if estimate(facts, rows, q, k) < best:
            asked = hire(facts, k, rows.driving[q], dwell, rows.metres[q], last)
            if asked < best:
                best, chosen = asked, k
    return best, chosen


@compiled
def refresh(facts: Facts, rows: Rows, q: int) -> None:
    """Everything that follows from the calls of a route."""
    clock = inner = metres = driving = seats = wheels = 0
    for j in range(rows.calls[q]):
        outer = rows.stop[q, j]
        hop = facts.secs[inner, outer]
        clock += hop
        driving += hop
        metres += facts.metres[inner, outer]
        rows.ride[q, j] = clock
        clock += facts.dwell[outer]
        inner = outer
        seats += rows.call_seats[q, j]
        wheels += rows.call_wheels[q, j]
    least = NEVER
    for j in range(rows.calls[q] - 1, -1, -1):
        least = min(least, facts.limit[rows.stop[q, j]] - rows.ride[q, j])
        rows.slack[q, j] = least
    rows.secs[q], rows.driving[q], rows.metres[q], rows.seats[q], rows.wheels[q] = clock, driving, metres, seats, wheels
    rows.version[q] += 1


@compiled
def look(facts: Facts, rows: Rows, q: int, s: int) -> int:
    """-> the position where a place adds least to a route; it and what it adds are remembered until the route changes."""
    if rows.seen[s, q] != rows.version[q]:
        rows.seen[s, q] = rows.version[q]
        rows.at[s, q], rows.more[s, q] = NOWHERE, 0.0
        for j in range(rows.calls[q]):
            if rows.stop[q, j] == s:
                rows.at[s, q] = CALLED - j
        if rows.at[s, q] == NOWHERE and rows.calls[q] < facts.most:
            search_places(facts, rows, q, s)
    at: int = rows.at[s, q]
    return at


@compiled
def search_places(facts: Facts, rows: Rows, q: int, s: int) -> None:
    """Finds where a place that a route does not call at adds least, within all ride limits."""
    k, best, at, inner, before = rows.klass[q], FAR, NOWHERE, 0, 0
    per_s, per_m, stay, limit = facts.per_s[k], facts.per_m[k], facts.dwell[s], facts.limit[s]
    for j in range(rows.calls[q]):
        outer = rows.stop[q, j]
        into = facts.secs[inner, s]
        more_s = into + stay + facts.secs[s, outer] - facts.secs[inner, outer]
        if before + into <= limit and more_s <= rows.slack[q, j]:
            more_m = facts.metres[inner, s] + facts.metres[s, outer] - facts.metres[inner, outer]
            cost = per_s * more_s + per_m * more_m
            if cost < best:
                best, at = cost, j
        before = rows.ride[q, j] + facts.dwell[outer]
        inner = outer
    into = facts.secs[inner, s]
    if before + into <= limit:
        more_s = into + stay + facts.depot_secs[k, s] - facts.depot_secs[k, inner]
        more_m = facts.metres[inner, s] + facts.depot_metres[k, s] - facts.depot_metres[k, inner]
        cost = per_s * more_s + per_m * more_m
        if cost < best:
            best, at = cost, rows.calls[q]
    rows.at[s, q], rows.more[s, q] = at, best


@compiled
def copy_row(rows: Rows, q: int, new: int) -> None:
    """Makes one row say what another says."""
    rows.klass[new], rows.calls[new], rows.cost[new] = rows.klass[q], rows.calls[q], rows.cost[q]
    rows.seats[new], rows.wheels[new] = rows.seats[q], rows.wheels[q]
    rows.secs[new], rows.driving[new], rows.metres[new] = rows.secs[q], rows.driving[q], rows.metres[q]
    for j in range(rows.calls[q]):
        rows.stop[new, j], rows.ride[new, j], rows.slack[new, j] = rows.stop[q, j], rows.ride[q, j], rows.slack[q, j]
        rows.call_seats[new, j], rows.call_wheels[new, j] = rows.call_seats[q, j], rows.call_wheels[q, j]
    rows.version[new] += 1


@compiled
def remove_calls(facts: Facts, rows: Rows, q: int, start: int, size: int) -> None:
    """Takes so many calls out of a route."""
    for j in range(start + size, rows.calls[q]):
        rows.stop[q, j - size] = rows.stop[q, j]
        rows.call_seats[q, j - size], rows.call_wheels[q, j - size] = rows.call_seats[q, j], rows.call_wheels[q, j]
    rows.calls[q] -= size
    refresh(facts, rows, q)


@compiled
def add_call(facts: Facts, rows: Rows, q: int, at: int, s: int, seats: int, wheels: int) -> None:
    """Puts people of a stop aboard, at a position as `look` gives it."""
    if at <= CALLED:
        j = CALLED - at
        rows.call_seats[q, j] += seats
        rows.call_wheels[q, j] += wheels
        rows.seats[q] += seats
        rows.wheels[q] += wheels
        rows.version[q] += 1
        return
    for j in range(rows.calls[q], at, -1):
        rows.stop[q, j] = rows.stop[q, j - 1]
        rows.call_seats[q, j], rows.call_wheels[q, j] = rows.call_seats[q, j - 1], rows.call_wheels[q, j - 1]
    rows.stop[q, at], rows.call_seats[q, at], rows.call_wheels[q, at] = s, seats, wheels
    rows.calls[q] += 1
    refresh(facts, rows, q)

"""What a duty costs, or why it cannot be: the one place that knows hire, hours, breaks and availability (docs/solver.md).

`price` is the pure function everything stands on. `price_many` is the same arithmetic on arrays, for the search;
a property test holds the two together.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from solver.instance import OUTBOUND, RETURN, Instance, Ints, Side

Order = tuple[int, ...]
Broken = Literal["max_stops", "ride_too_long", "driver_hours", "availability"]
NEVER = np.int64(1 << 60)


@dataclass(frozen=True, kw_only=True)
class Priced:
    """A duty that can be driven: hire in minor units, seconds from the problem's epoch, metres."""

    cost_minor: int
    drivers: int
    distance_m: int
    depot_out_s: int
    depot_in_s: int
    breaks_s: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class LegFigures:
    """One leg between depot and venue; `driving_s` includes the way to or from the depot."""

    driving_s: int
    dwell_s: int
    distance_m: int


def rides(instance: Instance, leg: int, order: Order) -> list[int]:
    """Seconds aboard for each stop of an outward order: from leaving it to the venue, or from the venue to reaching it."""
    rows, clock, inner, result = instance.sides[leg].secs_rows, 0, 0, []
    for stop in order:
        clock += rows[inner][stop]
        result.append(clock)
        clock += instance.dwell[stop]
        inner = stop
    return result


def rides_hold(instance: Instance, leg: int, order: Order) -> bool:
    """Whether every ride of an outward order is within its stop's limit."""
    rows, clock, inner, limit = instance.sides[leg].secs_rows, 0, 0, instance.max_ride
    for stop in order:
        clock += rows[inner][stop]
        if clock > limit[stop]:
            return False
        clock += instance.dwell[stop]
        inner = stop
    return True


def leg_figures(instance: Instance, klass: int, leg: int, order: Order) -> LegFigures:
    """Driving, dwell and metres of one leg of a class, its depot's end included."""
    side, inner, driving, metres = instance.sides[leg], 0, 0, 0
    for stop in order:
        driving += side.secs_rows[inner][stop]
        metres += side.metres_rows[inner][stop]
        inner = stop
    driving += side.depot_secs_rows[klass][inner]
    metres += side.depot_metres_rows[klass][inner]
    return LegFigures(driving_s=driving, dwell_s=sum(instance.dwell[stop] for stop in order), distance_m=metres)


def price(instance: Instance, klass: int, outbound: Order, back: Order) -> Priced | Broken:
    """The duty of one vehicle of a class over two outward orders (an empty one is a leg driven empty), or what it breaks first."""
    if max(len(outbound), len(back)) > instance.max_stops:
        return "max_stops"
    if not (rides_hold(instance, OUTBOUND, outbound) and rides_hold(instance, RETURN, back)):
        return "ride_too_long"
    out, home = leg_figures(instance, klass, OUTBOUND, outbound), leg_figures(instance, klass, RETURN, back)
    standby = instance.standby_s if outbound and back else 0
    return hire(instance, klass, out, home, standby, starts_empty=not outbound)


def hire(instance: Instance, klass: int, out: LegFigures, home: LegFigures, standby_s: int, *, starts_empty: bool) -> Priced | Broken:
    """Drivers, breaks, times and hire of a duty from the figures of its legs."""
    k = instance.classes[klass]
    rule, card = k.rules, k.hire
    driving, work = out.driving_s + home.driving_s, out.driving_s + home.driving_s + out.dwell_s + home.dwell_s
    breaks = (pauses(out.driving_s, rule.break_after_s) * rule.break_s, pauses(home.driving_s, rule.break_after_s) * rule.break_s)
    if driving <= rule.max_driving_s and work + sum(breaks) + standby_s <= rule.max_spread_s:
        drivers, work = 1, work + sum(breaks)
    elif driving <= rule.max_driving_2_s and work + standby_s <= rule.max_spread_2_s:
        drivers, breaks = 2, (0, 0)
    else:
        return "driver_hours"
    reach = instance.leave_s if starts_empty else instance.arrive_s
    leaves = reach - out.driving_s - out.dwell_s - breaks[0]
    if leaves < k.from_s or leaves + work + standby_s > k.to_s:
        return "availability"
    metres = out.distance_m + home.distance_m
    cost = card.call_out - (-card.per_km * metres // 1000) - (-card.per_h * work // 3600) - (-card.standby_per_h * standby_s // 3600)
    return Priced(
        cost_minor=max(card.minimum, cost) + (card.second_driver if drivers > 1 else 0),
        drivers=drivers,
        distance_m=metres,
        depot_out_s=leaves,
        depot_in_s=leaves + work + standby_s,
        breaks_s=breaks,
    )


def pauses(driving_s: int, after_s: int) -> int:
    """How many breaks one driver takes on a leg."""
    return max(0, -(-driving_s // after_s) - 1)


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Many outward orders of one leg as arrays: driving up to the outermost stop, dwell, metres, that stop (0: an empty leg)."""

    driving: Ints
    dwell: Ints
    metres: Ints
    last: Ints


EMPTY_PATHS = Paths(driving=np.zeros(1, np.int64), dwell=np.zeros(1, np.int64), metres=np.zeros(1, np.int64), last=np.zeros(1, np.int64))


def paths_of(instance: Instance, leg: int, orders: list[Order]) -> Paths:
    """Orders of one leg as a column of arrays (shape: orders x 1)."""
    side, rows = instance.sides[leg], []
    for order in orders:
        inner = driving = metres = 0
        for stop in order:
            driving += side.secs_rows[inner][stop]
            metres += side.metres_rows[inner][stop]
            inner = stop
        rows.append((driving, sum(instance.dwell[s] for s in order), metres, inner))
    table = np.array(rows, np.int64)
    return Paths(driving=table[:, 0:1], dwell=table[:, 1:2], metres=table[:, 2:3], last=table[:, 3:4])


def price_many(instance: Instance, klass: Ints, out: Paths, home: Paths) -> Ints:
    """Hire of many duties at once, `NEVER` where hours or availability forbid one; the arrays broadcast.

    Ride limits and `max_stops` are the paths' own affair: whoever enumerates them keeps to them.
    """
    rates, sides = instance.rates, instance.sides
    out_s, home_s = _driving(sides[OUTBOUND], klass, out), _driving(sides[RETURN], klass, home)
    both, starts_empty = (out.last > 0) & (home.last > 0), out.last == 0
    standby = np.where(both, instance.standby_s, 0)
    driving, dwell, after = out_s + home_s, out.dwell + home.dwell, rates.break_after[klass]
    out_break, home_break = (np.maximum(0, -(-leg // after) - 1) * rates.break_s[klass] for leg in (out_s, home_s))
    work = driving + dwell
    one = (driving <= rates.driving[klass]) & (work + out_break + home_break + standby <= rates.spread[klass])
    two = (driving <= rates.driving_2[klass]) & (work + standby <= rates.spread_2[klass])
    work = np.where(one, work + out_break + home_break, work)
    leaves = np.where(starts_empty, instance.leave_s, instance.arrive_s) - out_s - out.dwell - np.where(one, out_break, 0)
    fits: NDArray[np.bool_] = (one | two) & (leaves >= rates.from_s[klass]) & (leaves + work + standby <= rates.to_s[klass])
    metres = _metres(sides[OUTBOUND], klass, out) + _metres(sides[RETURN], klass, home)
    cost = rates.call_out[klass] - (-rates.per_km[klass] * metres // 1000) - (-rates.per_h[klass] * work // 3600)
    cost = np.maximum(rates.minimum[klass], cost + np.where(both, rates.standby_minor[klass], 0))
    cost = cost + np.where(one, 0, rates.second_driver[klass])
    return np.where(fits, cost, NEVER)


def _driving(side: Side, klass: Ints, path: Paths) -> Ints:
    return path.driving + side.depot_secs[klass, path.last]


def _metres(side: Side, klass: Ints, path: Paths) -> Ints:
    return path.metres + side.depot_metres[klass, path.last]

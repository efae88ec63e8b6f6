"""Whether routes have too many stops to enumerate: a count of what neighbourhoods would have to look at."""

from solver.draft import Draft
from solver.instance import Instance

MOST_PAIRED = 13.0  # stops of two duties: 2 to that power sets of stops are several times what a neighbourhood may have


def many_stops(instance: Instance, draft: Draft) -> bool:
    """Whether the sets of stops of two duties are far too many: of two average ones of the draft, or of two that fill the largest bus."""
    average = sum(len(duty.stops) for duty in draft.duties) / max(1, len(draft.duties))
    return 2 * max(average, stops_of_a_full_bus(instance)) > MOST_PAIRED


def stops_of_a_full_bus(instance: Instance) -> float:
    """How many stops the largest vehicle calls at when it goes on from stop to nearest stop: as seats, `max_stops` and rides allow.

    The average over all stops with riders to begin at; its last stop may be served in part.
    """
    waiting = [0] * (instance.stops + 1)
    for riders in instance.riders:
        waiting[riders.stop] += riders.seats
    room = int(instance.rates.seats.max(initial=0))
    side = instance.sides[0]
    near = (side.secs + side.secs.T).argsort(axis=1, kind="stable").tolist()
    starts = [stop for stop, seats in enumerate(waiting) if seats]
    counts = [_reach(instance, start, near, waiting, room) for start in starts]
    return sum(counts) / max(1, len(counts))


def _reach(instance: Instance, start: int, near: list[list[int]], waiting: list[int], room: int) -> int:
    """Stops of a tour that begins at one."""
    rows, taken, here = instance.sides[0].secs_rows, {0, start}, start
    clock, seats = rows[0][start] + instance.dwell[start], waiting[start]
    while seats < room and len(taken) <= instance.max_stops:
        found = next((s for s in near[here] if s not in taken and waiting[s] and clock + rows[here][s] <= instance.max_ride[s]), None)
        if found is None:
            break
        clock += rows[here][found] + instance.dwell[found]
        seats += waiting[found]
        taken.add(found)
        here = found
    return len(taken) - 1

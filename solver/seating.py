"""Who rides which bus, exactly: parties are seated whole, per stop, on buses whose stops are already chosen.

Greedy first (largest parties, the bus with most of its intended load open), CP-SAT when that leaves someone standing.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from solver.instance import Instance
from solver.milp import NO_UPPER, Programme, solve_integer

EXACT_BUSES = 60
Point = tuple[int, tuple[bool, bool]]  # a stop and which legs its riders use


@dataclass(frozen=True, kw_only=True)
class Bus:
    """Room, the points it may serve and the seats meant for each."""

    seats: int
    places: int
    meant: dict[Point, int]


class _Open:
    """What is still open on one bus while parties are being seated."""

    def __init__(self, bus: Bus) -> None:
        self.bus, self.meant = bus, dict(bus.meant)
        self.seats, self.places = [bus.seats, bus.seats], [bus.places, bus.places]
        self.parties: list[int] = []

    def fits(self, instance: Instance, party: int) -> bool:
        riders = instance.riders[party]
        return all(self.seats[leg] >= riders.seats and self.places[leg] >= riders.wheels for leg in (0, 1) if riders.legs[leg])

    def take(self, instance: Instance, party: int) -> None:
        riders = instance.riders[party]
        self.parties.append(party)
        point = riders.stop, riders.legs
        self.meant[point] = self.meant.get(point, 0) - riders.seats
        for leg in (0, 1):
            if riders.legs[leg]:
                self.seats[leg] -= riders.seats
                self.places[leg] -= riders.wheels


def seat(instance: Instance, buses: Sequence[Bus], parties: Sequence[int]) -> tuple[list[list[int]], list[int]]:
    """-> the parties of each bus, and those nobody could seat (exactly none if there is a way to seat all)."""
    seated, left = seat_greedily(instance, buses, parties)
    if left and len(buses) <= EXACT_BUSES:
        exact = seat_exactly(instance, buses, parties)
        if exact is not None:
            return exact, []
    return seated, left


def seat_greedily(instance: Instance, buses: Sequence[Bus], parties: Sequence[int]) -> tuple[list[list[int]], list[int]]:
    """First to the bus that means to take most of the point, in order of size; then wherever there is room."""
    opens = [_Open(bus) for bus in buses]
    waiting: dict[Point, list[int]] = defaultdict(list)
    for party in parties:
        riders = instance.riders[party]
        waiting[riders.stop, riders.legs].append(party)
    serving = {point: [o for o in opens if point in o.bus.meant] for point in waiting}
    left: list[int] = []
    for point in sorted(waiting, key=lambda p: (len(serving[p]), p)):
        for party in sorted(waiting[point], key=lambda p: (-instance.riders[p].wheels, -instance.riders[p].seats, p)):
            room = [o for o in serving[point] if o.fits(instance, party)]
            if not room:
                left.append(party)
                continue
            need = instance.riders[party].seats
            max(room, key=lambda o: (o.meant[point] >= need, o.meant[point])).take(instance, party)
    return [o.parties for o in opens], left


def seat_exactly(instance: Instance, buses: Sequence[Bus], parties: Sequence[int], *, work: float = 0.2) -> list[list[int]] | None:
    """All parties seated by CP-SAT over kinds of party (same point, seats and wheelchairs), or None."""
    kinds: dict[tuple[Point, int, int], list[int]] = defaultdict(list)
    for party in parties:
        riders = instance.riders[party]
        kinds[(riders.stop, riders.legs), riders.seats, riders.wheels].append(party)
    pairs = [(kind, b) for kind in kinds for b, bus in enumerate(buses) if kind[0] in bus.meant]
    if not pairs:
        return None
    rows, columns, values = list[int](), list[int](), list[float]()
    number = {kind: row for row, kind in enumerate(kinds)}
    for column, ((point, seats, wheels), b) in enumerate(pairs):
        rows.append(number[point, seats, wheels])
        columns.append(column)
        values.append(1.0)
        for leg in (0, 1):
            for offset, amount in ((0, seats), (1, wheels)):
                if point[1][leg] and amount:
                    rows.append(len(kinds) + 4 * b + 2 * leg + offset)
                    columns.append(column)
                    values.append(float(amount))
    room = [float(amount) for bus in buses for amount in (bus.seats, bus.places, bus.seats, bus.places)]
    counts = [float(len(members)) for members in kinds.values()]
    answer = solve_integer(
        Programme(
            cost=np.zeros(len(pairs)),
            upper=np.array([counts[number[kind]] for kind, _ in pairs]),
            low=np.array(counts + [-NO_UPPER] * len(room)),
            high=np.array(counts + room),
            rows=np.array(rows, np.int64),
            columns=np.array(columns, np.int64),
            values=np.array(values),
        ),
        work=work,
        seconds=5.0,
    )
    if answer.value is None:
        return None
    result: list[list[int]] = [[] for _ in buses]
    pools = {kind: list(members) for kind, members in kinds.items()}
    for (kind, b), amount in zip(pairs, answer.x, strict=True):
        for _ in range(int(amount)):
            result[b].append(pools[kind].pop())
    return result

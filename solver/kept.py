"""Duties that stay as they are, as the bound sees them: their cost is a constant, and their empty seats cost nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solver.draft import Duty, loads
from solver.instance import Instance, Ints
from solver.pricing import Order


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One such duty: stops by leg, and the seats its own riders leave open on each leg."""

    klass: int
    cost: int
    stops: tuple[Order, Order]
    room: tuple[int, int]
    parties: tuple[int, ...]


def kept_of(instance: Instance, duties: Iterable[Duty]) -> tuple[Kept, ...]:
    """Duties with the riders they keep; whoever may still board must not be among these."""
    result = []
    for duty in duties:
        (out, _), (back, _) = loads(instance, duty.parties)
        seats = instance.classes[duty.klass].seats
        result.append(
            Kept(
                klass=duty.klass,
                cost=duty.cost,
                stops=duty.orders(),
                room=(max(0, seats - out), max(0, seats - back)),
                parties=duty.parties,
            )
        )
    return tuple(result)


def count_left(instance: Instance, kept: Sequence[Kept]) -> NDArray[np.float64]:
    """How many vehicles of each class have no duty yet."""
    count = instance.rates.count.astype(np.float64)
    for duty in kept:
        count[duty.klass] -= 1
    return count


def rooms_worth(kept: Iterable[Kept], leg: int, needs: Ints, prices: NDArray[np.float64]) -> float:
    """The most their empty seats of one leg could be worth at these prices of a seat per place."""
    total = 0.0
    for duty in kept:
        room = duty.room[leg]
        for stop in sorted(duty.stops[leg], key=lambda s: -prices[s]):
            taken = min(room, int(needs[stop]))
            total += taken * float(prices[stop])
            room -= taken
    return total

"""From duties to the programme that chooses among columns, and from its choice back to duties."""

import numpy as np

from solver.draft import Duty, make_duty, needed_stops
from solver.instance import Instance, Ints
from solver.milp import NO_UPPER, Programme
from solver.neighbourhood import Books, Columns, Demand
from solver.paths import stop_bits
from solver.seating import Bus, seat


def covering(demand: Demand, columns: Columns, klasses: Ints, free: Ints, now: int, behind: int) -> tuple[Programme, int]:
    """Cover seats and wheelchairs of every point within the vehicles there are -> the programme, and the price of leaving a person.

    Columns past the given ones leave people behind, which costs more than everything here together.
    """
    points, count = len(demand.points), len(columns)
    slack = 2 * now + 1 if behind else 0
    spare = np.arange(2 * points) if behind else np.zeros(0, np.int64)
    seat_c, seat_p = np.nonzero(columns.seats)
    wheel_c, wheel_p = np.nonzero(columns.wheels)
    place = np.searchsorted(klasses, columns.klass)
    rows = np.concatenate([seat_p, points + wheel_p, 2 * points + place, spare])
    numbers = np.concatenate([seat_c, wheel_c, np.arange(count), count + spare])
    values = np.concatenate([columns.seats[seat_c, seat_p], columns.wheels[wheel_c, wheel_p], np.ones(count + len(spare), np.int64)])
    upper = free[place].astype(np.float64)
    needs = np.concatenate([demand.seats, demand.wheels]).astype(np.float64)
    return Programme(
        cost=np.concatenate([columns.cost, np.full(len(spare), slack)]).astype(np.float64),
        upper=np.concatenate([upper, np.minimum(needs, behind)[: len(spare)]]),
        low=np.concatenate([needs, np.full(len(klasses), -NO_UPPER)]),
        high=np.concatenate([np.full(2 * points, NO_UPPER), free.astype(np.float64)]),
        rows=rows.astype(np.int64),
        columns=numbers.astype(np.int64),
        values=values.astype(np.float64),
    ), slack


def seated(instance: Instance, books: Books, demand: Demand, columns: Columns, picked: list[int]) -> tuple[list[Duty] | None, list[int]]:
    """Seats the parties on the picked columns -> the duties, and who got no seat; (None, ..) if a duty turned out impossible."""
    buses = []
    for j in picked:
        meant = {p: int(columns.seats[j, n]) for n, p in enumerate(demand.points) if columns.seats[j, n] + columns.wheels[j, n]}
        k = instance.classes[int(columns.klass[j])]
        buses.append(Bus(seats=k.seats, places=k.places, meant=meant))
    groups, left = seat(instance, buses, demand.parties)
    made: list[Duty] = []
    for j, parties in zip(picked, groups, strict=True):
        if parties:
            duty = best_duty(books, int(columns.klass[j]), parties)
            if duty is None:
                return None, left
            made.append(duty)
    return made, left


def best_duty(books: Books, klass: int, parties: list[int]) -> Duty | None:
    """The cheapest duty of a class for these parties over all orders in the books."""
    out, back = needed_stops(books.instance, parties)
    pairs = books.pairs((stop_bits(out), stop_bits(back)))
    made = [make_duty(books.instance, klass, a.order if a else (), b.order if b else (), parties) for a, b in pairs]
    return min((duty for duty in made if not isinstance(duty, str)), key=lambda duty: duty.cost, default=None)

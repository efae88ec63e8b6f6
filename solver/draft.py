"""A plan while it is being made: duties by class number, parties by number, orders written outwards (see instance.py)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from solver.instance import Instance
from solver.pricing import Broken, Order, price, rides


@dataclass(frozen=True, slots=True)
class Duty:
    """A priced duty of some vehicle of a class; `cost` is hire plus what its riders' minutes cost."""

    klass: int
    outbound: Order
    back: Order
    parties: tuple[int, ...]
    cost: int

    @property
    def stops(self) -> frozenset[int]:
        return frozenset(self.outbound) | frozenset(self.back)

    def orders(self) -> tuple[Order, Order]:
        return self.outbound, self.back


@dataclass(frozen=True, slots=True)
class Draft:
    """Duties and the parties left behind."""

    duties: tuple[Duty, ...]
    left: tuple[int, ...] = ()
    cost: int = field(init=False)

    def __post_init__(self) -> None:
        """Adds up the duties once."""
        object.__setattr__(self, "cost", sum(duty.cost for duty in self.duties))

    def used(self) -> Counter[int]:
        """How many vehicles of each class have a duty."""
        return Counter(duty.klass for duty in self.duties)

    def persons_left(self, instance: Instance) -> int:
        return sum(instance.riders[party].persons for party in self.left)

    def rank(self, instance: Instance) -> tuple[int, int]:
        """Smaller is better: persons left behind come before cost."""
        return self.persons_left(instance), self.cost


def loads(instance: Instance, parties: Iterable[int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """-> (seats, wheelchairs) aboard on the outbound and on the return leg."""
    out_seats = out_wheels = back_seats = back_wheels = 0
    for party in parties:
        riders = instance.riders[party]
        if riders.legs[0]:
            out_seats += riders.seats
            out_wheels += riders.wheels
        if riders.legs[1]:
            back_seats += riders.seats
            back_wheels += riders.wheels
    return (out_seats, out_wheels), (back_seats, back_wheels)


def has_room(instance: Instance, klass: int, parties: Iterable[int]) -> bool:
    """Whether a vehicle of the class has the seats and places on each leg."""
    k = instance.classes[klass]
    return all(seats <= k.seats and wheels <= k.places for seats, wheels in loads(instance, parties))


def riding_cost(instance: Instance, outbound: Order, back: Order, parties: Iterable[int]) -> int:
    """What the minutes of these riders cost over two outward orders, minor units."""
    if not instance.minute_minor:
        return 0
    at = tuple(dict(zip(order, rides(instance, leg, order), strict=True)) for leg, order in enumerate((outbound, back)))
    total = 0
    for party in parties:
        riders = instance.riders[party]
        total += sum(instance.ride_minor(party, at[leg][riders.stop]) for leg in (0, 1) if riders.legs[leg])
    return total


def make_duty(instance: Instance, klass: int, outbound: Order, back: Order, parties: Sequence[int]) -> Duty | Broken:
    """Prices a duty whose orders hold exactly the stops of its riders, or says what it breaks; room is the caller's affair."""
    priced = price(instance, klass, outbound, back)
    if isinstance(priced, str):
        return priced
    cost = priced.cost_minor + riding_cost(instance, outbound, back, parties)
    return Duty(klass, outbound, back, tuple(sorted(parties)), cost)


def needed_stops(instance: Instance, parties: Iterable[int]) -> tuple[set[int], set[int]]:
    """-> the stops each leg must serve for these parties."""
    out: set[int] = set()
    back: set[int] = set()
    for party in parties:
        riders = instance.riders[party]
        if riders.legs[0]:
            out.add(riders.stop)
        if riders.legs[1]:
            back.add(riders.stop)
    return out, back


def trimmed(instance: Instance, duty: Duty, parties: Sequence[int]) -> Duty | Broken:
    """The same duty with other riders of its own stops: stops nobody uses any more fall out."""
    out, back = needed_stops(instance, parties)
    outbound = tuple(stop for stop in duty.outbound if stop in out)
    return make_duty(instance, duty.klass, outbound, tuple(stop for stop in duty.back if stop in back), parties)

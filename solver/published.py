"""A plan people have already seen: which bus and times each party was told, and what changing them is taken to cost."""

from collections import defaultdict
from collections.abc import Collection, Iterable

from solver.draft import Duty
from solver.instance import Instance
from solver.plan import Plan
from solver.pricing import Priced, price, rides


def told_times(instance: Instance, duty: Duty) -> tuple[dict[int, int], dict[int, int]]:
    """When the bus leaves each outbound stop and reaches each return stop, seconds from the venue's own times."""
    priced = price(instance, duty.klass, duty.outbound, duty.back)
    pause = priced.breaks_s[0] if isinstance(priced, Priced) else 0
    out = {s: ride + pause for s, ride in zip(duty.outbound, rides(instance, 0, duty.outbound), strict=True)}
    return out, dict(zip(duty.back, rides(instance, 1, duty.back), strict=True))


class Published:
    """What each party was told, by class and times; vehicles of one class count as the same bus."""

    def __init__(self, instance: Instance, duties: Iterable[tuple[Duty, str]], penalty_minor: int) -> None:
        self.instance, self.penalty_minor = instance, penalty_minor
        self.vehicle_of: dict[int, str] = {}
        self._told: dict[int, tuple[int, int | None, int | None]] = {}
        for duty, vehicle in duties:
            for party, told in self._telling(duty):
                self._told[party] = told
                self.vehicle_of[party] = vehicle

    def _telling(self, duty: Duty) -> Iterable[tuple[int, tuple[int, int | None, int | None]]]:
        out, back = told_times(self.instance, duty)
        for party in duty.parties:
            riders = self.instance.riders[party]
            yield party, (duty.klass, out[riders.stop] if riders.legs[0] else None, back[riders.stop] if riders.legs[1] else None)

    def moved(self, duty: Duty) -> int:
        """How many of a duty's riders were told another bus or another time."""
        return sum(self.instance.riders[p].persons for p, told in self._telling(duty) if self._told.get(p, told) != told)

    def penalty(self, duty: Duty) -> int:
        """What those changes are taken to cost, minor units."""
        return self.penalty_minor * self.moved(duty) if self.penalty_minor else 0

    def wishes(self, duties: Collection[Duty], exact: dict[int, str]) -> list[str | None]:
        """The vehicle each duty should keep: the given one for fixed duties, else that of most of its riders."""
        result: list[str | None] = []
        for number, duty in enumerate(duties):
            votes: dict[str, int] = defaultdict(int)
            for party in duty.parties:
                if party in self.vehicle_of:
                    votes[self.vehicle_of[party]] += self.instance.riders[party].persons
            favourites = [v for v in votes if v in self.instance.classes[duty.klass].vehicles]
            result.append(exact.get(number) or max(favourites, key=lambda v: votes[v], default=None))
        return result


def read_duties(instance: Instance, plan: Plan) -> list[tuple[str, int, tuple[tuple[int, ...], tuple[int, ...]], tuple[int, ...]]]:
    """A plan's duties by number: vehicle, class, outward orders, parties. What the instance no longer knows is left out."""
    klass = {name: k for k, group in enumerate(instance.classes) for name in group.vehicles}
    party = {p.id: number for number, p in enumerate(instance.problem.parties)}
    result = []
    for duty in plan.duties:
        if duty.vehicle not in klass:
            continue
        outbound = tuple(instance.stop_at[row.stop] for row in reversed(duty.outbound) if row.stop in instance.stop_at)
        back = tuple(instance.stop_at[row.stop] for row in duty.return_ if row.stop in instance.stop_at)
        riders = tuple(party[name] for name in duty.parties if name in party)
        result.append((duty.vehicle, klass[duty.vehicle], (outbound, back), riders))
    return result

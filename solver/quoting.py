"""What carrying a trip's present demand would cost, and how many seats sold would pay for it.

Runs in the caller's thread and without children, because an answer is wanted in half a second: the greedy draft, improved
until time is up. The routing library is not used here.
"""

import math
import time
from collections.abc import Collection
from dataclasses import dataclass

import msgspec

from solver.admit import Gate
from solver.children import Slice
from solver.improve import Improver
from solver.instance import Instance
from solver.plan import Plan
from solver.problem import LEGS, Problem
from solver.start import greedy_draft
from solver.writing import write_plan


@dataclass(frozen=True, kw_only=True)
class Quote:
    """The cheapest way found. `break_even_seats` is None where even full buses would not pay for themselves at the price."""

    plan: Plan
    cost_minor: int
    persons: int
    persons_left: int
    seats_hired: int
    revenue_minor: int
    break_even_seats: int | None


def quote(
    problem: Problem,
    *,
    price_both_minor: int,
    price_one_way_minor: int,
    parties: Collection[str] | None = None,
    time_limit_s: float = 0.4,
    seed: int = 1,
) -> Quote:
    """Quotes the demand of some parties (of one trip or several; all by default) at a price per person.

    Break-even counts seats sold both ways: the least number that pays for the buses hired, if they have that many seats.
    Raises ValueError for a price below 1 minor unit.
    """
    if price_both_minor < 1 or price_one_way_minor < 1:
        raise ValueError("prices must be at least 1 minor unit")
    started = time.monotonic()
    chosen = problem if parties is None else only_parties(problem, parties)
    gate = Gate(Instance(chosen))
    draft = greedy_draft(gate, range(len(chosen.parties)))
    seconds = time_limit_s - (time.monotonic() - started)
    if draft.duties and seconds > 0:
        draft, _ = Improver(gate).run(draft, Slice(seconds=seconds, iterations=None, seed=seed, size=6, longest_s=seconds / 2))
    plan = write_plan(gate, draft, bound=None, optimal=False, seconds=time.monotonic() - started)
    served = plan.served_parties
    riders = [party for party in chosen.parties if party.id in served]
    revenue = sum(p.persons * (price_both_minor if len(p.legs) == len(LEGS) else price_one_way_minor) for p in riders)
    room = {vehicle.id: vehicle.seats for vehicle in chosen.vehicles}
    seats = sum(room[duty.vehicle] for duty in plan.duties)
    enough = math.ceil(plan.cost_minor / price_both_minor)
    return Quote(
        plan=plan,
        cost_minor=plan.cost_minor,
        persons=sum(p.persons for p in riders),
        persons_left=sum(p.persons for p in chosen.parties) - sum(p.persons for p in riders),
        seats_hired=seats,
        revenue_minor=revenue,
        break_even_seats=enough if enough <= seats else None,
    )


def only_parties(problem: Problem, parties: Collection[str]) -> Problem:
    """The problem of some of its parties, without the stops nobody of them uses. Raises ValueError for an unknown id."""
    if unknown := set(parties) - {party.id for party in problem.parties}:
        raise ValueError(f"no such party: {', '.join(sorted(unknown))}")
    kept = tuple(party for party in problem.parties if party.id in parties)
    used = {party.stop for party in kept}
    stops = tuple(stop for stop in problem.stops if stop.id in used)
    return msgspec.structs.replace(problem, parties=kept, stops=stops)

"""N-1: for each operator of a plan, what if it pulled out? Who could be re-seated, at what cost, and who could not.

The other duties keep their vehicles and stops; empty seats are filled first, then vehicles that have no duty are hired, and
those new duties are improved for a moment. If someone still stands, the other duties may take on stops as well.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from solver.admit import Gate, admit
from solver.children import Answer, Crew, Job, Slice
from solver.improve import Improver
from solver.instance import Instance
from solver.opening import Changes, changed_problem, opening_of
from solver.plan import Plan
from solver.problem import Problem

LATE_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Withdrawal:
    """What an operator's withdrawal would mean. `extra_cost_minor` compares whole plans; fewer riders may make it negative."""

    operator: str
    duties_lost: int
    riders_affected: int
    extra_cost_minor: int
    unseated: tuple[str, ...]


def do_without(problem: Problem, plan: Plan, operator: str, seconds: float) -> Withdrawal:
    """Works out one withdrawal in about so many seconds."""
    owner = {vehicle.id: vehicle.operator for vehicle in problem.vehicles}
    lost = [duty for duty in plan.duties if owner[duty.vehicle] == operator]
    others = frozenset(duty.vehicle for duty in plan.duties if owner[duty.vehicle] != operator)
    changes = Changes(accepted=others, withdrawn_operators=frozenset({operator}))
    gate = Gate(Instance(changed_problem(problem, changes)))
    opening = opening_of(gate, plan, changes)
    draft = opening.draft
    if len(draft.duties) > opening.fixed and seconds > 0:
        improver = Improver(gate)
        improver.set_out(fixed=opening.fixed)
        draft, _ = improver.run(draft, Slice(seconds=seconds, iterations=None, seed=1, longest_s=seconds))
    if draft.left:
        draft = admit(gate, draft.duties, draft.left)
    before = {entry.party for entry in plan.unserved}
    persons = {party.id: party.persons for party in problem.parties}
    return Withdrawal(
        operator=operator,
        duties_lost=len(lost),
        riders_affected=sum(persons[party] for duty in lost for party in duty.parties),
        extra_cost_minor=draft.cost - plan.cost_minor,
        unseated=tuple(name for party in draft.left if (name := gate.instance.party_id(party)) not in before),
    )


def withdrawals(problem: Problem, plan: Plan, *, time_limit_s: float = 8.0, threads: int = 1) -> list[Withdrawal]:
    """The report for every operator with a duty, the worst first: most riders unseated, then most extra cost.

    Works in child processes; an operator whose child died is missing from the list.
    """
    owner = {vehicle.id: vehicle.operator for vehicle in problem.vehicles}
    operators = sorted({owner[duty.vehicle] for duty in plan.duties})
    persons = {party.id: party.persons for party in problem.parties}
    found: list[Withdrawal] = []
    with Crew(problem, max(1, min(threads, len(operators)))) as crew:
        _work_off(crew, plan, operators, time_limit_s, found)
    return sorted(found, key=lambda w: (-sum(persons[p] for p in w.unseated), -w.extra_cost_minor, w.operator))


def _work_off(crew: Crew, plan: Plan, operators: Sequence[str], time_limit_s: float, found: list[Withdrawal]) -> None:
    """Deals the operators out to the children, each with an equal share of the time that is left."""
    waiting, until, seats = list(operators), time.monotonic() + time_limit_s, len(crew.children)

    def feed(seat: int) -> None:
        if waiting:
            share = max(0.02, 0.7 * (until - time.monotonic()) * seats / (len(waiting) + seats))
            job = Job("withdraw", {"plan": plan, "operator": waiting.pop(0), "seconds": share})
            crew.start(seat, job, share + LATE_S)

    def collect(seat: int, answer: Answer) -> None:
        if isinstance(answer.value, Withdrawal):
            found.append(answer.value)
        if answer.final:
            feed(seat)

    for seat in range(seats):
        feed(seat)
    while any(crew.busy(seat) for seat in range(seats)):
        crew.poll(0.5, collect)

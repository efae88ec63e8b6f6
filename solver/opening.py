"""Where a search begins: with the greedy draft, or with what is left of a published plan after changes."""

from dataclasses import dataclass, field

import msgspec

from solver.admit import Gate, admit
from solver.draft import Draft, Duty, has_room, make_duty, trimmed
from solver.plan import Plan
from solver.problem import Party, Problem
from solver.published import Published, read_duties
from solver.start import Greedy, greedy_draft


@dataclass(frozen=True, kw_only=True)
class Opening:
    """Where a re-solve begins: its first `fixed` duties are not touched, `vehicles` are theirs.

    `kept` are those duties as they were accepted, without whoever boarded since.
    """

    draft: Draft
    fixed: int = 0
    kept: tuple[Duty, ...] = ()
    published: Published | None = None
    vehicles: dict[int, str] = field(default_factory=dict)


def greedy_opening(gate: Gate) -> Opening:
    """The greedy draft of the whole problem."""
    return Opening(draft=greedy_draft(gate, range(len(gate.instance.riders))))


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What became different since a plan was published.

    `accepted` are vehicles whose duties are fixed: same bus, stops and times; late parties may take their empty seats at
    stops they serve anyway, and a stop that loses all its riders is no longer driven to. Withdrawal wins over acceptance.
    `added` parties must name stops of the problem. `change_penalty_minor` is what moving one rider to another bus or
    another time is taken to cost when duties are compared; it is no part of the plan's cost.
    """

    accepted: frozenset[str] = frozenset()
    withdrawn_vehicles: frozenset[str] = frozenset()
    withdrawn_operators: frozenset[str] = frozenset()
    added: tuple[Party, ...] = ()
    dropped: frozenset[str] = frozenset()
    change_penalty_minor: int = 0


def changed_problem(problem: Problem, changes: Changes) -> Problem:
    """The problem after the changes. Raises ValueError for unknown or doubled ids."""
    stops, known = {stop.id for stop in problem.stops}, {party.id for party in problem.parties}
    if strange := [party.id for party in changes.added if party.stop not in stops or party.id in known or party.persons < 1]:
        raise ValueError(f"added parties without a stop or people, or with an id already in use: {', '.join(strange)}")
    if unknown := changes.dropped - known:
        raise ValueError(f"dropped parties that the problem does not hold: {', '.join(sorted(unknown))}")
    vehicles = tuple(
        v for v in problem.vehicles if v.id not in changes.withdrawn_vehicles and v.operator not in changes.withdrawn_operators
    )
    parties = tuple(p for p in problem.parties if p.id not in changes.dropped)
    return msgspec.structs.replace(problem, vehicles=vehicles, parties=parties + changes.added)


def opening_of(gate: Gate, published: Plan, changes: Changes) -> Opening:
    """The published plan as far as it still holds: fixed duties first, then the others, then whoever lost a seat."""
    instance = gate.instance
    fixed: list[tuple[Duty, str]] = []
    free: list[tuple[Duty, str]] = []
    told: list[tuple[Duty, str]] = []
    for vehicle, klass, (outbound, back), riders in read_duties(instance, published):
        whole = make_duty(instance, klass, outbound, back, riders)
        if isinstance(whole, str) or not riders:
            continue
        told.append((whole, vehicle))
        now = trimmed(instance, whole, riders)
        if not isinstance(now, str) and has_room(instance, klass, riders):
            (fixed if vehicle in changes.accepted else free).append((now, vehicle))
    duties = [duty for duty, _ in (*fixed, *free)]
    seated = {party for duty in duties for party in duty.parties}
    left = [party for party in range(len(instance.riders)) if party not in seated]
    draft = admit(gate, *topped_up(gate, duties, left), fixed=len(fixed))
    exact = {number: vehicle for number, (_, vehicle) in enumerate(fixed)}
    kept = tuple(duty for duty, _ in fixed)
    return Opening(
        draft=draft, fixed=len(fixed), kept=kept, published=Published(instance, told, changes.change_penalty_minor), vehicles=exact
    )


def topped_up(gate: Gate, duties: list[Duty], left: list[int]) -> tuple[list[Duty], list[int]]:
    """Duties for those without a seat: empty seats at served stops first, then buses of their own."""
    seated = admit(gate, duties, left, fixed=len(duties), alone=False)
    greedy = Greedy(gate, seated.left)
    for duty in seated.duties:
        greedy.free[duty.klass] -= 1
    more, still = greedy.run()
    return [*seated.duties, *more], still

"""Which vehicle class drives which duty, best for all duties at once: stops, orders and riders stay, vehicles change hands.

Neighbourhoods are local; a cheap bus standing at the wrong end of the map is found only by looking at everything. With
orders fixed this is a transport problem, so GLOP's basic optimum is whole (Hoffman and Kruskal, 1956).
"""

import numpy as np

from solver.draft import Draft, Duty, loads, make_duty
from solver.instance import Instance, Ints
from solver.milp import NO_UPPER, Programme, solve_linear
from solver.pricing import NEVER, paths_of, price_many

CANDIDATES = 12  # classes tried per duty, besides its own
LARGE = 400


def reassign(instance: Instance, draft: Draft, count: Ints, *, fixed: int = 0) -> Draft:
    """The draft with vehicles dealt out anew; the first `fixed` duties keep theirs. `count` vehicles exist per class."""
    duties = list(draft.duties[fixed:])
    if not 1 < len(duties) <= LARGE:
        return draft
    free = count.copy()
    for duty in draft.duties[:fixed]:
        free[duty.klass] -= 1
    cost = class_costs(instance, duties)
    own = np.array([duty.klass for duty in duties])
    rank = np.argsort(np.where(free[None, :] > 0, cost, NEVER), axis=1, kind="stable")[:, :CANDIDATES]
    pairs = {(d, int(k)) for d in range(len(duties)) for k in (*rank[d], own[d]) if cost[d, k] < NEVER and free[k] > 0}
    chosen = transport(cost, sorted(pairs), free)
    if chosen is None:
        return draft
    made = []
    for d, duty in enumerate(duties):
        moved = duty if chosen[d] == duty.klass else make_duty(instance, chosen[d], duty.outbound, duty.back, duty.parties)
        if isinstance(moved, str):
            return draft
        made.append(moved)
    after = Draft((*draft.duties[:fixed], *made), draft.left)
    return after if after.cost < draft.cost else draft


def class_costs(instance: Instance, duties: list[Duty]) -> Ints:
    """Duty x class: the hire of each duty driven by each class, `NEVER` where it has no room or breaks a rule."""
    out, back = (paths_of(instance, leg, [duty.orders()[leg] for duty in duties]) for leg in (0, 1))
    cost = price_many(instance, np.arange(len(instance.classes))[None, :], out, back)
    seats = np.array([max(load[0] for load in loads(instance, duty.parties)) for duty in duties])[:, None]
    wheels = np.array([max(load[1] for load in loads(instance, duty.parties)) for duty in duties])[:, None]
    room = (instance.rates.seats[None, :] >= seats) & (instance.rates.places[None, :] >= wheels)
    return np.where(room, cost, NEVER)


def transport(cost: Ints, pairs: list[tuple[int, int]], free: Ints) -> list[int] | None:
    """-> the class of each duty at least total cost, or None."""
    count, klasses = len(cost), len(free)
    d, k = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])
    answer = solve_linear(
        Programme(
            cost=cost[d, k].astype(np.float64),
            upper=np.full(len(pairs), NO_UPPER),
            low=np.concatenate([np.ones(count), np.full(klasses, -NO_UPPER)]),
            high=np.concatenate([np.ones(count), free.astype(np.float64)]),
            rows=np.concatenate([d, count + k]),
            columns=np.concatenate([np.arange(len(pairs))] * 2),
            values=np.ones(2 * len(pairs)),
        )
    )
    if answer is None:
        return None
    chosen = [-1] * count
    for j in np.flatnonzero(np.rint(answer.x)):
        chosen[d[j]] = int(k[j])
    return None if -1 in chosen else chosen

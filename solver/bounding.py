"""A bound for a plan that did not come out of one search, say duties that stand joined with the plan of the rest."""

import time

from solver.children import Answer, BoundNote, Crew, Job
from solver.draft import Draft, Duty, make_duty
from solver.floor import floor_minor
from solver.instance import Instance
from solver.plan import Plan
from solver.problem import Problem
from solver.published import read_duties

PLAIN_SHARE = 0.5  # of the time, for the bound that is sharpened afterwards
LATE_S = 1.0


def lower_bound(problem: Problem, plan: Plan, *, time_limit_s: float, kept: frozenset[str] = frozenset()) -> int | None:
    """No plan serving the same parties costs less, minor units; None if there is no telling (no duties, or very many stops).

    With `kept` vehicles only plans that leave their duties and riders as they are count. Blocks for about the time limit at
    most; a child process does the work. Raises ValueError for a plan with duties the problem does not allow.
    """
    instance, until = Instance(problem), time.monotonic() + time_limit_s
    read = [(vehicle, make_duty(instance, klass, *orders, riders)) for vehicle, klass, orders, riders in read_duties(instance, plan)]
    if broken := [f"{vehicle}: {duty}" for vehicle, duty in read if not isinstance(duty, Duty)]:
        raise ValueError(f"duties that break a rule: {', '.join(broken)}")
    duties = [(vehicle, duty) for vehicle, duty in read if isinstance(duty, Duty)]
    settled = [duty for vehicle, duty in duties if vehicle in kept]
    others = [duty for vehicle, duty in duties if vehicle not in kept]
    draft = Draft((*settled, *others))
    if not draft.duties:
        return None
    found: list[int] = []

    def note(_: int, answer: Answer) -> None:
        if isinstance(answer.value, BoundNote):
            found.append(answer.value.minor)

    jobs = [Job("bound", {"draft": draft, "seconds": PLAIN_SHARE * time_limit_s})]
    jobs.append(Job("sharpen", {"draft": draft, "seconds": (1 - PLAIN_SHARE) * time_limit_s}))
    if settled:
        jobs = [Job("keep", {"draft": draft, "kept": tuple(settled), "seconds": time_limit_s})]
    with Crew(problem, 1) as crew:
        for job in jobs:
            if (left := until - time.monotonic()) > 0:
                crew.start(0, job, left + LATE_S)
                while crew.busy(0):
                    crew.poll(LATE_S, note)
    floor = floor_minor(instance, [party for duty in draft.duties for party in duty.parties])
    return max(found, default=floor)

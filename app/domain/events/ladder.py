"""The refund ladder: what share of a fare comes back to a rider who leaves after the confirmation, and until when. Pure functions."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec

from app.domain.events.model import Event

WHOLE_BP = 10_000
MOST_STEPS = 6
LONGEST_H = 24 * 365
Ladder = Sequence[tuple[int, int]]  # (hours before the bus is due at the venue, basis points); 0 hours is booking close


class RefundStep(msgspec.Struct, frozen=True, kw_only=True):
    """Until this moment, itself included, this share comes back (basis points). After the last step nothing does."""

    until: datetime
    refund_bp: int


class TermsShown(msgspec.Struct, frozen=True, kw_only=True):
    """What a rider was shown when pledging: the ladder and the dates it hung on."""

    ladder: list[tuple[int, int]]
    arrive_by_at: datetime
    booking_closes_at: datetime


def ladder_faults(ladder: Ladder) -> list[str]:
    """What is wrong with a ladder, each with its remedy; an empty ladder gives nothing back and is no fault."""
    faults = []
    if len(ladder) > MOST_STEPS:
        faults.append(f"A refund ladder has at most {MOST_STEPS} steps.")
    if any(not 0 <= hours <= LONGEST_H for hours, _ in ladder):
        faults.append("A step ends at booking close (0 hours) or up to a year before buses are due at the venue.")
    if any(not 0 < refund_bp <= WHOLE_BP for _, refund_bp in ladder):
        faults.append("A step gives back more than 0 and at most 100 percent.")
    if any(later[0] >= earlier[0] or later[1] >= earlier[1] for earlier, later in pairwise(ladder)):
        faults.append("Each step must end later than the one before it and give back less.")
    return faults


def steps_of(ladder: Ladder, *, arrive_by_at: datetime, booking_closes_at: datetime) -> list[RefundStep]:
    """The ladder with its dates. No step outlives booking close; of those that end together the one that gives most stands."""
    steps: list[RefundStep] = []
    for hours, refund_bp in ladder:
        until = booking_closes_at if hours == 0 else min(arrive_by_at - timedelta(hours=hours), booking_closes_at)
        if not steps or until > steps[-1].until:
            steps.append(RefundStep(until=until, refund_bp=refund_bp))
    return steps


def event_steps(event: Event) -> list[RefundStep]:
    """The ladder of an event by its present dates."""
    return steps_of(event.refund_ladder, arrive_by_at=event.arrive_by_at, booking_closes_at=event.booking_closes_at)


def share_at(steps: Sequence[RefundStep], now: datetime) -> int:
    """The share that comes back to who leaves now, in basis points; 0 after the last step."""
    return next((step.refund_bp for step in steps if now <= step.until), 0)


def better_of(shown: Sequence[RefundStep], present: Sequence[RefundStep]) -> list[RefundStep]:
    """At every moment the better of two ladders: an event that moves never takes from a rider what was shown."""
    ends = sorted({step.until for step in (*shown, *present)})
    steps: list[RefundStep] = []
    for until in reversed(ends):
        refund_bp = max(share_at(shown, until), share_at(present, until))
        if not steps or refund_bp > steps[-1].refund_bp:
            steps.append(RefundStep(until=until, refund_bp=refund_bp))
    return steps[::-1]


def steps_for(event: Event, shown: TermsShown | None) -> list[RefundStep]:
    """The ladder of one pledge: what it was shown or what holds now, whichever is better for the rider."""
    if shown is None:
        return event_steps(event)
    agreed = steps_of(shown.ladder, arrive_by_at=shown.arrive_by_at, booking_closes_at=shown.booking_closes_at)
    return better_of(agreed, event_steps(event))


def ahead_of(steps: Sequence[RefundStep], now: datetime) -> list[RefundStep]:
    """The steps that have not ended yet."""
    return [step for step in steps if now <= step.until]

"""Made-up demand: a burst of new cards from one network that could confirm a trip by itself is looked at by a person first."""

from datetime import timedelta

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """When a burst is looked at: within `window`, from `pledges` pledges AND `people` people AND this share of the minimum (basis points).

    All three must be reached: a family, a school class or a small trip's first riders reach one or two of them.
    """

    window: timedelta = timedelta(minutes=10)
    pledges: int = 8
    people: int = 20
    share_bp: int = 5_000


class Burst(msgspec.Struct, frozen=True, kw_only=True):
    """Live pledges of one trip from one network within the window, the one in question included."""

    pledges: int
    people: int


LIMITS = Limits()


def looks_made_up(burst: Burst, *, minimum: int, limits: Limits = LIMITS) -> str | None:
    """Why a pledge is held for review, in words for an organiser; None when it counts at once."""
    share_bp = burst.people * 10_000 // minimum
    if burst.pledges < limits.pledges or burst.people < limits.people or share_bp < limits.share_bp:
        return None
    minutes = int(limits.window.total_seconds() // 60)
    return (
        f"{burst.pledges} pledges for {burst.people} people from one network within {minutes} minutes: "
        f"{share_bp // 100} % of the minimum of {minimum}"
    )

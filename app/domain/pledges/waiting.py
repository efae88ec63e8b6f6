"""The waiting line's decisions: who is offered seats that came free, and until when. Pure functions."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.core.errors import Conflict

OFFER, SHORTEST_OFFER = timedelta(hours=2), timedelta(minutes=15)


def in_turn(waiting: Sequence[int], room: int) -> list[int]:
    """Which parties (people each, in the order of the line) are offered seats: first come; one that does not fit keeps its place."""
    offered = []
    for place, people in enumerate(waiting):
        if people <= room:
            offered.append(place)
            room -= people
    return offered


def kept_for_line(waiting: Sequence[int], room: int) -> int:
    """People of a trip's room that are the line's: nobody else may have them."""
    return sum(waiting[place] for place in in_turn(waiting, room))


def offer_until(now: datetime, selling_ends_at: datetime) -> datetime | None:
    """When an offer made now expires: after two hours, sooner towards the end of selling; None when there is no time left for one."""
    left = selling_ends_at - now
    return None if left < SHORTEST_OFFER else now + max(SHORTEST_OFFER, min(OFFER, left / 4))


def check_line(people: int, *, room: int, kept: int) -> None:
    """Refuses a party that would take seats which the waiting line is offered first; it is taken when the line leaves it room."""
    if kept and people > room - kept:
        raise Conflict(
            "These seats have just come free and are offered to people who wait for them. Join the waiting list on the trip's page.",
            code="waiting_line",
        )

"""The waiting line for any parties and any room: in turn, never more than there is, never jumped."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import Conflict
from app.domain.pledges.waiting import OFFER, SHORTEST_OFFER, check_line, in_turn, kept_for_line, offer_until

lines = st.lists(st.integers(1, 8), max_size=30)
rooms = st.integers(0, 60)
NOW = datetime(2030, 5, 1, tzinfo=UTC)


@given(lines, rooms)
def test_offers_fit_and_who_is_passed_over_did_not(waiting: list[int], room: int) -> None:
    offered = in_turn(waiting, room)
    assert offered == sorted(offered)
    assert kept_for_line(waiting, room) == sum(waiting[place] for place in offered) <= room
    for place, people in enumerate(waiting):
        before = sum(waiting[other] for other in offered if other < place)
        assert (place in offered) == (people <= room - before)


@given(lines, rooms, st.integers(1, 8))
def test_somebody_new_is_let_in_only_if_the_line_gets_the_same_beside_them(waiting: list[int], room: int, people: int) -> None:
    kept = kept_for_line(waiting, room)
    if kept and people > room - kept:
        with pytest.raises(Conflict, match="Join the waiting list"):
            check_line(people, room=room, kept=kept)
        return
    check_line(people, room=room, kept=kept)
    if people <= room:
        assert in_turn(waiting, room - people) == in_turn(waiting, room)


@given(st.integers(0, 60 * 24 * 30))
def test_an_offer_lasts_two_hours_at_most_a_quarter_of_an_hour_at_least_and_never_beyond_selling(minutes: int) -> None:
    ends_at = NOW + timedelta(minutes=minutes)
    until = offer_until(NOW, ends_at)
    if minutes < SHORTEST_OFFER / timedelta(minutes=1):
        assert until is None
    else:
        assert until is not None
        assert SHORTEST_OFFER <= until - NOW <= OFFER
        assert until <= ends_at


def test_a_line_that_nothing_is_kept_for_stops_nobody() -> None:
    check_line(8, room=2, kept=0)
    with pytest.raises(Conflict):
        check_line(2, room=3, kept=2)

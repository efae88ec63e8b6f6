"""When a vehicle is free."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from app.domain.fleet.model import Operator, Span, free_windows, window_around

DAY = datetime(2027, 1, 21, tzinfo=UTC)


def span(starts_h: float, ends_h: float) -> Span:
    return Span(starts_at=DAY + timedelta(hours=starts_h), ends_at=DAY + timedelta(hours=ends_h))


HORIZON = span(-24, 48)


@pytest.mark.parametrize(
    ("offered", "taken", "free"),
    [
        (None, [], [HORIZON]),
        ([], [], []),
        ([span(6, 20)], [], [span(6, 20)]),
        ([span(6, 12), span(12, 20)], [], [span(6, 20)]),
        ([span(-90, -60)], [], []),
        (None, [span(8, 10)], [span(-24, 8), span(10, 48)]),
        ([span(6, 20)], [span(0, 8), span(18, 30)], [span(8, 18)]),
        ([span(6, 20)], [span(0, 30)], []),
        ([span(6, 20)], [span(20, 30)], [span(6, 20)]),
    ],
)
def test_what_is_offered_and_not_taken_is_free(offered: list[Span] | None, taken: list[Span], free: list[Span]) -> None:
    assert free_windows(offered=offered, taken=taken, horizon=HORIZON) == free


def test_the_window_around_all_anchors_is_preferred_to_an_earlier_one_around_some() -> None:
    anchors = [DAY + timedelta(hours=10), DAY + timedelta(hours=16)]
    assert window_around([span(9, 11), span(8, 20)], anchors) == span(8, 20)
    assert window_around([span(9, 11), span(15, 20)], anchors) == span(9, 11)
    assert window_around([span(15, 20)], anchors) == span(15, 20)
    assert window_around([span(11, 15)], anchors) is None


def test_a_bus_that_is_free_only_from_the_very_moment_cannot_have_come() -> None:
    assert window_around([span(10, 20)], [DAY + timedelta(hours=10)]) is None


def test_papers_hold_to_their_last_day() -> None:
    operator = Operator(
        id=uuid4(),
        public_code="X",
        name="X",
        country="US",
        email="x@example.org",
        phone="1",
        licence_number="1",
        licence_expires_on=date(2027, 1, 21),
        insurance_expires_on=date(2027, 2, 1),
    )
    assert operator.papers_hold_on(date(2027, 1, 21))
    assert not operator.papers_hold_on(date(2027, 1, 22))

"""A burst from one network is looked at only when it is many pledges, many people and a large share of the minimum at once."""

import pytest

from app.domain.pledges.velocity import LIMITS, Burst, looks_made_up


@pytest.mark.parametrize(
    ("pledges", "people", "minimum", "held"),
    [
        (20, 20, 40, True),  # half the trip from one network
        (19, 19, 40, False),  # too few people to matter
        (7, 56, 40, False),  # seven large families
        (200, 400, 1_000, False),  # a campus, and far from making the trip by itself
        (300, 500, 1_000, True),
        (8, 20, 41, False),
        (8, 20, 20, True),
        (1, 8, 3, False),
    ],
)
def test_what_is_held(pledges: int, people: int, minimum: int, held: bool) -> None:  # noqa: FBT001
    assert (looks_made_up(Burst(pledges=pledges, people=people), minimum=minimum) is not None) is held


def test_an_organiser_reads_why() -> None:
    assert looks_made_up(Burst(pledges=20, people=30), minimum=40, limits=LIMITS) == (
        "20 pledges for 30 people from one network within 10 minutes: 75 % of the minimum of 40"
    )

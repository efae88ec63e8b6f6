"""What a seat costs at a number of people: never more than agreed, and never more for more people."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from app.domain.trips.model import BOTH_LEGS, OUTBOUND, Trip, TripState, expires, price_for, tier_price, tips

NOW = datetime(2030, 5, 1, tzinfo=UTC)
people = st.integers(min_value=0, max_value=500)


def trip(**other: object) -> Trip:
    plain = Trip(
        id=UUID(int=1), public_code="TRIP", event_id=UUID(int=2), origin="Baltimore", origin_lat=39.3, origin_lon=-76.6, zone="UTC",
        price_both_minor=3200, price_one_way_minor=2000, tiers=[], minimum=30, cap=500, deadline_at=NOW, state=TripState.OPEN, secured=0,
        held=0, opened_at=NOW, created_at=NOW,
    )  # fmt: skip
    return msgspec.structs.replace(plain, **other)


@st.composite
def prices(draw: st.DrawFn) -> tuple[int, int, list[tuple[int, int]]]:
    """A price there and back, one for one way, and falling tiers, as an organiser may set them."""
    both = draw(st.integers(min_value=2, max_value=50_000))
    steps = draw(st.lists(st.tuples(st.integers(1, 400), st.integers(1, both - 1)), max_size=5, unique_by=(lambda s: s[0], lambda s: s[1])))
    reached, falling = sorted(step[0] for step in steps), sorted((step[1] for step in steps), reverse=True)
    return both, draw(st.integers(min_value=1, max_value=both)), list(zip(reached, falling, strict=True))


@given(prices(), people, people)
def test_more_people_never_make_a_seat_dearer_and_no_tier_exceeds_the_price(
    offer: tuple[int, int, list[tuple[int, int]]], few: int, more: int
) -> None:
    both, one_way, tiers = offer
    sold = trip(price_both_minor=both, price_one_way_minor=one_way, tiers=tiers)
    few, more = sorted((few, more))
    for legs, agreed in ((BOTH_LEGS, both), ((OUTBOUND,), one_way)):
        at_few, at_more = price_for(sold, legs, few), price_for(sold, legs, more)
        assert at_few is not None
        assert at_more is not None
        assert 1 <= at_more <= at_few <= agreed


@given(prices(), people)
def test_a_seat_there_and_back_has_the_price_of_the_last_tier_reached(offer: tuple[int, int, list[tuple[int, int]]], reached: int) -> None:
    both, _, tiers = offer
    prices_reached = [price for step, price in tiers if reached >= step]
    assert tier_price(both, tiers, reached) == (prices_reached[-1] if prices_reached else both)


def test_a_trip_sold_there_and_back_only_has_no_one_way_price() -> None:
    assert price_for(trip(price_one_way_minor=None), (OUTBOUND,), 10) is None


@given(people, st.integers(min_value=-3, max_value=3))
def test_at_any_moment_an_open_trip_tips_or_expires_or_goes_on_but_never_two_of_them(secured: int, seconds: int) -> None:
    now = NOW + timedelta(seconds=seconds)
    sold = trip(secured=secured)
    assert not (tips(sold, now) and expires(sold, now))
    assert tips(sold, now) == (secured >= 30 and seconds <= 0)
    assert expires(sold, now) == (secured < 30 and seconds > 0)

"""Credits for any prices, tiers, parties and order of pledging: everyone ends at the tier reached or below what they agreed to."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from app.domain.pledges.model import Pledge, PledgeState
from app.domain.trips.model import BOTH_LEGS, OUTBOUND, Trip, TripState, price_for
from app.flows.credit_back import credit_of

NOW = datetime(2030, 5, 1, tzinfo=UTC)
TRIP = Trip(
    id=UUID(int=1), public_code="TRIP", event_id=UUID(int=2), origin="Graz", origin_lat=47.0, origin_lon=15.4, zone="UTC",
    price_both_minor=3200, price_one_way_minor=2000, tiers=[], minimum=1, cap=500, deadline_at=NOW, state=TripState.CONFIRMED, secured=0,
    held=0, opened_at=NOW, created_at=NOW,
)  # fmt: skip
PLEDGE = Pledge(
    id=UUID(int=3), public_code="P", trip_id=TRIP.id, event_id=TRIP.event_id, stop_id=UUID(int=4), account_id=None, name="", email="",
    phone="", needs="", locale="en", seats=1, wheelchairs=0, people=1, legs=list(BOTH_LEGS), price_minor=1, amount_minor=1, currency="EUR",
    terms_version="", terms_shown_at=NOW, state=PledgeState.PAID, hold_expires_at=None, setup_session_ref=None, card_url=None,
    customer_ref=None, payment_method_ref=None, card_fingerprint=None, card_label="", free_exit_until=None, created_at=NOW,
)  # fmt: skip


@st.composite
def sold_trips(draw: st.DrawFn) -> Trip:
    """A trip with falling tiers."""
    both = draw(st.integers(2, 50_000))
    steps = draw(st.lists(st.tuples(st.integers(1, 120), st.integers(1, both - 1)), max_size=5, unique_by=(lambda s: s[0], lambda s: s[1])))
    tiers = list(zip(sorted(s[0] for s in steps), sorted((s[1] for s in steps), reverse=True), strict=True))
    return msgspec.structs.replace(TRIP, price_both_minor=both, price_one_way_minor=draw(st.integers(1, both)), tiers=tiers)


@given(sold_trips(), st.lists(st.tuples(st.integers(1, 8), st.booleans(), st.booleans()), max_size=25))
def test_credits_bring_everyone_to_the_tier_that_paid_people_reached(trip: Trip, parties: list[tuple[int, bool, bool]]) -> None:
    sold, pledges = 0, []
    for people, one_way, stays in parties:  # each agrees to the price of its moment; some leave before booking close
        legs = (OUTBOUND,) if one_way else BOTH_LEGS
        price = price_for(trip, legs, sold)
        assert price is not None
        sold += people
        if stays:
            new = {"people": people, "seats": people, "legs": list(legs), "price_minor": price, "amount_minor": price * people}
            pledges.append(msgspec.structs.replace(PLEDGE, **new))
    paid_people = sum(pledge.people for pledge in pledges)
    for pledge in pledges:
        credit, reached = credit_of(trip, pledge, paid_people), price_for(trip, pledge.legs, paid_people)
        assert reached is not None
        assert 0 <= credit < pledge.amount_minor
        assert pledge.amount_minor - credit == min(pledge.price_minor, reached) * pledge.people
    kept = sum(pledge.amount_minor - credit_of(trip, pledge, paid_people) for pledge in pledges)
    assert kept + sum(credit_of(trip, pledge, paid_people) for pledge in pledges) == sum(pledge.amount_minor for pledge in pledges)

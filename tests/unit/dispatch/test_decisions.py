"""What dispatch decides from data alone: expiry, exclusions, money, attribution."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.dispatch.model import (
    Call,
    DeclineReason,
    Offer,
    OfferState,
    Party,
    Timetable,
    attribute_hire,
    exclusions_of,
    offer_expiry,
    seat_metres,
    shortfall_of,
)
from app.domain.dispatch.planning import quote_lines
from solver import Hire

NOW = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("deadline_in", "expiry_in"),
    [
        (timedelta(days=5), timedelta(hours=24)),
        (timedelta(hours=10), timedelta(hours=5)),
        (timedelta(minutes=15), timedelta(minutes=10)),
        (timedelta(minutes=4), timedelta(minutes=4)),
    ],
)
def test_an_offer_runs_a_day_or_half_of_what_is_left(deadline_in: timedelta, expiry_in: timedelta) -> None:
    assert offer_expiry(now=NOW, capacity_deadline_at=NOW + deadline_in) == NOW + expiry_in


def offer(state: OfferState, reason: DeclineReason | None = None) -> Offer:
    return Offer(
        id=uuid4(),
        public_code="X",
        duty_id=uuid4(),
        event_id=uuid4(),
        operator_id=uuid4(),
        vehicle_id=uuid4(),
        round=1,
        price_minor=1,
        currency="EUR",
        starts_at=NOW,
        ends_at=NOW,
        state=state,
        sent_at=NOW,
        expires_at=NOW,
        decided_at=NOW,
        decline_reason=reason,
        decline_note="",
    )


def test_busy_leaves_out_the_vehicle_every_other_no_the_operator_and_a_withdrawal_nobody() -> None:
    busy, price = offer(OfferState.DECLINED, DeclineReason.BUSY), offer(OfferState.DECLINED, DeclineReason.PRICE)
    silent, gone = offer(OfferState.EXPIRED), offer(OfferState.FAILED)
    harmless = [offer(OfferState.WITHDRAWN), offer(OfferState.ACCEPTED), offer(OfferState.SENT)]
    found = exclusions_of([busy, price, silent, gone, *harmless])
    assert found.vehicle_ids == {busy.vehicle_id}
    assert found.operator_ids == {price.operator_id, silent.operator_id, gone.operator_id}


def test_the_shortfall_is_what_fares_lack_once_fee_and_share_are_taken() -> None:
    assert shortfall_of(fares_minor=100_000, fee_bp=800, partner_share_bp=200, hire_minor=95_000) == 5_000
    assert shortfall_of(fares_minor=100_000, fee_bp=800, partner_share_bp=200, hire_minor=90_000) == 0
    assert shortfall_of(fares_minor=0, fee_bp=800, partner_share_bp=200, hire_minor=1) == 1


@given(st.integers(0, 10**9), st.dictionaries(st.uuids(), st.integers(0, 10**9), min_size=1, max_size=8))
def test_attributed_parts_sum_to_the_hire_and_never_miss_their_share_by_a_unit(hire_minor: int, shares: dict[UUID, int]) -> None:
    parts = attribute_hire(hire_minor, shares)
    assert sum(parts.values()) == hire_minor
    total = sum(shares.values())
    if total:
        assert all(abs(parts[trip] - hire_minor * share / total) < 1.001 for trip, share in shares.items())


def call(kind: Any, leg: Any, stop_id: UUID | None, drive_m: int) -> Call:
    return Call(
        kind=kind,
        leg=leg,
        stop_id=stop_id,
        name="",
        address="",
        lat=0,
        lon=0,
        zone="UTC",
        arrives_at=NOW,
        departs_at=NOW,
        drive_s=0,
        drive_m=drive_m,
        break_s=0,
        is_dead=False,
        seats=0,
        wheelchairs=0,
    )


def test_seat_metres_count_from_the_stop_to_the_venue_and_back_and_no_dead_mileage() -> None:
    far, near, early, late = uuid4(), uuid4(), uuid4(), uuid4()
    timetable = Timetable(
        calls=[
            call("depot", "outbound", None, 0),
            call("stop", "outbound", far, 7_000),
            call("stop", "outbound", near, 60_000),
            call("venue", "outbound", None, 40_000),
            call("stop", "return", near, 41_000),
            call("stop", "return", far, 61_000),
            call("depot", "return", None, 8_000),
        ],
        quote=[],
    )
    parties = [
        Party(pledge_id=uuid4(), trip_id=early, stop_id=far, seats=2, wheelchairs=1, legs=["outbound", "return"]),
        Party(pledge_id=uuid4(), trip_id=late, stop_id=near, seats=1, wheelchairs=0, legs=["return"]),
    ]
    assert seat_metres(timetable, parties) == {early: 3 * (100_000 + 102_000), late: 41_000}


def test_quote_lines_sum_to_the_hire_of_the_specification() -> None:
    hire = Hire(call_out=20_000, per_km=180, per_h=4_500, standby_per_h=2_000, minimum=90_000, second_driver=30_000)
    lines = quote_lines(hire, distance_m=100_001, working_s=3_601, standby_s=1, drivers=2)
    amounts = {line.kind: line.amount_minor for line in lines}
    assert amounts == {
        "call_out": 20_000,
        "distance": 18_001,
        "hours": 4_502,
        "standby": 1,
        "minimum_hire": 90_000 - 42_504,
        "second_driver": 30_000,
    }

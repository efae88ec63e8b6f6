from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.manifests.model import Position
from app.domain.manifests.tracking import FRESH, Sight, distance_m, estimate, halts_of, next_halt, sight_of
from tests.unit.manifests.test_paper import CHICAGO, DEPOT, PITTSBURGH, VENUE, manifest_of, party

DOCUMENT = manifest_of((party("Ada"),), (party("Bob"),)).document
OUT = halts_of(DOCUMENT, "outbound")  # depot, Chicago, Pittsburgh, venue
CHICAGO_AT, PITTSBURGH_AT, VENUE_AT = 1, 2, 3


def seen(lat: float, lon: float, *, before_pittsburgh: timedelta) -> Position:
    return Position(at=OUT[PITTSBURGH_AT].arrive_at - before_pittsburgh, lat=lat, lon=lon, accuracy_m=10)


MIDWAY = ((CHICAGO.lat + PITTSBURGH.lat) / 2, (CHICAGO.lon + PITTSBURGH.lon) / 2)


def test_chicago_to_pittsburgh_is_as_far_as_the_atlas_says() -> None:
    assert distance_m(CHICAGO.lat, CHICAGO.lon, PITTSBURGH.lat, PITTSBURGH.lon) == pytest.approx(658_000, rel=0.01)


@pytest.mark.parametrize(
    ("lat", "lon", "index"),
    [
        (DEPOT.lat, DEPOT.lon, CHICAGO_AT),
        (*MIDWAY, PITTSBURGH_AT),
        ((PITTSBURGH.lat + VENUE.lat) / 2, (PITTSBURGH.lon + VENUE.lon) / 2, VENUE_AT),
    ],
)
def test_the_bus_drives_to_the_end_of_the_stretch_it_is_on(lat: float, lon: float, index: int) -> None:
    assert next_halt(OUT, seen(lat, lon, before_pittsburgh=timedelta(hours=1))) == index


def test_a_bus_on_time_is_expected_around_its_plan() -> None:
    drive = OUT[PITTSBURGH_AT].arrive_at - OUT[CHICAGO_AT].depart_at
    position = seen(*MIDWAY, before_pittsburgh=drive / 2)
    found = estimate(OUT, PITTSBURGH_AT, position, position.at)
    assert found is not None
    assert found.earliest_at <= OUT[PITTSBURGH_AT].arrive_at + timedelta(minutes=3)
    assert OUT[PITTSBURGH_AT].arrive_at <= found.latest_at <= OUT[PITTSBURGH_AT].arrive_at + timedelta(minutes=30)


def test_a_late_bus_is_expected_late_by_as_much() -> None:
    drive = OUT[PITTSBURGH_AT].arrive_at - OUT[CHICAGO_AT].depart_at
    position = seen(*MIDWAY, before_pittsburgh=drive / 2 - timedelta(hours=1))
    found = estimate(OUT, PITTSBURGH_AT, position, position.at)
    assert found is not None
    planned = OUT[PITTSBURGH_AT].arrive_at
    assert planned + timedelta(minutes=50) <= found.earliest_at <= planned + timedelta(hours=1, minutes=1) <= found.latest_at


def test_an_early_bus_waits_for_its_plan() -> None:
    position = seen(PITTSBURGH.lat, PITTSBURGH.lon + 0.01, before_pittsburgh=timedelta(hours=1))
    found = estimate(OUT, PITTSBURGH_AT, position, position.at)
    if found is not None:  # on the stretch to Pittsburgh, not the one behind it
        assert found.earliest_at >= OUT[PITTSBURGH_AT].arrive_at


def test_a_stop_behind_the_bus_has_no_estimate() -> None:
    position = seen(*MIDWAY, before_pittsburgh=timedelta(hours=1))
    assert estimate(OUT, CHICAGO_AT, position, position.at) is None


@given(st.floats(0.05, 0.95), st.integers(0, 120), st.integers(0, 240))
def test_an_estimate_is_a_range_that_a_lost_connection_widens(share: float, before_min: int, age_min: int) -> None:
    lat = CHICAGO.lat + (PITTSBURGH.lat - CHICAGO.lat) * share
    lon = CHICAGO.lon + (PITTSBURGH.lon - CHICAGO.lon) * share
    position = seen(lat, lon, before_pittsburgh=timedelta(minutes=before_min))
    fresh = estimate(OUT, VENUE_AT, position, position.at)
    aged = estimate(OUT, VENUE_AT, position, position.at + timedelta(minutes=age_min))
    assert fresh is not None
    assert aged is not None
    assert fresh.earliest_at < fresh.latest_at
    assert aged.latest_at >= fresh.latest_at


def test_knowledge_ages() -> None:
    position = seen(*MIDWAY, before_pittsburgh=timedelta(hours=1))
    assert sight_of(None, position.at, ended=False) is Sight.NOT_STARTED
    assert sight_of(position, position.at + FRESH, ended=False) is Sight.LIVE
    assert sight_of(position, position.at + FRESH + timedelta(seconds=1), ended=False) is Sight.LOST
    assert sight_of(position, position.at, ended=True) is Sight.ENDED

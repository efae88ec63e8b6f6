from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from icalendar import Calendar

from app.domain.manifests.calendar import write_calendar
from app.domain.manifests.model import Party
from app.domain.manifests.rider_store import Travel
from tests.unit.manifests.test_paper import manifest_of

PLEDGE = UUID(int=77)
ARRIVE = datetime(2027, 1, 16, 15, 30, tzinfo=UTC)
TRAVEL = Travel(
    pledge_id=PLEDGE,
    public_code="K7M2Q9XA",
    holder=0,
    name="Ada Lovelace",
    state="active",
    seats=1,
    wheelchairs=0,
    legs=("outbound", "return"),
    trip_id=UUID(int=1),
    trip_code="T",
    trip_state="open",
    stop_name="Union Station",
    stop_address="225 S Canal St, Chicago",
    stop_lat=41.8787,
    stop_lon=-87.6403,
    stop_zone="America/Chicago",
    max_ride_s=4 * 3600,
    event_id=UUID(int=2),
    event_code="E",
    event_name="Women's March",
    event_state="scheduled",
    venue_name="National Mall",
    venue_address="Washington, DC",
    venue_lat=38.8895,
    venue_lon=-77.0229,
    venue_zone="America/New_York",
    arrive_by_at=ARRIVE,
    return_departs_at=ARRIVE + timedelta(hours=5),
    booking_closes_at=ARRIVE - timedelta(days=2),
    dispatcher_phone="+1 202 555 0100",
    changes=4,
    changed_at=ARRIVE - timedelta(days=9),
    now=ARRIVE - timedelta(days=8),
)
PAGE = "https://busload.example/p/token/pass"


def entries(travel: Travel, *, planned: bool = False) -> list[dict[str, str]]:
    documents = []
    if planned:
        ada = Party(pledge_id=PLEDGE, public_code="K7M2Q9XA", name="Ada Lovelace", seats=1, wheelchairs=0, needs="")
        documents = [manifest_of((ada,)).document]
    calendar = Calendar.from_ical(write_calendar(travel, documents, page_url=PAGE))
    return [{str(key): text_of(value) for key, value in event.items()} for event in calendar.walk("VEVENT")]


def text_of(value: Any) -> str:
    written = value.to_ical()
    return written.decode() if isinstance(written, bytes) else str(written)


def test_each_leg_is_an_entry_under_a_uid_that_never_changes() -> None:
    before = [entry["UID"] for entry in entries(TRAVEL)]
    after = [entry["UID"] for entry in entries(msgspec.structs.replace(TRAVEL, state="paid", changes=9), planned=True)]
    assert before == after == [f"{PLEDGE}-outbound@busload", f"{PLEDGE}-return@busload"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, "TENTATIVE"),
        ({"state": "pending_card"}, "TENTATIVE"),
        ({"state": "confirmed", "trip_state": "confirmed"}, "CONFIRMED"),
        ({"state": "paid", "trip_state": "allocated"}, "CONFIRMED"),
        ({"state": "withdrawn"}, "CANCELLED"),
        ({"state": "refunded", "trip_state": "allocated"}, "CANCELLED"),
        ({"state": "paid", "trip_state": "cancelled"}, "CANCELLED"),
        ({"state": "paid", "event_state": "cancelled"}, "CANCELLED"),
    ],
)
def test_the_status_follows_the_pledge(change: dict[str, str], status: str) -> None:
    assert {entry["STATUS"] for entry in entries(msgspec.structs.replace(TRAVEL, **change))} == {status}


def test_every_change_raises_the_sequence() -> None:
    assert [entry["SEQUENCE"] for entry in entries(TRAVEL)] == ["4", "4"]
    assert entries(msgspec.structs.replace(TRAVEL, changes=5))[0]["SEQUENCE"] == "5"


def test_before_the_bus_is_known_the_longest_promised_ride_bounds_the_entry() -> None:
    out, back = entries(TRAVEL)
    assert (out["DTSTART"], out["DTEND"]) == ("20270116T053000", "20270116T103000")  # Chicago's clock, then Washington's
    assert (back["DTSTART"], back["DTEND"]) == ("20270116T153000", "20270116T183000")


def test_a_known_bus_gives_the_clock_times_of_its_places() -> None:
    out, back = entries(msgspec.structs.replace(TRAVEL, state="paid"), planned=True)
    assert (out["DTSTART"], out["DTEND"]) == ("20270116T053500", "20270116T103000")
    assert (back["DTSTART"], back["DTEND"]) == ("20270116T153000", "20270116T183000")
    assert "BUS 101" in out["DESCRIPTION"]


def test_a_one_way_rider_has_one_entry() -> None:
    assert len(entries(msgspec.structs.replace(TRAVEL, legs=("return",)))) == 1


def test_the_file_describes_every_zone_it_uses() -> None:
    calendar = Calendar.from_ical(write_calendar(TRAVEL, [], page_url=PAGE))
    assert {str(zone["TZID"]) for zone in calendar.walk("VTIMEZONE")} == {"America/Chicago", "America/New_York"}

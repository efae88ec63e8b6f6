from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from app.domain.manifests.model import (
    Call,
    DriverFacts,
    EventFacts,
    Manifest,
    ManifestDocument,
    OperatorFacts,
    Party,
    Place,
    VehicleFacts,
)
from app.domain.manifests.paper import picture_manifest, print_manifest, sheet_of

START = datetime(2027, 1, 16, 10, 30, tzinfo=UTC)
CHICAGO = Place(name="Union Station", address="225 S Canal St, Chicago", lat=41.8787, lon=-87.6403, zone="America/Chicago")
PITTSBURGH = Place(name="Liberty Avenue", address="1100 Liberty Ave, Pittsburgh", lat=40.444, lon=-79.992, zone="America/New_York")
VENUE = Place(name="National Mall", address="Washington, DC", lat=38.8895, lon=-77.0229, zone="America/New_York")
DEPOT = Place(name="North depot", address="1 Depot Road", lat=41.9, lon=-87.7, zone="America/Chicago")


def party(name: str, seats: int = 1, wheelchairs: int = 0, needs: str = "") -> Party:
    return Party(pledge_id=uuid4(), public_code="K7M2Q9XA", name=name, seats=seats, wheelchairs=wheelchairs, needs=needs)


def call(place: Place, hours: float, parties: tuple[Party, ...]) -> Call:
    at = START + timedelta(hours=hours)
    return Call(stop_id=uuid4(), place=place, arrive_at=at, depart_at=at + timedelta(minutes=5), parties=parties)


def manifest_of(parties: tuple[Party, ...], others: tuple[Party, ...] = ()) -> Manifest:
    document = ManifestDocument(
        duty_id=UUID(int=1),
        duty_code="D4QX7M2K",
        contract_reference="F9K2M4TX",
        event=EventFacts(
            event_id=UUID(int=2),
            public_code="WOMENS17",
            name="Women's March on Washington",
            starts_at=START + timedelta(hours=5),
            ends_at=START + timedelta(hours=9),
            dispatcher_phone="+1 202 555 0100",
        ),
        operator=OperatorFacts(name="Lakeshore Coaches", licence_number="USDOT 1234567", phone="+1 312 555 0111"),
        vehicle=VehicleFacts(plate="BUS 101", name="Setra S 515", seats=49, wheelchair_places=2),
        drivers=(DriverFacts(driver_id=UUID(int=3), name="María Gómez Łukasik", seat=1),),
        depot=DEPOT,
        depot_out_at=START,
        depot_in_at=START + timedelta(hours=15),
        venue=VENUE,
        venue_arrive_at=START + timedelta(hours=5),
        venue_depart_at=START + timedelta(hours=10),
        outbound=(call(CHICAGO, 1, parties), call(PITTSBURGH, 3, others)),
        return_calls=(call(PITTSBURGH, 12, others), call(CHICAGO, 14, parties)),
    )
    return Manifest(
        id=UUID(int=4), duty_id=UUID(int=1), offer_id=UUID(int=5), version=2, document=document, cause="driver assigned", created_at=START
    )


def test_the_sheet_has_what_an_inspector_asks_for() -> None:
    sheet = sheet_of(manifest_of((party("Ada Lovelace", 2, 1),), (party("Bob Brown"),)))
    assert (sheet.operator, sheet.licence, sheet.plate, sheet.drivers) == (
        "Lakeshore Coaches",
        "USDOT 1234567",
        "BUS 101",
        ("María Gómez Łukasik",),
    )
    assert (sheet.people_out, sheet.people_back, sheet.contract, sheet.date) == (4, 4, "F9K2M4TX", "Saturday 16 January 2027")


def test_every_clock_time_stands_in_its_place_own_zone() -> None:
    rows = sheet_of(manifest_of((party("Ada"),), (party("Bob"),))).rows
    assert [(row.place, row.arrive, row.depart, row.zone, row.people_on, row.people_off) for row in rows] == [
        ("North depot", "", "04:30", "CST", 0, 0),
        ("Union Station", "05:30", "05:35", "CST", 1, 0),
        ("Liberty Avenue", "08:30", "08:35", "EST", 1, 0),
        ("National Mall", "10:30", "15:30", "EST", 2, 2),
        ("Liberty Avenue", "17:30", "17:35", "EST", 0, 1),
        ("Union Station", "18:30", "18:35", "CST", 0, 1),
        ("North depot", "19:30", "", "CST", 0, 0),
    ]


def test_it_prints_on_as_many_pages_as_it_needs() -> None:
    few = picture_manifest(manifest_of((party("Ada"),)))
    many = picture_manifest(manifest_of(tuple(party(f"Rider {number}") for number in range(49))))
    assert len(few) <= 2 < len(many)
    assert all(page.startswith(b"\x89PNG") for page in many)


def test_markup_in_a_name_is_only_a_name() -> None:
    hostile = party('#read("/etc/passwd") $x$ *bold* "', needs="\\ #panic() ]")
    assert print_manifest(manifest_of((hostile,))).startswith(b"%PDF")
    assert sheet_of(manifest_of((hostile,))).outbound[0].parties[0].name == hostile.name

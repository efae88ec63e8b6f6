"""The world's data files (data/*.json) as Structs: operators and fleets, events and trips, names of people."""

from pathlib import Path
from typing import Literal, TypeVar

import msgspec

DATA = Path(__file__).parent / "data"
T = TypeVar("T")
Story = Literal["draft", "open", "confirmed", "expired", "cancelled", "offered", "allocated", "departed", "completed"]


class DepotRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Where an operator's buses start."""

    name: str
    lat: float
    lon: float


class RateRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A rate card in minor units of the operator's currency."""

    call_out_minor: int
    per_km_minor: int
    per_h_minor: int
    standby_per_h_minor: int
    minimum_minor: int
    second_driver_minor: int


class BusRecord(msgspec.Struct, frozen=True, kw_only=True):
    """So many buses of one kind."""

    name: str
    seats: int
    wheelchair_places: int
    count: int


class OperatorRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A bus company; `plate` begins the number plates of its buses."""

    code: str
    name: str
    country: str
    currency: str
    rules: str
    phone: str
    email: str
    licence_number: str
    plate: str
    depot: DepotRecord
    rate_card: RateRecord
    buses: list[BusRecord]


class StopRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A place where coaches pick up."""

    name: str
    address: str
    lat: float
    lon: float


class TripRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A trip, how many people pledge, and what becomes of it."""

    origin: str
    lat: float
    lon: float
    price_both_minor: int
    price_one_way_minor: int | None
    tiers: list[tuple[int, int]]
    minimum: int
    cap: int
    story: Story
    people: int
    stops: list[StopRecord]


class EventRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An event; arrive, start, end and leave are local clock times of its day (empty where the season reckons them from now)."""

    key: str
    name: str
    kind: str
    summary: str
    venue_name: str
    address: str
    lat: float
    lon: float
    zone: str
    currency: str
    country: str
    partner: bool
    arrive: str
    start: str
    end: str
    leave: str
    contact_phone: str
    trips: list[TripRecord]


class PartnerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The team of an event."""

    code: str
    name: str
    site_url: str
    email: str


class NamesRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Names common in a country."""

    first: list[str]
    last: list[str]


def _read(name: str, into: type[T]) -> T:
    return msgspec.json.decode((DATA / name).read_bytes(), type=into)


def read_operators() -> list[OperatorRecord]:
    """Every operator with its fleet."""
    return _read("operators.json", list[OperatorRecord])


def read_events() -> dict[str, EventRecord]:
    """Every event by key."""
    return {event.key: event for event in _read("events.json", list[EventRecord])}


def read_partner() -> PartnerRecord:
    """The one partner."""
    return _read("partner.json", PartnerRecord)


def read_names() -> dict[str, NamesRecord]:
    """Names by country."""
    return _read("people.json", dict[str, NamesRecord])

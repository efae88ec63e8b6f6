"""The manifest on paper: A4, printed or saved, for the dashboard and for an inspector.

Field list after 49 CFR 373.103(b), the French billet collectif and the headings of the EU journey form: operator, driver, plate,
head count, times and places of depot-out, pick-ups, set-down and return, date, client, contract reference.
"""

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
import typst

from app.domain.manifests.model import Call, Leg, Manifest, ManifestDocument, Party, Place

FOLDER = Path(__file__).parent
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")


class PaperRow(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the timetable: where, when (texts in the place's own zone), how many on and off."""

    kind: Literal["depot", "stop", "venue"]
    place: str
    address: str
    arrive: str
    depart: str
    zone: str
    people_on: int
    people_off: int


class PaperParty(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the passenger list; one box is ticked per person."""

    name: str
    code: str
    people: int
    seats: str
    needs: str


class PaperStop(msgspec.Struct, frozen=True, kw_only=True):
    """The passengers of one stop on one leg."""

    title: str
    time: str
    people: int
    parties: tuple[PaperParty, ...]


class PaperSheet(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on the sheet as texts: the layout decides nothing but where they stand."""

    event: str
    date: str
    duty_code: str
    version: int
    issued: str
    operator: str
    licence: str
    operator_phone: str
    plate: str
    vehicle: str
    capacity: str
    drivers: tuple[str, ...]
    client: str
    contract: str
    dispatcher_phone: str
    people_out: int
    people_back: int
    rows: tuple[PaperRow, ...]
    outbound: tuple[PaperStop, ...]
    back: tuple[PaperStop, ...]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def print_manifest(manifest: Manifest) -> bytes:
    """The manifest as a PDF, A4."""
    made = _compile(msgspec.json.encode(sheet_of(manifest)).decode(), "pdf")
    assert isinstance(made, bytes)
    return made


def picture_manifest(manifest: Manifest, *, ppi: int = 110) -> list[bytes]:
    """The same pages as PNG images, to look at."""
    made = _compile(msgspec.json.encode(sheet_of(manifest)).decode(), "png", ppi)
    return made if isinstance(made, list) else [made]


def _compile(data: str, form: Literal["pdf", "png"], ppi: int = 110) -> bytes | list[bytes]:
    template: Any = _template()  # the library's stubs leave its input a bare type variable
    made: bytes | list[bytes] = typst.compile(
        template, format=form, ppi=ppi, font_paths=[str(FOLDER)], ignore_system_fonts=True, sys_inputs={"data": data}
    )
    return made


@cache
def _template() -> bytes:
    return (FOLDER / "sheet.typ").read_bytes()


def sheet_of(manifest: Manifest) -> PaperSheet:
    """The texts of a manifest's sheet. Clock times are those of each place's own zone."""
    document = manifest.document
    return PaperSheet(
        event=document.event.name,
        date=_date(document.depot_out_at, document.depot.zone),
        duty_code=document.duty_code,
        version=manifest.version,
        issued=f"{_date(manifest.created_at, document.depot.zone)}, {_clock(manifest.created_at, document.depot.zone)}",
        operator=document.operator.name,
        licence=document.operator.licence_number,
        operator_phone=document.operator.phone,
        plate=document.vehicle.plate,
        vehicle=document.vehicle.name,
        capacity=f"{_count(document.vehicle.seats, 'seat')}, {_count(document.vehicle.wheelchair_places, 'wheelchair place')}",
        drivers=tuple(driver.name for driver in document.drivers),
        client=f"Busload, for passengers to {document.event.name} ({document.event.public_code})",
        contract=document.contract_reference,
        dispatcher_phone=document.event.dispatcher_phone,
        people_out=document.people("outbound"),
        people_back=document.people("return"),
        rows=tuple(_rows(document)),
        outbound=tuple(_stop(call, "outbound") for call in document.outbound),
        back=tuple(_stop(call, "return") for call in document.return_calls),
    )


def _rows(document: ManifestDocument) -> list[PaperRow]:
    out, back = document.people("outbound"), document.people("return")
    return [
        _row("depot", document.depot, None, document.depot_out_at),
        *(_row("stop", call.place, call.arrive_at, call.depart_at, on=call.people) for call in document.outbound),
        _row("venue", document.venue, document.venue_arrive_at, document.venue_depart_at, on=back, off=out),
        *(_row("stop", call.place, call.arrive_at, call.depart_at, off=call.people) for call in document.return_calls),
        _row("depot", document.depot, document.depot_in_at, None),
    ]


def _row(
    kind: Literal["depot", "stop", "venue"], place: Place, arrive: datetime | None, depart: datetime | None, *, on: int = 0, off: int = 0
) -> PaperRow:
    known = arrive or depart
    assert known is not None, "a call has a time"
    return PaperRow(
        kind=kind,
        place=place.name,
        address=place.address,
        arrive=_clock(arrive, place.zone) if arrive else "",
        depart=_clock(depart, place.zone) if depart else "",
        zone=known.astimezone(ZoneInfo(place.zone)).strftime("%Z"),
        people_on=on,
        people_off=off,
    )


def _stop(call: Call, leg: Leg) -> PaperStop:
    at = call.depart_at if leg == "outbound" else call.arrive_at
    return PaperStop(
        title=call.place.name, time=_clock(at, call.place.zone), people=call.people, parties=tuple(_party(party) for party in call.parties)
    )


def _party(party: Party) -> PaperParty:
    places = [f"{party.seats} seat{'s' if party.seats > 1 else ''}"] if party.seats else []
    if party.wheelchairs:
        places.append(f"{party.wheelchairs} wheelchair{'s' if party.wheelchairs > 1 else ''}")
    return PaperParty(name=party.name, code=party.public_code, people=party.people, seats=", ".join(places), needs=party.needs)


def _clock(moment: datetime, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%H:%M}"


def _date(moment: datetime, zone: str) -> str:
    local = moment.astimezone(ZoneInfo(zone))
    return f"{WEEKDAYS[local.weekday()]} {local.day} {MONTHS[local.month - 1]} {local.year}"

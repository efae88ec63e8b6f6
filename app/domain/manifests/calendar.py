"""A party's travel as a calendar (iCalendar, RFC 5545): one entry per leg under a UID that never changes.

TENTATIVE until the trip is confirmed, then CONFIRMED, and CANCELLED when it will not be ridden. SEQUENCE is the number of
changes so far, so that a calendar replaces what it has.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
from icalendar import Calendar, Event, vDuration

from app.domain.manifests.model import LEGS, Leg, ManifestDocument
from app.domain.manifests.rider_store import Travel
from app.domain.manifests.rides import Ride, rides_of

TENTATIVE_STATES = frozenset({"pending_card", "active"})
CONFIRMED_STATES = frozenset({"confirmed", "paid", "travelled", "no_show"})


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One leg in a calendar; times carry their places' zones."""

    uid: str
    summary: str
    description: str
    location: str
    lat: float
    lon: float
    begins_at: datetime
    ends_at: datetime


def status_of(travel: Travel) -> str:
    """TENTATIVE, CONFIRMED or CANCELLED."""
    if travel.event_state == "cancelled" or travel.trip_state in {"cancelled", "expired"}:
        return "CANCELLED"
    if travel.state in TENTATIVE_STATES:
        return "TENTATIVE"
    return "CONFIRMED" if travel.state in CONFIRMED_STATES else "CANCELLED"


def write_calendar(travel: Travel, documents: Iterable[ManifestDocument], *, page_url: str) -> bytes:
    """The calendar file of a party; `documents` are the current manifests it is on, none before its bus is known."""
    rides = {ride.leg: ride for document in documents for ride in rides_of(document, travel.pledge_id)}
    calendar = Calendar()
    calendar.add("prodid", "-//Busload//Travel//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", f"Busload: {travel.event_name}")
    calendar.add("refresh-interval", vDuration(timedelta(hours=1)), parameters={"VALUE": "DURATION"})
    for leg in LEGS:
        if leg in travel.legs:
            entry = _known(travel, rides[leg]) if leg in rides else _expected(travel, leg)
            calendar.add_component(_event(travel, entry, page_url))
    calendar.add_missing_timezones()
    written: bytes = calendar.to_ical()
    return written


def _event(travel: Travel, entry: Entry, page_url: str) -> Event:
    status = status_of(travel)
    event = Event()
    event.add("uid", entry.uid)
    event.add("sequence", travel.changes)
    event.add("dtstamp", travel.changed_at)
    event.add("last-modified", travel.changed_at)
    event.add("dtstart", entry.begins_at)
    event.add("dtend", entry.ends_at)
    event.add("summary", entry.summary)
    event.add(
        "description", f"{entry.description}\n\nYour pass, and every change: {page_url}\nDispatcher on the day: {travel.dispatcher_phone}"
    )
    event.add("location", entry.location)
    event.add("geo", (entry.lat, entry.lon))
    event.add("url", page_url)
    event.add("status", status)
    event.add("transp", "OPAQUE" if status == "CONFIRMED" else "TRANSPARENT")
    return event


def _uid(travel: Travel, leg: Leg) -> str:
    return f"{travel.pledge_id}-{leg}@busload"


def _known(travel: Travel, ride: Ride) -> Entry:
    out = ride.leg == "outbound"
    return Entry(
        uid=_uid(travel, ride.leg),
        summary=f"Bus to {travel.event_name}" if out else f"Bus back from {travel.event_name}",
        description=f"Bus {ride.plate} of {ride.operator}. "
        + (f"Be at the stop 10 minutes early: {ride.stop}." if out else f"You get off at {ride.stop}."),
        location=_place(travel, out=out),
        lat=travel.stop_lat if out else travel.venue_lat,
        lon=travel.stop_lon if out else travel.venue_lon,
        begins_at=ride.at.astimezone(ZoneInfo(ride.at_zone)),
        ends_at=ride.until.astimezone(ZoneInfo(ride.until_zone)),
    )


def _expected(travel: Travel, leg: Leg) -> Entry:
    """Before the bus is known, the longest ride that is promised bounds the entry."""
    out, ride = leg == "outbound", timedelta(seconds=travel.max_ride_s)
    begins_at = travel.arrive_by_at - ride if out else travel.return_departs_at
    ends_at = travel.arrive_by_at if out else travel.return_departs_at + ride
    return Entry(
        uid=_uid(travel, leg),
        summary=f"Bus to {travel.event_name} (time to come)" if out else f"Bus back from {travel.event_name} (time to come)",
        description="The exact time at your stop follows after booking closes; this entry then changes by itself.",
        location=_place(travel, out=out),
        lat=travel.stop_lat if out else travel.venue_lat,
        lon=travel.stop_lon if out else travel.venue_lon,
        begins_at=begins_at.astimezone(ZoneInfo(travel.stop_zone if out else travel.venue_zone)),
        ends_at=ends_at.astimezone(ZoneInfo(travel.venue_zone if out else travel.stop_zone)),
    )


def _place(travel: Travel, *, out: bool) -> str:
    parts = (travel.stop_name, travel.stop_address) if out else (travel.venue_name, travel.venue_address)
    return ", ".join(part for part in parts if part)

"""Events and trips as schema.org JSON-LD (Event, BusTrip, Offer)."""

from typing import Any

import msgspec
from markupsafe import Markup

from app.core.money import minor_digits
from app.domain.events.model import Event, EventState, Stop, StopState
from app.domain.trips.model import BOTH_LEGS, SELLING, Trip, TripState, price_for

CONTEXT = "https://schema.org"
SOLD_OUT, IN_STOCK, PRE_ORDER, OVER = (f"{CONTEXT}/{word}" for word in ("SoldOut", "InStock", "PreOrder", "Discontinued"))


def event_data(event: Event, trips: list[Trip], base_url: str) -> dict[str, Any]:
    """An event with an offer for each public trip."""
    status = "EventCancelled" if event.state is EventState.CANCELLED else "EventScheduled"
    return {
        "@context": CONTEXT,
        "@type": "Event",
        "@id": f"{base_url}/e/{event.public_code}#event",
        "name": event.name,
        "description": event.summary or f"Buses to {event.name}.",
        "url": f"{base_url}/e/{event.public_code}",
        "startDate": event.starts_at.isoformat(),
        "endDate": event.ends_at.isoformat(),
        "eventStatus": f"{CONTEXT}/{status}",
        "eventAttendanceMode": f"{CONTEXT}/OfflineEventAttendanceMode",
        "location": place_data(event.venue_name, event.address, event.lat, event.lon),
        "subjectOf": [trip_data(trip, event, [], base_url) for trip in trips if trip.state is not TripState.DRAFT],
    }


def trip_data(trip: Trip, event: Event, stops: list[Stop], base_url: str) -> dict[str, Any]:
    """A trip as a BusTrip with its offer; `stops` may be left empty where only the origin matters."""
    url = f"{base_url}/trips/{trip.public_code}"
    calls = [place_data(stop.name, stop.address, stop.lat, stop.lon) for stop in stops if stop.state is StopState.APPROVED]
    data: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "BusTrip",
        "@id": f"{url}#trip",
        "name": f"{trip.origin} to {event.name}",
        "url": url,
        "departureBusStop": calls[0] if calls else place_data(trip.origin, "", trip.origin_lat, trip.origin_lon),
        "arrivalBusStop": place_data(event.venue_name, event.address, event.lat, event.lon),
        "arrivalTime": event.arrive_by_at.isoformat(),
        "offers": offer_data(trip, event.currency, url),
    }
    if len(calls) > 1:
        data["itinerary"] = calls
    return data


def offer_data(trip: Trip, currency: str, url: str) -> dict[str, Any]:
    """What a round trip costs a person who pledges now. An unconfirmed trip is a pre-order: paid only if it runs."""
    price_minor = price_for(trip, BOTH_LEGS, trip.secured)
    assert price_minor is not None, "every trip sells both legs"
    open_to_all = trip.state in SELLING
    availability = OVER if not open_to_all else SOLD_OUT if trip.room <= 0 else PRE_ORDER if trip.state is TripState.OPEN else IN_STOCK
    data: dict[str, Any] = {
        "@type": "Offer",
        "url": url,
        "price": decimal_price(price_minor, currency),
        "priceCurrency": currency,
        "availability": availability,
        "eligibleQuantity": {"@type": "QuantitativeValue", "minValue": 1, "maxValue": 8},
    }
    if trip.state is TripState.OPEN:
        data["availabilityEnds"] = trip.deadline_at.isoformat()
    return data


def decimal_price(amount_minor: int, currency: str) -> str:
    """Minor units as the decimal text that schema.org wants: `32.00`, `1500` for yen."""
    digits = minor_digits(currency)
    whole, rest = divmod(amount_minor, 10**digits)
    return f"{whole}.{rest:0{digits}d}" if digits else str(whole)


def place_data(name: str, address: str, lat: float, lon: float) -> dict[str, Any]:
    """A place with its coordinates."""
    data: dict[str, Any] = {"@type": "Place", "name": name, "geo": {"@type": "GeoCoordinates", "latitude": lat, "longitude": lon}}
    return {**data, "address": address} if address else data


def script_tag(data: dict[str, Any]) -> Markup:
    """JSON-LD as a data block for a page: browsers run no data block, so a strict policy allows it; markup in it stays text."""
    text = msgspec.json.encode(data).decode().replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    block = Markup(text)  # noqa: S704  every bracket is escaped above # nosec B704
    return Markup('<script type="application/ld+json">{}</script>').format(block)

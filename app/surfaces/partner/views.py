"""What event teams get to see; also the shapes of their JSON API and of the widget's data."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.core.money import basis_points
from app.domain.events.model import Event
from app.domain.partners.model import ApiKey, Delivery, DeliveryState, Endpoint, Partner
from app.domain.trips.model import BOTH_LEGS, PROMISED, SELLING, Trip, TripState, price_for
from app.surfaces.partner.widget.shape import WidgetEvent, WidgetPage, WidgetTrip

OVER = frozenset({TripState.COMPLETED, TripState.EXPIRED, TripState.CANCELLED})


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key for the widget. It is no secret: it works from its origins only and opens public trips."""

    id: UUID
    partner_id: UUID
    key: str
    origins: list[str]
    created_at: datetime
    revoked_at: datetime | None


class EndpointView(msgspec.Struct, frozen=True, kw_only=True):
    """Where webhooks go."""

    id: UUID
    partner_id: UUID
    url: str
    created_at: datetime
    disabled_at: datetime | None
    disabled_reason: str


class NewEndpointView(msgspec.Struct, frozen=True, kw_only=True):
    """A new endpoint with the secret that signs what is sent there."""

    endpoint: EndpointView
    secret: str


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one endpoint; `message_id` is its `webhook-id`, `last_status` the HTTP status of the newest try."""

    id: UUID
    endpoint_id: UUID
    message_id: str
    type: str
    state: DeliveryState
    tries: int
    next_try_at: datetime | None
    last_status: int | None
    last_error: str
    created_at: datetime
    delivered_at: datetime | None
    body: str


class DeliveryPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the delivery log, newest first; `next_cursor` is null on the last one."""

    items: list[DeliveryView]
    next_cursor: str | None


class PartnerTripView(msgspec.Struct, frozen=True, kw_only=True):
    """A trip to a partner's event; counts are people."""

    code: str
    origin: str
    state: TripState
    secured: int
    minimum: int
    cap: int
    deadline_at: datetime
    zone: str
    url: str


class PartnerEventView(msgspec.Struct, frozen=True, kw_only=True):
    """A partner's event. `fares_minor` are the fares held now, refunds taken off; `share_minor` is the share of them.

    `credited_minor` is what is booked to the partner's account, after the trips have run.
    """

    id: UUID
    code: str
    name: str
    venue: str
    starts_at: datetime
    zone: str
    state: str
    currency: str
    people: int
    fares_minor: int
    share_bp: int
    share_minor: int
    credited_minor: int
    url: str
    trips: list[PartnerTripView]


def view_key(key: ApiKey) -> KeyView:
    """A key for its partner."""
    return KeyView(
        id=key.id, partner_id=key.partner_id, key=key.public_key, origins=key.origins, created_at=key.created_at, revoked_at=key.revoked_at
    )


def view_endpoint(endpoint: Endpoint) -> EndpointView:
    """An endpoint without its secret."""
    return EndpointView(
        id=endpoint.id,
        partner_id=endpoint.partner_id,
        url=endpoint.url,
        created_at=endpoint.created_at,
        disabled_at=endpoint.disabled_at,
        disabled_reason=endpoint.disabled_reason,
    )


def view_delivery(delivery: Delivery) -> DeliveryView:
    """A line of the delivery log."""
    return DeliveryView(
        id=delivery.id,
        endpoint_id=delivery.endpoint_id,
        message_id=delivery.message_id,
        type=delivery.type,
        state=delivery.state,
        tries=delivery.tries,
        next_try_at=delivery.next_try_at,
        last_status=delivery.last_status,
        last_error=delivery.last_error,
        created_at=delivery.created_at,
        delivered_at=delivery.delivered_at,
        body=delivery.body,
    )


def view_partner_event(event: Event, trips: list[Trip], *, fares_minor: int, credited_minor: int, base_url: str) -> PartnerEventView:
    """An event for its partner, with its trips and its share."""
    return PartnerEventView(
        id=event.id,
        code=event.public_code,
        name=event.name,
        venue=event.venue_name,
        starts_at=event.starts_at,
        zone=event.zone,
        state=event.state.value,
        currency=event.currency,
        people=sum(trip.secured for trip in trips),
        fares_minor=fares_minor,
        share_bp=event.partner_share_bp,
        share_minor=basis_points(fares_minor, event.partner_share_bp),
        credited_minor=credited_minor,
        url=f"{base_url}/e/{event.public_code}",
        trips=[view_partner_trip(trip, base_url) for trip in trips],
    )


def view_partner_trip(trip: Trip, base_url: str) -> PartnerTripView:
    """A trip for the partner of its event."""
    return PartnerTripView(
        code=trip.public_code,
        origin=trip.origin,
        state=trip.state,
        secured=trip.secured,
        minimum=trip.minimum,
        cap=trip.cap,
        deadline_at=trip.deadline_at,
        zone=trip.zone,
        url=f"{base_url}/trips/{trip.public_code}",
    )


def view_widget(event: Event, trips: list[Trip], base_url: str) -> WidgetPage:
    """A widget's data: no drafts, what can be pledged to first."""
    public = [trip for trip in trips if trip.state is not TripState.DRAFT]
    return WidgetPage(
        event=WidgetEvent(
            code=event.public_code,
            name=event.name,
            venue=event.venue_name,
            starts_at=event.starts_at,
            zone=event.zone,
            url=f"{base_url}/e/{event.public_code}",
        ),
        trips=[view_widget_trip(trip, event.currency, base_url) for trip in sorted(public, key=lambda trip: trip.state not in SELLING)],
    )


def view_widget_trip(trip: Trip, currency: str, base_url: str) -> WidgetTrip:
    """A row of a widget."""
    price_minor = price_for(trip, BOTH_LEGS, trip.secured)
    assert price_minor is not None, "every trip sells both legs"
    return WidgetTrip(
        code=trip.public_code,
        origin=trip.origin,
        state=trip.state.value,
        secured=trip.secured,
        minimum=trip.minimum,
        cap=trip.cap,
        to_go=0 if trip.state in PROMISED else trip.to_go,
        deadline_at=trip.deadline_at,
        price_minor=price_minor,
        currency=currency,
        url=f"{base_url}/trips/{trip.public_code}",
        live_url=None if trip.state in OVER else f"{base_url}/api/trips/{trip.id}/live",
    )


class PartnerChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A partner somebody acts for, as a tab."""

    code: str
    name: str


def view_choice(partner: Partner) -> PartnerChoice:
    """A partner as a tab."""
    return PartnerChoice(code=partner.public_code, name=partner.name)

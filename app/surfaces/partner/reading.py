"""What the partner surface reads: a partner's events with their money, keys, endpoints, and the widget's data."""

from uuid import UUID

from app.core.database import Connection
from app.core.errors import NotFound
from app.domain.events import store as events
from app.domain.events.model import Event
from app.domain.partners import store as partners
from app.domain.partners.model import Partner
from app.domain.payments.ledger import FARES, list_balances
from app.domain.trips import store as trips
from app.surfaces.partner.views import PartnerEventView, view_partner_event, view_widget
from app.surfaces.partner.widget.shape import WidgetPage
from app.web.actors import Actor

PAYABLE = "partners:payable"


async def read_partners(conn: Connection, actor: Actor) -> list[Partner]:
    """The partners somebody acts for; refuses who acts for none."""
    return await partners.list_partners(conn, sorted(actor.require_partners()))


async def read_partner(conn: Connection, actor: Actor, code: str) -> Partner:
    """One of them by its code; NotFound for another's."""
    for partner in await read_partners(conn, actor):
        if partner.public_code == code:
            return partner
    raise NotFound("There is no such partner, or you do not act for it.", code="unknown_partner")


async def read_events(conn: Connection, partner_ids: list[UUID], base_url: str) -> list[PartnerEventView]:
    """The events of these partners with trips and share."""
    return await view_events(conn, await events.list_events_of_partner(conn, partner_ids), base_url)


async def read_own_event(conn: Connection, partner: Partner, code: str, base_url: str) -> PartnerEventView:
    """One event of a partner by its code; NotFound for another's."""
    event = await find_event(conn, code)
    if event is None or event.partner_id != partner.id:
        raise NotFound("This partner has no such event.", code="unknown_event")
    (view,) = await view_events(conn, [event], base_url)
    return view


async def view_events(conn: Connection, found: list[Event], base_url: str) -> list[PartnerEventView]:
    """Events with trips, fares and share; in the ledger a credit is negative."""
    balances = {(b.book, b.account): -b.amount_minor for b in await list_balances(conn, [event.book for event in found])} if found else {}
    all_trips = await trips.list_trips(conn, [event.id for event in found])
    return [
        view_partner_event(
            event,
            [trip for trip in all_trips if trip.event_id == event.id],
            fares_minor=balances.get((event.book, FARES), 0),
            credited_minor=balances.get((event.book, PAYABLE), 0),
            base_url=base_url,
        )
        for event in found
    ]


async def find_event(conn: Connection, code: str) -> Event | None:
    """An event by its public code."""
    event_id = await events.find_event_id(conn, code)
    return await events.get_event(conn, event_id) if event_id else None


async def read_widget(conn: Connection, *, code: str, partner_id: UUID, base_url: str) -> WidgetPage:
    """What a widget with a partner's key shows of an event; NotFound for an event that is not the partner's."""
    event = await find_event(conn, code)
    if event is None or event.partner_id != partner_id:
        raise NotFound("This key opens no such event. Check the event's code in your snippet.", code="unknown_event")
    return view_widget(event, await trips.list_trips(conn, [event.id]), base_url)

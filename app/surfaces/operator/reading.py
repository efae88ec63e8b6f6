"""What the operator surface reads."""

from collections.abc import Collection, Sequence
from uuid import UUID

from app.core.clock import busload_now
from app.core.database import Connection
from app.core.errors import Invalid, NotFound
from app.core.ids import token_hash
from app.domain.dispatch.model import Offer, OfferState
from app.domain.dispatch.store import crews, offers, plans
from app.domain.events import store as events
from app.domain.fleet import store as fleet
from app.domain.fleet.model import Operator
from app.surfaces.operator.views import OfferView, VehicleView, view_offer
from app.web.actors import Actor

ANSWERED = tuple(state for state in OfferState if state not in {OfferState.PROPOSED, OfferState.SENT})
EVERY_STATE = (OfferState.SENT, *ANSWERED)


async def view_offers(conn: Connection, found: Sequence[Offer]) -> list[OfferView]:
    """Offers with their duties, events, vehicles and crews, in the same order."""
    duty_ids = [offer.duty_id for offer in found]
    duties = {duty.id: duty for duty in await plans.list_duties_by_id(conn, duty_ids)}
    vehicles = {vehicle.id: vehicle for vehicle in await fleet.list_vehicles_by_id(conn, [offer.vehicle_id for offer in found])}
    operators = {operator.id: operator for operator in await fleet.list_operators(conn, [offer.operator_id for offer in found])}
    to = {event_id: await events.get_event(conn, event_id) for event_id in {offer.event_id for offer in found}}
    crew = await crews.list_crews(conn, duty_ids)
    now = await busload_now(conn)
    views = []
    for offer in found:
        event = to[offer.event_id]
        assert event is not None, "an offer has an event"
        views.append(
            view_offer(
                offer,
                duties[offer.duty_id],
                event=event,
                operator=operators[offer.operator_id],
                vehicle=vehicles[offer.vehicle_id],
                crew=[seat for seat in crew if seat.duty_id == offer.duty_id],
                now=now,
            )
        )
    return views


async def read_own_offer(conn: Connection, offer_id: UUID, operator_ids: Collection[UUID]) -> OfferView:
    """One offer that was sent to one of these operators; NotFound for another's."""
    offer = await offers.get_offer(conn, offer_id)
    if offer is None or offer.operator_id not in operator_ids or offer.sent_at is None:
        raise NotFound("There is no such offer, or it is not yours.", code="unknown_offer")
    return (await view_offers(conn, [offer]))[0]


async def read_offer_by_token(conn: Connection, token: str) -> OfferView:
    """The offer a mailed link opens; NotFound `unknown_offer_link`."""
    offer = await offers.find_offer_by_token(conn, token_hash(token))
    if offer is None:
        raise NotFound("This link opens no offer. Use the newest mail, or sign in and look at your offers.", code="unknown_offer_link")
    return (await view_offers(conn, [offer]))[0]


async def read_own_duty_offer(conn: Connection, duty_id: UUID, operator_ids: Collection[UUID]) -> OfferView:
    """The accepted offer of a duty of one of these operators; NotFound for another's."""
    offer = await offers.live_offer_of_duty(conn, duty_id)
    if offer is None or offer.operator_id not in operator_ids or offer.state is not OfferState.ACCEPTED:
        raise NotFound("There is no such duty, or it is not yours.", code="unknown_duty")
    return (await view_offers(conn, [offer]))[0]


async def read_vehicles(conn: Connection, operator_ids: Collection[UUID]) -> list[VehicleView]:
    """The vehicles of these operators with their depots."""
    mine = sorted(operator_ids)
    depots = {depot.id: depot.name for depot in await fleet.list_depots(conn, mine)}
    return [
        VehicleView(
            id=vehicle.id,
            operator_id=vehicle.operator_id,
            depot_id=vehicle.depot_id,
            depot=depots[vehicle.depot_id],
            plate=vehicle.plate,
            name=vehicle.name,
            seats=vehicle.seats,
            wheelchair_places=vehicle.wheelchair_places,
            rules=vehicle.rules,
            in_service=vehicle.in_service,
        )
        for vehicle in await fleet.list_vehicles(conn, mine)
    ]


async def read_operators(conn: Connection, actor: Actor) -> list[Operator]:
    """The operators somebody acts for, by name; refuses who acts for none."""
    return await fleet.list_operators(conn, sorted(actor.require_operators()))


def choose_operator(actor: Actor, operator_id: UUID | None) -> UUID:
    """The operator something new belongs to: the named one, or the only one. Invalid when there are several; NotFound for another's."""
    mine = actor.require_operators()
    if operator_id is None:
        if len(mine) > 1:
            raise Invalid.field("operator_id", "You act for several companies: say which one.", code="operator_needed")
        return next(iter(mine))
    if operator_id not in mine:
        raise NotFound("There is no such company, or you do not act for it.", code="unknown_operator")
    return operator_id

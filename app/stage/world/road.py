"""From offers to the road: operators say yes, drivers are put on duties, people are checked in, buses leave and come home."""

from datetime import datetime
from uuid import UUID

from app.core.database import transaction
from app.core.ids import new_id
from app.domain.dispatch.model import Duty, Offer, OfferState, Scope
from app.domain.dispatch.store import crews, offers, plans
from app.domain.fleet import store as fleet
from app.domain.manifests import store as manifests
from app.domain.manifests.model import Leg, Position, ridings
from app.domain.manifests.passes import signing_key
from app.flows.answer_offer import accept_offer
from app.flows.approve_shortfall import approve_shortfall
from app.flows.assign_driver import assign_driver
from app.flows.check_in import NamedPerson, check_in
from app.flows.close_manifest import close_manifest
from app.flows.complete_duty import end_duty
from app.flows.record_position import record_positions
from app.stage.errors import StageError
from app.stage.world.hands import Hands


async def approve(hands: Hands, event_id: UUID) -> None:
    """An organiser lets the house pay what fares do not carry, if anything."""
    async with transaction(hands.pool) as conn:
        waiting = [plan for plan in await plans.list_current_plans(conn, event_id) if plan.needs_approval]
    if waiting:
        await approve_shortfall(hands.pool, event_id, shortfall_minor=waiting[-1].shortfall_minor, account_id=None, actor="organiser")
        await hands.work()


async def sent_offers(hands: Hands, event_id: UUID) -> list[Offer]:
    """The offers that wait for an answer."""
    async with transaction(hands.pool) as conn:
        return [offer for offer in await offers.list_offers_of_event(conn, event_id) if offer.state is OfferState.SENT]


async def accept_all(hands: Hands, event_id: UUID) -> list[Duty]:
    """Every operator says yes; returns the duties with their drivers assigned. StageError when there is nothing to say yes to."""
    waiting = await sent_offers(hands, event_id)
    if not waiting:
        raise StageError(f"event {event_id} has no offers out: its dispatch did not come that far")
    for offer in waiting:
        await accept_offer(hands.pool, offer.id, actor="operator")
    async with transaction(hands.pool) as conn:
        duties = await plans.list_current_duties(conn, event_id)
    for duty in duties:
        await crew(hands, duty)
    return duties


async def crew(hands: Hands, duty: Duty) -> None:
    """Free drivers of the operator take the duty's seats."""
    async with transaction(hands.pool) as conn:
        drivers = await fleet.list_drivers(conn, [duty.operator_id])
        others = await plans.list_current_duties(conn, duty.event_id)
        busy = {
            seat.driver_id
            for other in others
            if other.starts_at < duty.ends_at and duty.starts_at < other.ends_at
            for seat in await crews.list_crews(conn, [other.id])
        }
    free = [driver for driver in drivers if driver.id not in busy]
    for seat, driver in zip(range(1, duty.drivers_needed + 1), free, strict=False):
        await assign_driver(hands.pool, duty.id, driver_id=driver.id, seat=seat, secret=hands.secret, actor="operator")


async def board(hands: Hands, duty: Duty, leg: Leg, at: datetime, *, missing: int = 0) -> None:
    """Everybody on the manifest's leg is checked in by name, but for the last `missing`."""
    async with transaction(hands.pool) as conn:
        manifest = await manifests.read_current_manifest(conn, duty.id)
    assert manifest is not None, "an accepted duty of a settled event has a manifest"
    arrivals: list[NamedPerson] = [
        NamedPerson(id=new_id(), pledge_id=riding.pledge_id, person=person, leg=leg, checked_at=at)
        for riding in ridings(manifest.document)
        if riding.leg == leg
        for person in range(1, riding.seats + riding.wheelchairs + 1)
    ]
    kept = arrivals[: len(arrivals) - missing]
    await check_in(hands.pool, duty_id=duty.id, arrivals=list(kept), key=signing_key(hands.secret))


async def depart(hands: Hands, duty: Duty, at: datetime) -> None:
    """Everybody is aboard and the bus leaves its last stop; its phone says where it is."""
    await board(hands, duty, "outbound", at, missing=1)
    stop = [call for call in duty.timetable.calls if call.leg == "outbound" and call.kind == "stop"][-1]
    await record_positions(hands.pool, duty_id=duty.id, positions=[Position(at=at, lat=stop.lat, lon=stop.lon, accuracy_m=12.0)])
    await close_manifest(hands.pool, duty_id=duty.id, actor="driver")


async def drive_home(hands: Hands, duty: Duty, at: datetime) -> None:
    """The way back, and the depot."""
    await board(hands, duty, "return", at)
    await end_duty(hands.pool, duty_id=duty.id, actor="driver")


def of_scope(duties: list[Duty], *scopes: Scope) -> list[Duty]:
    """The duties of these scopes, the earliest first."""
    return sorted((duty for duty in duties if duty.scope in scopes), key=lambda duty: duty.starts_at)

"""What rider pages and the API read, in one place: ids and codes to Structs, with the refusals for what is not there."""

from collections.abc import Sequence
from uuid import UUID

from app.core.clock import busload_now
from app.core.database import Connection, Pool
from app.core.errors import NotFound
from app.core.ids import token_hash
from app.core.together import Together
from app.domain.events import store as events
from app.domain.events.ladder import ahead_of, event_steps
from app.domain.events.model import Event
from app.domain.payments import refund_store
from app.domain.payments import store as payments
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge
from app.domain.trips import store as trips
from app.domain.trips.model import Trip, TripState
from app.flows.trip_sheet_store import TripSheet, find_trip_sheets
from app.surfaces.rider.ladder import read_pledge_ladder, view_steps
from app.surfaces.rider.views import PledgeView, TripDetail, view_event, view_pledge, view_stop, view_trip
from app.web.actors import Actor

NO_EVENT = "There is no such event, or it is not public. Look for it on the first page."
NO_TRIP = "There is no such trip, or it is not public. The event's page lists those it has."
NO_PLEDGE = "There is no such pledge, or this link does not open it. Use the newest link we mailed, or sign in with the same address."


async def read_event(conn: Connection, event_id: UUID) -> Event:
    """An event, or NotFound `unknown_event`."""
    event = await events.get_event(conn, event_id)
    if event is None:
        raise NotFound(NO_EVENT, code="unknown_event")
    return event


async def read_trip(conn: Connection, trip_id: UUID) -> tuple[Trip, Event]:
    """A trip that is not a draft, with its event, or NotFound `unknown_trip`."""
    trip = await trips.get_trip(conn, trip_id)
    if trip is None or trip.state is TripState.DRAFT:
        raise NotFound(NO_TRIP, code="unknown_trip")
    return trip, await read_event(conn, trip.event_id)


async def read_trip_detail(pool: Pool, trip_id: UUID, base_url: str) -> TripDetail:
    """A trip with event and stops (rejected ones left out)."""
    async with pool.acquire() as conn:
        trip, event = await read_trip(conn, trip_id)
        stops = await events.list_stops_of_trip(conn, trip_id)
        now = await busload_now(conn)
    return trip_detail(TripSheet(now=now, trip=trip, event=event, stops=stops), base_url)


def trip_sheets(pool: Pool) -> Together[str, TripSheet]:
    """Trips by their public codes: one statement for all that ask at once, each read after it was asked for."""

    async def fetch(codes: Sequence[str]) -> dict[str, TripSheet]:
        async with pool.acquire() as conn:
            return await find_trip_sheets(conn, codes)

    return Together(fetch)


def trip_detail(sheet: TripSheet, base_url: str) -> TripDetail:
    """What was read of a trip, for everyone to see."""
    shown = view_trip(sheet.trip, sheet.event.currency, base_url)
    return TripDetail(
        trip=shown,
        refund_ladder=view_steps(ahead_of(event_steps(sheet.event), sheet.now), [shown.price_both_minor]),
        event=view_event(sheet.event, base_url),
        stops=[view_stop(s) for s in sheet.stops if s.state != "rejected"],
    )


async def read_public_trips(conn: Connection, event_ids: list[UUID]) -> list[Trip]:
    """The trips of events without drafts."""
    return [trip for trip in await trips.list_trips(conn, event_ids) if trip.state is not TripState.DRAFT]


async def open_pledge(conn: Connection, pledge_id: UUID, *, actor: Actor, token: str | None) -> Pledge:
    """A pledge for whoever holds its manage token or is its signed-in owner, or an organiser; NotFound `unknown_pledge` for anyone else."""
    pledge = await pledges.find_by_token(conn, token_hash(token)) if token else None
    if pledge is not None and pledge.id == pledge_id:
        return pledge
    pledge = await pledges.get_pledge(conn, pledge_id)
    if pledge is not None and (actor.is_organiser or owns(actor, pledge)):
        return pledge
    raise NotFound(NO_PLEDGE, code="unknown_pledge")


def owns(actor: Actor, pledge: Pledge) -> bool:
    """Whether a signed-in person made the pledge, or it was made with that verified address."""
    return actor.account_id is not None and (actor.account_id == pledge.account_id or actor.email.lower() == pledge.email.lower())


async def read_pledge_view(conn: Connection, pledge: Pledge) -> PledgeView:
    """A pledge with its money."""
    charges = await payments.list_payments_of(conn, [pledge.id])
    refunds = await refund_store.list_refunds_of(conn, [payment.id for payment in charges])
    event = await read_event(conn, pledge.event_id)
    return view_pledge(pledge, charges, refunds, await read_pledge_ladder(conn, event, pledge, charges, refunds))

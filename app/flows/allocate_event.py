"""Every duty accepted: trips are allocated, manifests and passes issued, and whoever has no seat is listed openly."""

from collections.abc import Sequence
from uuid import UUID

from app.core.database import Connection
from app.core.live import tell
from app.domain.dispatch.model import Party, Scope
from app.domain.dispatch.service import raise_incident, resolve
from app.domain.dispatch.snapshot import ridable
from app.domain.dispatch.store import demand as paid
from app.domain.dispatch.store import incidents, offers, plans, snapshots
from app.domain.events.model import Event
from app.domain.partners.service import queue_news
from app.domain.trips import store as trips
from app.domain.trips.model import Trip, TripState
from app.flows.complete_duty import complete_settled_trips_within
from app.flows.issue_manifests import issue_manifests_within


async def allocate_if_settled_within(conn: Connection, event: Event) -> bool:
    """Allocates when nothing is under way any more: no wish, every newest snapshot planned, every duty accepted. The event is locked."""
    if await snapshots.wanted_cause(conn, event.id) is not None or await snapshots.list_unsolved(conn, event.id):
        return False
    if await offers.count_open_duties(conn, event.id) or not await plans.list_current_duties(conn, event.id):
        return False
    await allocate_within(conn, event, cause="allocated")
    return True


async def allocate_within(conn: Connection, event: Event, *, cause: str) -> list[UUID]:
    """`confirmed -> allocated` for each trip with somebody seated; manifests, passes, and the list of the unseated. Repeatable."""
    standing = await trips.lock_trips_of_event(conn, event.id)
    parties = await paid.list_paid_parties(conn, event.id)
    without = await unseated_of(conn, event, parties)
    unseated = {party.pledge_id for party in without}
    seated_trips = {party.trip_id for party in parties if party.pledge_id not in unseated}
    allocated = [trip for trip in standing if trip.state is TripState.CONFIRMED and trip.id in seated_trips]
    for trip in allocated:
        await trips.set_trip_state(conn, trip.id, come_from=TripState.CONFIRMED, go_to=TripState.ALLOCATED)
        await tell(conn, "trip", trip.id)
    await resolve(conn, event.id, ["no_plan", "operator_pulled_out"])
    await list_unseated(conn, event.id, without)
    await issue_manifests_within(conn, event.id, cause=cause)
    await complete_settled_trips_within(conn, [trip.id for trip in standing if trip.state is TripState.DEPARTED])
    await tell_partner(conn, event, allocated)
    await tell(conn, "event", event.id)
    return [trip.id for trip in allocated]


async def unseated_of(conn: Connection, event: Event, parties: Sequence[Party]) -> list[Party]:
    """The paid parties that lack a place on an accepted duty on any of their legs."""
    lacking: dict[UUID, Party] = {}
    for scope in (Scope(name) for name in event.scopes):
        seated = await paid.list_seated_pledges(conn, event.id, scope)
        lacking |= {party.pledge_id: party for party in ridable(parties, scope) if party.pledge_id not in seated}
    return [party for party in parties if party.pledge_id in lacking]


async def list_unseated(conn: Connection, event_id: UUID, without: Sequence[Party]) -> None:
    """The open incident names exactly these parties; without any there is none."""
    now = {party.pledge_id for party in without}
    standing = [incident.id for incident in await incidents.list_open_incidents(conn, event_id, ["unseated"])]
    if standing and await incidents.list_incident_pledges(conn, standing) == now:
        return
    await incidents.resolve_incidents(conn, standing)
    if now:
        people = sum(party.people for party in without)
        summary = f"{people} paid people have no seat yet. Whoever has none at the capacity deadline is refunded in full."
        await raise_incident(conn, event_id, "unseated", summary, pledge_ids=sorted(now))


async def tell_partner(conn: Connection, event: Event, allocated: Sequence[Trip]) -> None:
    """The partner's webhook hears of each trip."""
    if event.partner_id is None:
        return
    for trip in allocated:
        news = {"trip": trip.public_code, "event": event.public_code}
        await queue_news(conn, event.partner_id, "trip.allocated", subject_id=trip.id, data=news)

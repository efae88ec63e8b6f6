"""An accepted duty does not run: its people have lost their seats, and the rest is planned again at once."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app.core.clock import busload_now
from app.core.database import Connection
from app.core.live import tell
from app.core.timers import set_timer
from app.domain.dispatch.model import Cause, Duty, Scope, last_chance
from app.domain.dispatch.service import raise_incident
from app.domain.dispatch.store import crews, snapshots
from app.domain.dispatch.store import demand as paid
from app.domain.events.model import Event
from app.domain.fleet import store as fleet
from app.domain.fleet.model import Driver
from app.domain.notifications.model import NewMail
from app.domain.notifications.service import queue_mails
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge
from app.domain.trips import store as trips
from app.domain.trips.model import TripState
from app.flows.issue_manifests import withdraw_manifests_within
from app.flows.want_plan import want_plan_within


async def seats_lost_within(conn: Connection, event: Event, duty: Duty, *, offer_code: str) -> UUID:
    """After a duty's offer has failed: `allocated -> confirmed` for its trips, manifest and driver links taken back, an incident, a wish.

    The event is locked. Returns the incident.
    """
    standing = await trips.lock_trips_of_event(conn, event.id)
    parties = await paid.list_parties_of_duty(conn, duty.id)
    touched = {party.trip_id for party in parties}
    for trip in standing:
        if trip.id in touched and trip.state is TripState.ALLOCATED:
            await trips.set_trip_state(conn, trip.id, come_from=TripState.ALLOCATED, go_to=TripState.CONFIRMED)
            await tell(conn, "trip", trip.id)
    await withdraw_manifests_within(conn, event.id)
    await relieve_drivers(conn, event, duty)
    people = sum(party.people for party in parties)
    summary = f"The operator of duty {duty.public_code} pulled out. Another bus is being found for its {people} people."
    pledge_ids = [party.pledge_id for party in parties]
    deadline_at = await keep_looking(conn, event, duty)
    incident_id = await raise_incident(conn, event.id, "operator_pulled_out", summary, pledge_ids=pledge_ids, duty_id=duty.id)
    await tell_riders(conn, event, duty, await pledges.list_pledges_by_id(conn, pledge_ids), offer_code=offer_code, deadline_at=deadline_at)
    await want_plan_within(conn, event.id, Cause.PULLED_OUT, at_once=True)
    await tell(conn, "duty", duty.id)
    await tell(conn, "event", event.id)
    return incident_id


async def relieve_drivers(conn: Connection, event: Event, duty: Duty) -> None:
    """Links are revoked and the drivers told."""
    relieved = await crews.dismiss_crew(conn, duty.id)
    await queue_mails(
        conn, [relieved_mail(event, duty, driver, at="pulled out") for driver in await fleet.list_drivers_by_id(conn, relieved)]
    )


def relieved_mail(event: Event, duty: Duty, driver: Driver, *, at: str) -> NewMail:
    """You do not drive this duty any more; `at` tells one change from the next."""
    start = duty.timetable.calls[0]
    return NewMail(
        dedupe_key=f"driver_relieved:{duty.id}:{driver.id}:{at}",
        recipient=driver.email,
        template="driver_relieved",
        locale="en",
        subject_id=duty.id,
        data={
            "name": driver.name,
            "event": event.name,
            "code": duty.public_code,
            "starts_at": duty.starts_at.isoformat(),
            "zone": start.zone,
        },
    )


async def keep_looking(conn: Connection, event: Event, duty: Duty) -> datetime:
    """Until when another bus is looked for; once the capacity deadline is over, a new one is set."""
    now, deadline_at = await busload_now(conn), await snapshots.read_seating_deadline(conn, event.id)
    if now < deadline_at:
        return deadline_at
    deadline_at = last_chance(now=now, starts_at=duty.starts_at)
    await set_timer(conn, "capacity_deadline", event.id, deadline_at)
    return deadline_at


async def tell_riders(
    conn: Connection, event: Event, duty: Duty, riders: Sequence[Pledge], *, offer_code: str, deadline_at: datetime
) -> None:
    """What happened, what is done about it, and what is owed if it fails."""
    await queue_mails(
        conn,
        [
            NewMail(
                dedupe_key=f"seats_lost:{offer_code}:{rider.id}",
                recipient=rider.email,
                template="seats_lost",
                locale=rider.locale,
                subject_id=rider.id,
                data={
                    "pledge_id": str(rider.id),
                    "name": rider.name,
                    "event": event.name,
                    "is_return": duty.scope is Scope.RETURN,
                    "deadline": deadline_at.isoformat(),
                    "zone": event.zone,
                    "phone": event.contact_phone,
                },
            )
            for rider in riders
        ],
    )

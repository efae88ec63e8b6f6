"""An operator says who drives; the driver's link is mailed at once and opens this duty only."""

from uuid import UUID

import asyncpg

from app.core.audit import act_as, record_change
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.errors import Conflict, Invalid, NotFound
from app.core.ids import derived_token, token_hash
from app.core.live import tell
from app.domain.dispatch.model import ASSIGN_UNTIL, DRIVER_LINK_AFTERLIFE, Duty, OfferState
from app.domain.dispatch.store import crews, offers, plans
from app.domain.events import store as events
from app.domain.events.model import Event
from app.domain.fleet import store as fleet
from app.domain.fleet.model import Driver
from app.domain.manifests import store as manifests
from app.domain.notifications.model import NewMail
from app.domain.notifications.service import queue_mails
from app.domain.trips import store as trips
from app.flows.issue_manifests import issue_manifests_within
from app.flows.seats_lost import relieved_mail


async def assign_driver(pool: Pool, duty_id: UUID, *, driver_id: UUID, seat: int, secret: str, actor: str) -> None:
    """Puts a driver on seat 1 or 2 of an accepted duty; whoever sat there is relieved. The manifest follows if there is one.

    Raises NotFound `unknown_duty` or `unknown_driver`; Invalid `no_such_seat`; Conflict `offer_not_accepted`, `too_late_to_assign`,
    `driver_busy`, `driver_inactive`.
    """
    async with transaction(pool) as conn:
        await act_as(conn, actor, "driver assigned")
        event, duty = await lock_duty_within(conn, duty_id)
        driver = await check_assignable(conn, duty, driver_id, seat)
        if [one.driver_id for one in await crews.list_crews(conn, [duty.id]) if one.seat == seat] == [driver.id]:
            return
        before = await crews.free_seat(conn, duty.id, seat)
        await seat_driver(conn, duty, driver, seat, secret=secret)
        detail = {"duty": str(duty.id), "seat": seat, "driver": str(driver.id), "before": None if before is None else str(before)}
        offer = await offers.live_offer_of_duty(conn, duty.id)
        assert offer is not None, "checked above"
        await record_change(conn, "offer", offer.id, offer.state.value, detail)
        await tell_drivers(conn, event, duty, driver, before)
        if await manifests.read_current_manifest(conn, duty.id) is not None:
            await issue_manifests_within(conn, event.id, cause="driver assigned")
        await tell(conn, "duty", duty.id)


async def lock_duty_within(conn: Connection, duty_id: UUID) -> tuple[Event, Duty]:
    """A duty and its event; the event and its trips are locked. Raises NotFound."""
    duty = await plans.get_duty(conn, duty_id)
    event = None if duty is None else await events.lock_event(conn, duty.event_id)
    if duty is None or event is None:
        raise NotFound("There is no such duty, or it is not yours.", code="unknown_duty")
    await trips.lock_trips_of_event(conn, event.id)
    return event, duty


async def check_assignable(conn: Connection, duty: Duty, driver_id: UUID, seat: int) -> Driver:
    """The driver, if this one may drive this duty. Raises as `assign_driver` says."""
    offer = await offers.live_offer_of_duty(conn, duty.id)
    if offer is None or offer.state is not OfferState.ACCEPTED:
        raise Conflict("Drivers are assigned once the duty's offer is accepted.", code="offer_not_accepted")
    if not 1 <= seat <= duty.drivers_needed:
        text = "one driver, seat 1" if duty.drivers_needed == 1 else "two drivers, seats 1 and 2"
        raise Invalid.field("seat", f"This duty needs {text}.", code="no_such_seat")
    if await busload_now(conn) > duty.starts_at - ASSIGN_UNTIL:
        raise Conflict(
            "Drivers are set until 24 hours before depot out. Call the dispatcher for a later change.", code="too_late_to_assign"
        )
    driver = await fleet.get_driver(conn, driver_id)
    if driver is None or driver.operator_id != duty.operator_id:
        raise NotFound("There is no such driver among yours.", code="unknown_driver")
    if not driver.active:
        raise Conflict(f"{driver.name} is not active any more. Put the driver back into service first.", code="driver_inactive")
    return driver


async def seat_driver(conn: Connection, duty: Duty, driver: Driver, seat: int, *, secret: str) -> None:
    """Takes the seat, with a link of this duty and driver. Raises Conflict `driver_busy`."""
    try:
        await crews.seat_driver(
            conn,
            duty_id=duty.id,
            driver_id=driver.id,
            seat=seat,
            starts_at=duty.starts_at,
            ends_at=duty.ends_at,
            token_hash=token_hash(derived_token(secret, "driver", link_subject(duty, driver))),
            link_expires_at=duty.ends_at + DRIVER_LINK_AFTERLIFE,
        )
    except asyncpg.ExclusionViolationError:
        raise Conflict(f"{driver.name} is on another duty at that time. Choose another driver.", code="driver_busy") from None


def link_subject(duty: Duty, driver: Driver) -> str:
    """What a driver's link token is derived from."""
    return f"{duty.id}:{driver.id}"


async def tell_drivers(conn: Connection, event: Event, duty: Duty, driver: Driver, before: UUID | None) -> None:
    """The new driver gets the link, the one before hears that the duty is somebody else's."""
    start = duty.timetable.calls[0]
    at = (await busload_now(conn)).isoformat()
    mail = NewMail(
        dedupe_key=f"driver_assigned:{duty.id}:{driver.id}:{at}",
        recipient=driver.email,
        template="driver_assigned",
        locale="en",
        subject_id=duty.id,
        data={
            "name": driver.name,
            "event": event.name,
            "code": duty.public_code,
            "link_subject": link_subject(duty, driver),
            "depot": start.name,
            "starts_at": duty.starts_at.isoformat(),
            "zone": start.zone,
            "drivers": duty.drivers_needed,
            "phone": event.contact_phone,
        },
    )
    relieved = [] if before is None else await fleet.list_drivers_by_id(conn, [before])
    await queue_mails(conn, [mail, *(relieved_mail(event, duty, one, at=at) for one in relieved)])

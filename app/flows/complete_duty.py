"""A duty is over. With the last duty of a trip the trip is completed: its parties have travelled, or did not show."""

from uuid import UUID

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.live import tell
from app.domain.events import store as events
from app.domain.manifests import day_store, service
from app.domain.manifests.model import DutyState
from app.flows.close_manifest import close_manifest_within
from app.flows.owe_duty import owe_duty_within


async def end_duty(pool: Pool, *, duty_id: UUID, actor: str) -> DutyState:
    """Ends a duty by the driver's tap (`driver:<id>`); phones may send late check-ins until the timer. Raises NoManifest, DutyNotBegun."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "back at the depot")
        await service.check_begun(conn, duty_id, now=await busload_now(conn))
        await close_manifest_within(conn, duty_id)
        await day_store.mark_ended(conn, duty_id, await busload_now(conn))
        await tell(conn, "duty", duty_id)
        return await service.lock_duty(conn, duty_id)


async def complete_duty(pool: Pool, *, duty_id: UUID) -> None:
    """Timer `duty_end`: ends the duty if no tap did, completes each trip that has no other duty left, and owes the hire."""
    async with transaction(pool) as conn:
        await act_as(conn, "timer", "the duty's end")
        state = await day_store.read_duty_state(conn, duty_id)
        if state is None:
            return
        event = await events.lock_event(conn, state.event_id)
        assert event is not None, "a duty has an event"
        await close_manifest_within(conn, duty_id)
        await _complete_within(conn, duty_id)
        await owe_duty_within(conn, event, duty_id)


async def _complete_within(conn: Connection, duty_id: UUID) -> None:
    trips = await day_store.lock_trips_aboard(conn, duty_id)
    await day_store.mark_ended(conn, duty_id, await busload_now(conn))
    await complete_trips_within(conn, trips)
    await tell(conn, "duty", duty_id)


async def complete_trips_within(conn: Connection, trip_ids: list[UUID]) -> None:
    """`departed -> completed` for those of these trips that are over; their parties have travelled, or did not show. Trips are locked."""
    completed = await day_store.mark_completed(conn, trip_ids)
    await day_store.settle_travellers(conn, completed)
    for trip_id in completed:
        await tell(conn, "trip", trip_id)


async def complete_settled_trips_within(conn: Connection, trip_ids: list[UUID]) -> None:
    """The same once the last of their people who had no seat are refunded: perhaps all their buses have been home for days."""
    await complete_trips_within(conn, await day_store.list_trips_at_home(conn, trip_ids))

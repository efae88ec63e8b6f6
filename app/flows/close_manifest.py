"""The bus has left its last outbound stop: its manifest closes, and its trips have departed."""

from uuid import UUID

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.live import tell
from app.domain.manifests import day_store, service
from app.domain.manifests.model import DutyState


async def close_manifest(pool: Pool, *, duty_id: UUID, actor: str) -> DutyState:
    """Closes a duty's manifest by the driver's tap (`driver:<id>`); a second tap changes nothing. Raises NoManifest, DutyNotBegun."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "left the last outbound stop")
        await service.check_begun(conn, duty_id, now=await busload_now(conn))
        await close_manifest_within(conn, duty_id)
        return await service.lock_duty(conn, duty_id)


async def close_overdue_manifest(pool: Pool, *, duty_id: UUID) -> None:
    """Timer `duty_start`: the timetable says that the bus has left, and nobody tapped. A duty without manifest is none of ours."""
    async with transaction(pool) as conn:
        await act_as(conn, "timer", "left the last outbound stop by timetable")
        if await day_store.read_duty_state(conn, duty_id) is not None:
            await close_manifest_within(conn, duty_id)


async def close_manifest_within(conn: Connection, duty_id: UUID) -> None:
    """Locks the duty's trips, then the duty; allocated trips depart. Raises NoManifest."""
    trips = await day_store.lock_trips_aboard(conn, duty_id)
    await service.lock_duty(conn, duty_id)
    if await day_store.mark_closed(conn, duty_id, await busload_now(conn)):
        await tell(conn, "duty", duty_id)
    for trip_id in await day_store.mark_departed(conn, trips):  # also a trip that was planned anew while this bus was on the road
        await tell(conn, "trip", trip_id)

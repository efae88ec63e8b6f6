"""Where a bus is, from its driver's phone, while the duty runs."""

from datetime import timedelta
from uuid import UUID

from app.core.clock import busload_now
from app.core.database import Pool, transaction
from app.core.live import tell
from app.domain.manifests import day_store, service
from app.domain.manifests.model import PASS_MARGIN, Position

CLOCK_SLACK = timedelta(minutes=10)
POSITIONS_KEPT = timedelta(days=30)


async def record_positions(pool: Pool, *, duty_id: UUID, positions: list[Position]) -> int:
    """Keeps the positions taken while the duty runs and drops the others unseen; returns how many were new.

    A phone's clock may be ten minutes ahead. Sending again changes nothing. Raises NoManifest when the duty was taken back.
    """
    async with transaction(pool) as conn:
        document = (await service.require_manifest(conn, duty_id)).document
        earliest = document.depot_out_at - PASS_MARGIN
        latest = min(await busload_now(conn) + CLOCK_SLACK, document.depot_in_at + PASS_MARGIN)
        state = await day_store.read_duty_state(conn, duty_id)
        if state is not None and state.ended_at is not None:
            latest = min(latest, state.ended_at)
        added = await day_store.add_positions(conn, duty_id, [one for one in positions if earliest <= one.at <= latest])
        if added:
            await tell(conn, "duty", duty_id)
    return added


async def purge_positions(pool: Pool) -> int:
    """Forgets positions older than 30 days; returns how many."""
    async with transaction(pool) as conn:
        return await day_store.delete_positions_before(conn, await busload_now(conn) - POSITIONS_KEPT)

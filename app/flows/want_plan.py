"""Wishing for a plan: several wishes within a few seconds are answered by one round."""

from uuid import UUID

from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.jobs import enqueue_for
from app.core.timers import clear_timer, set_timer
from app.domain.dispatch.model import GATHERING, Cause
from app.domain.dispatch.store import snapshots


async def want_plan_within(conn: Connection, event_id: UUID, cause: Cause, *, at_once: bool = False) -> None:
    """Notes the wish; demand is frozen at once, or after a short while in which more declines may come. The event is locked."""
    await snapshots.want_plan(conn, event_id, cause)
    if at_once:
        await clear_timer(conn, "replan", event_id)
        await enqueue_for(conn, "freeze_demand", [event_id])
    else:
        await set_timer(conn, "replan", event_id, await busload_now(conn) + GATHERING)


async def start_replan(pool: Pool, event_id: UUID) -> None:
    """Timer `replan`: the gathering is over."""
    async with transaction(pool) as conn:
        if await snapshots.wanted_cause(conn, event_id) is not None:
            await enqueue_for(conn, "freeze_demand", [event_id])

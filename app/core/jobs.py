"""Jobs go into the queue on the business transaction's own connection: they exist exactly when the change does."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.queries import Queries

from app.core.database import Connection


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Work for a worker: an entry point of `app/worker.py` and the id it is about. Jobs run at least once, in any order."""

    entrypoint: str
    subject_id: UUID
    priority: int = 0


async def enqueue(conn: Connection, jobs: Sequence[Job]) -> None:
    """Adds all jobs in one statement; they become visible when the transaction commits."""
    if not jobs:
        return
    queries = Queries(AsyncpgDriver(conn))  # type: ignore[arg-type]  # a pooled connection serves as well
    await queries.enqueue(
        [job.entrypoint for job in jobs],
        [job.subject_id.bytes for job in jobs],
        [job.priority for job in jobs],
    )


async def enqueue_for(conn: Connection, entrypoint: str, subject_ids: Sequence[UUID], *, priority: int = 0) -> None:
    """One job of the same kind for each subject."""
    await enqueue(conn, [Job(entrypoint=entrypoint, subject_id=subject_id, priority=priority) for subject_id in subject_ids])

"""The timer of a webhook's next try has come: a worker shall make it."""

from uuid import UUID

from app.core.database import Pool, transaction
from app.core.jobs import Job, enqueue


async def retry_webhook(pool: Pool, delivery_id: UUID) -> None:
    """Queues the try; the job itself finds out whether the delivery is still due."""
    async with transaction(pool) as conn:
        await enqueue(conn, [Job(entrypoint="deliver_webhook", subject_id=delivery_id)])

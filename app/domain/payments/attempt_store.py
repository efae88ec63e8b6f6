"""SQL of a charge's attempts, for telling the rider of them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try to charge that has an answer; `outcome` is the payment's state after it."""

    payment_id: UUID
    number: int
    finished_at: datetime
    outcome: str


async def list_attempts(conn: Connection, payment_ids: Sequence[UUID]) -> list[Attempt]:
    """The answered attempts of these payments, oldest first."""
    return await fetch_all(
        conn,
        Attempt,
        """
        SELECT payment_id, number, finished_at, outcome FROM payment_attempts
        WHERE payment_id = ANY($1::uuid[]) AND finished_at IS NOT NULL ORDER BY finished_at, number
        """,
        list(payment_ids),
    )

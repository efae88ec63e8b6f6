"""SQL of partners, keys, webhook endpoints and deliveries."""

from uuid import UUID

from app.core.database import Connection


async def add_deliveries(conn: Connection, *, partner_id: UUID, message_id: str, type: str, body: str) -> list[UUID]:
    """One delivery of a message per endpoint of a partner that is not disabled; returns the new ones."""
    rows = await conn.fetch(
        """
        INSERT INTO webhook_deliveries (endpoint_id, message_id, type, body, next_try_at)
        SELECT id, $2, $3, $4, busload_now() FROM webhook_endpoints WHERE partner_id = $1 AND disabled_at IS NULL
        ON CONFLICT (endpoint_id, message_id) DO NOTHING RETURNING id
        """,
        partner_id,
        message_id,
        type,
        body,
    )
    return [row["id"] for row in rows]

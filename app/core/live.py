"""Live news between processes: one NOTIFY channel, a kind and an id; browsers hear it through SSE."""

from uuid import UUID

import msgspec

from app.core.database import Connection

CHANNEL = "busload_live"


class News(msgspec.Struct, frozen=True, kw_only=True):
    """Something about this subject changed: look again."""

    kind: str
    subject_id: UUID


async def tell(conn: Connection, kind: str, subject_id: UUID) -> None:
    """Tells every process after the commit. PostgreSQL folds equal messages of one transaction into one."""
    payload = msgspec.json.encode(News(kind=kind, subject_id=subject_id)).decode()
    await conn.execute("SELECT pg_notify($1, $2)", CHANNEL, payload)


def read_news(payload: str) -> News:
    """The news in a notification; msgspec.ValidationError when it is none."""
    return msgspec.json.decode(payload, type=News)

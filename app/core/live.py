"""Live news between processes: one NOTIFY channel, a kind and an id; browsers hear it through SSE."""

from collections.abc import Iterable
from uuid import UUID

import msgspec

from app.core.database import Connection

CHANNEL = "busload_live"


class News(msgspec.Struct, frozen=True, kw_only=True):
    """Something about this subject changed: look again."""

    kind: str
    subject_id: UUID
    note: str = ""  # what it is, where it is kept nowhere: short, and lost on whoever does not listen


async def tell(conn: Connection, kind: str, subject_id: UUID) -> None:
    """Tells every process after the commit. PostgreSQL folds equal messages of one transaction into one."""
    await tell_all(conn, kind, [subject_id])


async def tell_note(conn: Connection, kind: str, subject_id: UUID, note: str) -> None:
    """News that carry all there is to know, at most a few hundred characters."""
    payload = msgspec.json.encode(News(kind=kind, subject_id=subject_id, note=note)).decode()
    await conn.execute("SELECT pg_notify($1, $2)", CHANNEL, payload)


async def tell_all(conn: Connection, kind: str, subject_ids: Iterable[UUID]) -> None:
    """The same news of many subjects in one statement."""
    payloads = [encode_news(kind, subject_id) for subject_id in subject_ids]
    await conn.execute("SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload", CHANNEL, payloads)


def encode_news(kind: str, subject_id: UUID) -> str:
    """The news as a notification carries it, for a statement that tells by itself."""
    return msgspec.json.encode(News(kind=kind, subject_id=subject_id)).decode()


def read_news(payload: str) -> News:
    """The news in a notification; msgspec.ValidationError when it is none."""
    return msgspec.json.decode(payload, type=News)
